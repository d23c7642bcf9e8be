"""A new engine takes over what the old one has left, on real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import textwrap
from pathlib import Path

import pytest

from openbell.core.events import Lost, Refused
from openbell.core.model import AttemptKey
from openbell.core.states import StopReason
from openbell.executors.process import leftovers
from openbell.executors.process.files import AttemptFiles, mark_of
from tests.executors.bench import KEY, PATIENCE, Bench, alive, gone, kill, own, pids_of, run


def test_running_attempts_survive_the_engine_and_are_adopted(tmp_path: Path) -> None:
    async def first() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("sh", "-c", "echo before; sleep 0.7; echo after")
            await bench.started(key)

    async def second() -> None:
        async with Bench.opened(tmp_path) as bench:
            bench.executor.adopt([bench.orphan(KEY)])
            await bench.started(KEY)
            assert (await bench.exit(KEY)).code == 0
            assert bench.log(KEY) == b"before\nafter\n"

    run(first())
    run(second())


def test_what_ended_while_nobody_led_is_reported_as_it_was(tmp_path: Path) -> None:
    async def first() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(f"open({str(tmp_path / 'ok')!r}, 'w'); import sys; sys.exit(5)")
            while not (tmp_path / "ok").exists():
                await asyncio.sleep(0.01)
            assert key == KEY

    async def second() -> None:
        async with Bench.opened(tmp_path) as bench:
            while bench.files(KEY).exit() is None:
                await asyncio.sleep(0.01)
            bench.executor.adopt([bench.orphan(KEY)])
            assert (await bench.exit(KEY)).code == 5

    run(first())
    run(second())


def test_what_never_began_can_never_begin_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            bench.executor.adopt([bench.orphan(KEY)])
            fact = await bench.ended(KEY)
            assert isinstance(fact, Refused)
            assert not fact.counted
            bench.start("sh", "-c", f"touch {tmp_path}/ran")  # a late request of the engine that died
            await asyncio.sleep(0.5)
            assert not (tmp_path / "ran").exists()

    run(main())


def test_a_stop_that_the_old_engine_could_not_deliver_is_delivered(tmp_path: Path) -> None:
    async def first() -> None:
        async with Bench.opened(tmp_path) as bench:
            await bench.started(bench.start("sleep", "1000"))

    async def second() -> None:
        async with Bench.opened(tmp_path) as bench:
            bench.executor.adopt([bench.orphan(KEY, stop=StopReason.CANCEL)])
            assert (await bench.exit(KEY)).stopped is StopReason.CANCEL

    run(first())
    run(second())


def test_reports_are_not_heard_twice_by_a_new_engine(tmp_path: Path) -> None:
    code = "from openbell import worker; import time\n" + "\n".join(
        f"worker.emit('log', 'line {n}'); time.sleep(0.15)" for n in range(6)
    )

    async def first() -> int:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(code)
            await bench.until(lambda fact: getattr(fact, "message", "") == "line 2")
            return bench.said(key)[-1].heard

    async def second(heard: int) -> list[str]:
        async with Bench.opened(tmp_path) as bench:
            bench.executor.adopt([bench.orphan(KEY, heard=heard)])
            await bench.ended(KEY)
            return [said.message for said in bench.said(KEY)]

    heard = run(first())
    assert run(second(heard)) == ["line 3", "line 4", "line 5"]


@pytest.mark.parametrize("forker", ["plain", "preloaded"])
def test_when_the_supervisor_dies_nothing_of_the_attempt_survives(tmp_path: Path, forker: str) -> None:
    script = tmp_path / "forker.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, subprocess, sys, time
            subprocess.Popen(["sleep", "{own(7771)}"], start_new_session=True)
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(7772)
                os._exit(0)
            print("ready", flush=True)
            time.sleep(7773)
            """
        )
    )

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            preload = ("json",) if forker == "preloaded" else ()
            key = bench.start(script=script, preload=preload)
            await bench.started(key)
            while not bench.files(key).log.exists():
                await asyncio.sleep(0.01)
            assert pids_of(own(7771))
            async with asyncio.timeout(PATIENCE):
                while len(forks := leftovers._find(bench.files(key), bench.files(key).claim())) < 3:
                    await asyncio.sleep(0.02)
            kill(bench.shim(key))
            fact = await bench.ended(key)
            assert isinstance(fact, Lost)
            assert not any(map(alive, forks))
            assert gone(own(7771))

    run(main())


def test_the_sweep_finds_processes_by_environment_and_by_name(tmp_path: Path) -> None:
    import subprocess

    key = AttemptKey("run/1", "sweep", 3, 2)
    files, elsewhere = AttemptFiles(tmp_path / "a", key), AttemptFiles(tmp_path / "b", key)
    ids = {**os.environ, "OPENBELL_ATTEMPT": str(key)}
    marked = subprocess.Popen(["sleep", "60"], env={**ids, "OPENBELL_EVENTS": str(files.events)})
    other = subprocess.Popen(["sleep", "60"], env={**ids, "OPENBELL_EVENTS": str(elsewhere.events)})
    try:
        assert leftovers._find(files, None) == [marked.pid]
        assert leftovers.sweep(files, None) == 1
        assert marked.wait() == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        marked.kill()
        marked.wait()


def test_after_a_reboot_nothing_is_looked_for(tmp_path: Path) -> None:
    from openbell.executors.process.files import Claim

    files = AttemptFiles(tmp_path, KEY)
    assert leftovers.sweep(files, Claim(shim=1, boot="another boot", mark=mark_of(files.folder))) == 0


def test_a_dead_zygote_costs_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("sh", "-c", "sleep 0.5; exit 6")
            await bench.started(key)
            (zygote,) = bench.executor._zygotes.zygotes.values()
            kill(zygote.spawner._process.pid)
            again = bench.start("sh", "-c", "exit 7", name="b")
            fact = await bench.ended(again)
            if isinstance(fact, Refused):  # it was asked for of the dead one: free of charge
                assert not fact.counted
                again = bench.start("sh", "-c", "exit 7", name="b", attempt=2)
            assert (await bench.exit(again)).code == 7
            assert (await bench.exit(key)).code == 6

    run(main())


def test_somebody_else_ends_the_supervisor(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("sleep", "1000")
            await bench.started(key)
            os.kill(bench.shim(key), signal.SIGTERM)
            fact = await bench.ended(key)
            assert isinstance(fact, Lost)
            assert "somebody else" in fact.reason

    run(main())
