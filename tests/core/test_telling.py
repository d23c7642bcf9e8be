from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import pytest

from openbell.core import events, requests, telling
from openbell.core.events import (
    Answer,
    Exit,
    Exited,
    Force,
    Led,
    Lost,
    Refused,
    Reported,
    Requested,
    Stall,
    Stop,
)
from openbell.core.evolve import evolve, judged
from openbell.core.model import Forced, Need, Retry
from openbell.core.requests import CancelTasks, HaltRun, PauseRun, Request, ResumeRun, RetryTasks, Submit
from openbell.core.states import StopReason, TaskState
from openbell.core.telling import KINDS, Teller, run_of
from tests.builders import NOW, RUN, World, later, step


def told(world: World, *given: events.Event) -> list[tuple[str, str, str]]:
    """Stage, event and message of these events (of the whole journal without any)."""
    teller = Teller(world.record.run)
    lines = [teller.line(seq, event) for seq, event in enumerate(given or world.journal, 1)]
    return [(line["stage"], line["event"], line["msg"]) for line in lines if line is not None]


def end(world: World, at: float, **keys: Any) -> events.Fact:
    """The first live attempt ends like this; the fact as an engine records it."""
    task, attempt = world.live()[0]
    fact = Exited(later(at), task, attempt, Exit(**keys))
    evolve(world.state, fact)
    return judged(world.state, fact)


def test_a_run_from_its_start_to_its_end() -> None:
    world = World(step("a"), step("b", needs=(Need("a"),)))
    world.act()
    world.end()
    world.act(later(1))
    world.end(at=later(2))
    world.act(later(3))
    assert told(world) == [
        ("pipeline", "start", "Pipeline run started"),
        ("a", "start", "Started: a"),
        ("a", "success", "Succeeded: a"),
        ("b", "start", "Started: b"),
        ("b", "success", "Succeeded: b"),
        ("pipeline", "success", "Pipeline complete"),
    ]


def test_a_line_has_everything_that_source_004_has_and_what_identifies_it() -> None:
    world = World(
        step("a", 2), tz="America/Chicago", market="XNYS", sessions={"session": "2024-07-02"}, title="P!"
    )
    world.act()
    world.end()
    line = Teller(world.record.run).line(7, world.journal[-1])
    assert line is not None
    assert {name: line[name] for name in ("run_id", "stage", "event", "seq", "task", "attempt")} == {
        "run_id": RUN,
        "stage": "a",
        "event": "success",
        "seq": 7,
        "task": "p/1/a/1",
        "attempt": 1,
    }
    assert line["timestamp"] == "2024-07-02T09:00:00-05:00"
    assert (line["market"], line["session"]) == ("XNYS", "2024-07-02")
    assert line["data"]["exit_code"] == 0
    assert list(line)[:6] == ["run_id", "stage", "event", "timestamp", "msg", "data"]


def test_a_failure_is_one_only_when_no_try_is_left() -> None:
    world = World(step(retry=Retry(attempts=2, delay=timedelta(seconds=5))))
    world.act()
    first = end(world, 1, code=3, error="boom")
    world.act(later(30))
    second = end(world, 31, code=3, error="boom")
    assert told(world, first, second) == [
        ("a", "log", "Will be tried again: a: boom"),
        ("a", "failure", "Failed: a: boom"),
    ]


def test_what_was_stopped_is_no_failure_of_its_own() -> None:
    world = World(step())
    world.act()
    task, attempt = world.live()[0]
    world.apply(Stop(later(1), task, attempt, StopReason.CANCEL))
    fact = end(world, 2, code=None, signal="SIGTERM", stopped=StopReason.CANCEL)
    assert told(world, fact) == [("a", "failure", "Cancelled: a")]
    line = Teller(world.record.run).line(1, fact)
    assert line is not None
    assert (line["data"]["state"], line["data"]["stopped"]) == ("cancelled", "cancel")


def test_entries_of_an_older_openbell_say_less_and_no_less_than_they_know() -> None:
    world = World(step())
    world.act()
    task, attempt = world.live()[0]
    entries = (Lost(NOW, task, attempt, "gone"), Refused(NOW, task, attempt, "full"))
    assert [event for _, event, _ in told(world, *entries)] == ["failure", "failure"]
    assert told(world, Exited(NOW, task, attempt, Exit(0))) == [("a", "success", "Succeeded: a")]


def test_what_a_worker_says_is_a_log_or_a_metric() -> None:
    world = World(step())
    world.act()
    task, attempt = world.live()[0]
    said = [
        Reported(NOW, task, attempt, topic, "saved", {"rows": 3}) for topic in ("log", "metric", "progress")
    ]
    assert [event for _, event, _ in told(world, *said)] == ["log", "metric", "metric"]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (RetryTasks(RUN, actor="ann"), "Retry (failed) asked by ann"),
        (CancelTasks(RUN, actor="ann"), "Cancellation asked by ann"),
        (PauseRun(RUN, "lunch", "ann"), "Pause asked by ann: lunch"),
        (ResumeRun(RUN), "Resumption asked by a user"),
        (HaltRun(RUN, "now", "ann"), "Halt asked by ann: now"),
    ],
)
def test_who_asked_for_what(request_: Request, text: str) -> None:
    world = World(step())
    assert told(world, Requested(later(1), "r", request_, RUN)) == [("pipeline", "log", text)]


def test_the_request_that_opens_a_run_is_told_by_the_run_itself() -> None:
    world = World(step())
    submit = Submit(world.record.run.pipeline, "digest", "ann")
    assert told(world, Requested(NOW, "r", submit, RUN)) == []
    again = told(world, Requested(later(1), "r", submit, RUN))
    assert again == [("pipeline", "log", "Asked to go on by ann")]


def test_refusals_are_told_and_agreement_is_not() -> None:
    world = World(step())
    assert told(world, Answer(NOW, "r", True, "resumed", RUN)) == []
    assert told(world, Answer(NOW, "r", False, "it is not paused", RUN)) == [
        ("pipeline", "log", "Refused: it is not paused")
    ]


def test_every_kind_of_event_and_request_is_looked_at() -> None:
    """Each has a line, or is among those that need none."""
    world = World(step("a", 2))
    world.act()
    task, attempt = world.live()[0]
    silent = {
        "Start",
        "Led",
        "SpaceChanged",
        "Watch",
        "Unwatch",
        "Fire",
        "Miss",
        "Unplanned",
        "Arrived",
        "Recalled",
    }
    given = [
        *world.journal,
        Stall(NOW, RUN, task, attempt, 70.0),
        Answer(NOW, "r", True, "x"),
        Led(NOW, 1, "x", True),
    ]
    for event in given:
        lines = told(world, event)
        assert all(kind in KINDS for _, kind, _ in lines)
        if type(event).__name__ in silent:
            assert lines == []
    known = set(vars(telling))
    for kind in get_args(events.Action) + get_args(events.Fact):
        assert kind.__name__ in known | silent, f"core/telling.py knows nothing of {kind.__name__}"
    for kind in get_args(requests.Request):
        assert kind.__name__ in known, f"core/telling.py knows nothing of {kind.__name__}"


def test_what_an_event_is_about() -> None:
    world = World(step())
    world.act()
    assert [run_of(event) for event in world.journal] == [RUN] * len(world.journal)
    assert run_of(Led(NOW, 1, "x", True)) is None
    assert world.record.groups["a"].state(0) is TaskState.STARTING


def test_a_run_has_one_uid_for_everybody() -> None:
    one, other = World(step()).record.run, World(step()).record.run
    assert one.uid == other.uid
    assert len(one.uid) == 36
    assert str(UUID(one.uid)) == one.uid
    assert replace(one, opened_at=later(1)).uid != one.uid


def test_who_forces_a_run_is_told() -> None:
    world = World(step())
    word = Forced("ann@desk", "the vendor is late")
    assert told(world, Force(NOW, RUN, word)) == [
        ("pipeline", "log", "Forced by ann@desk: the vendor is late")
    ]
    assert told(world, Force(NOW, RUN, None)) == [("pipeline", "log", "Its conditions count again")]
