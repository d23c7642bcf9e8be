"""Letting go of the past: files with their rows, once a day, when it is quiet."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.clock import SimClock
from openbell.core.events import Prune
from openbell.core.inputs import InputFile
from openbell.core.model import OnFailure
from openbell.core.requests import PruneRuns
from openbell.core.retention import Retention
from openbell.core.state import Schedule, State
from openbell.core.triggers import IntervalTrigger
from openbell.engine.eventlog import event_file
from openbell.engine.pruner import Pruner, Remover, files_of
from openbell.engine.retaining import Retaining
from openbell.engine.workspace import Workspace
from openbell.store.memory import MemoryStore
from tests.builders import NOW, World, later, pipeline, step
from tests.store.test_contract import several

DAY = timedelta(days=1)
POLICY = Retention(runs=DAY, keep=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path)
    for number in range(1, 6):
        run = f"p/{number}"
        for name in ("attempts", "checkpoints"):
            folder = tmp_path / name / f"p%2F{number}" / "a.0.1"
            folder.mkdir(parents=True)
            (folder / "log").write_text("x")
        found.events.mkdir(exist_ok=True)
        event_file(found.events, run).write_text("{}\n")
    return found


def left(workspace: Workspace) -> list[str]:
    """The runs of which there are logs, event files, checkpoints."""
    logs = {path.name.removeprefix("p%2F") for path in workspace.attempts.iterdir()}
    events = {path.stem.removeprefix("pipeline_p%2F") for path in workspace.events.iterdir()}
    checkpoints = {path.name.removeprefix("p%2F") for path in (workspace.folder / "checkpoints").iterdir()}
    return ["".join(sorted(found)) for found in (logs, events, checkpoints)]


def test_what_goes_follows_from_the_store(workspace: Workspace) -> None:
    store = MemoryStore()
    several(store, 4)
    pruner = Pruner(store, workspace)
    found = pruner.candidates(POLICY, NOW + 2 * DAY)
    assert {part: [run.id for run in runs] for part, runs in found.items()} == {
        "runs": ["p/1", "p/2", "p/3", "p/4"]
    }
    assert pruner.candidates(POLICY, NOW) == {}
    both = pruner.candidates(Retention(runs=3 * DAY, keep=1, logs=DAY), NOW + 2 * DAY)
    assert [run.id for run in both["logs"]] == ["p/1", "p/2", "p/3", "p/4"], "p/5 is under way"
    assert "runs" not in both
    followed = Pruner(store, workspace, ["p"]).candidates(POLICY, NOW + 2 * DAY)
    assert followed == {}, "others come after it"


def test_files_that_are_gone_are_not_asked_for_again(workspace: Workspace) -> None:
    store = MemoryStore()
    several(store, 2)
    pruner = Pruner(store, workspace)
    policy = Retention(logs=DAY, keep=1)
    remover = Remover(workspace)
    for request in pruner.requests(policy, NOW + 2 * DAY, "me", ""):
        remover.see([Prune(NOW, request.runs, request.parts)], State())
    remover.close()
    assert left(workspace) == ["345", "12345", "12345"]
    assert pruner.candidates(policy, NOW + 2 * DAY) == {}


def test_the_last_success_of_a_step_that_falls_back_on_it_stays(workspace: Workspace) -> None:
    store = MemoryStore()
    falling = step("a", on_failure=OnFailure(last_success=True))
    ledger = several(store, 3, falling)
    ledger.world.act()
    ledger.world.end(1)
    ledger.world.act(later(20))
    ledger.write()
    found = Pruner(store, workspace).candidates(POLICY, NOW + 2 * DAY)
    assert [run.id for run in found["runs"]] == ["p/1", "p/2"], "p/3 has succeeded, p/4 is the newest"


def test_all_files_of_a_run_go_with_it(workspace: Workspace) -> None:
    remover = Remover(workspace)
    remover.see([Prune(NOW, ("p/1",), ("runs",)), Prune(NOW, ("p/2",), ("events",))], State())
    remover.close()
    assert left(workspace) == ["2345", "345", "2345"]
    assert files_of(workspace, "p/2")["logs"].exists()


def test_what_a_killed_engine_has_left_goes_at_the_next_look(workspace: Workspace) -> None:
    store = MemoryStore()
    ledger = several(store, 3)
    ledger.world.apply(Prune(later(9), ("p/1",), ("runs",), "me"))
    ledger.write()
    assert Pruner(store, workspace).remove_orphans() == 1
    assert left(workspace) == ["2345", "2345", "2345"], "p/5 is of no run either, but nobody has let it go"


# ── the daily duty ───────────────────────────────────────────────────────────────────────────────


class Duty:
    """The daemon's duty over a store in memory."""

    def __init__(self, workspace: Workspace) -> None:
        self.clock = SimClock(NOW + 2 * DAY)
        self.state = State()
        self.policy = POLICY
        self.asked: list[PruneRuns] = []
        store = MemoryStore()
        several(store, 3)
        self.retaining = Retaining(
            store,
            workspace,
            self.clock,
            lambda: self.policy,
            lambda: self.state,
            self.asked.append,
            look=0.01,
        )

    def look(self, ahead: timedelta = timedelta(0)) -> int:
        """One look; how many requests that makes."""
        self.clock.move(self.clock.now() + ahead)
        return len(self.retaining.requests()) if self.retaining.due() else 0


def test_it_is_done_once_a_day(workspace: Workspace) -> None:
    duty = Duty(workspace)
    assert [duty.look(), duty.look(timedelta(hours=23)), duty.look(timedelta(hours=1))] == [1, 0, 1]
    (request,) = duty.retaining.requests()
    assert (request.runs, request.parts, request.actor) == (("p/1", "p/2", "p/3"), ("runs",), "retention")
    assert request.before == duty.clock.now() - DAY


def test_without_a_policy_nothing_is_asked(workspace: Workspace) -> None:
    duty = Duty(workspace)
    duty.policy = Retention()
    assert duty.look() == 0


def test_work_comes_first_but_not_for_ever(workspace: Workspace) -> None:
    duty = Duty(workspace)
    world = World()
    world.act()
    duty.state = world.state
    assert [duty.look(), duty.look(timedelta(days=1)), duty.look(timedelta(days=1))] == [0, 0, 1]


def test_an_occasion_that_is_about_to_come_is_waited_for(workspace: Workspace) -> None:
    duty = Duty(workspace)
    trigger = IntervalTrigger(timedelta(minutes=15), "UTC")
    duty.state.schedules = {"p": Schedule(pipeline(triggers=(trigger,)))}
    duty.state.positions["p", str(trigger)] = duty.clock.now().isoformat()
    assert duty.look(timedelta(minutes=14)) == 0
    duty.state.positions["p", str(trigger)] = (duty.clock.now() + timedelta(minutes=1)).isoformat()
    assert duty.look() == 1


def test_the_loop_asks_and_goes_on(workspace: Workspace) -> None:
    duty = Duty(workspace)

    async def live() -> None:
        keeping = asyncio.ensure_future(duty.retaining.keep())
        while len(duty.asked) < 2:
            await asyncio.sleep(0.01)
            duty.clock.move(duty.clock.now() + timedelta(hours=6))
        keeping.cancel()

    asyncio.run(live())
    assert duty.asked[0].runs == duty.asked[1].runs == ("p/1", "p/2", "p/3")


def test_inputs_that_are_not_put_away_are_needed() -> None:
    """What the engine still has to do for a run keeps it, whatever somebody asks for."""
    from openbell.core.inputs import Chore, Consume
    from openbell.core.retention import pruning

    state = State()
    state.chores["p/1", "a", "x"] = Chore("p/1", "a", InputFile("x", 1, 1, "k"), Consume.DELETE, "")
    assert pruning(state, PruneRuns(("p/1",), ("runs",)), NOW) is None
