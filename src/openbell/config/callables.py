"""A `module:function`, as far as it can be judged without importing anything."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.findings import Severity, nearest
from openbell.core.model import Call


def check_callable(draft: Draft, call: Call, place: Place, *, sure: bool) -> None:
    """Whether the callable is there and takes a context.

    `sure`: the workers look for modules where this process does; otherwise what is not found here may be
    found there, which is worth a warning only.
    """
    severity = Severity.ERROR if sure else Severity.WARNING
    file = module_file(call.module, draft.folder)
    if file is None:
        local = (draft.folder / call.module.partition(".")[0]).is_dir()
        told = f"there is no module {call.module}"
        help_ = f"looked for it in {draft.folder}, and where this Python looks"
        draft.fault("OB124", told, place, help_, severity=Severity.ERROR if local else severity)
        return
    if file.suffix != ".py":
        told = f"{call.module} is no Python source: whether it has {call.function} shows when it is called"
        draft.fault("OB124", told, place, severity=Severity.WARNING)
        return
    tree = _parsed(draft, file, place, severity)
    if tree is not None:
        _check(draft, tree, call, file, place)


def module_file(module: str, folder: Path) -> Path | None:
    """The file of a module, in the folder first. Nothing is imported, no package on the way either."""
    first, *rest = module.split(".")
    found = _within([folder], first)
    if found is None:
        try:
            spec = find_spec(first)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        found = (Path(spec.origin) if spec.origin else None, spec.submodule_search_locations or ())
    for part in rest:
        found = _within(map(Path, found[1]), part)
        if found is None:
            return None
    return found[0]


_Found = tuple[Path | None, Sequence[str]]
"""The file of a module, and the folders of what is inside of it."""


def _within(folders: Iterable[Path], name: str) -> _Found | None:
    """The module of that name in the first of these folders that has one."""
    portions: list[str] = []
    for folder in folders:
        package = folder / name
        for ending in ("__init__.py", *(f"__init__{suffix}" for suffix in EXTENSION_SUFFIXES)):
            if (package / ending).is_file():
                return package / ending, (str(package),)
        for suffix in (*EXTENSION_SUFFIXES, ".py"):
            if (file := folder / f"{name}{suffix}").is_file():
                return file, ()
        if package.is_dir():
            portions.append(str(package))
    return (None, portions) if portions else None


def _parsed(draft: Draft, file: Path, place: Place, severity: Severity) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(file.read_bytes(), file.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error) or "too complex"
        draft.fault("OB124", f"{file.name} does not parse{line}: {said}", place, severity=severity)
        return None


def _check(draft: Draft, tree: ast.Module, call: Call, file: Path, place: Place) -> None:
    names = dict(_names(tree.body))
    match names.get(call.function):
        case None if "*" in names or "__getattr__" in names:
            told = f"whether {call.module} has {call.function} shows when it is called"
            draft.fault("OB124", told, place, severity=Severity.WARNING)
        case None:
            near = nearest(call.function, names)
            help_ = f"did you mean `{call.module}:{near}`?" if near else f"looked into {file}"
            draft.fault("OB124", f"there is no {call.function} in {call.module}", place, help_)
        case ast.AsyncFunctionDef():
            draft.fault("OB124", f"{call.target} is a coroutine function", place, "write a plain function")
        case ast.FunctionDef(decorator_list=[]) as function if not _takes_one(function.args):
            told = f"{call.target} cannot be called with one argument"
            draft.fault("OB124", told, place, f"it is given the context: `def {call.function}(ctx): ...`")
        case _:
            pass


def _takes_one(arguments: ast.arguments) -> bool:
    plain = len(arguments.posonlyargs) + len(arguments.args)
    required = plain - len(arguments.defaults)
    named = any(default is None for default in arguments.kw_defaults)
    return required <= 1 and (plain >= 1 or arguments.vararg is not None) and not named


def _names(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """What the statements bind at the top of the module, whatever way they take."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((one.asname or one.name.partition(".")[0], node) for one in aliases)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                stored = (
                    n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                )
                yield from ((name.id, node) for name in stored)
            case _:
                for field in ("body", "orelse", "finalbody"):
                    yield from _names(getattr(node, field, []))
                for handler in getattr(node, "handlers", []):
                    yield from _names(handler.body)
