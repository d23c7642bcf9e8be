"""Data as the text of a file: long values as blocks, short ones in brackets, comments above keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from openbell.config.document import Path, resolve

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_WIDE = 100


def to_yaml(
    data: Mapping[str, Any],
    comments: Mapping[Path, Sequence[str]] | None = None,
    blocks: Sequence[Path] = (),
) -> str:
    """The YAML text of a mapping. `comments`: what to say above places; `blocks`: never in brackets."""
    return "".join(f"{line}\n" for line in _Writer(comments or {}, blocks).mapping(data, ()))


def scalar(value: Any) -> str:
    """One value, quoted where its text would mean something else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and resolve(value) == value:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(character: str) -> str:
    """What a reader would not take as it is, as YAML's escape."""
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def flow(value: Any) -> str:
    """The value on one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
        case _:
            return scalar(value)


class _Writer:
    def __init__(self, comments: Mapping[Path, Sequence[str]], blocks: Sequence[Path]) -> None:
        self._comments = comments
        self._blocks = set(blocks)

    def mapping(self, data: Mapping[str, Any], place: Path) -> Iterator[str]:
        for key, value in data.items():
            at = (*place, key)
            yield from self.remarks(at)
            text = f"{scalar(str(key))}:"
            if self._short(value, at):
                yield f"{text} {flow(value)}"
                continue
            yield text
            below = self.mapping(value, at) if isinstance(value, Mapping) else self.sequence(value, at)
            yield from (f"  {line}" if line else "" for line in below)

    def sequence(self, items: Sequence[Any], place: Path) -> Iterator[str]:
        for position, item in enumerate(items):
            yield from self.remarks((*place, position))
            yield f"- {flow(item)}"

    def remarks(self, place: Path) -> Iterator[str]:
        for text in self._comments.get(place, ()):
            plain = "".join(c if c.isprintable() else " " for c in text)
            for line in wrap(plain, _WIDE - 2 * len(place), break_long_words=False, break_on_hyphens=False):
                yield f"# {line}"

    def _short(self, value: Any, place: Path) -> bool:
        """Whether the value stands in brackets: a short one, without anything to be said inside."""
        if not isinstance(value, Mapping | list | tuple) or not value:
            return True
        inside = any(one[: len(place)] == place and len(one) > len(place) for one in self._comments)
        return not inside and place not in self._blocks and len(flow(value)) <= _WIDE - 2 * len(place)
