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

from openbell.core.events import Exit, Lost, Refused
from openbell.core.model import AttemptKey
from openbell.core.states import StopReason
from openbell.executors.process.events import read_events
from openbell.executors.process.files import AttemptFiles
from openbell.executors.process.watch import ring
from tests.executors.bench import SECOND, Bench, gone, run

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
            (zygote,) = bench.executor._zygotes.zygotes.values()
            bench.executor.stop(key, reason, SECOND)
            fact = await bench.ended(key)
            assert isinstance(fact, Refused)
            assert fact.counted is counted
            return zygote.spawner._process.pid

    pid = run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


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


# ── workers that meddle with their own files ─────────────────────────────────────────────────


FOLDER = "import os, pathlib, shutil, sys, time\nD = pathlib.Path(os.environ['OPENBELL_EVENTS']).parent\n"


def test_who_removes_its_folder_has_its_outcome_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(FOLDER + "shutil.rmtree(D); time.sleep(0.1); sys.exit(5)")
            assert (await bench.exit(key)).code == 5

    run(main())


def test_what_has_begun_is_never_taken_for_what_has_not(tmp_path: Path) -> None:
    """The engine dies, and the folder of the attempt is gone: the worker is ended, the attempt lost."""
    code = FOLDER + "shutil.rmtree(D); open(sys.argv[1], 'w').close(); time.sleep(1000)"

    async def first() -> None:
        async with Bench.opened(tmp_path) as bench:
            await bench.started(
                bench.python(f"import sys; sys.argv[1:] = [{str(tmp_path / 'gone')!r}]\n" + code)
            )
            while not (tmp_path / "gone").exists():
                await asyncio.sleep(0.01)

    async def second() -> None:
        async with Bench.opened(tmp_path) as bench:
            bench.executor.adopt([bench.orphan(KEY, handle="1")])
            assert isinstance(await bench.ended(KEY), Lost)
            assert gone(str(tmp_path / "gone"))

    run(first())
    run(second())


@pytest.mark.parametrize(
    "record", ["(D / 'exit').mkdir()", "(D / 'exit').write_text('garbage')", "os.mkfifo(D / 'exit')"]
)
def test_a_record_that_a_worker_has_put_there_is_not_the_truth(tmp_path: Path, record: str) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(FOLDER + record + "\ntime.sleep(0.2); sys.exit(3)")
            assert (await bench.exit(key)).code == 3

    run(main())


def test_a_forged_success_of_a_running_worker_is_not_believed(tmp_path: Path) -> None:
    record = '{"code": 0, "stopped": null, "log_bytes": 0, "log_dropped": 0, "at": 1}'

    async def first() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(FOLDER + f"(D / 'exit').write_text({record!r}); time.sleep(1.5); sys.exit(3)")
            await bench.started(key)
            while not (bench.files(key).folder / "exit").exists():
                await asyncio.sleep(0.01)

    async def second() -> None:
        async with Bench.opened(tmp_path) as bench:
            bench.executor.adopt([bench.orphan(KEY, handle="1")])
            assert (await bench.exit(KEY)).code == 3

    run(first())
    run(second())


@pytest.mark.parametrize("damage", ["exit", "claim"])
def test_unreadable_files_cost_their_attempt_and_nothing_else(tmp_path: Path, damage: str) -> None:
    """A new engine finds garbage, and no supervisor."""
    files = AttemptFiles(tmp_path / "state" / "attempts", KEY)

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            files.folder.mkdir(parents=True)
            (files.folder / "claim").write_text("\x00{}[]\n7\n")
            if damage == "exit":
                (files.folder / "exit").write_text("[1")
            bench.executor.adopt([bench.orphan(KEY)])
            assert isinstance(await bench.ended(KEY), Lost)
            assert (await bench.exit(bench.start("true", name="b"))).code == 0

    run(main())


def test_a_pipe_in_the_place_of_a_file_blocks_nobody(tmp_path: Path) -> None:
    code = FOLDER + "os.mkfifo(D / 'log'); os.mkfifo(D / 'events'); print('x', flush=True); time.sleep(1000)"

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(code, timeout=SECOND, grace=SECOND)
            await bench.started(key)
            bench.executor._rung(str(key))
            assert (await bench.exit(key)).stopped is StopReason.TIMEOUT

    run(main())


@pytest.mark.parametrize(
    "line",
    [
        b'{"topic":"log","message":"a\xed\xa0\x80b"}',
        '{"topic":"log","message":"\ud800"}'.encode("utf-16-le", "surrogatepass"),
    ],
)
def test_bytes_that_are_no_text_never_reach_the_journal_as_they_are(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "events").write_bytes(line + b"\n")
    for said in read_events(tmp_path / "events", 0):
        said.message.encode()
        str(said.data).encode()


def test_a_stopped_supervisor_can_be_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("sleep", "1000")
            await bench.started(key)
            os.kill(bench.shim(key), signal.SIGSTOP)
            bench.executor.stop(key, StopReason.CANCEL, SECOND)
            assert (await bench.exit(key)).stopped is StopReason.CANCEL

    run(main())


def test_a_stopped_zygote_does_not_keep_an_engine(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            await bench.exit(bench.start("true"))
            (zygote,) = bench.executor._zygotes.zygotes.values()
            os.kill(zygote.spawner._process.pid, signal.SIGSTOP)

    run(asyncio.wait_for(main(), 10))


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("nosuchcmd-x",), "there is no program 'nosuchcmd-x' on the PATH"),
        (("/no/such/program",), "there is no program /no/such/program"),
        (
            ("{folder}/crlf.sh",),
            "the interpreter that {folder}/crlf.sh names in its first line does not exist",
        ),
        (("",), "argv first element cannot be empty"),
    ],
)
def test_why_a_program_could_not_be_started(tmp_path: Path, argv: tuple[str, ...], told: str) -> None:
    script = tmp_path / "crlf.sh"
    script.write_bytes(b"#!/bin/sh\r\ntrue\r\n")
    script.chmod(0o755)

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(bench.start(*(word.format(folder=tmp_path) for word in argv)))
            assert not end.started
            assert told.format(folder=tmp_path) in end.error

    run(main())
