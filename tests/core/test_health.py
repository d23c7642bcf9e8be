"""How pipelines and projects are doing: the folds, case by case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openbell.core.durations import Durations
from openbell.core.events import Exit, Exited, Started
from openbell.core.health import (
    Brief,
    Machine,
    Missed,
    Observed,
    PipelineHealth,
    Provided,
    Status,
    overlong,
    pipeline_health,
    project_health,
)
from openbell.core.states import RunState
from openbell.core.summary import stall_at
from tests.builders import NOW, World, later, step

DAY = timedelta(days=1)
WELL, PARTIAL, FAILED = RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED


def briefs(*states: RunState, seconds: float = 60) -> list[Brief]:
    """Runs of these states, newest first, a day apart; those that ended took so many seconds."""
    found = []
    for n, state in enumerate(states):
        opened = NOW - n * DAY
        closed = opened + timedelta(seconds=seconds) if state.final else None
        found.append(Brief(f"p/{len(states) - n}", state, opened, closed))
    return found


def health(*states: RunState, **known: object) -> PipelineHealth:
    runs = briefs(*states)
    success = next((run for run in runs if run.state is WELL), None)
    return pipeline_health(Observed("p", runs, success, **known), NOW + timedelta(hours=1))  # type: ignore[arg-type]


def test_a_pipeline_that_never_ran_is_new() -> None:
    found = health()
    assert (found.status, found.last, found.error_rate, found.mean, found.p95) == (
        Status.NEW,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("states", "status", "failed", "in_a_row"),
    [
        ((WELL,), Status.HEALTHY, 0, 0),
        ((WELL, FAILED, FAILED), Status.HEALTHY, 2, 0),
        ((PARTIAL, WELL), Status.DEGRADED, 1, 1),
        ((FAILED, WELL), Status.FAILING, 1, 1),
        ((FAILED, PARTIAL, WELL, FAILED), Status.FAILING, 3, 2),
        ((RunState.ACTIVE, FAILED), Status.FAILING, 1, 1),
        ((RunState.CANCELLED, WELL), Status.HEALTHY, 0, 0),
        ((RunState.CANCELLED, FAILED, WELL), Status.FAILING, 1, 1),
    ],
)
def test_the_last_run_that_ended_decides(
    states: tuple[RunState, ...], status: Status, failed: int, in_a_row: int
) -> None:
    found = health(*states)
    assert (found.status, found.failed, found.in_a_row) == (status, failed, in_a_row)
    assert found.last is not None
    assert found.last.state is states[0]
    assert found.ended == sum(state in (WELL, PARTIAL, FAILED) for state in states)


def test_the_error_rate_is_of_the_last_twenty() -> None:
    found = health(*[FAILED] * 5, *[WELL] * 15, *[FAILED] * 30)
    assert (found.ended, found.error_rate) == (20, 0.25)


def test_durations_are_those_of_ended_runs() -> None:
    runs = [Brief(f"p/{n}", WELL, NOW, later(n)) for n in range(1, 21)]
    found = pipeline_health(Observed("p", [Brief("p/21", RunState.ACTIVE, NOW), *runs]), NOW)
    assert found.mean == timedelta(seconds=10.5)
    assert found.p95 == timedelta(seconds=19)


def test_a_failure_tells_when_it_last_went_well() -> None:
    assert health(FAILED, WELL).reasons == ("p/2 has failed; the last success was p/1, 24 h ago",)
    assert health(FAILED).reasons == ("p/1 has failed; it has never succeeded",)


def test_what_is_paused_overdue_or_missed_needs_a_look() -> None:
    paused = Brief("p/2", RunState.PAUSED, NOW, paused="tomorrow")
    overdue = Brief("p/3", RunState.ACTIVE, NOW, overdue=later(60))
    found = pipeline_health(Observed("p", [overdue, paused, *briefs(WELL)]), later(90))
    assert found.status is Status.DEGRADED
    assert found.reasons == ("p/3 is overdue since 2024-07-02 14:01:00 UTC", "p/2 is paused: tomorrow")
    missed = Missed("2024-07-02", "the engine was not running", later(1))
    assert health(WELL, missed=missed).reasons == ("missed 2024-07-02: the engine was not running",)
    assert health(missed=missed).status is Status.DEGRADED
    before = Missed("2024-07-01", "the engine was not running", NOW - DAY)
    assert health(WELL, missed=before).reasons == (), "a run has come since"


def test_stale_data_counts_against_who_provides_it() -> None:
    data = Provided("prices", NOW, stale=("prices is 26 h old",))
    found = health(WELL, provides=[data, Provided("other", NOW)])
    assert (found.status, found.reasons) == (Status.DEGRADED, ("prices is 26 h old",))


def test_failures_of_a_run_under_way_are_told() -> None:
    world = World(step("a", 3))
    world.act()
    world.end(1, only=[task for task, _ in world.live()][:1])
    found = health(RunState.ACTIVE, under_way=[world.record])
    assert "p/1: 1 task has failed so far" in found.reasons


# ── stuck ────────────────────────────────────────────────────────────────────────────────────────


def running(*seconds: float) -> World:
    """A run in which as many tasks as there are numbers have taken so long, and one still runs."""
    world = World(step("a", len(seconds) + 1), slots=len(seconds) + 1)
    world.act()
    for (task, attempt), took in zip(world.live(), seconds, strict=False):
        world.apply(Started(NOW, task, attempt), Exited(later(took), task, attempt, Exit(0, elapsed=took)))
    return world


def usual(*seconds: float) -> dict[str, Durations]:
    known = Durations()
    for one in seconds:
        known.add(one)
    return {"a": known}


def test_nothing_to_compare_with_is_five_minutes() -> None:
    world = running()
    assert overlong(world.record, {}, later(300)) == []
    assert [one.key.cell for one in overlong(world.record, {}, later(301))] == [0]


def test_what_takes_thrice_as_long_as_the_others_is_stuck() -> None:
    world = running(100, 100)
    patience = world.record.durations.patience
    assert timedelta(seconds=300) <= patience <= timedelta(seconds=360), "the histogram rounds upwards"
    assert overlong(world.record, {}, NOW + patience) == []
    (found,) = overlong(world.record, {}, NOW + patience + timedelta(seconds=1))
    assert (found.since, found.usual) == (NOW, patience)
    assert running(0.1, 0.1).record.durations.patience == timedelta(minutes=1), "never less than that"


def test_it_is_the_rule_of_the_stall_warning() -> None:
    world = running(100)
    assert stall_at(world.record) == world.record.last_end + world.record.durations.patience


def test_earlier_runs_know_that_a_step_is_long() -> None:
    assert overlong(running().record, usual(3600), later(3600)) == []
    assert overlong(running().record, usual(3600), later(4 * 3600)) != []
    assert overlong(running(1).record, usual(3600), later(3600)) == [], "quick ones beside it do not count"


def test_what_holds_is_never_stuck() -> None:
    world = World(step("a", hold=True))
    world.act()
    assert world.live() != []
    assert overlong(world.record, {}, later(10**6)) == []


# ── the project ──────────────────────────────────────────────────────────────────────────────────

FLOOR = 64_000_000
SOUND = Machine(free=10**10, floor=FLOOR, memory=10**9, memory_total=10**10)


def status(machine: Machine = SOUND, *pipelines: PipelineHealth, broken: tuple[str, ...] = ()) -> Status:
    return project_health(pipelines, machine, broken).status


def test_a_project_is_as_well_as_the_worst_that_somebody_counts_on() -> None:
    well, failing = health(WELL, scheduled=True), health(FAILED, scheduled=True)
    assert status() is Status.HEALTHY
    assert status(SOUND, well, health(scheduled=True)) is Status.HEALTHY, "new is not ill"
    assert status(SOUND, well, failing) is Status.FAILING
    assert status(SOUND, well, health(FAILED)) is Status.HEALTHY, "run by hand, and over"
    assert status(SOUND, well, broken=("a.yaml",)) is Status.DEGRADED


@pytest.mark.parametrize(
    ("machine", "found", "told"),
    [
        (Machine(free=FLOOR - 1, floor=FLOOR), Status.FAILING, "64 MB left: nothing starts"),
        (Machine(free=2 * FLOOR, floor=FLOOR), Status.DEGRADED, "128 MB left: below 64 MB nothing starts"),
        (Machine(memory=10**8, memory_total=10**10), Status.DEGRADED, "100 MB of 10.0 GB of memory"),
        (Machine(trouble="locked"), Status.FAILING, "the store does not answer: locked"),
    ],
)
def test_the_machine_counts(machine: Machine, found: Status, told: str) -> None:
    health = project_health([], machine)
    assert health.status is found
    (reason,) = health.reasons
    assert told in reason
