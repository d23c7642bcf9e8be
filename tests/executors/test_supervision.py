"""What can go wrong between engine, zygote and shim, on real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.core.events import Exit, Refused
from openbell.core.model import AttemptKey
from openbell.core.states import StopReason
from openbell.executors.process.shim import ring
from tests.executors.bench import SECOND, Bench, run

KEY = AttemptKey("run/1", "a", 0, 1)


def test_what_was_barred_stays_barred_when_all_is_recorded(tmp_path: Path) -> None:
    """The shim of a dead engine's last request may come after the new engine has tidied up."""

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            bench.executor.adopt([bench.orphan(KEY)])
            assert isinstance(await bench.ended(KEY), Refused)
            bench.executor.settle(KEY)
            bench.start("sh", "-c", f"touch {tmp_path}/ran")
            await asyncio.sleep(0.5)
            assert not (tmp_path / "ran").exists()

    run(main())


def test_who_cannot_be_heard_rings_again(tmp_path: Path) -> None:
    """More starts than the socket's queue holds, while the engine is too busy to listen."""

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            keys = [bench.start("sleep", "1000", name=f"s{n}") for n in range(40)]
            await asyncio.sleep(0.2)  # the requests go out
            time.sleep(1.0)  # and nobody listens
            for key in keys:
                await bench.started(key)
            for key in keys:
                bench.executor.stop(key, StopReason.CANCEL, SECOND)
            for key in keys:
                await bench.exit(key)

    run(main())


def test_a_full_queue_is_told_from_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "bell")
    assert ring(path, "x"), "nobody there: nobody to ring again for"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(path)
        heard = [ring(path, "x") for _ in range(2000)]
        assert heard[0]
        assert not heard[-1]


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(4)", "ended before it was ready (exit code 4)"),
        ("import os; os.kill(os.getpid(), 11)", "ended before it was ready (SIGSEGV)"),
    ],
)
def test_a_preload_that_ends_its_interpreter_is_a_failed_start(
    tmp_path: Path, module: str, told: str
) -> None:
    (tmp_path / "fatal.py").write_text(module + "\n")
    (tmp_path / "w.py").write_text("open('ran', 'w')\n")

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            env = {"PYTHONPATH": str(tmp_path)}
            key = bench.start(script=tmp_path / "w.py", preload=("fatal",), env=env)
            fact = await bench.ended(key)
            assert isinstance(fact, Refused)
            assert fact.counted
            assert told in fact.reason
            assert not bench.executor._attempts

    run(main())


@pytest.mark.parametrize(
    ("reason", "counted"), [(StopReason.CANCEL, False), (StopReason.START_TIMEOUT, True)]
)
def test_a_preload_that_hangs_can_be_left(tmp_path: Path, reason: StopReason, counted: bool) -> None:
    (tmp_path / "slow.py").write_text("import time; time.sleep(1000)\n")
    (tmp_path / "w.py").write_text("")

    async def main() -> int:
        async with Bench.opened(tmp_path) as bench:
            env = {"PYTHONPATH": str(tmp_path)}
            key = bench.start(script=tmp_path / "w.py", preload=("slow",), env=env)
            await asyncio.sleep(0.2)
            (zygote,) = bench.executor._zygotes.values()
            bench.executor.stop(key, reason, SECOND)
            fact = await bench.ended(key)
            assert isinstance(fact, Refused)
            assert fact.counted is counted
            return zygote.spawner._process.pid

    pid = run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_end_found_by_the_audit_leaves_nothing_behind(tmp_path: Path) -> None:
    """The record is there and the shim not gone yet: the audit may come in between."""

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("sleep", "1000")
            await bench.started(key)
            shim = bench.shim(key)
            os.kill(shim, signal.SIGSTOP)
            (bench.files(key).folder / "exit").write_text(
                '{"code": 0, "at": 0, "log_bytes": 0, "log_dropped": 0}'
            )
            (attempt,) = bench.executor._attempts.values()
            bench.executor._audit_all()
            assert (await bench.exit(key)).code == 0
            assert attempt.watch is None
            assert not bench.executor._attempts
            os.kill(shim, signal.SIGCONT)
            os.kill(shim, signal.SIGKILL)

    run(main())


def test_a_result_behind_a_flood_of_reports_counts(tmp_path: Path) -> None:
    code = (
        "from openbell import worker\n"
        "for n in range(1200): worker.emit('metric', 'x' * 30_000, n=n)\n"
        "worker.result(pnl=1)\n"
    )

    async def main() -> Exit:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(code)
            fact = await bench.ended(key)
            assert fact.result == {"pnl": 1}  # type: ignore[union-attr]
            return await bench.exit(key)

    assert run(main()).code == 0


def test_a_start_that_nobody_announced_is_found_before_its_time_is_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            bench.doorbell.close()  # no ring arrives any more
            key = bench.start("sleep", "1000", start_timeout=timedelta(seconds=1))
            await asyncio.wait_for(bench.started(key), 1.0)
            bench.executor.stop(key, StopReason.CANCEL, SECOND)
            await bench.exit(key)

    run(main())
