"""How tasks, times and amounts are put into words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from openbell.core.provenance import Provenance
from openbell.executors.process.vitals import Vitals


def seconds(value: float | timedelta) -> str:
    """`0.31 s`, `42 s`, `3:07`, `2:15:09`, `3 d 04:10`."""
    total = value.total_seconds() if isinstance(value, timedelta) else value
    if total < 10:
        return f"{total:.2f} s"
    if total < 60:
        return f"{total:.0f} s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(value: float) -> str:
    """`512 B`, `4.2 MB`, `1.5 GB`."""
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def condition(vitals: Vitals) -> str:
    """`last output: epoch 3; memory 120 MB`."""
    said = f"last output: {vitals.said}" if vitals.said else "it has printed nothing"
    return f"{said}; memory {size(vitals.memory)}"


def moment(at: datetime | None) -> str:
    """A time of this machine's zone; empty for none."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at else ""


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    """A table as lines under its headings, without its empty columns. `sides`: `<` or `>` for each column."""
    kept = [place for place in range(len(heads)) if any(row[place] for row in rows)]
    widths = {place: max(len(row[place]) for row in (heads, *rows)) for place in kept}
    for row in (heads, *rows):
        cells = (format(row[place], f"{sides[place]}{widths[place]}") for place in kept)
        yield "  ".join(cells).rstrip()


def commit_words(known: Provenance) -> str:
    """`4f3a… (main), and files had been changed since`; empty without a commit."""
    if not known.commit:
        return ""
    since = {True: ", and files had been changed since", False: "", None: "; changes since are not known"}
    return known.commit + (f" ({known.branch})" if known.branch else "") + since[known.dirty]
