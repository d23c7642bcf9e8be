"""How numbers are said, in every text."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """`1 task`, `2,500 tasks`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
