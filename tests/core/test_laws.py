"""The seven laws of the core, each as a property of pipelines and histories that nobody has thought of.

`tests/sim` checks them again in whole worlds, with stores, crashes and late reports.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.core.decide import decide
from openbell.core.events import Event, Exit, Exited, Lost, Pause, Refused, Reopen, Resume, Start, Started
from openbell.core.evolve import evolve
from openbell.core.model import Demand, Need, NeedMode, Priority, Retry, Step, TaskKey
from openbell.core.state import State
from openbell.core.states import TaskState
from openbell.store.loader import snapshot
from tests.builders import NOW, RUN, World, step

SLOTS = 3
ENDS = st.sampled_from([0, 0, 0, 1, 3, None])
"""How an attempt ends: its exit status, or None when it is lost."""


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """One to four steps, each of which may need earlier ones."""
    made: list[Step] = []
    for number in range(draw(st.integers(1, 4))):
        earlier = [one.name for one in made]
        wanted = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        needs = tuple(Need(name, draw(st.sampled_from(NeedMode))) for name in wanted)
        likes = [need.step for need in needs if need.mode is NeedMode.SAME]
        sizes = [size for one in made if one.name in likes and (size := len(one.matrix)) > 1]
        cells = draw(st.integers(2, min(sizes)) if sizes else st.integers(1, 4))
        made.append(
            step(
                f"s{number}",
                cells,
                needs=needs,
                sequential=draw(st.sampled_from(["", "i"])) if cells > 1 else "",
                retry=Retry(
                    attempts=draw(st.integers(1, 3)), delay=timedelta(seconds=draw(st.integers(0, 5)))
                ),
                priority=draw(st.sampled_from(list(Priority))),
                demand=Demand(cpu=draw(st.sampled_from([1.0, 2.0, 9.0]))),
                start_timeout=draw(st.sampled_from([None, timedelta(seconds=20)])),
                timeout=draw(st.sampled_from([None, timedelta(seconds=30)])),
            )
        )
    return made


class History(World):
    """A run that goes on by facts that hypothesis chooses."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw
        self.now = NOW
        self.forgiven = 0
        keys: dict[str, Any] = {
            "concurrency": self._draw(st.sampled_from([None, 1, 2])),
            "max_failures": self._draw(st.sampled_from([None, 1, 2])),
        }
        super().__init__(*self._draw(steps()), slots=SLOTS, keeps_time=False, **keys)

    def go_on(self, rounds: int) -> None:
        """So many turns, with something that happens after each."""
        for _ in range(rounds):
            self.act(self.now)
            self.happen()

    def happen(self) -> None:
        """One fact about something that lives, or a wish of the user, or only time."""
        live = self.live()
        wish = self._draw(st.sampled_from(["end", "end", "end", "start", "refuse", "wait", "pause", "retry"]))
        if wish == "pause" and self.record.outcome is None:
            pausing = Pause(self.now, RUN, "lunch")
            self.apply(Resume(self.now, RUN) if self.record.paused else pausing)
        elif wish == "retry" and self.record.count(TaskState.FAILED):
            failed = next(n for n, g in self.record.groups.items() if g.count(TaskState.FAILED))
            self.apply(Reopen(self.now, RUN, failed, (TaskState.FAILED,), "again"))
            self.forgiven = self.record.count(TaskState.FAILED)
        elif live and wish in ("end", "start", "refuse"):
            self._report(wish, *self._draw(st.sampled_from(live)))
        else:
            self.now += timedelta(seconds=self._draw(st.integers(1, 40)))

    def _report(self, wish: str, task: TaskKey, attempt: int) -> None:
        state = self.record.groups[task.step].state(task.cell)
        if wish == "start" and state is TaskState.STARTING:
            self.apply(Started(self.now, task, attempt, "1"))
        elif wish == "refuse" and state is TaskState.STARTING:
            counted = self._draw(st.booleans())
            self.apply(Refused(self.now, task, attempt, "no", counted=counted, retry_after=1.0))
        elif wish == "end":
            self.end_one(task, attempt)

    def end_one(self, task: TaskKey, attempt: int) -> None:
        code = self._draw(ENDS)
        if code is None:
            self.apply(Lost(self.now, task, attempt, "gone"))
        else:
            self.apply(Exited(self.now, task, attempt, Exit(code)))


def look(state: State) -> dict[str, Any]:
    """All of a state that a restart has to bring back."""
    return {run: deepcopy(snapshot(record)) for run, record in state.runs.items()}


rounds = st.integers(0, 25)


@given(st.data(), rounds)
def test_1_decide_only_reads(data: st.DataObject, count: int) -> None:
    history = History(data)
    history.go_on(count)
    before = look(history.state)
    assert decide(history.state, history.now) == decide(history.state, history.now)
    assert look(history.state) == before


@given(st.data(), rounds)
def test_2_decide_comes_to_rest(data: st.DataObject, count: int) -> None:
    history = History(data)
    history.go_on(count)
    history.act(history.now)
    assert decide(history.state, history.now).actions == ()


@given(st.data(), rounds)
def test_3_the_journal_folds_to_the_state(data: st.DataObject, count: int) -> None:
    history = History(data)
    history.go_on(count)
    folded = State(history.state.limits)
    for event in history.journal:
        evolve(folded, event)
    assert look(folded) == look(history.state)


@given(st.data(), rounds)
def test_4_reports_of_another_attempt_change_nothing(data: st.DataObject, count: int) -> None:
    history = History(data)
    history.go_on(count)
    before = look(history.state)
    for name, group in history.record.groups.items():
        for cell in range(group.size):
            live = group.live.get(cell)
            task = TaskKey(RUN, name, cell)
            for attempt in {group.tries[cell] - 1, group.tries[cell] + 1, group.tries[cell]}:
                if live is None or attempt != live.attempt:
                    for late in _reports(history.now, task, attempt):
                        evolve(history.state, late)
    assert look(history.state) == before


def _reports(at: datetime, task: TaskKey, attempt: int) -> tuple[Event, ...]:
    return (
        Started(at, task, attempt, "9"),
        Exited(at, task, attempt, Exit(0)),
        Lost(at, task, attempt, "late"),
        Refused(at, task, attempt, "late"),
    )


@given(st.data(), rounds)
def test_5_nothing_starts_that_may_not(data: st.DataObject, count: int) -> None:
    """Needs, brakes, delays and bounds hold at each single start."""
    history = History(data)
    for _ in range(count):
        for action in decide(history.state, history.now).actions:
            if isinstance(action, Start):
                _may_start(history, action)
            history.apply(action)
        _within_bounds(history)
        history.happen()


def _may_start(history: History, start: Start) -> None:
    record, task = history.record, start.task
    group = record.groups[task.step]
    assert not record.paused
    assert group.state(task.cell) is TaskState.WAITING
    assert group.due.get(task.cell, NOW) <= history.now
    assert start.attempt == group.tries[task.cell] + 1
    assert not record.run.pipeline.max_failures or (
        record.count(TaskState.FAILED) - history.forgiven < record.run.pipeline.max_failures
    )
    if group.step.sequential:
        assert task.cell == 0 or group.state(task.cell - 1) is TaskState.SUCCEEDED
    for need in group.step.needs:
        upstream = record.groups[need.step]
        if need.mode is NeedMode.SAME:
            assert upstream.state(task.cell if upstream.size > 1 else 0) is TaskState.SUCCEEDED
            continue
        if need.mode is NeedMode.STARTED:
            up = (TaskState.RUNNING, TaskState.SUCCEEDED)
            assert all(upstream.state(cell) in up for cell in range(upstream.size))
            continue
        succeeded = upstream.count(TaskState.SUCCEEDED)
        assert all(upstream.state(cell).final for cell in range(upstream.size))
        assert need.mode is NeedMode.DONE or succeeded
        assert need.mode is not NeedMode.ALL or succeeded == upstream.size


def _within_bounds(history: History) -> None:
    live = history.live()
    pipeline = history.record.run.pipeline
    taken = sum(pipeline.step(task.step).demand.cpu for task, _ in live)
    assert taken <= SLOTS or len(live) == 1
    assert pipeline.concurrency is None or len(live) <= pipeline.concurrency


@given(st.data(), rounds)
def test_5_no_task_is_tried_more_often_than_its_policy_allows(data: st.DataObject, count: int) -> None:
    history = History(data)
    history.go_on(count)
    tried: dict[TaskKey, int] = {}
    live: set[TaskKey] = set()
    for event in history.journal:
        if isinstance(event, Exited | Lost | Refused):
            live.discard(event.task)
        match event:
            case Start():
                live.add(event.task)
                tried[event.task] = tried.get(event.task, 0) + 1
                assert tried[event.task] <= history.record.groups[event.task.step].step.retry.attempts
            case Refused(counted=False):
                tried[event.task] -= 1
            case Reopen():
                tried = {task: n for task, n in tried.items() if task.step != event.step or task in live}


@given(st.data(), rounds)
def test_6_every_run_closes(data: st.DataObject, count: int) -> None:
    """From wherever it is: when no more is asked of it and all that runs ends, the run comes to its end."""
    history = History(data)
    history.go_on(count)
    if history.record.paused:
        history.apply(Resume(history.now, RUN))
    for _ in range(200):
        history.act(history.now)
        if history.record.outcome is not None:
            return
        for task, attempt in history.live():
            history.end_one(task, attempt)
        history.now += timedelta(minutes=10)
    raise AssertionError("the run never closes")


@given(st.data(), rounds)
@settings(max_examples=200)
def test_7_no_deadline_passes_unseen(data: st.DataObject, count: int) -> None:
    """Whoever sleeps until `wake_at` misses nothing: before it, decide() has nothing new to say."""
    history = History(data)
    history.go_on(count)
    history.act(history.now)
    wake = decide(history.state, history.now).wake_at
    assert wake is None or wake > history.now
    horizon = history.now + timedelta(days=1)
    until = horizon if wake is None else min(wake, horizon)
    for asleep in (until - history.now - timedelta(milliseconds=1), timedelta(seconds=1)):
        if asleep < until - history.now:
            assert decide(history.state, history.now + asleep).actions == ()
