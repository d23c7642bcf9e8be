"""What texts in a file stand for: `${VAR}` and `${VAR:-default}`, and paths beside the file.

`$${` stands for `${`. A value is never expanded twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_REFERENCE = re.compile(
    r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with its references resolved. KeyError names a variable that is not set."""

    def resolve(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "${"
        value = environ.get(match["name"]) or match["default"]
        if value is None:
            if match["name"] in environ:
                return ""
            raise KeyError(match["name"])
        return value

    return _REFERENCE.sub(resolve, text)


def malformed(text: str) -> str | None:
    """The first `${...` that is no reference; None when there is none. References do not nest."""
    for match in _REFERENCE.finditer(text):
        if match["default"] and "${" in match["default"]:
            return match[0]
    left = _REFERENCE.sub(lambda match: "\0" * len(match[0]), text)
    start = left.find("${")
    return text[start : start + 40].splitlines()[0] if start >= 0 else None


def references(text: str) -> Iterator[tuple[str, str | None]]:
    """(name, default) of every reference."""
    for match in _REFERENCE.finditer(text):
        if not match["escaped"]:
            yield match["name"], match["default"]


def beside(folder: Path, text: str) -> Path:
    """A path that a file of this folder names: absolute, from a home (`~`), or relative to the folder."""
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:  # nobody of that name
        return folder / text
