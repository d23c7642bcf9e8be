"""Findings in order, and as rustc shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.config.findings import Finding, Severity, Span, in_order, nearest, reject, render
from openbell.errors import ExitCode

LINES = ["name: x", "", "", "execution:", "  num_partitons: 4", *[""] * 94, "a: 1", "b:\t2"]


def test_a_finding_looks_as_promised() -> None:
    finding = Finding(
        "OB101",
        "unknown field `num_partitons` in `execution`",
        Span(5, 3, 13),
        "did you mean `num_partitions`?",
    )
    assert render(finding, "sweep.yaml", LINES) == (
        "error[OB101]: unknown field `num_partitons` in `execution`\n"
        "  --> sweep.yaml:5:3\n"
        "   |\n"
        " 5 |   num_partitons: 4\n"
        "   |   ^^^^^^^^^^^^^\n"
        "   = help: did you mean `num_partitions`?"
    )


def test_wide_line_numbers_a_warning_and_no_help() -> None:
    finding = Finding("OB119", "no session", Span(100, 4, 1), severity=Severity.WARNING)
    assert render(finding, "d/s.yaml", LINES) == (
        "warning[OB119]: no session\n    --> d/s.yaml:100:4\n     |\n 100 | a: 1\n     |    ^"
    )


@pytest.mark.parametrize(
    ("span", "shown", "marks"),
    [
        (Span(101, 1, 4), "b: 2", "^^^^"),  # a tab takes one column
        (Span(1, 7, 99), "name: x", "      ^"),
        (Span(1, 8, 1), "name: x", "       ^"),
        (Span(2, 1, 1), "", "^"),
    ],
)
def test_marks_stay_on_their_line(span: Span, shown: str, marks: str) -> None:
    *_, line, below = render(Finding("OB101", "m", span), "f", LINES).split("\n")
    assert line.partition("| ")[2] == shown
    assert below.partition("| ")[2] == marks


def test_a_place_that_is_not_there_shows_no_line() -> None:
    assert render(Finding("OB112", "cannot read f"), "f", []) == "error[OB112]: cannot read f\n  --> f:1:1"


def test_a_file_cannot_command_the_terminal() -> None:
    finding = Finding("OB105", 'not "\x1b[2J\nerror: all is well"', Span(1, 1, 1), "no `\r`")
    text = render(finding, "f", ["\x1b[31m\x85x"])
    assert text.split("\n") == [
        r'error[OB105]: not "\x1b[2J\nerror: all is well"',
        "  --> f:1:1",
        "   |",
        " 1 |  [31m x",
        "   | ^",
        r"   = help: no `\r`",
    ]


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("num_partitons", ["num_partitions", "num_workers"], "num_partitions"),
        ("Steps", ["steps", "name"], "steps"),
        ("NAME", ["steps", "name"], "name"),
        ("scirpt", ["script", "run"], "script"),
        ("zzz", ["script", "run"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_name(word: str, known: list[str], found: str | None) -> None:
    assert nearest(word, known) == found


def test_findings_are_told_by_place() -> None:
    late = Finding("OB101", "late", Span(9, 1))
    right = Finding("OB101", "right", Span(2, 10))
    warned = Finding("OB100", "warned", Span(2, 9), severity=Severity.WARNING)
    wrong = Finding("OB109", "wrong", Span(2, 9))
    assert in_order([late, right, warned, wrong, late]) == [wrong, warned, right, late]


@pytest.mark.parametrize(("errors", "message"), [(1, "f.yaml: 1 error"), (3, "f.yaml: 3 errors")])
def test_a_rejection_counts_errors_only(errors: int, message: str) -> None:
    findings = [Finding("OB101", str(n)) for n in range(errors)]
    findings.append(Finding("OB119", "w", severity=Severity.WARNING))
    error = reject(Path("d/f.yaml"), findings)
    assert (error.message, error.exit_code) == (message, ExitCode.CONFIG)
    assert (error.findings, error.path) == (tuple(findings), Path("d/f.yaml"))


@given(st.text(), st.text(), st.integers(1, 9), st.integers(1, 300), st.integers(1, 300))
def test_every_finding_can_be_shown(message: str, line: str, number: int, column: int, length: int) -> None:
    finding = Finding("OB101", message, Span(number, column, length), message)
    text = render(finding, "f", [line.replace("\n", "")] * 5)
    assert len(text.split("\n")) == (6 if number <= 5 else 3) - (not message)
    assert all(c.isprintable() or c == "\n" for c in text)
