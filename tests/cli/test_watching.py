"""Events, watching, pausing and resuming, comparing: what can be done with runs of others."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click import Context

from openbell.cli.entry import cli
from tests.cli.conftest import Desk, finish, interrupt
from tests.cli.test_leaving import Terminal

QUICK = "name: q\nmarket: XNYS\nsteps:\n  w: {run: [sh, -c, 'echo {i}; test {i} != 1'], matrix: {i: 3}}\n"
HELD = (
    "name: s\nconcurrency: 2\nsteps:\n  w:\n    matrix: {i: 8}\n"
    "    run: [sh, -c, 'test {i} -lt 2 || while [ ! -e go ]; do sleep 0.02; done']\n"
)
"""Two tasks end at once, the others when there is a file `go`."""


def begun(desk: Desk) -> subprocess.Popen[str]:
    """A run that somebody else leads, and that holds until there is a file `go`."""
    desk.write("s.yaml", HELD)
    leader = desk.begin("run", "s.yaml")
    desk.until(lambda: '"running": 2, "stopping": 0, "succeeded": 2' in desk.run("status", "-o", "json").out)
    return leader


def go(desk: Desk) -> None:
    desk.write("go", "")


def ran(desk: Desk, text: str = QUICK) -> None:
    desk.write("q.yaml", text)
    assert desk.run("run", "q.yaml").code in (0, 2)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_events_of_a_run_are_the_lines_of_its_file(desk: Desk) -> None:
    ran(desk)
    shown = lines(desk.run("events", "--run", "q", "-o", "json").out)
    file = desk.folder / ".openbell/events/pipeline_q%2F1.jsonl"
    assert shown == lines(file.read_text())
    assert [line["event"] for line in shown if line["stage"] == "pipeline"] == ["start", "failure"]
    assert desk.run("events", "--run", "q/1", "--tail", "1").out.strip().endswith("Pipeline ended: partial")


def test_events_of_everything_of_a_pipeline_and_the_last_ones(desk: Desk) -> None:
    ran(desk)
    desk.write("r.yaml", QUICK.replace("name: q", "name: r"))
    desk.run("run", "r.yaml")
    every = lines(desk.run("events", "-o", "json").out)
    assert {line["run_id"] for line in every} == {None, "q/1", "r/1"}
    assert [line["seq"] for line in every] == sorted(line["seq"] for line in every)
    of_r = lines(desk.run("events", "--pipeline", "r", "-o", "json").out)
    assert {line["run_id"] for line in of_r} == {"r/1"}
    assert of_r == [line for line in every if line["run_id"] == "r/1"]
    assert "leads" in desk.run("events", "-n", "1000").out
    wrong = desk.run("events", "--pipeline", "r", "--run", "r")
    assert (wrong.code, "exclude each other" in wrong.err) == (64, True)
    assert desk.run("events", "--pipeline", "nobody").code == 64


def test_events_are_followed_until_the_run_has_ended(desk: Desk) -> None:
    leader = begun(desk)
    threading.Timer(1, go, [desk]).start()
    followed = desk.run("events", "-f", "--run", "s", "-o", "json")
    assert finish(leader).code == 0
    assert lines(followed.out) == lines(desk.run("events", "--run", "s", "-o", "json").out)
    assert lines(followed.out)[-1]["msg"] == "Pipeline complete"


def test_a_run_of_somebody_else_is_watched_to_its_end(desk: Desk) -> None:
    leader = begun(desk)
    threading.Timer(2, go, [desk]).start()
    watched = desk.run("watch", "s")
    assert watched.code == 0
    assert "s/1: succeeded" in watched.out
    assert "INFO: s: run s/1 is watched" in watched.err
    assert "Run s/1 has ended: succeeded" in watched.err
    assert finish(leader).code == 0
    after = desk.run("watch", "s/1", "-o", "json")
    assert lines(after.out)[-1]["state"] == "succeeded"


def test_who_watches_may_leave(desk: Desk) -> None:
    leader = begun(desk)
    terminal = Terminal(desk, "watch", "s")
    terminal.until(b"following")
    terminal.signal(signal.SIGINT)
    terminal.until(b"")
    assert terminal.code() == 0
    assert terminal.cursor
    assert b"Left s/1 alone" in terminal.said
    go(desk)
    assert finish(leader).code == 0


def test_nothing_happens_to_a_run_that_nobody_leads(desk: Desk) -> None:
    leader = begun(desk)
    leader.kill()
    leader.wait()
    watched = desk.run("watch", "s")
    assert watched.code == 3
    assert "no engine leads it" in watched.err
    go(desk)
    resumed = desk.run("resume", "s")
    assert resumed.code == 0, resumed
    assert "8 succeeded" in resumed.out


def test_a_run_pauses_and_goes_on(desk: Desk) -> None:
    leader = begun(desk)
    paused = desk.run("pause", "s", "--reason", "lunch", "-o", "json")
    assert json.loads(paused.out) == {"event": "Answer", "run": "s/1", "accepted": True, "message": "paused"}
    go(desk)
    desk.until(lambda: '"running": 0' in desk.run("status", "-o", "json").out)
    before = desk.run("status").out
    assert "paused (lunch)" in before
    assert leader.poll() is None, "its engine waits"
    assert "paused: the run is paused: lunch" in desk.run("why", "s/1/w").out
    assert desk.run("resume", "s").code == 0
    assert finish(leader).code == 0
    told = [line["msg"] for line in lines(desk.run("events", "--run", "s", "-o", "json").out)]
    assert any(text.startswith("Pause asked by ") for text in told)
    assert "Paused: lunch" in told
    assert "Resumed" in told
    again = desk.run("resume", "s", "-o", "json")
    assert (again.code, lines(again.out)[-1]["message"]) == (0, "it is not paused")


def test_a_paused_run_whose_engine_has_gone_is_led_by_who_resumes_it(desk: Desk) -> None:
    leader = begun(desk)
    interrupt(leader)
    desk.until(lambda: "paused" in desk.run("status").out)
    go(desk)
    assert finish(leader).code == 130
    alone = desk.run("pause", "s", "--reason", "tomorrow")
    assert (alone.code, alone.out) == (0, "s/1: paused\n")
    assert "paused (tomorrow)" in desk.run("status").out
    assert desk.run("resume", "s/1").code == 0


def test_a_pause_leaves_the_screen_of_the_leader_as_it_is(desk: Desk) -> None:
    desk.write("s.yaml", HELD)
    terminal = Terminal(desk, "run", "s.yaml")
    terminal.until(b"2 succeeded")
    pausing = desk.begin("pause", "s")
    terminal.until(b"paused")  # read on meanwhile: who does not look at the screen holds up who draws it
    go(desk)
    terminal.until(b"4 succeeded")
    resuming = desk.begin("resume", "s")
    terminal.until(b"")
    assert [finish(pausing).code, finish(resuming).code] == [0, 0]
    assert terminal.code() == 0
    assert b"8 succeeded" in terminal.said


def test_the_newest_run_of_a_pipeline_has_its_logs(desk: Desk) -> None:
    ran(desk)
    assert desk.run("logs", "--pipeline", "q", "--tail", "1").out == desk.run("logs", "q", "-n", "1").out
    failed = lines(desk.run("logs", "--pipeline", "q", "--failed", "-o", "json").out)
    assert [line["line"] for line in failed] == ["1"]
    for words in ((), ("q", "--pipeline", "q")):
        assert desk.run("logs", *words).code == 64


def test_runs_are_listed_under_headings(desk: Desk) -> None:
    ran(desk)
    head, row = desk.run("runs", "ls").out.splitlines()
    assert head.split() == ["RUN", "STATE", "OPENED", "TOOK", "TASKS"]
    assert row.split()[:2] == ["q/1", "partial"]
    assert head.index("STATE") == row.index("partial")


def test_two_runs_are_compared(desk: Desk) -> None:
    ran(desk)
    ran(desk, QUICK.replace("!= 1", "!= 2").replace("i: 3", "i: 4"))
    outcome = desk.run("runs", "diff", "q/1", "q/2")
    assert outcome.code == 1
    for part in (
        "steps.w.matrix.i: [0, 1, 2] -> [0, 1, 2, 3]",
        "w: 1 task failed -> succeeded (for example i=1)",
        "w: 1 task succeeded -> failed (for example i=2)",
        "w: 1 task not there -> succeeded (for example i=3)",
    ):
        assert part in outcome.out, outcome.out
    same = desk.run("runs", "diff", "q/2", "q/2", "-o", "json")
    assert (same.code, json.loads(same.out)["tasks"]) == (0, [])


def _commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        for name in group.list_commands(Context(group)):
            command = group.get_command(Context(group), name)
            assert command is not None
            yield from _commands(command, (*path, name))
    else:
        yield " ".join(path), group


@pytest.mark.parametrize(("name", "command"), list(_commands(cli)), ids=lambda value: str(value))
def test_every_verb_can_answer_in_json(name: str, command: click.Command) -> None:
    if name in ("calendars export", "convert", "replay"):  # have formats, or a screen, of their own
        return
    kinds = [option.type for option in command.params if "-o" in option.opts]
    assert len(kinds) == 1, f"{name} knows no -o json"
    assert isinstance(kinds[0], click.Choice)
    assert list(kinds[0].choices) == ["text", "json"]


def test_what_makes_something_says_so_in_json(desk: Desk) -> None:
    made = json.loads(desk.run("init", "demo", "-o", "json").out)
    assert made["run"] == "momentum.yaml"
    assert "momentum.yaml" in made["files"]
    ran(desk)
    report = json.loads(desk.run("report", "q", "-o", "json").out)
    assert report["run"] == "q/1"
    assert report["file"].endswith("q-1.html")
    layers = json.loads(desk.run("graph", "q.yaml", "-o", "json").out)["layers"]
    assert [[node["step"] for node in layer] for layer in layers] == [["w"]]
    assert json.loads(desk.run("explain", "steps.retry", "-o", "json").out)[0]["path"] == "steps.<name>.retry"
    assert json.loads(desk.run("cancel", "q", "-o", "json").out)["accepted"] is False
