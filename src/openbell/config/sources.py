"""The files of the user's code that an attempt runs: its program, and what that imports of the folder."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from openbell.config.callables import module_file
from openbell.config.digest import program
from openbell.core.model import Call, Command, Script, Work

_MOST = 2_000  # files


def sources(work: Work, folder: Path) -> list[Path]:
    """The files, the first one first. Modules from elsewhere are not among them."""
    first = _first(work, folder)
    if first is None:
        return []
    found: dict[Path, None] = {}
    ahead = [first]
    while ahead and len(found) < _MOST:
        path = ahead.pop()
        if path not in found:
            found[path] = None
            ahead += [file for file in _imported(path, folder) if file not in found]
    return [first, *sorted(found.keys() - {first})]


def _first(work: Work, folder: Path) -> Path | None:
    match work:
        case Script(path=path):
            return Path(path)
        case Call(module=module):
            found = module_file(module, folder)
        case Command(argv=argv):
            found = program(argv, str(folder)) or _module(argv, folder)
    return found if found is not None and found.is_relative_to(folder) else None


def _module(argv: tuple[str, ...], folder: Path) -> Path | None:
    """The file of `python -m module`."""
    if "-m" not in argv[1:-1] or "{" in (name := argv[argv.index("-m") + 1]):
        return None
    return module_file(f"{name}.__main__", folder) or module_file(name, folder)


def _imported(path: Path, folder: Path) -> Iterator[Path]:
    """Files of the folder that this one imports, wherever in it."""
    if path.suffix != ".py":
        return
    packages = [
        above / "__init__.py" for above in path.parents if above.is_relative_to(folder) and above != folder
    ]
    yield from (file for file in packages if file.is_file())
    try:
        found = path.stat()
        names = _names(path, found.st_mtime_ns, found.st_size)
    except OSError:
        return
    for level, name, inner in names:
        homes = {path.parent, folder} if not level else set(path.parents[level - 1 : level])
        for home in homes:
            for module in (name, *(f"{name}.{one}".lstrip(".") for one in inner)):
                yield from _files(home, module)


def _files(home: Path, module: str) -> Iterator[Path]:
    """The file of a module and those of its packages, below this folder."""
    base = home
    for part in module.split(".") if module else ():
        for file in (base / f"{part}.py", base / part / "__init__.py"):
            if file.is_file():
                yield file
        base = base / part


@lru_cache(4096)
def _names(path: Path, _changed: int, _size: int) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """What a file imports: level, module, names."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [(0, one.name, ()) for one in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                found.append((level, module or "", tuple(one.name for one in names)))
    return tuple(found)
