"""Charts: ticks that can be read, and SVG that any reader understands."""

from __future__ import annotations

import re
from itertools import pairwise
from math import isclose, log10
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.matrix import Axis
from openbell.report import charts
from openbell.report.charts import nice_ticks
from openbell.report.performance import Performance, performance
from tests.report.past import DATES, Past, sweep

amounts = st.floats(-1e100, 1e100, allow_nan=False)


def drawn(text: str) -> ElementTree.Element:
    """The SVG, parsed; every coordinate lies inside its box."""
    root = ElementTree.fromstring(text)
    left, top, wide, high = map(float, root.attrib["viewBox"].split())
    for text_node in root.iter("text"):
        assert left <= float(text_node.attrib["x"]) <= wide
        assert top <= float(text_node.attrib["y"]) <= high
    for line in root.iter("polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert left <= x <= wide
            assert top <= y <= high
    return root


def table(values: dict[str, list[float]], measure: str = "ret") -> Performance:
    """A curve for each name, over as many dates as it has values."""
    longest = max(map(len, values.values()))
    days = Axis("date", tuple(f"2024-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(longest)), "date")
    past = Past((sweep(Axis("name", tuple(values)), days),))
    for name, reported in values.items():
        for day, value in zip(days.values, reported, strict=False):
            past.end(past.at({"name": name, "date": day}), {measure: value})
    found = performance(past.record, past.attempts.values())
    assert found is not None
    return found


@given(amounts, amounts)
def test_ticks_cover_the_range_and_are_few(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0]
    assert all(a < b for a, b in pairwise(ticks))
    assert ticks[0] <= low + 1e-6 * step
    assert ticks[-1] >= high - 1e-6 * step
    assert 2 <= len(ticks) <= 8


@given(st.floats(-1000, 1000), st.floats(1e-3, 1e6))
def test_ticks_are_round(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    step = ticks[1] - ticks[0]
    mantissa = step / 10 ** round(log10(step) - 0.5)
    assert any(isclose(mantissa, nice, rel_tol=1e-6) for nice in (0.5, 1, 2, 2.5, 5, 10))
    assert all(isclose(tick / step, round(tick / step), abs_tol=1e-6) for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 25, [0, 5, 10, 15, 20, 25]),
        (-3, 9, [-5, -2.5, 0, 2.5, 5, 7.5, 10]),
    ],
)
def test_ticks_that_one_would_draw_by_hand(low: float, high: float, expected: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e-300, 5e-324])
def test_a_range_without_width_has_ticks(value: float) -> None:
    assert len(nice_ticks(value, value)) >= 2


def test_small_amounts_have_ticks_of_their_own() -> None:
    assert len(set(nice_ticks(0, 1e-12))) >= 4


def test_zero_is_always_among_them() -> None:
    assert 0.0 in nice_ticks(-0.07, 0.31)


def test_each_curve_begins_with_nothing() -> None:
    root = drawn(charts.equity(table({"a": [0.1, 0.1], "b": [0.2]})))
    lines = [line.attrib["points"].split() for line in root.iter("polyline")]
    assert [len(points) for points in lines] == [3, 2]  # even one date is a line that can be seen
    zero = next(path.attrib["d"] for path in root.iter("path") if path.attrib["class"] == "zero")
    level = float(zero.split()[1].split("H")[0])
    assert {float(points[0].split(",")[1]) for points in lines} == {level}
    for points in lines:
        across = [float(point.split(",")[0]) for point in points]
        assert all(a < b for a, b in pairwise(across))


def test_the_last_value_ends_at_the_edge() -> None:
    root = drawn(charts.equity(table({"a": [0.1] * 40})))
    (line,) = root.iter("polyline")
    assert line.attrib["points"].split()[-1].startswith("948.0,")


def test_names_are_escaped() -> None:
    root = drawn(charts.equity(table({'<b>&"x"': [0.1]})))
    assert root.findtext("polyline/title") == 'name=<b>&"x": +10.00%'


def test_more_curves_than_can_be_told_apart() -> None:
    many = table({f"{n:03}": [n / 1000] for n in range(100)})
    strokes = charts.strokes(many)
    assert list(strokes) == [f"name={n:03}" for n in range(68, 100)]
    assert list(strokes.values()) == list(range(32))
    looks = {
        (p.attrib["stroke"], p.attrib["stroke-dasharray"])
        for p in drawn(charts.equity(many)).iter("polyline")
    }
    assert len(looks) == 32


@given(st.lists(st.floats(-1, 10), min_size=1, max_size=30), st.sampled_from(["ret", "pnl"]))
def test_any_curve_can_be_drawn(values: list[float], measure: str) -> None:
    drawn(charts.equity(table({"a": values}, measure)))


@pytest.mark.parametrize("value", [1e99, -1e99, 1e-99, 0.0])
def test_absurd_profits_can_be_drawn(value: float) -> None:
    drawn(charts.equity(table({"a": [value, value / 3]}, "pnl")))


@pytest.mark.parametrize(
    ("measure", "total", "labels"),
    [
        ("ret", 0.25, ["0", "+5%", "+10%", "+15%", "+20%", "+25%"]),
        ("pnl", -2500.0, ["-2.5k", "-2k", "-1.5k", "-1k", "-500", "0"]),
        ("pnl", 4e6, ["0", "+1m", "+2m", "+3m", "+4m"]),
    ],
)
def test_ticks_are_labelled_in_short(measure: str, total: float, labels: list[str]) -> None:
    root = drawn(charts.equity(table({"a": [total]}, measure)))
    assert [t.text for t in root.iter("text") if t.attrib["text-anchor"] == "end"] == labels


def test_months_are_marked_and_thinned_out() -> None:
    years = Axis(
        "date",
        tuple(f"{y}-{m:02}-{d:02}" for y in (2023, 2024) for m in range(1, 13) for d in (1, 2)),
        "date",
    )
    past = Past((sweep(years),))
    for day in years.values:
        past.end(past.at({"date": day}), {"ret": 0.001})
    found = performance(past.record, past.attempts.values())
    assert found is not None
    months = [t.text for t in drawn(charts.equity(found)).iter("text") if re.match(r"\d{4}-", t.text or "")]
    assert months == [f"{y}-{m:02}" for y in (2023, 2024) for m in range(1, 13, 2)]


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=200))
def test_the_histogram_counts_every_attempt(seconds: list[float]) -> None:
    root = drawn(charts.histogram(seconds))
    told = [title.text or "" for title in root.iter("title")]
    assert sum(int(text.rpartition(": ")[2].replace(",", "")) for text in told) == len(seconds)
    assert len(told) <= 24


def test_one_rare_slow_attempt_can_still_be_seen() -> None:
    bars = list(drawn(charts.histogram([0.1] * 100_000 + [60.0])).iter("rect"))
    assert len(bars) == 2
    assert all(float(bar.attrib["height"]) >= 1 for bar in bars)


def test_the_mark_of_a_curve_looks_like_the_curve() -> None:
    root = drawn(charts.equity(table({"a": [0.1], "b": [0.2]})))
    for n, line in enumerate(root.iter("polyline")):
        mark = ElementTree.fromstring(charts.key(n)).find("path")
        assert mark is not None
        assert {k: v for k, v in mark.attrib.items() if k != "d"} == {
            k: v for k, v in line.attrib.items() if k.startswith("stroke")
        }


def test_dates_of_the_axis_are_labels_only() -> None:
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}), {"ret": 0.1})
    found = performance(past.record, past.attempts.values())
    assert found is not None
    root = drawn(charts.equity(found))
    assert root.attrib["aria-label"] == "Cumulated return by date, one curve per combination of parameters"
    assert "2024-07" in [text.text for text in root.iter("text")]
