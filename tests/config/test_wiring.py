"""Needs, circles and templates: what steps say about each other and about their cells."""

from __future__ import annotations

from datetime import date

import pytest

from openbell.config.findings import Finding
from openbell.config.load import Overrides
from openbell.core.model import Command, OnFailure
from openbell.core.render import render, values
from tests.config.conftest import Folder


def steps(**needs: str) -> str:
    """A pipeline whose steps have these needs, one step a line."""
    lines = [f"  {name}: {{run: x{f', needs: {value}' if value else ''}}}\n" for name, value in needs.items()]
    return "name: n\nsteps:\n" + "".join(lines)


# ── needs ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        (steps(a="", b="a"), {"a": "all"}),
        (steps(a="", b="[a]"), {"a": "all"}),
        (steps(a="", b="{a: some}"), {"a": "some"}),
        (steps(a="", b="[{a: done}]"), {"a": "done"}),
        (steps(b="[a]", a=""), {"a": "all"}),
    ],
)
def test_a_need_is_a_step_and_how_much_of_it(folder: Folder, text: str, modes: dict[str, str]) -> None:
    step = folder.load(text).pipeline.step("b")
    assert {need.step: need.mode.value for need in step.needs} == modes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (steps(a="", b="[a, ▸c]"), ["OB116"]),
        (steps(a="", b="▸c"), ["OB116"]),
        (steps(a="", b="{a: some, ▸c: done}"), ["OB116"]),
        (steps(a="", b="[{a: some}, {▸c: done}, ▸d]"), ["OB116", "OB116"]),
        (steps(a="▸[b]", b="[a]"), ["OB117"]),
        (steps(a="▸a"), ["OB117"]),
        (steps(a="", b="▸[d]", c="[b]", d="[c, a]"), ["OB117"]),
        (steps(a="▸[b]", b="[a]", c="▸[d]", d="[c]"), ["OB117", "OB117"]),
        (steps(a="▸[b]", b="[a, ▸x]"), ["OB117", "OB116"]),
        (steps(a="[b]", b="▸{a: maybe}").replace("▸{a: ", "{a: ▸"), ["OB105"]),
        (steps(a="", b="▸[a, a]").replace("▸[a, ", "[a, ▸"), ["OB109"]),
    ],
)
def test_needs_that_cannot_be(folder: Folder, text: str, codes: list[str]) -> None:
    folder.expect(text, *codes)


@pytest.mark.parametrize(
    ("text", "message", "help_"),
    [
        (
            steps(ingest="", book="[ingset]"),
            "`book` needs `ingset`, which is no step",
            "did you mean `ingest`?",
        ),
        (steps(a="", zulu="[qqq]"), "`zulu` needs `qqq`, which is no step", "steps: a, zulu"),
        (steps(a="[c]", b="[a]", c="[b]"), "these steps wait for each other: a -> c -> b -> a", ""),
        (steps(a="[a]"), "`a` needs itself", ""),
    ],
)
def test_what_is_said(folder: Folder, text: str, message: str, help_: str) -> None:
    [finding] = folder.findings(text)
    assert (finding.message, finding.help) == (message, help_)


def test_a_step_with_a_bad_name_is_still_a_step(folder: Folder) -> None:
    folder.expect("name: n\nsteps:\n  ▸a b: {run: x}\n  c: {run: x, needs: ['a b']}\n", "OB118")


# ── cells ────────────────────────────────────────────────────────────────────────────────────────


def celled(a: str, b: str, more: str = "") -> str:
    """Two steps with these axes, the second of which needs the first cell by cell."""
    return (
        f"name: n\nsteps:\n  a: {{run: x, matrix: {{{a}}}}}\n"
        f"  b: {{run: x, needs: {{▸a: same}}, matrix: {{{b}}}{more}}}\n"
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x: [1, 2]", "x: [1, 2]"),
        ("x: [1, 2]", "y: 3, x: [2]"),
        ("x: 2, y: 3", "y: 3, z: [q], x: 2"),
        ("", "x: 2"),
        ("", ""),
    ],
)
def test_a_cell_can_wait_for_its_like(folder: Folder, a: str, b: str) -> None:
    step = folder.load(celled(a, b).replace("▸", "")).pipeline.step("b")
    assert {need.step: need.mode.value for need in step.needs} == {"a": "same"}


@pytest.mark.parametrize(
    ("a", "b", "problem"),
    [
        ("x: 2", "", "has no axis `x`"),
        ("x: 2, y: 2", "x: 2", "has no axis `y`"),
        ("x: 2", "x: 3", "its axis `x` has values that do not occur there: 2"),
        (
            "x: [a]",
            "x: [a, b, c, d, e]",
            "its axis `x` has values that do not occur there: b, c, d and 1 more",
        ),
    ],
)
def test_a_cell_without_its_like_is_a_finding(folder: Folder, a: str, b: str, problem: str) -> None:
    [finding] = folder.expect(celled(a, b), "OB140")
    assert finding.message == f"`b` needs the same cell of `a`, but {problem}"


def test_the_dates_of_the_command_line_may_take_the_like_away(folder: Folder) -> None:
    """An axis of dates is cut, one that only looks like it is not."""
    text = celled(
        "day: {days: all, from: 2024-01-01, to: 2024-01-03}", "day: [2024-01-01, 2024-01-02]"
    ).replace("▸", "")
    assert folder.load(text).pipeline.size == 5
    day = date(2024, 1, 2)
    [finding] = folder.findings(text, overrides=Overrides(on="process", dates=(day, day)))
    assert finding.code == "OB140"


def test_a_sample_of_cells_that_wait_for_cells(folder: Folder) -> None:
    text = celled("x: 9", "x: 9, y: 9").replace("▸", "")
    loaded = folder.load(text, overrides=Overrides(on="process", sample=3))
    assert [len(step.matrix) for step in loaded.pipeline] == [3, 3]
    broken = celled("x: 2", "x: 3").replace("▸", "")
    [finding] = folder.findings(broken, overrides=Overrides(on="process", sample=3))
    assert finding.code == "OB140"


def test_an_order_goes_along_an_axis_of_the_step(folder: Folder) -> None:
    step = folder.load(celled("x: 2", "x: 2", ", sequential: x").replace("▸", "")).pipeline.step("b")
    assert step.sequential == "x"
    text = celled("x: 2", "date: 2, x: 2", ", sequential: ▸dat").replace("{▸a", "{a")
    [finding] = folder.expect(text, "OB140")
    assert (finding.message, finding.help) == ("`b` has no axis `dat`", "did you mean `date`?")
    folder.expect("name: n\nsteps:\n  a: {run: x, sequential: ▸x}\n", "OB140")


def test_the_order_is_part_of_the_plan(folder: Folder) -> None:
    plain = folder.load(celled("x: 2", "x: 2").replace("▸", "")).digest
    ordered = folder.load(celled("x: 2", "x: 2", ", sequential: x").replace("▸", "")).digest
    assert plain != ordered


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


def falling(a: str, more: str = "", needs: str = "") -> str:
    """A step with this policy, and one that it may fall back on, with these needs."""
    wanted = f", needs: {needs}" if needs else ""
    return f"name: n\nsteps:\n  a: {{run: x, on_failure: {{{a}}}{more}}}\n  b: {{run: x{wanted}}}\n"


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("continue: true", OnFailure(goes_on=True)),
        ("fallback: last_success", OnFailure(last_success=True)),
        ("fallback: b", OnFailure(stand_in="b")),
        ("fallback: b, continue: true", OnFailure(stand_in="b", goes_on=True)),
    ],
)
def test_what_becomes_of_the_others_when_a_step_fails(folder: Folder, text: str, policy: OnFailure) -> None:
    steps = folder.load(falling(text, ", partial: ok")).pipeline
    assert (steps.step("a").on_failure, steps.step("a").partial) == (policy, True)
    assert (steps.step("b").on_failure, steps.step("b").partial) == (OnFailure(), False)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (falling("fallback: ▸c"), ["OB116"]),
        (falling("fallback: ▸last_sucess"), ["OB116"]),
        (falling("▸fallbak: b"), ["OB101"]),
        (falling("continue: ▸maybe"), ["OB103"]),
        (falling("continue: true", ", partial: ▸some"), ["OB105"]),
        (falling("fallback: a").replace("on_failure: {", "on_failure: ▸{"), ["OB117"]),
        (falling("fallback: b", needs="▸[a]"), ["OB117"]),
        (falling("fallback: b", needs="▸[c]") + "  c: {run: x, needs: [a]}\n", ["OB117"]),
    ],
)
def test_fallbacks_that_cannot_be(folder: Folder, text: str, codes: list[str]) -> None:
    folder.expect(text, *codes)


def test_a_fallback_with_a_typo_is_told(folder: Folder) -> None:
    [finding] = folder.findings(falling("fallback: last_sucess"))
    assert finding.message == "`a` falls back on `last_sucess`, which is no step"
    assert finding.help == "did you mean `last_success`?"


def test_a_stand_in_may_need_what_it_stands_in_for(folder: Folder) -> None:
    assert folder.load(falling("fallback: b", needs="{a: done}")).pipeline.step("b").needs


def test_what_failures_mean_is_no_part_of_the_plan(folder: Folder) -> None:
    assert folder.load(falling("continue: true")).digest == folder.load(falling("fallback: b")).digest


# ── templates ────────────────────────────────────────────────────────────────────────────────────

MATRIX = "{date: {sessions: XNYS, from: 2024-01-02, to: 2024-01-03}, partition: 2, x: [u, v], n: [1, 2.5]}"


def command(words: str, matrix: str = MATRIX) -> str:
    return f"name: n\nparams: {{days: 5}}\nsteps:\n  a:\n    matrix: {matrix}\n    run: {words}\n"


@pytest.mark.parametrize(
    "words",
    [
        "x {run} {key} {name} {step} {cell} {partition} {date} {x} {n} {params.days}",
        "x {date:%Y%m%d} {date:>12} {partition:03d} {partition:x} {x:>5} {n:>4}",
        "x {{literal}} {{}} $${{HOME}}",
        "[x, '{date}', 5]",
    ],
)
def test_what_templates_may_use(folder: Folder, words: str) -> None:
    """And every task can really be told."""
    pipeline = folder.load(command(words)).pipeline
    [step] = pipeline.steps
    assert isinstance(step.work, Command)
    for cell in range(len(step.matrix)):
        for word in step.work.argv:
            render(word, values("n/1", pipeline, step, cell))


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ("▸x {dat}", ["OB121"]),
        ("▸x {nope} {y} {z}", ["OB121", "OB121", "OB121"]),
        ("[x, ok, ▸'{dat}', ▸'{params.day}']", ["OB121", "OB121"]),
        ("▸'x {'", ["OB121"]),
        ("▸x }", ["OB121"]),
        ("▸x {}", ["OB121"]),
        ("▸x {0}", ["OB121"]),
        ("▸x {partition:%Y}", ["OB121"]),
        ("▸x {x:d}", ["OB121"]),
        ("▸x {n:d}", ["OB121"]),
        ("▸x {x:%Y}", ["OB121"]),
        ("▸x {params.days:%Y}", ["OB121"]),
    ],
)
def test_templates_that_cannot_be_filled_in(folder: Folder, words: str, codes: list[str]) -> None:
    plain = command(words)
    if len(codes) > words.count("▸"):
        found = folder.errors(plain.replace("▸", ""))
        assert found == [(code, 6, 10) for code in codes]
    else:
        folder.expect(plain, *codes)


@pytest.mark.parametrize(
    ("words", "message", "help_"),
    [
        ("x {dat}", "`{dat}` is not known in this step", "did you mean `{date}`?"),
        (
            "x {zzz}",
            "`{zzz}` is not known in this step",
            "known here: cell, date, key, n, name, params.days, ",
        ),
        ("'x {'", "stray '{' in '{'", "write `{{` and `}}` for braces"),
        ("x {x:d}", "`{x:d}` cannot be filled in: Unknown format code 'd'", ""),
    ],
)
def test_what_is_said_of_templates(folder: Folder, words: str, message: str, help_: str) -> None:
    [finding] = folder.findings(command(words))
    assert finding.message.startswith(message)
    assert finding.help.startswith(help_)


def test_dates_of_an_axis_without_dates_are_no_dates(folder: Folder) -> None:
    assert folder.errors(command("x {date:%Y}", "{date: [monday]}")) == [("OB121", 6, 10)]
    assert folder.load(command("x {date:%Y}", "{date: [2024-01-02]}")).pipeline.size == 1


def test_a_wrong_axis_does_not_make_its_template_wrong(folder: Folder) -> None:
    matrix = "{date: {sessions: XNYS, from: ▸2024-99-02, to: 2024-01-03}}"
    folder.expect(command("x {date} {partition}", matrix), "OB106")


def test_an_axis_that_comes_to_nothing_still_has_a_name(folder: Folder) -> None:
    matrix = "{date: {sessions: XNYS, from: ▸2024-01-06, to: 2024-01-07}}"
    folder.expect(command("▸x {date} {dat}", matrix), "OB114", "OB121")


def test_findings_of_templates_name_their_field(folder: Folder) -> None:
    [finding] = folder.findings(command("[x, '{dat}']"))
    assert isinstance(finding, Finding)
    assert finding.path == ("steps", "a", "run", 1)
