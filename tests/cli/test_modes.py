"""Modes and named steps on the command line, with real processes."""

from __future__ import annotations

import json

from tests.cli.conftest import Desk

RESEARCH = """name: research
params: {days: 30}
modes: {daily: {steps: [data], params: {days: 1}}, weekly: [data, metrics]}
steps:
  data: {run: [sh, -c, 'echo data {mode} {params.days} $OPENBELL_RUN_MODE >> ran']}
  scenarios: {run: [sh, -c, 'echo scenarios >> ran'], needs: [data]}
  metrics: {run: [sh, -c, 'echo metrics >> ran'], needs: [scenarios]}
"""


def test_a_run_in_a_mode(desk: Desk) -> None:
    desk.write("pipelines/research.yaml", RESEARCH)
    desk.write("openbell.yaml", "{}\n")
    assert desk.run("run", "--pipeline", "research", "--mode", "daily").code == 0
    assert desk.lines("pipelines/ran") == ["data daily 1 daily"]
    assert "nothing to do" in desk.run("run", "research", "--mode", "daily").err
    weekly = desk.run("run", "--mode", "weekly")
    assert "note: `metrics` does not wait for `scenarios`, which is no part of this run" in weekly.err
    assert sorted(desk.lines("pipelines/ran")[1:]) == ["data weekly 30 weekly", "metrics"]
    listed = desk.run("runs", "ls").out.splitlines()
    assert [line.split()[-1] for line in listed] == ["MODE", "weekly", "daily"]
    shown = desk.run("runs", "show", "research").out
    assert "  mode    weekly\n  params  days=30\n  without scenarios\n" in shown
    assert json.loads(desk.run("runs", "show", "research/1", "-o", "json").out)["params"] == {"days": 1}
    told = json.loads(desk.run("runs", "show", "research/2", "-o", "json").out)["choice"]
    assert (told["mode"], told["steps"]) == ("weekly", [])
    assert (told["left_out"], told["dropped"]) == (["scenarios"], [["metrics", "scenarios"]])
    assert json.loads(desk.run("runs", "ls", "-o", "json").out)[0]["mode"] == "weekly"


def test_named_steps(desk: Desk) -> None:
    desk.write("research.yaml", RESEARCH)
    assert desk.run("run", "research.yaml", "--steps", "+scenarios").code == 0
    assert desk.lines("ran") == ["data full 30 full", "scenarios"]
    done = desk.run("run", "research.yaml", "--steps", "scenarios,metrics")
    assert "`scenarios` does not wait for `data`" in done.err
    assert "  steps   scenarios, metrics" in desk.run("runs", "show", "research/2").out
    plan = json.loads(
        desk.run("plan", "research.yaml", "--steps", "metrics", "--mode", "weekly", "-o", "json").out
    )
    assert (plan["mode"], plan["chosen"], plan["without"]) == ("weekly", ["metrics"], ["scenarios", "data"])
    assert plan["notes"] == ["`metrics` does not wait for `scenarios`, which is no part of this run"]
    drawn = desk.run("graph", "--steps", "scenarios+").out
    assert drawn.split() == ["1", "scenarios", "2", "metrics", "<-", "scenarios"]


def test_a_step_by_the_name_of_source_002(desk: Desk) -> None:
    """`run --pipeline data_pipeline --mode daily`: what was a pipeline there is a step here."""
    desk.write("research.yaml", RESEARCH)
    done = desk.run("run", "--pipeline", "data", "--mode", "daily")
    assert (done.code, desk.lines("ran")) == (0, ["data daily 1 daily"])
    assert "note: `data` is a step of research" in done.err


def test_what_cannot_be_run(desk: Desk) -> None:
    desk.write("research.yaml", RESEARCH)
    unknown = desk.run("run", "research.yaml", "--mode", "dayly")
    assert unknown.code == 65
    assert "--> research.yaml:3:1" in unknown.err
    assert "did you mean `daily`?" in unknown.err
    assert desk.run("run", "research.yaml", "--steps", "a,,b").code == 64
    assert desk.run("run", "research.yaml", "--pipeline", "research.yaml").code == 64
    assert desk.run("run", "--pipeline", "nothing").code == 64
    desk.write("other.yaml", RESEARCH.replace("research", "other"))
    several = desk.run("run", "--mode", "daily")
    assert (several.code, "pipelines here: other, research" in several.err) == (64, True)


def test_validate_looks_at_every_mode(desk: Desk) -> None:
    desk.write(
        "p.yaml",
        "name: p\nmodes: {m: {params: {x: 1}}, n: [a]}\ndefault_mode: m\nsteps: {a: {run: 'x {params.x}'}}",
    )
    assert desk.run("plan", "p.yaml").code == 0
    found = desk.run("validate", "p.yaml")
    assert found.code == 65
    assert "not known in this step in the mode `n`" in found.err


def test_a_backfill_in_a_mode(desk: Desk) -> None:
    desk.write(
        "p.yaml",
        "name: p\nmarket: XNYS\nmodes: {fill: {steps: [a], params: {how: past}}}\nparams: {how: now}\n"
        "steps:\n  a: {run: [sh, -c, 'echo {session} {params.how} >> ran']}\n  b: {run: 'false'}\n",
    )
    assert desk.run("backfill", "p.yaml", "2024-07-03:2024-07-05", "--mode", "fill").code == 0
    assert desk.lines("ran") == ["2024-07-03 past", "2024-07-05 past"]


def test_a_backfill_tells_once_what_is_not_waited_for(desk: Desk) -> None:
    desk.write(
        "p.yaml",
        "name: p\nmarket: XNYS\nsteps:\n  a: {run: 'false'}\n  b: {run: 'true {session}', needs: [a]}\n",
    )
    done = desk.run("backfill", "p.yaml", "2024-07-01:2024-07-03", "--steps", "b")
    assert (done.code, done.err.count("does not wait for `a`")) == (0, 1)


def test_a_plan_tells_the_times_of_the_market(desk: Desk) -> None:
    desk.write(
        "t.yaml",
        "name: t\nmarket: XTKS\nsteps:\n"
        "  a: {run: x, when: session, stop_at: next open-5m}\n"
        "  b: {run: x, when: {after: close+15m, until: next open-30m}}\n"
        "  c: {run: x, when: {after: previous close}}\n",
    )
    shown = desk.run("plan", "t.yaml", "--date", "2024-07-05").out
    assert "09:00 to 11:30 JST, 12:30 to 15:00 JST" in shown
    assert "ends by      Mon 2024-07-08 08:55 JST" in shown
    assert "15:15 to Mon 2024-07-08 08:30 JST" in shown
    assert "from Thu 2024-07-04 15:00 JST" in shown


def test_a_plan_over_a_change_of_the_clocks(desk: Desk) -> None:
    desk.write("t.yaml", "name: t\nmarket: XNYS\nsteps: {a: {run: x, when: overnight}}")
    shown = desk.run("plan", "t.yaml", "--date", "2024-03-08").out
    assert "18:00 EST to Mon 2024-03-11 08:30 EDT" in shown
