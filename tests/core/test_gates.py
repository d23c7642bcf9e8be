from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from openbell.core.decide import decide
from openbell.core.events import Cancel, CloseRun, Pause, Skip, SpaceChanged, Start, Stop
from openbell.core.explain import explain
from openbell.core.inputs import Fail
from openbell.core.model import Demand, Late, Need, NeedMode, Opening, Retry, TaskKey, Window
from openbell.core.needs import Fate, fate
from openbell.core.state import Group
from openbell.core.states import FailureKind, StopReason, TaskState
from openbell.core.summary import exit_code
from openbell.core.windows import bounds, is_open
from openbell.errors import ExitCode
from tests.builders import NOW, RUN, World, later, step

S, F, W, K, X = (
    TaskState.SUCCEEDED,
    TaskState.FAILED,
    TaskState.WAITING,
    TaskState.SKIPPED,
    TaskState.CANCELLED,
)


@pytest.mark.parametrize(
    ("states", "all_", "some", "done"),
    [
        ((S, S), Fate.MET, Fate.MET, Fate.MET),
        ((S, F), Fate.HOPELESS, Fate.MET, Fate.MET),
        ((F, X), Fate.HOPELESS, Fate.HOPELESS, Fate.MET),
        ((K, K), Fate.HOPELESS, Fate.HOPELESS, Fate.MET),
        ((S, W), Fate.OPEN, Fate.OPEN, Fate.OPEN),
        ((F, W), Fate.OPEN, Fate.OPEN, Fate.OPEN),
    ],
)
def test_what_becomes_of_a_need(states: tuple[TaskState, ...], all_: Fate, some: Fate, done: Fate) -> None:
    group = Group(step(cells=len(states)))
    for cell, state in enumerate(states):
        group.put(cell, state)
    found = [fate(Need("a", mode), group) for mode in (NeedMode.ALL, NeedMode.SOME, NeedMode.DONE)]
    assert found == [all_, some, done]


def gates_of(world: World, name: str, at: datetime = NOW) -> list[str]:
    return [blocker.gate for blocker in explain(world.state, TaskKey(RUN, name, 0), at)]


def test_every_unmet_condition_is_told() -> None:
    window = Window(time(9, 30), time(16), "America/New_York", "XNYS")
    blocked = step("b", needs=(Need("a"),), window=window, demand=Demand(cpu=2))
    world = World(step("a"), blocked, slots=1)
    world.act()
    world.apply(Pause(NOW, RUN, "lunch"), SpaceChanged(NOW, 5, low=True))
    night = datetime(2024, 7, 3, 2, tzinfo=UTC)
    assert gates_of(world, "b", night) == ["paused", "space", "needs", "window", "slots"]
    told = {blocker.gate: blocker for blocker in explain(world.state, TaskKey(RUN, "b", 0), night)}
    assert "1 starting" in told["needs"].text
    assert told["window"].until == datetime(2024, 7, 3, 13, 30, tzinfo=UTC)


def test_a_hopeless_need_is_the_only_thing_worth_telling() -> None:
    world = World(step("a"), step("b", needs=(Need("a"),)))
    world.act()
    world.end(1)
    assert gates_of(world, "b") == ["needs"]


def test_nothing_holds_what_may_start() -> None:
    world = World(step("a"))
    assert explain(world.state, TaskKey(RUN, "a", 0), NOW) == ()


# 2024-07-03 is a half day in New York, 07-04 a holiday, 07-06 a Saturday.
@pytest.mark.parametrize(
    ("at", "opened", "changes"),
    [
        (datetime(2024, 7, 2, 13, 29, 59, tzinfo=UTC), False, datetime(2024, 7, 2, 13, 30, tzinfo=UTC)),
        (datetime(2024, 7, 2, 13, 30, tzinfo=UTC), True, datetime(2024, 7, 2, 20, 0, tzinfo=UTC)),
        (datetime(2024, 7, 2, 20, 0, tzinfo=UTC), False, datetime(2024, 7, 3, 13, 30, tzinfo=UTC)),
        (datetime(2024, 7, 4, 15, 0, tzinfo=UTC), False, datetime(2024, 7, 5, 13, 30, tzinfo=UTC)),
        (datetime(2024, 7, 5, 20, 0, tzinfo=UTC), False, datetime(2024, 7, 8, 13, 30, tzinfo=UTC)),
        (datetime(2024, 11, 1, 20, 0, tzinfo=UTC), False, datetime(2024, 11, 4, 14, 30, tzinfo=UTC)),
    ],
)
def test_a_window_on_business_days(at: datetime, opened: bool, changes: datetime) -> None:
    window = Window(time(9, 30), time(16), "America/New_York", "XNYS")
    assert is_open(window, at) == (opened, changes)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    window = Window(time(22), time(4), "Europe/London", "XLON", business_days=False)
    assert is_open(window, datetime(2024, 1, 10, 3, 59, tzinfo=UTC)) == (
        True,
        datetime(2024, 1, 10, 4, tzinfo=UTC),
    )
    start, stop = bounds(window, datetime(2024, 3, 30).date())  # noqa: DTZ001  # the night of the change to summer
    assert (stop - start).total_seconds() == 5 * 3600


def test_beyond_the_calendar_weekdays_count() -> None:
    window = Window(time(9, 30), time(16), "America/New_York", "XNYS")
    monday = datetime(2035, 1, 8, 15, tzinfo=UTC)
    assert is_open(window, monday)[0]
    assert not is_open(window, monday.replace(day=7))[0]


def test_a_full_pool_is_told_in_its_unit() -> None:
    world = World(step("a", 2, demand=Demand(memory=3_000_000_000)), pools={"memory": 4e9})
    world.act()
    (blocker,) = explain(world.state, TaskKey(RUN, "a", 1), NOW)
    assert blocker.text == "no room in the pool memory: 3.0 GB of 4.0 GB taken"


def test_a_retry_is_told_with_its_time() -> None:
    from datetime import timedelta

    from openbell.core.model import Retry

    world = World(step("a", retry=Retry(2, timedelta(seconds=30), jitter=0)))
    world.act()
    world.end(1, later(1))
    (blocker,) = explain(world.state, TaskKey(RUN, "a", 0), later(2))
    assert (blocker.gate, blocker.until) == ("not_before", later(31))


# ── the time in the session's day ────────────────────────────────────────────────────────────────

CLOSE = Opening(later(60), later(120))
FROM_THE_CLOSE_ON = Opening(later(60))


@pytest.mark.parametrize("late", list(Late))
@pytest.mark.parametrize("opening", [CLOSE, FROM_THE_CLOSE_ON])
def test_a_step_waits_for_its_time_and_says_until_when(opening: Opening, late: Late) -> None:
    world = World(step("a", openings=(opening,), late=late), sessions={"session": "2024-03-08"})
    assert world.act(NOW) == []
    (blocker,) = explain(world.state, TaskKey(RUN, "a", 0), NOW)
    assert (blocker.gate, blocker.until) == ("market", later(60))
    assert "2024-03-08" in blocker.text
    assert decide(world.state, NOW).wake_at == later(60)
    assert [type(action) for action in world.act(later(60))] == [Start]


def test_what_may_be_late_starts_late() -> None:
    world = World(step("a", openings=(CLOSE,)))
    assert [type(action) for action in world.act(later(3600))] == [Start]


def test_what_must_not_be_late_is_skipped_with_the_reason() -> None:
    world = World(step("a", openings=(CLOSE,), late=Late.SKIP), step("b", needs=(Need("a"),)))
    world.act(later(119))
    assert world.record.groups["a"].live, "the last second is not late"
    world = World(step("a", openings=(CLOSE,), late=Late.SKIP), step("b", needs=(Need("a"),)))
    told = explain(world.state, TaskKey(RUN, "a", 0), later(120))
    assert "too late" in told[0].text
    skips = [action for action in world.act(later(120)) if isinstance(action, Skip)]
    assert [(skip.step, skip.reason.split(":")[0]) for skip in skips] == [
        ("a", "too late"),
        ("b", "needs all cells of a, which ended with 1 skipped"),
    ]


def test_what_is_to_fail_when_it_is_late_fails_without_a_try() -> None:
    policy = Retry(3, timedelta(seconds=1))
    late = step("a", 2, openings=(CLOSE,), late=Late.FAIL, retry=policy)
    world = World(late, step("b", needs=(Need("a"),)), step("c", needs=(Need("a", NeedMode.DONE),)))
    assert world.act(later(1)) == []
    events = world.act(later(120))
    [fail] = [event for event in events if isinstance(event, Fail)]
    assert (fail.step, fail.reason.split(":")[0], fail.kind) == ("a", "too late", FailureKind.LATE)
    assert (world.states("a"), world.states("b"), world.states("c")) == ("FF", "K", "s")
    assert exit_code(world.record) is ExitCode.CREATION_FAILED
    begun = World(late, slots=1)
    begun.act(later(60))
    begun.end(1, later(119))
    assert [type(action) for action in begun.act(later(130))] == [Start], "it has begun in its time"
    absent = World(step("a", late=Late.FAIL, absent="the session has no break"))
    assert [type(event) for event in absent.act(NOW)] == [Skip, CloseRun], "there is nothing to be late for"


def test_a_step_that_has_begun_in_its_time_is_not_late() -> None:
    policy = Retry(2, timedelta(seconds=100), jitter=0)
    world = World(step("a", 2, openings=(CLOSE,), late=Late.SKIP, retry=policy), slots=1)
    world.act(later(60))
    world.end(1, later(110))
    assert [type(action) for action in world.act(later(130))] == [Start], "the second cell"
    world.end(0, later(131))
    assert [type(action) for action in world.act(later(300))] == [Start], "and the second try of the first"


def test_a_session_without_its_time_skips_the_step() -> None:
    world = World(step("a", absent="the session has no break"))
    [skip] = [action for action in world.act(NOW) if isinstance(action, Skip)]
    assert skip.reason == "the session has no break"


def test_between_two_stretches_it_waits_for_the_second() -> None:
    openings = (Opening(later(0), later(10)), Opening(later(20), later(30)))
    world = World(step("a", openings=openings))
    assert world.act(later(15)) == []
    assert decide(world.state, later(15)).wake_at == later(20)


def test_what_is_to_end_by_a_time_is_stopped_and_what_waits_is_skipped() -> None:
    world = World(step("a", 2, stop_at=later(60)), slots=1)
    world.act(NOW)
    assert decide(world.state, later(1)).wake_at == later(60)
    stops = [action for action in world.act(later(60)) if isinstance(action, Stop | Cancel)]
    assert [type(action) for action in stops] == [Stop, Cancel]
    assert isinstance(stops[0], Stop)
    assert stops[0].reason is StopReason.WINDOW
    late = World(step("a", stop_at=later(60)))
    assert "was to end by" in explain(late.state, TaskKey(RUN, "a", 0), later(60))[0].text
    assert not any(isinstance(action, Start) for action in late.act(later(60)))
