"""How numbers are said."""

from __future__ import annotations

from openbell.core.words import plural


def test_counts() -> None:
    assert [plural(1, "task"), plural(2500, "task"), plural(2, "process", "processes")] == [
        "1 task",
        "2,500 tasks",
        "2 processes",
    ]
