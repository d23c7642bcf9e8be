"""Data sets: what makes them fresh, and what a step says that waits for them."""

from __future__ import annotations

from datetime import timedelta

from openbell.core.events import CloseRun, OpenRun, Start
from openbell.core.explain import explain
from openbell.core.freshness import Required
from openbell.core.model import Forced, Pipeline, Run, Step, TaskKey
from tests.builders import NOW, RUN, World, later, step

DAY = timedelta(hours=24)


def provider(cells: int = 1) -> Step:
    return step("data", cells, provides=("prices",))


def reader(**keys: object) -> Step:
    return step("a", requires=(Required("prices", providers=("desk/data",), **keys),))  # type: ignore[arg-type]


def text(world: World, seconds: float = 0, run: str = RUN) -> list[str]:
    return [one.text for one in explain(world.state, TaskKey(run, "a", 0), later(seconds))]


def test_what_was_never_provided_is_waited_for() -> None:
    world = World(reader(age=DAY))
    assert world.act() == []
    assert text(world) == ["prices has never been provided; desk/data provides it"]


def test_a_success_makes_it_fresh_for_so_long() -> None:
    world = World(provider(2), reader(age=DAY))
    world.act()
    first, second = (task for task, _ in world.live())
    world.end(only=[first])
    assert world.act() == []  # half of it is not the data set
    world.end(only=[second])
    assert [type(event) for event in world.act()] == [Start]
    known = world.state.datasets["prices"]
    assert (known.at, known.run, known.step) == (NOW, RUN, "data")


def test_a_stale_one_is_told_with_its_age_and_provider() -> None:
    world = World(provider(), reader(age=DAY))
    world.act()
    (task,) = (task for task, _ in world.live() if task.step == "data")
    world.end(only=[task])
    late = 26 * 3600
    assert text(world, late) == ["prices is 26 h old (p/1), at most 24 h; desk/data provides it"]
    assert world.act(later(late)) == []


def test_another_run_may_provide_it() -> None:
    world = World(reader(age=DAY))
    world.apply(OpenRun(NOW, Run("desk/1", Pipeline("desk", (provider(),)), "d", NOW)))
    world.act()
    world.end()
    assert any(isinstance(event, Start) for event in world.act())


def test_a_failure_makes_nothing_fresh() -> None:
    world = World(provider(), reader(age=DAY))
    world.act()
    world.end(1)
    world.act()
    assert world.state.datasets == {}


def of_session(label: str, key: int, world: World) -> None:
    """A run of the provider for this session, from its start to its success."""
    sessions = {"session": label}
    run = Run(f"desk/{key}", Pipeline("desk", (provider(),), sessions=sessions), "d", NOW)
    world.apply(OpenRun(NOW, run))
    world.act()
    world.end(only=[task for task, _ in world.live() if task.step == "data"])


def test_sessions_count_and_not_hours() -> None:
    world = World(reader(sessions=1), sessions={"session": "2024-07-08", "session-1": "2024-07-05"})
    of_session("2024-07-03", 1, world)
    assert not any(isinstance(event, Start) for event in world.act())
    (told,) = text(world)
    assert told.startswith("prices is of the session 2024-07-03 (desk/1, session 2024-07-03), it has to be")
    assert told.endswith("of 2024-07-05 or later; desk/data provides it")
    of_session("2024-07-05", 2, world)
    assert any(isinstance(event, Start) and event.task.run == RUN for event in world.act())


def test_a_backfill_makes_nothing_fresh() -> None:
    world = World(reader(age=DAY))
    of_session("2024-07-05", 1, world)
    of_session("2020-01-02", 2, world)
    assert world.state.datasets["prices"].session == "2024-07-05"


def test_without_a_session_the_date_counts() -> None:
    world = World(reader(sessions=1), sessions={"session": "2024-07-03", "session-1": "2024-07-02"})
    world.apply(OpenRun(NOW, Run("desk/1", Pipeline("desk", (provider(),)), "d", NOW)))
    world.act()
    world.end()
    assert any(isinstance(event, Start) for event in world.act())


def test_a_forced_run_does_not_wait_for_data() -> None:
    world = World(step("other"))
    forced = Run("p/2", Pipeline("p", (reader(age=DAY),)), "d", NOW, forced=Forced("me"))
    world.apply(OpenRun(NOW, forced))
    world.act()
    assert world.state.runs["p/2"].groups["a"].live
    world.end()
    assert any(isinstance(event, CloseRun) for event in world.act())
