"""The event files: every entry once and in order, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openbell.clock import SimClock
from openbell.core.events import Reported, Started
from openbell.core.model import TaskKey
from openbell.core.telling import Teller
from openbell.engine.eventlog import EventLog, event_file
from openbell.engine.heartbeat import Heartbeat
from openbell.executors.process.vitals import Vitals
from openbell.store.memory import MemoryStore
from tests.builders import NOW, RUN, World, later, step


class Project:
    """A store with a run in it, and engines that come and go."""

    def __init__(self, folder: Path, cells: int = 6) -> None:
        self.folder = folder
        self.world = World(step(cells=cells), slots=2)
        self.store = MemoryStore()
        self.log: EventLog | None = None
        self._written = 0
        self._epoch = self.store.lead("x", NOW).epoch

    @property
    def file(self) -> Path:
        return event_file(self.folder, RUN)

    def commit(self) -> None:
        """What has happened since becomes durable; an engine that is there sees it."""
        batch = self.world.journal[self._written :]
        self.store.append(self._epoch, self._written + 1, batch, self.world.state)
        self._written += len(batch)
        if self.log is not None:
            self.log.see(batch, self.world.state)

    def lead(self) -> None:
        self.log = EventLog(self.folder, self.store)

    def die(self) -> None:
        """As by kill -9: nothing is closed."""
        self.log = None

    def batches(self) -> Iterator[None]:
        """The run to its end, a few events at a time."""
        yield
        at = 0.0
        while self.world.act(later(at)):
            yield
            at += 1
            self.world.end(at=later(at))
            yield

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def expected(self) -> list[dict[str, Any]]:
        teller = Teller(self.world.record.run)
        entries = self.store.journal(run_id=RUN, limit=10**6)
        return [line for seq, event in entries if (line := teller.line(seq, event)) is not None]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "events")


def test_the_file_says_what_the_journal_says(project: Project) -> None:
    project.lead()
    for _ in project.batches():
        project.commit()
    assert project.lines() == project.expected()
    assert len(project.lines()) == 2 + 2 * 6


def test_engines_that_die_leave_no_gap_and_nothing_twice(project: Project) -> None:
    rng = random.Random(7)
    for _ in project.batches():
        match rng.choice(("lead", "die", "go on", "torn")):
            case "lead":
                project.lead()
            case "die":
                project.die()
            case "torn" if project.file.exists():
                project.die()
                with project.file.open("r+b") as file:  # the line was not finished when it died
                    file.truncate(max(0, project.file.stat().st_size - rng.randint(1, 40)))
        project.commit()
    project.lead()
    project.world.apply(Reported(later(9), TaskKey(RUN, "a", 0), 1, "log", "late"))
    project.commit()
    assert project.lines() == project.expected()


def test_lines_that_the_journal_has_lost_go(project: Project) -> None:
    project.lead()
    project.commit()
    ahead = {"run_id": RUN, "seq": 99, "msg": "a commit that a power cut has taken back"}
    with project.file.open("a") as file:
        file.write(json.dumps(ahead) + "\n")
    project.lead()
    project.world.act()
    project.world.end()
    project.commit()
    assert project.lines() == project.expected()


def test_long_lines_are_found_again(project: Project) -> None:
    project.lead()
    project.commit()
    project.world.act()
    task, attempt = project.world.live()[0]
    project.world.apply(Reported(later(1), task, attempt, "log", "x" * 700_000))
    project.commit()
    project.lead()
    project.world.apply(Reported(later(2), task, attempt, "log", "é\ud800"))
    project.commit()
    found = project.lines()
    assert len(found) == len(project.expected())
    assert len(found[-2]["msg"]) == 700_000


def test_a_run_of_before_gets_its_past_with_its_first_line(project: Project) -> None:
    project.commit()
    project.world.act()
    project.commit()
    project.lead()  # there are no files yet
    project.world.end()
    project.commit()
    assert project.lines() == project.expected()
    project.file.unlink()
    project.lead()
    project.world.act(later(5))
    project.world.end(at=later(6))
    project.commit()
    assert project.lines() == project.expected()


def test_a_full_disk_costs_a_delay(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.lead()
    project.commit()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))  # what fits
    project.world.act()
    project.world.end()
    project.commit()
    assert project.log is not None
    assert project.log.trouble == "No space left on device"
    monkeypatch.setattr(os, "write", write)
    project.world.act(later(1))
    project.commit()
    assert project.log.trouble == ""
    assert project.lines() == project.expected()


def test_signs_of_life_are_written_while_something_runs(project: Project) -> None:
    project.lead()
    log = project.log
    assert log is not None
    project.commit()
    clock = SimClock(later(90))
    looked: list[str] = []

    def look(key: object) -> Vitals:
        looked.append(str(key))
        return Vitals("epoch 3", 2_000_000, 77)

    async def main() -> None:
        heart = Heartbeat(log, clock, look, every=timedelta(milliseconds=50))
        heart.see([], project.world.state)
        assert heart._timer is None, "an engine that waits is woken"
        project.world.act()
        (first, attempt), (second, _) = project.world.live()
        project.world.apply(Started(NOW, first, attempt, "1"), Started(later(90), second, attempt, "2"))
        project.world.apply(Reported(later(1), first, attempt, "progress", "", {"done": 3, "total": 9}))
        project.commit()
        heart.see(project.world.journal, project.world.state)
        async with asyncio.timeout(5):
            while not any(
                line["event"] == "metric" and line["data"].get("heartbeat") for line in project.lines()
            ):
                await asyncio.sleep(0.01)
        project.world.end()
        project.commit()
        await asyncio.sleep(0.15)
        assert heart._timer is None, "nothing runs any more"
        heart.close()

    asyncio.run(main())
    beat = next(line for line in project.lines() if line["data"].get("heartbeat"))
    assert set(looked) == {f"{RUN}/a/0#1"}, "what has just begun is left alone"
    assert beat["data"] == {
        "heartbeat": True,
        "elapsed_seconds": 90.0,
        "elapsed_minutes": 1,
        "output_bytes": 77,
        "rss": 2_000_000,
        "last_output": "epoch 3",
        "progress": {"done": 3, "total": 9},
    }
    assert (beat["event"], beat["stage"], beat["attempt"]) == ("metric", "a", 1)
    project.lead()
    project.world.act(later(100))
    project.commit()
    counted = [line for line in project.lines() if not line["data"].get("heartbeat")]
    assert counted == project.expected()
