"""A document against its shape: pydantic checks the structure, the findings are in our own words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from openbell.config.document import Document, Node, Path, resolve
from openbell.config.expand import expand, references
from openbell.config.findings import Finding, Severity, nearest
from openbell.config.kinds import Shape, shown
from openbell.config.repair import repaired

Keeps = Callable[[Path], bool]
"""Whether the references at this path are kept for later (secrets, the workers' environment)."""


_ROUNDS = 20  # a value that is checked as a whole tells one error at a time

M = TypeVar("M", bound=Shape)


@dataclass(frozen=True, slots=True)
class Fitting(Generic[M]):
    """A document in its shape. `stand_ins`: paths whose values are not those of the file."""

    shape: M
    stand_ins: frozenset[Path]


def resolve_references(document: Document, environ: Mapping[str, str], keeps: Keeps) -> set[Path]:
    """Replace `${VAR}` in the tree by its value. Returns the paths that depend on unset variables.

    A plain scalar means afterwards what its new text means; a quoted one stays text. What is kept for
    later is only checked.
    """
    unset: set[Path] = set()
    for path, node in document.root.walk() if document.root else ():
        if not isinstance(node.value, str) or "${" not in node.value:
            continue
        missing = [
            name for name, default in references(node.value) if default is None and name not in environ
        ]
        for name in missing:
            document.findings.append(
                Finding(
                    "OB107",
                    f"the environment variable {name} is not set",
                    node.span,
                    f"export {name}=... or write ${{{name}:-default}}",
                    Severity.WARNING,
                    path,
                )
            )
        if missing:
            unset.add(path)
        elif not keeps(path):
            text = expand(node.value, environ)
            node.value = resolve(text) if node.plain else text
    return unset


def fit(document: Document, shape: type[M], unset: Iterable[Path] = ()) -> Fitting[M] | None:
    """The document in its shape. What does not fit is in the findings, and has a stand-in in the shape.

    A value that depends on an unset variable cannot be wrong yet. None: there is nothing to go on with.
    """
    root = document.root
    if root is None:
        return None
    if not isinstance(root.value, dict):
        told = (
            "the file is empty"
            if root.value is None
            else f"the file must be a mapping, not {shown(root.value)}"
        )
        document.findings.append(Finding("OB108", told, root.span))
        return None
    wrong = {path for path, node in root.walk() if node.value is None}
    document.findings.extend(_empty(document, path) for path in wrong)
    pending = set(unset)
    data = root.data()
    for _ in range(_ROUNDS):
        try:
            return Fitting(shape.model_validate(data), frozenset(wrong))
        except ValidationError as error:
            translator = _Translator(document, shape)
            found = [f for f in translator.findings(error) if f.path not in wrong]
        document.findings.extend(_undecided(f) if f.path in pending else f for f in found)
        wrong |= {f.path for f in found} | translator.absent
        data = repaired(root.data(), wrong, shape)
    return None


def _empty(document: Document, path: Path) -> Finding:
    """A key without a value: what was meant is a guess."""
    span = document.span(path, key=True)
    help_ = (
        f"write `{path[-1]}: {{}}` if there are none"
        if path[-1:] == ("env",)
        else "give it a value or remove it"
    )
    return Finding("OB103", f"`{path[-1]}` must not be null (nothing)", span, help_, path=path)


def _undecided(finding: Finding) -> Finding:
    return Finding(
        "OB107",
        "what depends on this value cannot be known before the variable is set",
        finding.span,
        path=finding.path,
        severity=Severity.WARNING,
    )


class _Translator:
    """Pydantic's errors as findings."""

    def __init__(self, document: Document, shape: type[Shape]) -> None:
        self._document = document
        self._shape = shape
        self.absent: set[Path] = set()
        """Paths of required keys that are not there."""

    def findings(self, error: ValidationError) -> list[Finding]:
        missing: dict[Path, list[str]] = {}
        found: list[Finding] = []
        unknown: list[tuple[Path, str]] = []
        for one in error.errors(include_url=False):
            path = self._path(one["loc"])
            match one["type"]:
                case "none_required":
                    continue  # the other half of "this or nothing"
                case "missing":
                    missing.setdefault(path[:-1], []).append(str(path[-1]))
                    self.absent.add(path)
                case "extra_forbidden":
                    unknown.append((path[:-1], str(path[-1])))
                case _:
                    found.append(self._wrong(path, one))
        for parent, key in unknown:
            found.append(self._unknown(parent, key, missing))
        found.extend(self._missing(parent, keys) for parent, keys in missing.items() if keys)
        return found

    def _path(self, location: tuple[Any, ...]) -> Path:
        """The path in the document: without the names of alternatives that pydantic puts in between."""
        path: Path = ()
        node: Node | None = self._document.root
        for position, part in enumerate(location):
            inside = node.value if node is not None else None
            within = part in inside if isinstance(inside, dict) else isinstance(part, int)
            if isinstance(inside, dict | list) and within:
                node = inside[part]
            elif part == "[key]" or not isinstance(inside, dict) or position < len(location) - 1:
                continue
            path = (*path, part)
        return path

    def _wrong(self, path: Path, error: Any) -> Finding:
        context = error.get("ctx", {})
        if error["type"] == "ob":
            code, text, help_ = context["code"], context["text"], context["help"]
        else:
            code, text, help_ = "OB103", _in_words(error), ""
        path = (*path, *context.get("at", ()))
        of_key = error["loc"][-1:] == ("[key]",)
        name = "a name" if of_key else f"`{path[-1]}`" if path and isinstance(path[-1], str) else "this entry"
        return Finding(code, f"{name} {text}", self._document.span(path, key=of_key), help_, path=path)

    def _unknown(self, parent: Path, key: str, missing: dict[Path, list[str]]) -> Finding:
        """An unknown key; when it is a missing one with a typo, the two are one finding."""
        lacking = missing.get(parent, [])
        meant = nearest(key, lacking)
        if meant is not None:
            lacking.remove(meant)
        else:
            meant = nearest(key, self._keys(parent))
        where = f"in `{parent[-1]}`" if parent and isinstance(parent[-1], str) else "here"
        span = self._document.span((*parent, key), key=True)
        help_ = (
            f"did you mean `{meant}`?" if meant else f"known here: {', '.join(sorted(self._keys(parent)))}"
        )
        return Finding("OB101", f"unknown field `{key}` {where}", span, help_, path=(*parent, key))

    def _missing(self, parent: Path, keys: list[str]) -> Finding:
        where = f"in `{parent[-1]}`" if parent and isinstance(parent[-1], str) else "in the file"
        what = "missing field" if len(keys) == 1 else "missing fields"
        named = ", ".join(f"`{key}`" for key in keys)
        span = self._document.span(parent, key=True)
        return Finding("OB102", f"{what} {named} {where}", span, path=(*parent, keys[0]))

    def _keys(self, parent: Path) -> list[str]:
        """Keys that the shape knows at this path."""
        shapes: list[Any] = [self._shape]
        for part in parent:
            shapes = [inner for shape in shapes for inner in _below(shape, part)]
        return [
            field.alias or name
            for shape in shapes
            if isinstance(shape, type) and issubclass(shape, BaseModel)
            for name, field in shape.model_fields.items()
        ]


def _below(annotation: Any, part: str | int) -> Iterator[Any]:
    """What a key or an index of this annotation leads to."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                yield from _unwrapped(field.annotation)
    elif get_origin(annotation) in (dict, list, tuple):
        for argument in get_args(annotation):
            yield from _unwrapped(argument)


def _unwrapped(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation, without Annotated and unions around them."""
    if get_origin(annotation) in (dict, list, tuple, None):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _unwrapped(argument)


def _in_words(error: Any) -> str:
    """What pydantic means, for the errors that its structure checks can give."""
    match error["type"]:
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"must be a mapping, not {shown(error['input'])}"
        case "list_type" | "tuple_type":
            return f"must be a list, not {shown(error['input'])}"
        case "too_short":
            return "must not be empty"
        case "string_type":
            return f"must be text, not {shown(error['input'])}"
        case _:
            return f"cannot be {shown(error['input'])}"
