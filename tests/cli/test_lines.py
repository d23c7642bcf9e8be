from __future__ import annotations

from datetime import timedelta

import pytest

from openbell.cli.lines import Lines
from openbell.core.events import Answer, Event, Stall
from openbell.core.model import AttemptKey, Need, NeedMode, Retry
from openbell.executors.process.vitals import Vitals
from tests.builders import NOW, World, later, step


def look(key: AttemptKey) -> Vitals:
    return Vitals(f"I am {key.cell}", 2_000_000)


class Told:
    """What the lines say about a world, without their times."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str], *, verbose: bool = False) -> None:
        self._world, self._capsys = world, capsys
        self._lines = Lines(look, verbose=verbose)
        self._lines.opened(world.record, Answer(NOW, "r", True, "opened", "p/1"))

    def of(self, *events: Event) -> list[str]:
        self._lines.see(events, self._world.state)
        return [line.partition("] ")[2] for line in self._capsys.readouterr().err.splitlines()]


def news(world: World, seen: int) -> list[Event]:
    return world.journal[seen:]


def test_one_line_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(step(cells=2), slots=2)
    told = Told(world, capsys)
    assert told.of() == ["INFO: p: run p/1 opened: 2 tasks, 2 waiting"]
    seen = len(world.journal)
    world.act()
    assert told.of(*news(world, seen)) == []  # what was decided is no news to who did not ask
    seen = len(world.journal)
    world.end(elapsed=0.5)
    lines = told.of(*news(world, seen))
    assert lines[0] == "INFO: Created 1/2: i=0"
    assert lines[1].startswith("INFO: Succeeded")
    assert lines[1].endswith("i=0 (0.50 s)")


def test_failures_and_retries_say_why_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(step(retry=Retry(attempts=2, delay=timedelta(seconds=5), jitter=0)))
    told = Told(world, capsys)
    world.act()
    seen = len(world.journal)
    world.end(1, error="KeyError: 'px'")
    assert any(
        "Will be tried again at" in line and "KeyError" in line for line in told.of(*news(world, seen))
    )
    world.act(later(6))
    seen = len(world.journal)
    world.end(1, at=later(7), error="KeyError: 'px'")
    assert told.of(*news(world, seen))[-1] == "ERROR: Failed: a: KeyError: 'px'"


def test_a_stall_names_the_oldest_task_what_it_said_last_and_its_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World(step(cells=2), slots=2)
    told = Told(world, capsys)
    world.act()
    task, attempt = world.live()[1]
    assert told.of(Stall(later(700), "p/1", task, attempt, 700.0))[-1] == (
        "WARNING: No task has ended for 11:40; the oldest is i=1 (last output: I am 1; memory 2.0 MB)"
    )


def test_verbose_tells_each_decision_and_what_holds_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(step("a"), step("b", needs=(Need("a", NeedMode.ALL),)))
    told = Told(world, capsys, verbose=True)
    seen = len(world.journal)
    world.act()
    lines = told.of(*news(world, seen))
    assert "DEBUG: Starting a, attempt 1" in lines
    assert "DEBUG: b waits: needs all cells of a: 1 starting" in lines
    assert told.of() == []  # the same reason is not told again
