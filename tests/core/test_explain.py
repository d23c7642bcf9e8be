from __future__ import annotations

from datetime import timedelta

from openbell.core.decide import decide
from openbell.core.events import Exit, Exited, Pause, Start
from openbell.core.explain import bottlenecks, explain
from openbell.core.model import Demand, Need, NeedMode, Retry, TaskKey
from tests.builders import NOW, RUN, World, later, step


def reasons(world: World, name: str, cell: int = 0, at: float = 0) -> list[tuple[str, str]]:
    found = explain(world.state, TaskKey(RUN, name, cell), later(at))
    return [(blocker.gate, blocker.text) for blocker in found]


def test_what_may_start_or_runs_has_no_blockers() -> None:
    world = World(step())
    assert reasons(world, "a") == []
    world.act()
    assert reasons(world, "a") == []


def test_a_need_that_is_not_met_says_how_far_it_is() -> None:
    world = World(step("a", 2), step("b", needs=(Need("a", NeedMode.ALL),)), slots=1)
    world.act()
    ((gate, text), *_) = reasons(world, "b")
    assert gate == "needs"
    assert text == "needs all cells of a: 1 waiting, 1 starting"


def test_a_retry_says_when_it_is_due() -> None:
    world = World(step(retry=Retry(attempts=2, delay=timedelta(seconds=30), jitter=0)))
    world.act()
    world.end(1)
    (blocker,) = explain(world.state, TaskKey(RUN, "a", 0), NOW)
    assert (blocker.gate, blocker.text, blocker.until) == ("not_before", "retry 2 is due then", later(30))
    assert reasons(world, "a", at=31) == []


def test_all_that_is_in_the_way_is_told_at_once() -> None:
    world = World(step("a", 3), slots=1)
    world.act()
    world.apply(Pause(NOW, RUN, "lunch"))
    assert [gate for gate, _ in reasons(world, "a", 1)] == ["paused", "slots"]


def test_explain_has_reasons_exactly_for_what_decide_does_not_start() -> None:
    world = World(step("a", 4, demand=Demand(cpu=2)), step("b", needs=(Need("a", NeedMode.SOME),)), slots=3)
    starts = {event.task for event in decide(world.state, NOW).actions if isinstance(event, Start)}
    assert starts == {TaskKey(RUN, "a", 0)}
    world.act()
    for name, group in world.record.groups.items():
        for cell in range(group.size):
            assert bool(reasons(world, name, cell)) == (TaskKey(RUN, name, cell) not in starts)


def test_the_bottleneck_of_each_step_is_that_of_its_next_task() -> None:
    again = Retry(attempts=2, delay=timedelta(seconds=30), jitter=0)
    world = World(step("a", 2, retry=again), step("b", needs=(Need("a", NeedMode.ALL),)), slots=2)
    assert next(bottlenecks(world.state, world.record, NOW))[0] == "b"
    world.act()
    task, attempt = world.live()[0]
    world.apply(Exited(NOW, task, attempt, Exit(1)))
    held = {name: blocker.gate for name, blocker in bottlenecks(world.state, world.record, NOW)}
    assert held == {"a": "not_before", "b": "needs"}
    world.end()
    world.act(later(60))
    world.end()
    assert list(bottlenecks(world.state, world.record, later(60))) == []
