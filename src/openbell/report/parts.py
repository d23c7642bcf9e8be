"""Parts of the page that several sections use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, content: str) -> str:
    """A card. `title` is text, `content` is HTML."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def table(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[object]]]) -> str:
    """A table that scrolls by itself where it is too wide. `rows`: a heading in HTML, and cells as text."""
    first, *others = columns
    head = f'<th scope="col">{first}</th>'
    head += "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in others)
    body = "".join(_row(heading, cells) for heading, cells in rows)
    return scrolling(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _row(heading: str, cells: Sequence[object]) -> str:
    numbers = "".join(f'<td class="number">{escape(str(cell))}</td>' for cell in cells)
    return f'<tr><th scope="row">{heading}</th>{numbers}</tr>'


def scrolling(content: str) -> str:
    """HTML in a frame that scrolls sideways on a narrow screen."""
    return f'<div class="scrolling">{content}</div>'


def note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def safe_json(data: object) -> str:
    """JSON that cannot end the script element that holds it."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def amount(value: float) -> str:
    """A number with six digits that count; large ones in full."""
    return f"{value:,.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:,.6g}"


def span(seconds: float) -> str:
    """A length of time in words: `84 ms`, `1:30 min`, `2:05:00 h`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
