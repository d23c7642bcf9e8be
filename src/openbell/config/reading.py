"""A document against its shape: pydantic checks the structure, the findings are in our own words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from openbell.config.document import Document, Node, Path, no_text, resolve
from openbell.config.expand import expand, malformed, references
from openbell.config.findings import Finding, Severity, nearest
from openbell.config.kinds import Shape, shown
from openbell.config.repair import alternatives, repaired

Keeps = Callable[[Path], bool]
"""Whether the references at this path are kept for later (secrets, the workers' environment)."""


_ROUNDS = 20  # a value that is checked as a whole tells one error at a time

M = TypeVar("M", bound=Shape)


@dataclass(frozen=True, slots=True)
class Fitting(Generic[M]):
    """A document in its shape. `stand_ins`: paths whose values are not those of the file."""

    shape: M
    stand_ins: frozenset[Path]


def resolve_references(document: Document, environ: Mapping[str, str], keeps: Keeps) -> frozenset[Path]:
    """Replace `${VAR}` in the tree by its value. Returns the paths that depend on unset variables.

    A plain scalar means afterwards what its new text means; a quoted one stays text. What is kept for
    later is only checked.
    """
    unset = set()
    for path, node in list(document.root.walk()) if document.root else ():
        if not isinstance(node.value, str) or "${" not in node.value:
            continue
        if (wrong := malformed(node.value)) is not None:
            document.findings.append(_no_reference(wrong, node, path))
            continue
        missing = _missing_variables(node.value, environ)
        document.findings += [_not_set(name, node, path) for name in missing]
        if missing:
            unset.add(path)
        elif not keeps(path):
            _resolve(document, node, path, environ)
    return frozenset(unset)


def _no_reference(text: str, node: Node, path: Path) -> Finding:
    told = f"`{text}` is no reference to a variable: that is ${{VAR}} or ${{VAR:-default}}"
    return Finding("OB106", told, node.span, "write `$${` for the characters `${`", path=path)


def _missing_variables(text: str, environ: Mapping[str, str]) -> list[str]:
    found = [name for name, default in references(text) if default is None and name not in environ]
    return list(dict.fromkeys(found))


def _resolve(document: Document, node: Node, path: Path, environ: Mapping[str, str]) -> None:
    """Put the values of the variables into this node."""
    text = expand(node.value, environ)
    if (character := no_text(text)) is not None:  # bytes in the environment that are not UTF-8
        told = f"a variable in this value holds what is no text ({character})"
        document.findings.append(Finding("OB103", told, node.span, path=path))
        return
    node.value = resolve(text) if node.plain else text


def _not_set(name: str, node: Node, path: Path) -> Finding:
    return Finding(
        "OB107",
        f"the environment variable {name} is not set",
        node.span,
        f"export {name}=... or write ${{{name}:-default}}",
        Severity.WARNING,
        path,
    )


def fit(document: Document, shape: type[M], unset: Collection[Path] = ()) -> Fitting[M] | None:
    """The document in its shape. What does not fit is in the findings, and has a stand-in in the shape.

    A value that depends on an unset variable cannot be wrong yet; that it is not known is.
    None: there is nothing to go on with.
    """
    root = document.root
    if root is None:
        return None
    if not isinstance(root.value, dict):
        told = "is empty" if root.value is None else f"must be a mapping, not {shown(root.value)}"
        document.findings.append(Finding("OB108", f"the file {told}", root.span))
        return None
    wrong = {path for path, node in root.walk() if node.value is None}
    document.findings.extend(_empty(document, path) for path in wrong)
    data = root.data()
    for _ in range(_ROUNDS):
        try:
            return Fitting(shape.model_validate(data), frozenset(wrong))
        except ValidationError as error:
            translator = _Translator(document, shape)
            found = translator.findings(error)
        _report(document, [one for one in found if not _said(one.path, wrong)], unset)
        wrong |= {one.path for one in found} | translator.absent
        data = repaired(root.data(), wrong, shape)
    return None


def _said(path: Path, wrong: Collection[Path]) -> bool:
    """Whether something is known to be wrong there or inside: what is left of it says nothing more."""
    return any(one[: len(path)] == path for one in wrong)


def _report(document: Document, found: Iterable[Finding], unset: Collection[Path]) -> None:
    """What is wrong with an unset value is only that it is not known; its key can be wrong all the same."""
    for finding in found:
        if finding.path in unset and finding.span == document.span(finding.path):
            document.decided_now(finding.path)
        else:
            document.findings.append(finding)


def _empty(document: Document, path: Path) -> Finding:
    """A key without a value: what was meant is a guess."""
    span = document.span(path, key=True)
    help_ = "give it a value or remove it"
    if path[-1:] == ("env",):
        help_ = "write `env: {}` if there are none"
    return Finding("OB103", f"{_named(path)} must not be null (nothing)", span, help_, path=path)


def _named(path: Path) -> str:
    return f"`{path[-1]}`" if path and isinstance(path[-1], str) else "this entry"


def _where(parent: Path) -> str:
    if not parent:
        return "in the file"
    return f"in `{parent[-1]}`" if isinstance(parent[-1], str) else "in this entry"


class _Translator:
    """Pydantic's errors as findings."""

    def __init__(self, document: Document, shape: type[Shape]) -> None:
        self._document = document
        self._shape = shape
        self.absent: set[Path] = set()
        """Paths of required keys that are not there, whatever was said about it."""

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
            code = "OB104" if error["type"] == "too_short" else "OB103"
            text, help_ = _in_words(error), ""
        path = (*path, *context.get("at", ()))
        of_key = error["loc"][-1:] == ("[key]",)
        name = "a name" if of_key else _named(path)
        return Finding(code, f"{name} {text}", self._document.span(path, key=of_key), help_, path=path)

    def _unknown(self, parent: Path, key: str, missing: dict[Path, list[str]]) -> Finding:
        """An unknown key; when it is a missing one with a typo, the two are one finding."""
        lacking = missing.get(parent, [])
        meant = nearest(key, lacking)
        if meant is not None:
            lacking.remove(meant)
        else:
            meant = nearest(key, self._keys(parent))
        span = self._document.span((*parent, key), key=True)
        known = f"known here: {', '.join(sorted(self._keys(parent)))}"
        help_ = f"did you mean `{meant}`?" if meant else known
        told = f"unknown field `{key}` {_where(parent)}"
        return Finding("OB101", told, span, help_, path=(*parent, key))

    def _missing(self, parent: Path, keys: list[str]) -> Finding:
        what = "missing field" if len(keys) == 1 else "missing fields"
        named = ", ".join(f"`{key}`" for key in keys)
        span = self._document.span(parent, key=True)
        told = f"{what} {named} {_where(parent)}"
        return Finding("OB102", told, span, path=(*parent, keys[0]))

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
                yield from alternatives(field.annotation)
    elif get_origin(annotation) in (dict, list, tuple):
        for argument in get_args(annotation):
            yield from alternatives(argument)


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
