"""Modes of a pipeline, and the steps that are named: what is chosen, and what cannot be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from openbell.config.load import Loaded, Overrides, define
from openbell.config.project import Project
from openbell.core.model import Choice, Command
from openbell.core.render import command, environment, render, values
from openbell.core.selection import dropped_needs
from tests.builders import NOW
from tests.config.conftest import Folder
from tests.config.texts import LOGIN, PQ

MODES = """\
name: research
params: {days: 30, depth: 2}
modes:
  daily: {steps: [data], params: {days: 1}}
  weekly: [data, metrics]
  late: {steps: [metrics+]}
  one: metrics
  full: all
steps:
  data: {run: "get {mode} {params.days}"}
  scenarios: {run: make, needs: [data]}
  metrics: {run: measure, needs: [scenarios, data]}
  report: {run: tell, needs: {metrics: done}}
"""


def chosen(folder: Folder, text: str = MODES, **options: Any) -> Loaded:
    return folder.load(text, overrides=Overrides(**options))


@pytest.mark.parametrize(
    ("options", "steps", "mode"),
    [
        ({}, "data scenarios metrics report", "full"),
        ({"mode": "full"}, "data scenarios metrics report", "full"),
        ({"mode": "daily"}, "data", "daily"),
        ({"mode": "weekly"}, "data metrics", "weekly"),
        ({"mode": "late"}, "metrics report", "late"),
        ({"mode": "one"}, "metrics", "one"),
        ({"steps": ("+scenarios",)}, "data scenarios", "full"),
        ({"mode": "weekly", "steps": ("metrics+",)}, "metrics", "weekly"),
    ],
)
def test_a_mode_and_named_steps_choose(folder: Folder, options: Any, steps: str, mode: str) -> None:
    pipeline = chosen(folder, **options).pipeline
    assert [step.name for step in pipeline] == steps.split()
    assert pipeline.choice.mode == mode


def test_a_mode_has_parameters_of_its_own(folder: Folder) -> None:
    daily = chosen(folder, mode="daily").pipeline
    assert daily.params == {"days": 1, "depth": 2}
    work = daily.step("data").work
    assert isinstance(work, Command)
    known = values("research/1", daily, daily.step("data"), 0)
    assert [render(word, known) for word in work.argv] == ["get", "daily", "1"]
    assert chosen(folder, mode="weekly").pipeline.params == {"days": 30, "depth": 2}


def test_without_a_mode_it_is_the_default_one_or_full(folder: Folder) -> None:
    assert chosen(folder, MODES + "default_mode: daily\n").pipeline.choice.mode == "daily"
    assert chosen(folder, MODES + "default_mode: daily\n", mode="full").pipeline.choice.mode == "full"
    implied = MODES.replace("  full: all\n", "")
    assert len(chosen(folder, implied).pipeline.steps) == 4
    assert chosen(folder, implied, mode="full").pipeline.choice.mode == "full"
    partial = MODES.replace("full: all", "full: [data, report]")
    assert [step.name for step in chosen(folder, partial).pipeline] == ["data", "report"]


def test_a_pipeline_without_modes_has_none(folder: Folder) -> None:
    loaded = chosen(folder, "name: n\nsteps: {a: {run: x}}")
    assert loaded.pipeline.choice == Choice()
    assert loaded.modes == ()
    assert chosen(folder).modes == ("daily", "weekly", "late", "one", "full")


def test_what_a_task_is_told(folder: Folder) -> None:
    from openbell.core.model import AttemptKey, Run

    pipeline = chosen(folder, mode="daily").pipeline
    run = Run("research/1", pipeline, "d", NOW)
    told = environment(run, pipeline.step("data"), AttemptKey("research/1", "data", 0, 1))
    assert told["OPENBELL_RUN_MODE"] == "daily"


def test_the_command_that_takes_a_part_up_again_names_it(folder: Folder) -> None:
    part = chosen(folder, mode="weekly", steps=("data", "metrics+")).pipeline
    assert command(part).endswith("c.yaml --mode weekly --steps data,metrics+")


def test_parts_are_plans_of_their_own(folder: Folder) -> None:
    digests = {
        chosen(folder, **options).digest
        for options in ({}, {"mode": "daily"}, {"mode": "weekly"}, {"mode": "one"}, {"steps": ("report",)})
    }
    assert len(digests) == 5
    same = MODES.replace("one: metrics", "one: metrics\n  other: all").replace("days: 1", "days: 30")
    assert chosen(folder, same, mode="other").digest != chosen(folder, same, mode="full").digest
    everything = chosen(folder, steps=("+report",))
    assert everything.digest == chosen(folder).digest, "all steps named are all steps"


def test_a_step_that_is_left_out_brings_no_times(folder: Folder) -> None:
    text = MODES.replace("name: research", "name: research\nmarket: XNYS").replace(
        "run: tell", "run: tell, when: post_close"
    )
    assert "session" not in chosen(folder, text, mode="daily").pipeline.sessions
    assert "session" in chosen(folder, text).pipeline.sessions


def test_needs_that_are_dropped_are_told(folder: Folder) -> None:
    assert dropped_needs(chosen(folder, mode="weekly").pipeline) == [
        "`metrics` does not wait for `scenarios`, which is no part of this run"
    ]


# ── what cannot be ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "options", "message", "help_"),
    [
        (MODES.replace("modes:", "▸modes:"), {"mode": "dayly"}, "there is no mode `dayly`", "mean `daily`"),
        (MODES.replace("modes:", "▸modes:"), {"mode": "x"}, "there is no mode `x`", "modes: full, daily"),
        (
            MODES.replace("steps: [data]", "steps: [▸date]"),
            {},
            "the mode `daily` names `date`",
            "mean `data`",
        ),
        (
            MODES.replace("weekly: [data, ", "weekly: [data, ▸+qq, "),
            {},
            "names `qq`, which is no step",
            "steps: ",
        ),
        (
            MODES.replace("one: metrics", "one: ▸metric"),
            {},
            "the mode `one` names `metric`",
            "mean `metrics`",
        ),
        (MODES + "default_mode: ▸nightly\n", {}, "`default_mode` names `nightly`", "modes: full, daily"),
        (
            MODES.replace("\nsteps:", "\n▸steps:"),
            {"steps": ("metrix",)},
            "no step `metrix`",
            "mean `metrics`",
        ),
        (
            MODES.replace("daily: {", "▸daily: {"),
            {"mode": "daily", "steps": ("report",)},
            "`report` is no step of the mode `daily`",
            "",
        ),
        (
            MODES + "triggers: [{every: 1h, mode: ▸dialy}]\n",
            {},
            "the trigger names the mode `dialy`",
            "mean `daily`",
        ),
        (
            "name: n\nsteps: {a: {run: x}}\ntriggers: [{every: 1h, mode: ▸daily}]\n",
            {},
            "which the pipeline does not have",
            "modes: none",
        ),
        ("▸name: n\nsteps: {a: {run: x}}", {"mode": "daily"}, "the pipeline has no modes", ""),
    ],
)
def test_what_is_not_there(folder: Folder, text: str, options: Any, message: str, help_: str) -> None:
    [finding] = folder.expect(text, "OB125", overrides=Overrides(**options))
    assert message in finding.message
    assert help_ in finding.help


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (MODES.replace("weekly: [data, metrics]", "weekly: ▸[]"), "OB104"),
        (MODES.replace("weekly: [data, metrics]", "weekly: [data, ▸3]"), "OB103"),
        (MODES.replace("weekly: [data, metrics]", "weekly: [data, ▸'a b']"), "OB106"),
        (MODES.replace("weekly: [data, metrics]", "weekly: {▸stepps: [data]}"), "OB101"),
        (MODES.replace("weekly: [data, metrics]", "▸a b: [data]"), "OB118"),
        ("name: n\n▸default_mode: full\nsteps: {a: {run: x}}", "OB111"),
    ],
)
def test_what_is_written_wrong(folder: Folder, text: str, code: str) -> None:
    folder.expect(text, code)


def test_a_parameter_that_only_another_mode_has(folder: Folder) -> None:
    text = MODES.replace("params: {days: 30, depth: 2}\n", "")
    assert chosen(folder, text, mode="daily").pipeline.params == {"days": 1}
    [finding] = folder.findings(text)
    assert finding.message == "`{params.days}` is not known in this step in the mode `full`"


def test_a_sweep_file_has_no_modes(folder: Folder) -> None:
    found = folder.findings(PQ, LOGIN, overrides=Overrides(on="process", mode="daily"))
    [finding] = [one for one in found if one.fatal]
    assert (finding.code, finding.message) == ("OB125", "there is no mode `daily`: a sweep file has no modes")


# ── triggers ─────────────────────────────────────────────────────────────────────────────────────


def test_a_trigger_opens_runs_in_its_mode(folder: Folder) -> None:
    text = MODES.replace("name: research", "name: research\nmarket: XNYS").replace(
        "run: tell", "run: 'tell {session}', when: post_close"
    )
    text += "triggers: [{every: 1h, mode: daily}, {market: close, mode: late}, session]\n"
    definition = define(folder.write(text), Project(folder.path), {})
    assert set(definition.modes) == {"daily", "late"}
    daily, late = (definition.bound(date(2024, 7, 3), mode) for mode in ("daily", "late"))
    assert ([step.name for step in daily], daily.params["days"], daily.choice.mode) == (["data"], 1, "daily")
    assert [step.name for step in late] == ["metrics", "report"]
    assert late.step("report").openings
    assert definition.bound(date(2024, 7, 3)).choice.mode == "full"
    assert definition.means(define(folder.path / "c.yaml", Project(folder.path), {}))
    other = define(folder.write(text.replace("days: 1}", "days: 2}")), Project(folder.path), {})
    assert not definition.means(other), "what another mode says is news as well"
