"""What the policy lets go, and what nobody can make it let go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.answers import answer
from openbell.core.events import Answer, Fire, Prune
from openbell.core.evolve import evolve
from openbell.core.freshness import Dataset
from openbell.core.model import Past
from openbell.core.requests import PruneRuns
from openbell.core.retention import Aged, Retention, expired, portions
from openbell.core.state import State
from openbell.errors import InvalidTransition
from tests.builders import NOW, RUN, World, later, step

DAY = timedelta(days=1)


def aged(*days: int | None, name: str = "p") -> list[Aged]:
    """Runs that ended so many days ago, newest first; None: under way."""
    return [
        Aged(
            f"{name}/{len(days) - n}",
            name,
            NOW - (day or 0) * DAY,
            NOW - day * DAY if day is not None else None,
            1,
        )
        for n, day in enumerate(days)
    ]


def gone(policy: Retention, *days: int | None, needed: set[str] | None = None) -> list[str]:
    return [run.id for run in expired(policy, "runs", aged(*days), needed or set(), NOW)]


def test_without_a_policy_nothing_goes() -> None:
    assert Retention().unlimited
    assert gone(Retention(), *range(1000)) == []


def test_runs_go_by_age_the_oldest_first() -> None:
    policy = Retention(runs=30 * DAY, keep=1)
    assert gone(policy, 1, 29, 30, 31) == ["p/1", "p/2"]


def test_the_newest_stay_whatever_their_age() -> None:
    assert gone(Retention(runs=DAY, keep=3), 10, 20, 30, 40) == ["p/1"]
    assert gone(Retention(runs=DAY), *range(10, 21)) == ["p/1"], "ten, unless somebody says otherwise"
    assert gone(Retention(runs=DAY, keep=1), 400) == []


def test_a_number_alone_lets_nothing_go() -> None:
    assert gone(Retention(keep=2), 0, 0, 0, 0) == []
    assert Retention(keep=2).unlimited
    assert gone(Retention(runs=0 * DAY, keep=2), 0, 0, 0, 0) == ["p/1", "p/2"]


def test_what_is_under_way_or_needed_stays() -> None:
    policy = Retention(runs=DAY, keep=1)
    assert gone(policy, 1, None, 2, None, 3, needed={"p/1"}) == ["p/3"]


def test_each_pipeline_counts_its_own() -> None:
    both = sorted(aged(1, 3, name="p") + aged(2, 4, name="q"), key=lambda run: run.opened_at, reverse=True)
    found = expired(Retention(runs=DAY, keep=1), "runs", both, (), NOW)
    assert [run.id for run in found] == ["q/1", "p/1"]
    assert expired(Retention(runs=DAY, keep=1), "runs", both, (), NOW, [("p", 2)])[0].id == "q/1"
    assert len(expired(Retention(runs=DAY, keep=1), "runs", both, (), NOW, [("p", 2)])) == 1


def test_logs_and_events_have_ages_of_their_own() -> None:
    policy = Retention(logs=5 * DAY, keep=1)
    runs = aged(1, 6, 7)
    assert [run.id for run in expired(policy, "logs", runs, (), NOW)] == ["p/1", "p/2"]
    assert expired(policy, "events", runs, (), NOW) == []


@given(
    days=st.lists(st.one_of(st.none(), st.integers(0, 100)), max_size=40),
    age=st.integers(0, 100),
    keep=st.integers(1, 10),
    needed=st.sets(st.integers(1, 40)),
)
def test_whatever_happens_the_promises_hold(
    days: list[int | None], age: int, keep: int, needed: set[int]
) -> None:
    runs = aged(*days)
    stays = {f"p/{n}" for n in needed}
    found = expired(Retention(runs=age * DAY, keep=keep), "runs", runs, stays, NOW)
    assert not {run.id for run in found} & stays
    assert not set(found) & set(runs[:keep])
    assert all(run.closed_at is not None and NOW - run.closed_at >= age * DAY for run in found)
    left = [run for run in runs[keep:] if run not in found and run.id not in stays]
    assert all(run.closed_at is None or NOW - run.closed_at < age * DAY for run in left), "and all others go"


def test_portions_are_bounded_by_tasks_and_by_runs() -> None:
    runs = [run._replace(size=size) for run, size in zip(aged(*range(6)), (3, 3, 3, 99, 1, 1), strict=True)]
    assert [[run.size for run in portion] for portion in portions(runs, 6, 10)] == [[3, 3], [3], [99], [1, 1]]
    assert [len(portion) for portion in portions(runs, 1000, 4)] == [4, 2]
    assert list(portions([], 10, 10)) == []


# ── what the engine makes of it ──────────────────────────────────────────────────────────────────


def asked(state: State, *runs: str, parts: tuple[str, ...] = ("runs",)) -> tuple[tuple[str, ...], bool]:
    """The runs that go when these are asked for, and whether that is accepted."""
    request = PruneRuns(runs, parts, "me")  # type: ignore[arg-type]
    actions = list(answer(state, "r", request, "", later(1)))
    for action in actions:
        evolve(state, action)
    assert isinstance(actions[-1], Answer)
    return next((one.runs for one in actions if isinstance(one, Prune)), ()), actions[-1].accepted


def test_what_has_ended_goes() -> None:
    assert asked(State(), "p/1", "p/2") == (("p/1", "p/2"), True)


def test_what_is_under_way_stays_and_so_do_its_files() -> None:
    world = World()
    for parts in (("runs",), ("logs",), ("events",)):
        assert asked(world.state, RUN, "p/0", parts=parts) == (("p/0",), True)
    assert asked(world.state, RUN) == ((), False)
    with pytest.raises(InvalidTransition):
        evolve(world.state, Prune(NOW, (RUN,), ("runs",)))


def test_what_is_needed_by_what_is_under_way_stays() -> None:
    world = World(step())
    world.record.recall(Past({"a": "p/0"}))
    world.state.datasets["d"] = Dataset("d", NOW, "q/7", "s")
    world.state.fired["f/1"] = Fire(NOW, "f", "session", "", "1", NOW)
    assert asked(world.state, "p/0", "q/7", "f/1", "q/6") == (("q/6",), True)
    assert asked(world.state, "p/0", parts=("logs",)) == (("p/0",), True), "its results are in the rows"
