"""Returns and profits over dates, against numbers worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from math import inf, nan, sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.events import Start
from openbell.core.evolve import evolve
from openbell.core.matrix import Axis
from openbell.report.performance import Curve, Performance, performance
from tests.report.past import DATES, LOOKBACK, PARTS, Past, sweep, two_tries


def table(past: Past) -> Performance:
    found = performance(past.record, past.attempts.values())
    assert found is not None
    return found


def curve_of(**by_day: list[float]) -> Curve:
    """One curve over the three dates; `by_day`: ret or pnl, a value per date."""
    past = Past((sweep(DATES),))
    measure, values = next(iter(by_day.items()))
    for day, value in zip(DATES.values, values, strict=True):
        past.end(past.at({"date": day}), {measure: value})
    (curve,) = table(past).curves
    return curve


def test_returns_compound() -> None:
    curve = curve_of(ret=[0.10, -0.20, 0.50])
    assert curve.equity == pytest.approx([0.10, 1.1 * 0.8 - 1, 1.1 * 0.8 * 1.5 - 1])
    assert curve.total == pytest.approx(0.32)
    assert curve.drawdown == pytest.approx(-0.20)  # from 1.1 to 0.88
    assert curve.dates == DATES.values
    assert curve.name == "all"


def test_profits_add_up() -> None:
    curve = curve_of(pnl=[10, -30, 25])
    assert list(curve.equity) == [10, -20, 5]
    assert curve.total == 5
    assert curve.drawdown == -30  # from 10 to -20


def test_sharpe_by_hand() -> None:
    # mean 0.02; deviations -0.01, -0.01, 0.02; sample variance 0.0006 / 2
    curve = curve_of(ret=[0.01, 0.01, 0.04])
    assert curve.sharpe == pytest.approx(0.02 / sqrt(0.0003) * sqrt(252))


def test_without_a_spread_there_is_no_sharpe() -> None:
    assert curve_of(ret=[0.01, 0.01, 0.01]).sharpe is None
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}), {"ret": 0.01})
    assert table(past).curves[0].sharpe is None


def test_a_loss_from_the_first_day_is_a_drawdown() -> None:
    assert curve_of(ret=[-0.10, 0.05, 0.0]).drawdown == pytest.approx(-0.10)
    assert curve_of(pnl=[-5.0, 1.0, 1.0]).drawdown == -5
    assert curve_of(pnl=[1.0, 1.0, 1.0]).drawdown == 0


def test_to_lose_everything_is_a_drawdown_of_all() -> None:
    curve = curve_of(ret=[0.5, -1.0, 0.5])
    assert (curve.total, curve.drawdown) == (-1.0, -1.0)


@pytest.mark.parametrize(("measure", "expected"), [("ret", 0.03), ("pnl", 0.06)])
def test_partitions_of_a_date_are_averaged_or_added(measure: str, expected: float) -> None:
    past = Past((sweep(DATES, PARTS),))
    past.end(past.at({"date": "2024-07-01", "part": 0}), {measure: 0.02})
    past.end(past.at({"date": "2024-07-01", "part": 1}), {measure: 0.04})
    (curve,) = table(past).curves
    assert curve.values == pytest.approx([expected])


def test_curves_come_in_the_order_of_the_axes_whoever_ends_first() -> None:
    venue = Axis("venue", ("x", "a"))
    past = Past((sweep(LOOKBACK, DATES, venue),))
    places = [{"lookback": n, "date": d, "venue": v} for n in (5, 20) for d in DATES.values for v in "ax"]
    for number, place in enumerate(places):
        if place != {"lookback": 20, "date": "2024-07-01", "venue": "x"}:
            past.end(past.at(place), {"ret": number / 1000})
    names = [curve.name for curve in table(past).curves]
    assert names == [
        "lookback=20, venue=x",
        "lookback=20, venue=a",
        "lookback=5, venue=x",
        "lookback=5, venue=a",
    ]
    assert table(past).curves[0].dates == ("2024-07-02", "2024-07-03")


def test_dates_are_in_order_even_if_the_axis_is_not() -> None:
    past = Past((sweep(Axis("day", ("2024-07-03", "2024-07-01"), "date")),))
    for day, value in (("2024-07-03", 1.0), ("2024-07-01", -1.0)):
        past.end(past.at({"day": day}), {"pnl": value})
    assert table(past).curves[0].dates == ("2024-07-01", "2024-07-03")
    assert table(past).curves[0].equity == (-1.0, 0.0)


@pytest.mark.parametrize("value", [None, nan, inf, -inf, True, "0.5", [0.5], {}, 10**400, 1e101])
def test_what_is_no_sensible_number_is_ignored(value: Any) -> None:
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}), {"ret": value})
    assert performance(past.record, past.attempts.values()) is None
    past.end(past.at({"date": "2024-07-02"}), {"ret": 0.5})
    assert table(past).curves[0].values == (0.5,)


def test_a_curve_that_leaves_every_range_is_left_out() -> None:
    past = Past((sweep(DATES, LOOKBACK),))
    for day in DATES.values:
        past.end(past.at({"date": day, "lookback": 5}), {"ret": 1e99})
        past.end(past.at({"date": day, "lookback": 20}), {"ret": 0.01})
    assert [curve.name for curve in table(past).curves] == ["lookback=20"]


def test_returns_are_preferred_to_profits() -> None:
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}), {"ret": 0.5, "pnl": 7})
    assert table(past).measure == "ret"


def test_only_tasks_that_succeeded_count() -> None:
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}), {"ret": 0.5}, code=1)
    past.begin(past.at({"date": "2024-07-02"}))
    assert performance(past.record, past.attempts.values()) is None


def test_a_task_that_is_tried_again_counts_once() -> None:
    past = two_tries(DATES)
    task = past.at({"date": "2024-07-01"})
    past.end(task, {"pnl": 100}, code=1)
    past.clock += timedelta(minutes=1)
    past.end(task, {"pnl": 1})
    assert table(past).curves[0].values == (1,)


def test_the_first_step_with_dates_that_reports() -> None:
    prepare = sweep(name="prepare")
    silent = sweep(DATES, name="silent")
    past = Past((prepare, silent, sweep(DATES)))
    past.end(past.at({}, "prepare"), {"ret": 0.9})
    past.end(past.at({"date": "2024-07-01"}, "silent"), {"rows": 10})
    past.end(past.at({"date": "2024-07-01"}), {"ret": 0.5})
    assert table(past).step == "backtest"


def test_a_run_without_attempts_has_no_performance() -> None:
    past = Past((sweep(DATES),))
    assert performance(past.record, []) is None
    evolve(past.state, Start(past.clock, past.at({"date": "2024-07-01"}), 1))
    assert performance(past.record, []) is None


def test_the_table_as_text_and_as_data() -> None:
    past = Past((sweep(DATES, LOOKBACK),))
    for day, value in zip(DATES.values, (0.10, -0.20, 0.50), strict=True):
        past.end(past.at({"date": day, "lookback": 5}), {"ret": value})
    past.end(past.at({"date": "2024-07-01", "lookback": 20}), {"ret": 0.01})
    assert list(table(past).lines()) == [
        "parameters    dates        return   Sharpe      drawdown",
        "lookback=20       1        +1.00%        -         0.00%",
        "lookback=5        3       +32.00%     6.03       -20.00%",
    ]
    assert table(past).data()[0] == {
        "parameters": "lookback=20",
        "dates": 1,
        "ret": pytest.approx(0.01),
        "sharpe": None,
        "drawdown": 0.0,
    }


def test_profits_are_amounts() -> None:
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}), {"pnl": 1234567.891})
    assert table(past).amount(table(past).curves[0].total) == "+1,234,567.89"


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.booleans() | st.none()


@given(st.lists(numbers, min_size=3, max_size=3), st.sampled_from(["ret", "pnl"]))
def test_no_report_of_a_worker_breaks_it(values: list[Any], measure: str) -> None:
    past = Past((sweep(DATES),))
    for day, value in zip(DATES.values, values, strict=True):
        past.end(past.at({"date": day}), {measure: value})
    found = performance(past.record, past.attempts.values())
    for curve in found.curves if found else ():
        assert curve.drawdown <= 0
        assert len(curve.values) == len(curve.dates) == len(curve.equity)
        assert all(abs(level) <= 1e100 for level in curve.equity)
