"""What one attempt of a step is, and what shows that it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments. Templates such as `{date}` are filled in for each task."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A worker script (absolute path), run by the pipeline's Python."""

    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """A Python callable, `module:function`: it is given the context, and what it returns is the result."""

    target: str

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]

    @property
    def function(self) -> str:
        return self.target.partition(":")[2]


Work = Command | Script | Call


CACHE_KEYS = ("params", "files", "code")
"""What the key of a kept result can be made of, besides what is always part of it."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Results are kept, and stand for those of later attempts with the same key.

    `inputs`: globs of files whose contents are part of the key; `use`: kept results are looked at, not only
    written anew.
    """

    key: tuple[str, ...] = CACHE_KEYS
    inputs: tuple[str, ...] = ()
    max_age: timedelta | None = None
    use: bool = True


@dataclass(frozen=True, slots=True)
class Marker:
    """A text by which an attempt says that it is done. It may linger for a while, then it is ended."""

    output: str
    linger: timedelta = timedelta(seconds=10)
