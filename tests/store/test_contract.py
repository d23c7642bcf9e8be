"""What every store promises. One suite for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.core.alerts import Alerts, Deadline, Escalation, Notice, Severity, Topic
from openbell.core.events import (
    Answer,
    Bounced,
    Delivered,
    Event,
    Exit,
    Exited,
    Force,
    Led,
    Lost,
    Miss,
    OpenRun,
    Pause,
    Prune,
    Reached,
    Recalled,
    Refused,
    Reported,
    Requested,
    Skip,
    Started,
    Unreachable,
)
from openbell.core.evolve import evolve
from openbell.core.failures import failure_groups
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import (
    Batch,
    Cache,
    Call,
    Choice,
    Command,
    Demand,
    Forced,
    Late,
    Marker,
    Need,
    NeedMode,
    OnFailure,
    Opening,
    Past,
    Pipeline,
    Replay,
    Retry,
    Run,
    Script,
    Step,
    TaskKey,
    Window,
)
from openbell.core.requests import (
    AckAlert,
    CancelTasks,
    HaltRun,
    MarkTasks,
    Only,
    PauseRun,
    Request,
    ResumeRun,
    RetryTasks,
    Submit,
)
from openbell.core.state import Capacity, Limits, State
from openbell.core.states import FailureKind, RunState, StopReason, TaskState
from openbell.errors import Fenced
from openbell.store.loader import snapshot
from openbell.store.memory import MemoryStore
from openbell.store.protocol import Store
from openbell.store.sql import SqlStore
from tests.builders import NOW, RUN, World, later, pipeline, step

LIMITS = Limits({"process": Capacity(4)})


def _sqlite(folder: Path) -> Store:
    return SqlStore(f"sqlite:///{folder}/openbell.db")


STORES: dict[str, Callable[[Path], Store]] = {"memory": lambda _: MemoryStore(), "sqlite": _sqlite}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


class Ledger:
    """A world whose events are written to a store, batch by batch."""

    def __init__(self, store: Store, world: World) -> None:
        self.store, self.world = store, world
        self.lease = store.lead("test", NOW)
        self.written = 0
        self.write()

    def write(self) -> None:
        """Append what has happened since."""
        batch = self.world.journal[self.written :]
        self.store.append(self.lease.epoch, self.lease.last + 1 + self.written, batch, self.world.state)
        self.written = len(self.world.journal)

    def kept(self) -> State:
        return self.store.load(LIMITS)


def busy(store: Store) -> Ledger:
    """A run in which nearly everything that can happen has happened."""
    world = World(
        step("a", 8, retry=Retry(2, timedelta(seconds=30))),
        step("b", 3, needs=(Need("a"),)),
        step("c", 2),
        slots=5,
    )
    ledger = Ledger(store, world)
    world.act()
    tasks = [task for task, _ in world.live()]
    ledger.write()
    world.apply(*(Started(later(1), task, 1, f"pid{n}") for n, task in enumerate(tasks)))
    ledger.write()
    world.apply(
        Exited(later(2), tasks[0], 1, Exit(0, elapsed=1.5, peak_rss=77), {"pnl": 1.5, "name": "é"}),
        Exited(later(2), tasks[1], 1, Exit(3, elapsed=0.5, error="boom", traceback="T")),
        Lost(later(2), tasks[2], 1, "gone"),
        Refused(later(2), tasks[3], 1, "full", counted=False, retry_after=9),
        Unreachable(later(2), tasks[4], 1, "?"),
        Reported(later(2), tasks[4], 1, "progress", data={"done": 1}, heard=40),
    )
    world.act(later(3))
    ledger.write()
    return ledger


def test_a_new_store_is_empty(store: Store) -> None:
    assert (store.last(), store.epoch(), store.runs(), store.asked()) == (0, 0, [], [])
    assert store.run(RUN) is None
    assert store.info(RUN) is None
    assert store.newest("p") is None
    assert store.next_key("p") == 1
    assert store.load(LIMITS).runs == {}


def test_what_is_loaded_is_what_was(store: Store) -> None:
    ledger = busy(store)
    record = store.run(RUN)
    assert record is not None
    assert snapshot(record) == snapshot(ledger.world.record)
    assert snapshot(ledger.kept().runs[RUN]) == snapshot(ledger.world.record)


def test_the_journal_folds_to_the_rows(store: Store) -> None:
    ledger = busy(store)
    folded = State(LIMITS)
    for _, event in store.journal(limit=10_000):
        evolve(folded, event)
    assert snapshot(folded.runs[RUN]) == snapshot(ledger.world.record)


def test_events_come_back_as_they_were(store: Store) -> None:
    ledger = busy(store)
    assert [event for _, event in store.journal(limit=10_000)] == ledger.world.journal


def test_the_journal_is_read_in_pages_and_by_run(store: Store) -> None:
    ledger = busy(store)
    every = store.journal(limit=10_000)
    assert [seq for seq, _ in every] == list(range(1, len(ledger.world.journal) + 1))
    assert store.journal(after=3, limit=2) == every[3:5]
    assert store.journal(run_id=RUN, limit=10_000) == every
    starts = [entry for entry in every if type(entry[1]).__name__ == "Start"]
    assert starts
    assert store.journal(limit=10_000, kinds=("Start",)) == starts
    assert store.journal(run_id="other/1") == []
    assert store.last() == len(every)


def test_appending_the_same_batch_again_changes_nothing(store: Store) -> None:
    ledger = busy(store)
    before = store.journal(limit=10_000)
    batch = [event for _, event in before[-4:]]
    store.append(ledger.lease.epoch, before[-4][0], batch, ledger.world.state)
    assert store.journal(limit=10_000) == before


def test_who_has_lost_the_lead_can_write_no_more(store: Store) -> None:
    ledger = busy(store)
    newer = store.lead("other", later(5))
    assert newer.epoch == ledger.lease.epoch + 1
    assert newer.last == store.last()
    ledger.world.apply(Pause(later(6), RUN, "x"))
    with pytest.raises(Fenced):
        ledger.write()
    assert store.last() == newer.last


def test_a_whole_step_is_moved_at_once_and_comes_back(store: Store) -> None:
    world = World(step(cells=1000), slots=3)
    ledger = Ledger(store, world)
    world.act()
    world.end(0)
    world.act()
    ledger.write()
    for request in (CancelTasks(RUN), RetryTasks(RUN, Only.MISSING)):
        world.apply(Requested(later(1), type(request).__name__, request, RUN))
        world.act(later(1))
        world.end(1, later(2))
        world.act(later(2))
        ledger.write()
        record = store.run(RUN)
        assert record is not None
        assert snapshot(record) == snapshot(world.record)
    assert len(list(store.tasks(RUN))) < 20  # cells that never started need no row


def test_cells_that_wait_for_others_come_back_as_they_were(store: Store) -> None:
    world = World(
        step("a", 4),
        step("b", 4, needs=(Need("a", NeedMode.SAME),), sequential="i"),
        slots=9,
    )
    ledger = Ledger(store, world)
    world.act()
    first, second, third, _ = (task for task, _ in world.live())
    for at, (task, code) in enumerate(((first, 0), (third, 1), (second, 0))):
        world.end(code, later(at), only=[task])
        ledger.write()  # before anything follows from it
        record = store.run(RUN)
        assert record is not None
        assert snapshot(record) == snapshot(world.record)
        world.act(later(at))
        ledger.write()
        assert snapshot(ledger.kept().runs[RUN]) == snapshot(world.record)
    assert world.states("b") == "sWKK"
    assert [event for _, event in store.journal(limit=10_000)] == world.journal
    skip = next(event for event in world.journal if isinstance(event, Skip))
    assert (skip.cell, skip.count) == (2, 1)


def test_what_a_run_has_of_earlier_ones_comes_back(store: Store) -> None:
    last = OnFailure(last_success=True)
    world = World(step("a", on_failure=last), step("b", needs=(Need("a"),)), slots=9)
    ledger = Ledger(store, world)
    world.apply(Recalled(NOW, RUN, Past({"a": "p/0"})))
    ledger.write()
    assert snapshot(ledger.kept().runs[RUN]) == snapshot(world.record)
    world.act()
    world.end(1)
    world.act()
    assert world.record.groups["a"].fallback == "p/0"
    ledger.write()
    assert snapshot(ledger.kept().runs[RUN]) == snapshot(world.record)
    world.apply(Requested(later(1), "r", RetryTasks(RUN, step="a"), RUN))
    world.act(later(1))
    ledger.write()
    assert ledger.kept().runs[RUN].groups["a"].fallback == ""
    assert snapshot(ledger.kept().runs[RUN]) == snapshot(world.record)
    assert [event for _, event in store.journal(limit=10_000)] == world.journal


def test_the_last_success_of_a_step_is_looked_up(store: Store) -> None:
    world = World(step("a", 2), step("b"), slots=9)
    ledger = Ledger(store, world)

    def ended(run: str, at: float, *codes: int) -> None:
        """A run whose tasks end with these codes: two of `a`, one of `b`."""
        if run != RUN:
            world.apply(OpenRun(later(at), Run(run, world.record.run.pipeline, "digest", later(at))))
        world.act(later(at))
        for (task, _), code in zip(world.live(), codes, strict=True):
            world.end(code, later(at), only=[task])
        world.act(later(at))
        ledger.write()

    ended(RUN, 0, 0, 0, 1)
    ended("p/2", 10, 0, 1, 0)
    ended("p/3", 20, 1, 1, 0)
    found = [(step, store.last_success("p", step, later(at))) for step in "ab" for at in (0, 5, 15, 25)]
    assert found == [
        *[("a", None), ("a", RUN), ("a", RUN), ("a", RUN)],
        *[("b", None), ("b", None), ("b", "p/2"), ("b", "p/3")],
    ]
    assert store.last_success("q", "a", later(99)) is None
    assert store.last_success("p", "nope", later(99)) is None
    world.apply(OpenRun(later(30), Run("p/4", world.record.run.pipeline, "digest", later(30))))
    world.apply(Requested(later(30), "c", CancelTasks("p/4"), "p/4"))
    world.act(later(30))
    ledger.write()
    assert store.last_success("p", "b", later(99)) == "p/3", "what never ran has not succeeded"


def test_tasks_that_fail_without_a_try_come_back_with_their_kind(store: Store) -> None:
    opening = (Opening(NOW, later(10)),)
    world = World(step("a", 300, openings=opening, late=Late.FAIL), step("b"), slots=2)
    ledger = Ledger(store, world)
    world.act(later(20))
    ledger.write()
    record = store.run(RUN)
    assert record is not None
    assert record.groups["a"].kinds[299] is FailureKind.LATE
    assert snapshot(record) == snapshot(world.record)
    assert [event for _, event in store.journal(limit=10_000)] == world.journal
    (group,) = failure_groups(record, store.attempts(RUN, last_only=True))
    assert (group.error.split(":")[0], group.count) == ("too late", 300)
    world.apply(Requested(later(21), "r", RetryTasks(RUN, step="a"), RUN))
    ledger.write()
    assert snapshot(ledger.kept().runs[RUN]) == snapshot(world.record)


@pytest.mark.parametrize("cell", [None, 1])
def test_what_somebody_has_marked_comes_back(store: Store, cell: int | None) -> None:
    world = World(step("a", 300), step("b", needs=(Need("a", NeedMode.SOME),)), slots=3)
    ledger = Ledger(store, world)
    world.act()
    for (task, _), code in zip(world.live(), (0, 1, 1), strict=True):
        world.apply(
            Started(later(1), task, 1, "1"), Exited(later(2), task, 1, Exit(code), {"pnl": task.cell})
        )
    asked = (CancelTasks(RUN, "a"), MarkTasks(RUN, "a", TaskState.SUCCEEDED, "seen", cell, "ann"))
    for request in (*asked, RetryTasks(RUN, step="a", cell=1)):
        world.apply(Requested(later(3), type(request).__name__, request, RUN))
        ledger.write()
        world.act(later(3))
        ledger.write()
        record = store.run(RUN)
        assert record is not None
        assert snapshot(record) == snapshot(world.record)
        if isinstance(request, MarkTasks):
            assert record.groups["a"].marked == (299 if cell is None else 1)
            assert dict(store.results(RUN, "a")).keys() == ({0} if cell is None else {0, 2})
        for task, _ in world.live():
            world.end(0, later(4), only=[task])
    ledger.write()
    found = store.run(RUN)
    assert found is not None
    assert snapshot(found) == snapshot(world.record)
    assert found.groups["b"].outdated == 1, "it began before the second try of a/1 had succeeded"
    world.act(later(5))
    ledger.write()
    assert snapshot(ledger.kept().runs[RUN]) == snapshot(world.record)
    assert [event for _, event in store.journal(limit=10_000)] == world.journal


def test_a_marked_success_is_none_to_fall_back_on(store: Store) -> None:
    world = World(step("a", 2), slots=9)
    ledger = Ledger(store, world)
    world.act()
    world.end(1)
    world.act()
    world.apply(Requested(later(1), "m", MarkTasks(RUN, "a", TaskState.SUCCEEDED, "seen", None, "ann"), RUN))
    world.act(later(1))
    ledger.write()
    assert world.record.outcome is RunState.SUCCEEDED
    assert store.last_success("p", "a", later(9)) is None


def test_how_long_successes_took(store: Store) -> None:
    world = World(step("a", 3), step("b"), step("c", 2), slots=9)
    ledger = Ledger(store, world)
    world.act()
    ends = [Exit(0, elapsed=2.5), Exit(0, elapsed=1.5), Exit(1, elapsed=9.0), Exit(0, elapsed=3.0)]
    ends += [Exit(0, elapsed=0.1, cached="p/0/c/0#1"), Exit(0, elapsed=4.0)]
    for (task, attempt), end in zip(world.live(), ends, strict=True):
        world.apply(Started(NOW, task, attempt, ""), Exited(later(9), task, attempt, end))
    ledger.write()
    assert list(store.elapsed(RUN, 9)) == [("a", 0, 2.5), ("a", 1, 1.5), ("b", 0, 3.0), ("c", 1, 4.0)]
    assert list(store.elapsed(RUN, 1)) == [("a", 0, 2.5), ("b", 0, 3.0), ("c", 1, 4.0)]
    assert not list(store.elapsed("p/9", 9))


def test_attempts_tell_their_story(store: Store) -> None:
    ledger = busy(store)
    found = {info.key.cell: info for info in store.attempts(RUN) if info.key.step == "a"}
    first, second, third, fourth, fifth = (found[cell] for cell in range(5))
    assert (first.handle, first.started_at, first.ended_at) == ("pid0", later(1), later(2))
    assert first.exit == Exit(0, elapsed=1.5, peak_rss=77)
    assert first.result == {"pnl": 1.5, "name": "é"}
    assert (first.kind, second.kind, second.error) == (None, FailureKind.EXIT, "boom")
    assert (third.kind, third.error, third.exit) == (FailureKind.LOST, "gone", None)
    assert (fourth.kind, fourth.error) == (FailureKind.START, "full")
    assert (fifth.ended_at, fifth.kind) == (None, None)
    assert ledger.world.record.groups["a"].live[4].heard == 40


def test_the_last_attempts_only(store: Store) -> None:
    ledger = busy(store)
    ledger.world.end(0, later(90))
    ledger.world.act(later(100))
    ledger.write()
    every = [info.key for info in store.attempts(RUN)]
    last = [info.key for info in store.attempts(RUN, last_only=True)]
    newest = {key.task: key for key in sorted(every)}
    assert last == sorted(newest.values())
    assert len(last) < len(every)


def test_what_a_step_has_reported_is_read_cell_by_cell(store: Store) -> None:
    world = World(step("a", 4, retry=Retry(2, timedelta(seconds=30))), step("b"))
    ledger = Ledger(store, world)
    world.act()
    for task, attempt in world.live():
        code = int(task.cell == 2)
        said = {"cell": task.cell, "try": 1} if task.cell != 1 else {}
        world.apply(Started(NOW, task, attempt), Exited(later(1), task, attempt, Exit(code), said))
    world.act(later(90))
    ((task, attempt),) = [(task, attempt) for task, attempt in world.live() if attempt == 2]
    ledger.write()
    assert list(store.results(RUN, "a")) == [(0, '{"cell":0,"try":1}'), (3, '{"cell":3,"try":1}')]
    world.apply(Started(later(91), task, attempt), Exited(later(92), task, 2, Exit(0), {"é": [2]}))
    ledger.write()
    assert [cell for cell, _ in store.results(RUN, "a")] == [0, 2, 3]
    assert list(store.results(RUN, "a", [2, 1])) == [(2, '{"é":[2]}')]
    assert list(store.results(RUN, "a", [])) == []
    assert list(store.results("p/9", "a")) == []


def test_tasks_are_listed_with_state_and_reason(store: Store) -> None:
    ledger = busy(store)
    tasks = {info.key: info for info in store.tasks(RUN)}
    assert tasks[TaskKey(RUN, "a", 0)].state is TaskState.SUCCEEDED
    assert tasks[TaskKey(RUN, "a", 0)].finished_at == later(2)
    waiting = tasks[TaskKey(RUN, "a", 1)]
    assert waiting.not_before == ledger.world.record.groups["a"].due[1]
    assert (waiting.state, waiting.attempts, waiting.finished_at) == (TaskState.WAITING, 1, None)


def test_what_is_out_of_reach_and_back_is_kept(store: Store) -> None:
    ledger = busy(store)
    task = TaskKey(RUN, "a", 4)
    live = ledger.kept().live(task, 1)
    assert live is not None
    assert live.unreachable_since == later(2)
    ledger.world.apply(Reached(later(9), task, 1))
    ledger.write()
    live = ledger.kept().live(task, 1)
    assert live is not None
    assert live.unreachable_since is None


def test_runs_are_numbered_and_found(store: Store) -> None:
    ledger = busy(store)
    for number, digest in ((2, "x"), (3, "digest"), (10, "x")):
        request = Submit(pipeline(), digest, origin="me")
        ledger.world.apply(Requested(later(number), f"r{number}", request, f"p/{number}"))
        ledger.world.act(later(number))
    ledger.write()
    assert store.newest("p") == "p/10"
    assert store.newest("p", "digest") == "p/3"
    assert store.newest("p", "nope") is None
    assert store.next_key("p") == 11
    assert store.next_key("pp") == 1
    assert [info.id for info in store.runs()] == ["p/10", "p/3", "p/2", "p/1"]
    assert [info.id for info in store.runs("p", limit=1)] == ["p/10"]
    assert store.runs("other") == []


def test_a_closed_run_is_remembered_and_not_loaded(store: Store) -> None:
    world = World(step(cells=2))
    ledger = Ledger(store, world)
    world.act()
    world.end(1, later(7))
    world.act(later(8))
    ledger.write()
    assert ledger.kept().runs == {}
    info = store.info(RUN)
    assert info is not None
    assert (info.state, info.opened_at, info.closed_at, info.size) == (RunState.FAILED, NOW, later(8), 2)
    record = store.run(RUN)
    assert record is not None
    assert record.outcome is RunState.FAILED
    assert record.last_end == later(7)


REQUESTS: list[Request] = [
    Submit(pipeline(step("x", 3)), "digest", "me", new=True, reopen=False, only=Only.FAILED, exclusive=True),
    RetryTasks(RUN, Only.MISSING, "a", 3, "ann", downstream=False),
    CancelTasks(RUN),
    PauseRun(RUN, "lunch"),
    ResumeRun(RUN),
    HaltRun(RUN, "bye"),
    MarkTasks(RUN, "a", TaskState.SKIPPED, "why", None, "ann"),
]


def test_requests_wait_in_order_are_taken_up_and_answered(store: Store) -> None:
    ledger = busy(store)
    for number, request in enumerate(REQUESTS):
        store.ask(f"r{number}", request, later(number))
        store.ask(f"r{number}", request, later(number + 50))  # asking twice is asking once
    assert store.asked() == [(f"r{number}", request) for number, request in enumerate(REQUESTS)]
    ledger.world.apply(Requested(later(9), "r3", REQUESTS[3], RUN))
    ledger.write()
    assert "r3" not in dict(store.asked())
    assert ledger.kept().requests == {"r3": (REQUESTS[3], RUN)}
    assert store.answer("r3") is None
    ledger.world.act(later(9))
    ledger.write()
    assert store.answer("r3") == Answer(later(9), "r3", True, "paused", RUN)
    assert ledger.kept().requests == {}


def test_a_request_that_was_never_left_is_written_with_its_answer(store: Store) -> None:
    ledger = busy(store)
    ledger.world.apply(Requested(later(9), "signal", PauseRun(RUN, "SIGINT"), RUN))
    ledger.world.act(later(9))
    ledger.write()
    answer = store.answer("signal")
    assert answer is not None
    assert answer.accepted
    assert store.asked() == []


def rich() -> Pipeline:
    """A definition that uses every field."""
    matrix = Matrix((Axis("date", ("2024-01-02",), "date"), Axis("mixed", (1, "1", 1.5, True))), pick=(0, 3))
    first = Step(
        "a",
        Script("/w.py"),
        matrix=matrix,
        retry=Retry(3, timedelta(seconds=5), 1.5, timedelta(hours=1), 0.2, frozenset({FailureKind.LOST})),
        timeout=timedelta(minutes=3),
        demand=Demand(2.5, 1 << 33, memory_cap=False, pools={"db": 1.0}),
        env={"KEY": "${SECRET}"},
        mode=Replay(
            "max",
            "09:30:00",
            timedelta(milliseconds=10),
            sorted=False,
            strict=True,
            buffer_rows=5,
            timestamp_columns=(("ns", "t", "c"),),
            available_after=(("ns", "t", timedelta(minutes=1)),),
            tz="Asia/Tokyo",
        ),
        preload=("json",),
        window=Window(
            NOW.time(), NOW.time().replace(hour=20), "America/New_York", "XNYS", business_days=False
        ),
        query_name="{date}",
        outputs=("{date}.csv",),
        verify=Command(("check", "{date}")),
        done_when=Marker("[SUCCESS]", timedelta(seconds=3)),
        checkpoint=True,
        cache=Cache(("code",), ("{date}/*.csv",), timedelta(hours=1), use=False),
    )
    second = replace(step("b"), work=Call("m:f"), mode=Batch(), needs=(Need("a"),), verify=Call("m:g"))
    return Pipeline(
        "p",
        (first, second),
        "The P",
        "XNYS",
        "UTC",
        7,
        3,
        "/f",
        "/f/p.yaml",
        "/py",
        {"x": 1},
        {"M": "/d"},
        "/o",
        {"deephaven": {"user": "${U}"}},
    )


def test_a_definition_survives_to_the_last_field(store: Store) -> None:
    request = Submit(rich(), "d")
    world = World()
    ledger = Ledger(store, world)
    world.apply(Requested(NOW, "r", request, "p/2"))
    world.act()
    ledger.write()
    record = store.run("p/2")
    assert record is not None
    assert record.run.pipeline == rich()
    assert dict(store.load(LIMITS).runs)["p/2"].run.pipeline.step("a").matrix.coordinates(1) == {
        "date": "2024-01-02",
        "mixed": True,
    }


def test_a_change_of_leaders_is_in_the_journal(store: Store) -> None:
    ledger = busy(store)
    ledger.world.apply(Led(later(20), ledger.lease.epoch, "host", adopt=False))
    ledger.write()
    assert store.info(RUN).paused == "its engine ended"  # type: ignore[union-attr]
    assert ledger.kept().runs[RUN].state is RunState.PAUSED


def test_a_stop_survives_a_restart(store: Store) -> None:
    ledger = busy(store)
    ledger.world.apply(Requested(later(9), "h", HaltRun(RUN, "bye"), RUN))
    ledger.world.act(later(9))
    ledger.write()
    live = ledger.kept().runs[RUN].groups["a"].live[4]
    assert (live.state, live.stop) == (TaskState.STOPPING, StopReason.INTERRUPT)


def test_a_run_tells_its_mode_and_who_has_forced_it(store: Store) -> None:
    world = World(step("b"), choice=Choice("daily", ("b",), ("a",), (("b", "a"),)))
    ledger = Ledger(store, world)
    world.apply(Force(later(1), RUN, Forced("ann@desk", "why not")))
    ledger.write()
    info, record = store.info(RUN), store.run(RUN)
    assert info is not None
    assert record is not None
    assert (info.mode, info.forced) == ("daily", Forced("ann@desk", "why not"))
    assert record.run == world.record.run
    assert [event for _, event in store.journal(kinds=("Force",))] == [world.journal[-1]]
    world.apply(Force(later(2), RUN, None))
    ledger.write()
    [info] = store.runs()
    assert info.forced is None


ALERTING = Alerts(
    failure=Notice(("desk", "log"), Severity.HIGH, Escalation(("boss",), timedelta(minutes=30))),
    success=Notice(("log",), Severity.LOW),
)


def alerted(store: Store) -> Ledger:
    """A run of which much has been told: it failed, and was late."""
    deadline = Deadline(Notice(("desk",)), at=later(5))
    world = World(step("a", 2, alerts=ALERTING), alerts=ALERTING, deadline=deadline)
    ledger = Ledger(store, world)
    world.act()
    world.end(1, at=later(1), only=[world.live()[0][0]], error="boom")
    world.act(later(1))
    world.act(later(6))
    ledger.write()
    return ledger


def test_alerts_and_deadlines_come_back(store: Store) -> None:
    ledger = alerted(store)
    world = ledger.world
    record, kept = store.run(RUN), ledger.kept()
    assert record is not None
    assert snapshot(record) == snapshot(world.record)
    assert record.alerts == {("a", Topic.FAILURE): 1, ("", Topic.OVERDUE): 2}
    assert record.overdue == later(5)
    assert (kept.alerts, kept.next_alert) == (world.state.alerts, 3)
    info = store.info(RUN)
    assert info is not None
    assert info.overdue == later(5)
    [overdue, failure] = store.alerts(open_only=True)
    assert (failure.step, failure.severity, failure.text) == (
        "a",
        Severity.HIGH,
        "a: 1 starting, 1 failed: boom",
    )
    assert (overdue.topic, overdue.escalate_at) == (Topic.OVERDUE, None)
    assert [info.letter.id for info in store.letters()] == ["1.0.desk", "1.0.log", "2.0.desk"]


def test_what_becomes_of_an_alert(store: Store) -> None:
    ledger = alerted(store)
    world = ledger.world
    world.apply(Requested(later(7), "r", AckAlert(RUN, 1, "ann", "on it"), RUN))
    world.act(later(7))
    ledger.write()
    assert [one.number for one in store.alerts(open_only=True)] == [2]
    assert ledger.kept().alerts == {}
    world.end(0, at=later(8))
    world.act(later(8))  # the run ends, and is not late any more
    ledger.write()
    first, late, ended = sorted(store.alerts(RUN), key=lambda one: one.number)
    assert (first.acknowledged_by, first.note, first.acknowledged_at) == ("ann", "on it", later(7))
    assert (late.resolved_at, ended.text) == (later(8), "partial: 1 succeeded, 1 failed: boom")
    world.act(later(8) + timedelta(minutes=30))
    ledger.write()
    assert store.alerts(RUN)[0].escalated_at == later(8) + timedelta(minutes=30)
    assert [one.letter.channel for one in store.letters(3)] == ["desk", "log", "boss"]
    world.apply(Requested(later(9), "s", RetryTasks(RUN), RUN))
    world.act(later(9))
    ledger.write()
    record = store.run(RUN)
    assert record is not None
    assert record.alerts == world.record.alerts == {}
    assert {one.resolved_at for one in store.alerts(RUN)} == {later(8), later(9)}


def test_the_books_of_the_outbox(store: Store) -> None:
    ledger = alerted(store)
    ledger.world.apply(
        Bounced(later(7), RUN, "1.0.desk", "desk", 1, "exit code 1"),
        Delivered(later(8), RUN, "1.0.log", "log", 1),
        Bounced(later(9), RUN, "2.0.desk", "desk", 9, "no such channel", final=True),
    )
    ledger.write()
    assert [info.letter.id for info in store.letters(waiting=True)] == ["1.0.desk"]
    desk, log, late = store.letters()
    assert (desk.letter.tries, desk.error, desk.waits) == (1, "exit code 1", True)
    assert (log.delivered_at, log.letter.tries) == (later(8), 1)
    assert (late.given_up_at, late.error) == (later(9), "no such channel")
    ledger.world.apply(Delivered(later(20), RUN, "1.0.desk", "desk", 2))
    ledger.write()
    assert store.letters(waiting=True) == []
    assert store.letters(1)[0].error == ""


# ── what goes ────────────────────────────────────────────────────────────────────────────────────


def several(store: Store, count: int, *steps: Step) -> Ledger:
    """So many runs that have ended, of one pipeline, and one that is under way."""
    world = World(*steps)
    ledger = Ledger(store, world)
    for number in range(2, count + 2):
        world.act()
        world.end()
        world.act(later(number))
        ledger.write()
        run = Run(f"p/{number}", pipeline(*steps), "digest", later(number))
        request = Submit(run.pipeline, "digest", new=True)
        world.apply(Requested(later(number), f"ask{number}", request, run.id), OpenRun(later(number), run))
        world.apply(Answer(later(number), f"ask{number}", True, "opened", run.id))
    ledger.write()
    return ledger


def test_runs_that_go_leave_nothing_behind_and_the_others_alone(store: Store) -> None:
    ledger = several(store, 3)
    assert [(run.id, run.closed_at is None) for run in store.ages()] == [
        ("p/4", True),
        ("p/3", False),
        ("p/2", False),
        ("p/1", False),
    ]
    before = {run: store.run(run) for run in ("p/3", "p/4")}
    loaded = ledger.kept()
    ledger.world.apply(Prune(later(9), ("p/1", "p/2"), ("runs",), "me", "room"))
    ledger.write()
    for gone in ("p/1", "p/2"):
        assert (store.run(gone), store.info(gone), store.journal(run_id=gone)) == (None, None, [])
        assert (list(store.tasks(gone)), list(store.attempts(gone))) == ([], [])
    assert store.answer("ask2") is None
    assert store.answer("ask3") is not None
    for run, record in before.items():
        kept = store.run(run)
        assert kept is not None
        assert record is not None
        assert snapshot(kept) == snapshot(record)
    assert snapshot(ledger.kept().runs["p/4"]) == snapshot(loaded.runs["p/4"])
    assert store.next_key("p") == 5
    (_, event) = store.journal(kinds=("Prune",))[0]
    assert event == Prune(later(9), ("p/1", "p/2"), ("runs",), "me", "room"), "who, what and why stays"
    assert all(event for _, event in store.journal(limit=10_000)), "all that is left can be read"


def test_files_that_go_leave_the_rows_alone(store: Store) -> None:
    ledger = several(store, 1)
    ledger.world.apply(Prune(later(9), ("p/1",), ("logs", "events"), "me"))
    ledger.write()
    assert store.run("p/1") is not None


def test_what_is_about_no_run_goes_when_it_is_older_than_every_run(store: Store) -> None:
    world = World()
    lease = store.lead("test", NOW)
    old: list[Event] = [
        Led(later(-900), 1, "first", adopt=True),
        Miss(later(-800), "p", "t", "1", "1", "2", 2, "away"),
    ]
    store.append(lease.epoch, 1, old, State())
    ledger = Ledger(store, world)
    ledger.world.apply(Miss(later(5), "p", "t", "3", "3", "3", 1, "away"))
    ledger.write()
    assert len(store.misses()) == 2
    ledger.world.apply(Prune(later(9), (), ("runs",), "me", before=later(8)))
    ledger.write()
    assert [miss.first for miss in store.misses()] == ["3"], "a run is older than this one"
    kinds = [type(event).__name__ for _, event in store.journal(limit=100)]
    assert kinds == ["OpenRun", "Miss", "Prune"]
    assert store.last() == 5, "numbers go on"


def test_what_something_refers_to_is_known(store: Store) -> None:
    assert store.references() == set()
    ledger = several(store, 3, step("a", provides=("d",)))
    assert store.references() == {"p/3", "p/4"}, "the last success of a data set, the last number"
    ledger.world.apply(Recalled(later(8), "p/4", Past({"a": "p/2"})))
    ledger.write()
    assert store.references() == {"p/4", "p/3", "p/2"}, "what a run under way may fall back on"


def test_the_newest_number_and_waiting_letters_are_referred_to(store: Store) -> None:
    ledger = alerted(store)
    assert RUN in store.references()
    assert ledger.world.record.id == RUN
