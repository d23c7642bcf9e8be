"""The shell: the turn, the lead, the bell, the disk."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from openbell.core.events import Reported, SpaceChanged
from openbell.core.model import Pipeline, TaskKey
from openbell.core.requests import CancelTasks, Submit
from openbell.doorbell import Doorbell, ring
from openbell.engine.inbox import Inbox
from openbell.engine.leader import Lead, holder
from openbell.engine.space import SpaceWatch
from openbell.engine.workspace import Workspace
from openbell.errors import Fenced, ProjectError
from openbell.sim.campaign import Simulation
from openbell.sim.scenario import scenario
from tests.builders import NOW, later, step

FACT = Reported(NOW, TaskKey("p/1", "a", 0), 1, "log")


def test_one_process_leads_and_the_kernel_frees_the_lead(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    code = (
        "import sys, time\nfrom datetime import datetime, UTC\nfrom pathlib import Path\n"
        "from openbell.engine.leader import Lead\n"
        "assert Lead(Path(sys.argv[1])).take(datetime.now(UTC)); print('led', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "led\n"
    mine = Lead(path)
    assert not mine.take(NOW)
    found = holder(path)
    assert found is not None
    assert found.pid == other.pid
    assert str(found).startswith(f"process {other.pid} on ")
    other.kill()
    other.wait()
    other.stdout.close()
    assert holder(path) is None
    assert mine.take(NOW)
    mine.release()
    assert holder(path) is None


def test_the_inbox_wakes_at_news_from_any_thread() -> None:
    async def main() -> None:
        inbox = Inbox()
        inbox.attach()
        loop = asyncio.get_running_loop()
        began = loop.time()
        threading.Timer(0.05, inbox.put, [FACT]).start()
        await inbox.wait(5)
        assert loop.time() - began < 2
        assert inbox.drain() == [FACT]
        assert inbox.drain() == []
        await inbox.wait(0.01)  # nothing: it returns all the same
        assert inbox.rung()
        assert not inbox.rung()
        inbox.ring()
        assert inbox.rung()

    asyncio.run(main())


@pytest.mark.parametrize("depth", [0, 4])
def test_the_bell_is_heard(tmp_path: Path, depth: int) -> None:
    folder = tmp_path.joinpath(*["d" * 40] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "engine.sock"

    async def main() -> None:
        heard: list[str] = []
        bell = Doorbell(path)
        bell.listen("attempt", heard.append)
        bell.open()
        assert path.stat().st_mode & 0o777 == 0o600
        for word in ("attempt a/1/b/0#1", "unknown x", "attempt two words"):
            assert ring(path, word)
        while len(heard) < 2:
            await asyncio.sleep(0.01)
        assert heard == ["a/1/b/0#1", "two words"]
        bell.close()
        assert not ring(path, "attempt x")

    asyncio.run(main())


def test_a_bell_is_hung_over_one_that_was_left(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(path))  # a killed engine leaves its socket

    async def main() -> None:
        bell = Doorbell(path)
        bell.open()
        assert ring(path, "hello")
        bell.close()

    asyncio.run(main())


Usage = namedtuple("Usage", "total used free")


def test_the_disk_is_looked_at_once_a_second_and_changes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [100]
    looks = []

    def look(_: object) -> Usage:
        looks.append(1)
        return Usage(0, 0, free[0])

    monkeypatch.setattr(shutil, "disk_usage", look)
    watch = SpaceWatch(tmp_path, floor=50)
    assert watch.check(NOW) is None
    free[0] = 10
    assert watch.check(later(0.5)) is None
    assert watch.check(later(1.5)) == SpaceChanged(later(1.5), 10, True)
    assert watch.patience < 60
    assert watch.check(later(3)) is None
    free[0] = 60
    assert watch.check(later(5)) == SpaceChanged(later(5), 60, False)
    assert len(looks) == 4
    assert watch.check(later(-9999)) is None  # the clock was set back: it looks again all the same
    assert len(looks) == 5


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("tmpfs / tmpfs rw 0 0\nserver:/x {parent} nfs4 rw 0 0\n", "nfs4"),
        ("tmpfs / tmpfs rw 0 0\n//s/x {folder} cifs rw 0 0\n/dev/a /other ext4 rw 0 0\n", "cifs"),
    ],
)
def test_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, kind: str
) -> None:
    folder = tmp_path / ".openbell"
    text = mounts.format(parent=tmp_path, folder=folder)
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: text)
    with pytest.raises(ProjectError, match=f"network file system \\({kind}\\)"):
        Workspace(folder).create()


def test_a_leader_that_was_replaced_stops_writing() -> None:
    simulation = Simulation(0)
    simulation.world.calm = True
    simulation._ask(Submit(simulation.world.scenario.pipeline, "digest"))
    simulation._lead()
    simulation.store.lead("other", NOW)
    with pytest.raises(Fenced):
        simulation.engine.turn()


def test_what_a_dead_asker_wanted_is_declined() -> None:
    simulation = Simulation(0)
    simulation.world.calm = True
    simulation.engine._wanted = lambda request_id: not request_id.startswith("dead")
    simulation._lead()
    simulation.store.ask("dead.1", Submit(simulation.world.scenario.pipeline, "digest"), NOW)
    simulation.engine.inbox.ring()
    simulation.engine.turn()
    answer = simulation.store.answer("dead.1")
    assert answer is not None
    assert (answer.accepted, answer.message) == (False, "its asker is gone")
    assert simulation.store.runs() == []


def test_a_dead_asker_is_known_by_its_process() -> None:
    from openbell.engine.leader import asker_lives

    gone = multiprocessing.get_context("spawn").Process(target=int)
    gone.start()
    gone.join()
    assert asker_lives(f"{os.getpid()}.x")
    assert not asker_lives(f"{gone.pid}.x")
    assert not asker_lives("nonsense")


def test_the_engine_sleeps_until_the_next_thing_that_matters() -> None:
    simulation = Simulation(0)
    simulation.world.calm = True
    simulation._lead()
    assert simulation.engine.turn() == 60.0
    simulation.store.ask("x", CancelTasks("nothing/1"), NOW)
    simulation.engine.inbox.ring()
    assert simulation.engine.turn() == 60.0
    assert simulation.store.answer("x").message == "there is no run nothing/1"  # type: ignore[union-attr]


def test_points_kill_where_they_are_told_to(tmp_path: Path) -> None:
    code = (
        "from openbell.engine.points import point\n"
        "for _ in range(3): point('here'); print('passed', flush=True)"
    )
    env = {**os.environ, "OPENBELL_KILL_AT": "here:3"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "passed\npassed\n")


def test_an_interrupt_is_impatient_and_a_cancel_is_not() -> None:
    from openbell.core.events import Stop
    from openbell.core.states import StopReason

    simulation = Simulation(
        0, replace(scenario(Random(0)), pipeline=Pipeline("sim", (step(executor="sim"),)))
    )
    simulation.world.calm = True
    simulation._ask(Submit(simulation.world.scenario.pipeline, "digest"))
    simulation._lead()
    simulation.engine.turn()
    told: list[timedelta] = []
    simulation.executor.stop = lambda key, reason, grace: told.append(grace)  # type: ignore[method-assign]
    record = next(iter(simulation.engine.state.runs.values()))
    task = next(
        TaskKey(record.id, name, cell) for name, group in record.groups.items() for cell in group.live
    )
    for reason in (StopReason.CANCEL, StopReason.INTERRUPT):
        simulation.engine._perform(Stop(NOW, task, 1, reason))
    assert told == [timedelta(seconds=10), timedelta(seconds=3)]


def test_holders_are_json(tmp_path: Path) -> None:
    lead = Lead(tmp_path / "lock")
    assert lead.take(NOW)
    assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    lead.release()
