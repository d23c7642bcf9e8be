"""`${VAR}` in values: once, with defaults, and `$${` for the characters themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.config.expand import expand, references

ENVIRON = {"A": "1", "B_2": "two", "EMPTY": "", "NESTED": "${A}", "_": "low"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${A}", "1"),
        ("a${A}b${B_2}c", "a1btwoc"),
        ("${_}", "low"),
        ("${A}${A}", "11"),
        ("$A", "$A"),
        ("$", "$"),
        ("{A}", "{A}"),
        ("${}", "${}"),
        ("${1}", "${1}"),
        ("${a b}", "${a b}"),
        ("${A", "${A"),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${NOPE:-default}", "default"),
        ("${NOPE:-}", ""),
        ("${NOPE:-a:-b}", "a:-b"),
        ("${A:-default}", "1"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$${A} is ${A}", "${A} is 1"),
        ("$${", "${"),
        ("$$", "$$"),
        ("${NESTED}", "${A}"),
        ("${NOPE:-$${A}}", "$${A}"),
    ],
)
def test_references_are_resolved_once(text: str, value: str) -> None:
    assert expand(text, ENVIRON) == value


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(KeyError, match="NOPE"):
        expand("${A}${NOPE}", ENVIRON)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("none here", []),
        ("${A} ${B:-x} ${C:-}", [("A", None), ("B", "x"), ("C", "")]),
        ("$${A} ${B}", [("B", None)]),
    ],
)
def test_which_variables_a_text_asks_for(text: str, found: list[tuple[str, str | None]]) -> None:
    assert list(references(text)) == found


@given(st.text())
def test_an_escaped_text_stays_itself(text: str) -> None:
    assert expand(text.replace("${", "$${"), {}) == text


@given(st.text(), st.text(), st.text(alphabet="ab $#", max_size=5))
def test_what_a_variable_holds_is_not_read_again(before: str, value: str, after: str) -> None:
    before = before.replace("$", "")
    assert expand(f"{before}${{X}}{after}", {"X": value or "v"}) == f"{before}{value or 'v'}{after}"


@given(st.text(alphabet="${}:-AX ", max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    names = {name for name, default in references(text) if default is None}
    assert isinstance(expand(text, dict.fromkeys(names, "v")), str)
