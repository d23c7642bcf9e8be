from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from openbell.core.alarms import message
from openbell.core.alerts import (
    Acknowledge,
    Alerts,
    Deadline,
    Escalation,
    Notice,
    Notify,
    Overdue,
    Severity,
    Topic,
    letters,
)
from openbell.core.decide import decide
from openbell.core.events import Answer, CloseRun, Event, Requested
from openbell.core.model import Need
from openbell.core.requests import AckAlert, RetryTasks
from openbell.core.states import RunState
from tests.builders import NOW, RUN, World, later, step

DESK = Notice(("desk",), Severity.HIGH)
ESCALATING = Notice(("desk",), escalate=Escalation(("boss", "pager"), timedelta(minutes=30)))


def told(events: list[Event]) -> list[tuple[str, Topic, tuple[str, ...], str]]:
    return [(e.step, e.topic, e.channels, e.text) for e in events if isinstance(e, Notify)]


def failing(**keys: Any) -> World:
    """A world whose only step has just failed."""
    world = World(step("a", 3, alerts=Alerts(failure=ESCALATING)), slots=3, **keys)
    world.act()
    world.end(1, at=later(1), only=[world.live()[0][0]], error="KeyError: 'px'")
    return world


def test_the_first_failure_of_a_step_is_told_once_and_says_what_it_was() -> None:
    world = failing()
    assert told(world.act(later(1))) == [
        ("a", Topic.FAILURE, ("desk",), "a: 2 starting, 1 failed: KeyError: 'px'")
    ]
    world.end(1, at=later(2), error="another")
    assert told(world.act(later(3))) == []


def test_in_the_same_decision_as_the_end_of_the_run() -> None:
    world = World(step(), alerts=Alerts(failure=DESK, success=Notice(("log",))))
    world.act()
    world.end(1, at=later(1), error="boom")
    actions = decide(world.state, later(1)).actions
    assert [type(action) for action in actions] == [Notify, CloseRun]
    assert told(list(actions)) == [("", Topic.FAILURE, ("desk",), "failed: 1 failed: boom")]


def test_successes_are_told_of_steps_and_of_runs() -> None:
    done = Alerts(success=Notice(("log",), Severity.LOW))
    world = World(step("a", alerts=done), step("b", needs=(Need("a"),)), alerts=done)
    world.act()
    world.end(at=later(1))
    assert told(world.act(later(1))) == [("a", Topic.SUCCESS, ("log",), "a: 1 succeeded")]
    world.end(at=later(2))
    assert told(world.act(later(2))) == [("", Topic.SUCCESS, ("log",), "succeeded: 2 succeeded")]


def test_who_is_not_to_be_told_is_not() -> None:
    world = World(step(alerts=Alerts(success=DESK)), alerts=Alerts(success=DESK))
    world.act()
    world.end(1)
    assert told(world.act()) == []


def test_nobody_sees_to_it_and_others_are_told_even_of_a_run_that_has_ended() -> None:
    world = failing()
    world.act(later(1))
    world.end(0, at=later(2))
    world.act(later(3))
    assert world.record.outcome is RunState.PARTIAL
    del world.state.runs[RUN]  # the engine forgets what has ended
    due = later(1) + timedelta(minutes=30)
    assert decide(world.state, later(60)).wake_at == due
    assert decide(world.state, later(60)).actions == ()
    (escalated,) = world.act(due)
    assert isinstance(escalated, Notify)
    assert (escalated.level, escalated.channels, escalated.severity) == (1, ("boss", "pager"), Severity.HIGH)
    assert escalated.text == "nobody has seen to this: a: 2 starting, 1 failed: KeyError: 'px'"
    assert world.act(due + timedelta(days=1)) == []


def test_who_sees_to_it_keeps_the_others_asleep() -> None:
    world = failing()
    world.act(later(1))
    world.apply(Requested(later(5), "r", AckAlert(RUN, 1, "ann", "on it"), RUN))
    assert world.act(later(5)) == [
        Acknowledge(later(5), RUN, 1, "ann", "on it"),
        Answer(later(5), "r", True, "acknowledged", RUN),
    ]
    assert world.state.alerts == {}
    world.apply(Requested(later(6), "s", AckAlert(RUN, 7, "ann"), RUN))
    (answer,) = world.act(later(6))
    assert isinstance(answer, Answer)
    assert (answer.accepted, answer.message) == (False, "no alert 7 of it stands")


@pytest.mark.parametrize(("cell", "resolved"), [(None, True), (0, True)])
def test_who_tries_again_has_seen_to_it_and_a_new_failure_is_a_new_alert(
    cell: int | None, resolved: bool
) -> None:
    world = failing()
    world.act(later(1))
    world.end(0, at=later(2))
    world.act(later(3))
    world.apply(Requested(later(5), "r", RetryTasks(RUN, step="a", cell=cell), RUN))
    assert told(world.act(later(5))) == []
    assert (world.state.alerts == {}) is resolved
    world.end(1, at=later(6), error="again")
    assert [text for *_, text in told(world.act(later(6)))] == ["a: 2 succeeded, 1 failed: again"]
    assert world.state.next_alert == 3


def test_as_long_as_others_have_failed_as_well_it_stands() -> None:
    world = World(step("a", 3, alerts=Alerts(failure=ESCALATING)), slots=3)
    world.act()
    world.end(1, at=later(1), error="boom")
    world.act(later(1))
    world.apply(Requested(later(5), "r", RetryTasks(RUN, step="a", cell=0), RUN))
    assert told(world.act(later(5))) == []
    assert list(world.state.alerts) == [1]


@pytest.mark.parametrize(
    "deadline",
    [Deadline(DESK, at=later(60)), Deadline(DESK, after=timedelta(seconds=60))],
    ids=["at", "after"],
)
def test_a_run_is_overdue_once_and_while_it_is_under_way(deadline: Deadline) -> None:
    world = World(step(), deadline=deadline, tz="America/New_York")
    world.act()
    assert decide(world.state, NOW).wake_at == later(60)
    events = world.act(later(60))
    assert events[0] == Overdue(later(60), RUN, later(60))
    assert told(events) == [("", Topic.OVERDUE, ("desk",), "has not ended by 2024-07-02 10:01:00 EDT")]
    assert world.record.overdue == later(60)
    assert world.act(later(100)) == []
    world.end(at=later(200))
    world.act(later(200))
    assert world.record.alerts == {}, "what has ended is not late any more"


def test_a_run_that_ends_in_time_is_not_overdue() -> None:
    world = World(step(), deadline=Deadline(DESK, at=later(60)))
    world.act()
    world.end(at=later(30))
    assert world.act(later(30)) == [CloseRun(later(30), RUN, RunState.SUCCEEDED)]
    assert decide(world.state, later(100)).actions == ()


def test_a_deadline_of_no_session_yet_is_none() -> None:
    assert Deadline(DESK).of(NOW) is None


def test_letters_say_the_same_whoever_writes_them() -> None:
    world = failing(
        market="XNYS", tz="America/New_York", sessions={"session": "2024-07-02"}, title="Nightly!"
    )
    (event,) = [e for e in world.act(later(1)) if isinstance(e, Notify)]
    (letter,) = letters(event)
    assert letter.id == "1.0.desk"
    told_ = message(letter, world.record.run)
    assert told_ == {
        "id": "1.0.desk",
        "alert": 1,
        "topic": "failure",
        "severity": "medium",
        "escalation": False,
        "subject": "p/1/a: failure",
        "text": "a: 2 starting, 1 failed: KeyError: 'px'",
        "timestamp": "2024-07-02T10:00:01-04:00",
        "run_id": "p/1",
        "step": "a",
        "uid": world.record.run.uid,
        "pipeline": "p",
        "title": "Nightly!",
        "market": "XNYS",
        "session": "2024-07-02",
    }
    assert message(letter, None)["pipeline"] is None, "a run that is not kept any more"
