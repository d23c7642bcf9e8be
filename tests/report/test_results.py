"""Other numbers that workers report."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from openbell.report.results import BOUND, Figure, figures, number
from tests.report.past import DATES, Past, sweep


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), (-0.5, -0.5), (0, 0.0), (BOUND, BOUND)])
def test_numbers(value: Any, expected: float) -> None:
    assert number(value) == expected
    assert type(number(value)) is float


@pytest.mark.parametrize(
    "value", [True, False, nan, inf, -inf, None, "1", [1], {"a": 1}, 2 * BOUND, -(10**400)]
)
def test_no_numbers(value: Any) -> None:
    assert number(value) is None


def test_figures_by_step_and_name() -> None:
    past = Past((sweep(DATES), sweep(name="after")))
    for day, rows in zip(DATES.values, (10, 20, 60), strict=True):
        past.end(past.at({"date": day}), {"rows": rows, "note": "text", "ok": True})
    past.end(past.at({}, "after"), {"loss": 0.5})
    assert figures(past.record, past.attempts.values()) == [
        Figure("backtest", "rows", 3, 10, 30, 60),
        Figure("after", "loss", 1, 0.5, 0.5, 0.5),
    ]


def test_failed_tasks_do_not_count() -> None:
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}), {"rows": 10}, code=1)
    assert figures(past.record, past.attempts.values()) == []
