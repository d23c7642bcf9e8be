"""What is wrong with a file: findings with a place and a code, shown the way rustc shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from openbell.errors import ConfigError


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file: line and column count from 1, `length` is in characters of that line."""

    line: int = 1
    column: int = 1
    length: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth a warning. `path`: the keys that lead to it."""

    code: str
    message: str
    span: Span = Span()
    help: str = ""
    severity: Severity = Severity.ERROR
    path: tuple[str | int, ...] = ()

    @property
    def fatal(self) -> bool:
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        """`line 5: steps.a.retry: error[OB103]: ...`: one line for people who have only this."""
        keys = ".".join(map(str, self.path))
        place = [f"line {self.span.line}"] if self.span.line else []
        told = ": ".join([*place, *filter(None, [keys]), f"{self.severity}[{self.code}]", self.message])
        return f"{told} ({self.help})" if self.help else told


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    known = list(known)
    found = get_close_matches(word, known, 1, 0.6) or get_close_matches(word.lower(), known, 1, 0.6)
    return found[0] if found else None


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By place; errors before warnings where they share one. The same thing is said once."""
    unique = {(found.code, found.message, found.span): found for found in findings}  # aliases repeat them
    return sorted(unique.values(), key=lambda f: (f.span.line, f.span.column, not f.fatal, f.code))


def render(finding: Finding, file: str, lines: Sequence[str]) -> str:
    """The finding as text, with the line that it is about.

    error[OB101]: unknown field `num_partitons` in `execution`
      --> sweep.yaml:5:3
       |
     5 |   num_partitons: 4
       |   ^^^^^^^^^^^^^
       = help: did you mean `num_partitions`?
    """
    span = finding.span
    gutter = " " * (len(str(span.line)) + 1)
    text = [f"{finding.severity}[{finding.code}]: {_one_line(finding.message)}"]
    text.append(f"{gutter[:-1]} --> {file}:{span.line}:{span.column}")
    if 1 <= span.line <= len(lines):
        line = "".join(c if c.isprintable() else " " for c in lines[span.line - 1].rstrip("\r\n"))
        marks = "^" * max(1, min(span.length, len(line) - span.column + 1))
        text.append(f"{gutter} |")
        text.append(f" {span.line} | {line}")
        text.append(f"{gutter} | {' ' * (span.column - 1)}{marks}")
    if finding.help:
        text.append(f"{gutter} = help: {_one_line(finding.help)}")
    return "\n".join(text)


def _one_line(text: str) -> str:
    """What the file says cannot break the layout, nor command the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def reject(path: Path, findings: Sequence[Finding]) -> ConfigError:
    """The error that carries all findings of a file that cannot be used."""
    fatal = sum(finding.fatal for finding in findings)
    what = "1 error" if fatal == 1 else f"{fatal} errors"
    return ConfigError(f"{path.name}: {what}", path=path, findings=tuple(findings))
