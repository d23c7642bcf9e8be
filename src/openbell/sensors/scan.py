"""Which files match a pattern now, and which folders have to be watched to learn that this has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from stat import S_ISREG


@dataclass(slots=True)
class Scan:
    """Regular files by path, and the folders whose entries decide about them.

    A folder that is missing is stood for by the nearest one above it that is there.
    """

    files: dict[str, os.stat_result] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


def scan(patterns: tuple[str, ...]) -> Scan:
    """Look for absolute patterns: `*`, `?` and `[...]` within a name, `**` for any folders in between."""
    found = Scan()
    for pattern in patterns:
        if pattern:
            _descend(found, "/", [part for part in pattern.split("/") if part])
    return found


def has_magic(part: str) -> bool:
    """Whether a name in a pattern stands for more than itself."""
    return any(character in part for character in "*?[")


def _descend(found: Scan, folder: str, parts: list[str]) -> None:
    """Follow the pattern from a folder that is there."""
    while len(parts) > 1 and not has_magic(parts[0]):
        below = os.path.join(folder, parts[0])  # noqa: PTH118
        if not os.path.isdir(below):  # noqa: PTH112
            found.folders.add(folder)
            return
        folder, parts = below, parts[1:]
    found.folders.add(folder)
    if len(parts) == 1:
        _collect(found, folder, parts[0])
    elif parts[0] == "**":
        _descend(found, folder, parts[1:])
        for entry in _entries(folder):
            if not entry.name.startswith(".") and _is_folder(entry, follow=False):
                _descend(found, entry.path, parts)
    else:
        for entry in _entries(folder):
            if matches(entry.name, parts[0]) and _is_folder(entry, follow=True):
                _descend(found, entry.path, parts[1:])


def _collect(found: Scan, folder: str, name: str) -> None:
    if not has_magic(name):
        _stat(found, os.path.join(folder, name))  # noqa: PTH118
        return
    for entry in _entries(folder):
        if matches(entry.name, "*" if name == "**" else name):
            _stat(found, entry.path)


def _stat(found: Scan, path: str) -> None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:  # it has just gone, or may not be looked at
        return
    if S_ISREG(status.st_mode):
        found.files[path] = status


def matches(name: str, pattern: str) -> bool:
    """Whether a name matches. A hidden file is matched by a pattern that begins with a dot only."""
    return (not name.startswith(".") or pattern.startswith(".")) and fnmatchcase(name, pattern)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _is_folder(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False
