"""Small parts of the page."""

from __future__ import annotations

import json

import pytest

from openbell.report.parts import amount, safe_json, span, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0844, "84 ms"),
        (1, "1.0 s"),
        (89.94, "89.9 s"),
        (90, "1:30 min"),
        (3599.6, "1:00:00 h"),
        (7384, "2:03:04 h"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.000471849, "0.000471849"), (-2.5, "-2.5"), (5_208_100.4, "5,208,100"), (1e99, "1e+99")],
)
def test_amounts(value: float, text: str) -> None:
    assert amount(value) == text


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028", 'quote" and \\u003c'])
def test_json_in_a_script_comes_back_and_cannot_end_it(text: str) -> None:
    written = safe_json({"x": [text]})
    assert "<" not in written
    assert json.loads(written) == {"x": [text]}


def test_cells_are_escaped_and_headings_are_html() -> None:
    html = table(("a", "b"), [("<i>x</i>", ["<b>", 1])])
    assert "<i>x</i>" in html
    assert "&lt;b&gt;" in html
