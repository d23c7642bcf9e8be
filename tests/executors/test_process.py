"""The process executor on real processes: the contract of executors."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from openbell.core.states import StopReason
from tests.executors.bench import KEY, SECOND, Bench, run


def test_an_attempt_is_started_and_its_end_reported(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("sh", "-c", "sleep 0.1; echo hello; exit 0")
            started = await bench.started(key)
            end = await bench.exit(key)
            assert (end.code, end.stopped, end.started, end.error) == (0, None, True, "")
            assert 0.1 <= end.elapsed < 5
            assert end.peak_rss > 0
            assert int(started.handle) > 0
            assert bench.log(key) == b"hello\n"

    run(main())


@pytest.mark.parametrize(
    ("argv", "code", "name", "error"),
    [
        (("sh", "-c", "exit 3"), 3, "", "exit code 3"),
        (("sh", "-c", "echo why; exit 4"), 4, "", "exit code 4; last output: why"),
        (("sh", "-c", "kill -SEGV $$"), None, "SIGSEGV", "killed by SIGSEGV"),
        (("sh", "-c", "kill -KILL $$"), None, "SIGKILL", "killed by SIGKILL"),
        ((sys.executable, "-c", "raise ValueError('lot 7')"), 1, "", "ValueError: lot 7"),
    ],
)
def test_how_a_program_ended_is_reported(
    tmp_path: Path, argv: tuple[str, ...], code: int | None, name: str, error: str
) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(bench.start(*argv))
            assert (end.code, end.signal) == (code, name)
            assert end.error.startswith(error)

    run(main())


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("/no/such/program",), "there is no program /no/such/program"),
        (("no-such-program-on-the-path",), "on the PATH"),
        (("/",), "Permission denied"),
    ],
)
def test_what_cannot_be_started_is_a_failed_start(tmp_path: Path, argv: tuple[str, ...], error: str) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(bench.start(*argv))
            assert (end.started, end.code) == (False, None)
            assert error in end.error

    run(main())


def test_a_folder_that_is_gone_is_a_failed_start(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            from openbell.core.model import Command, Step
            from openbell.executors.protocol import Brief

            step = Step("a", Command(("true",)))
            bench.executor.start(Brief(KEY, "x", step, ("true",), {}, str(tmp_path / "gone")))
            assert not (await bench.exit(KEY)).started

    run(main())


def test_a_stop_asks_first_and_insists_after_the_grace(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            polite = bench.start("sleep", "1000", name="polite")
            deaf = bench.python(
                "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
                "print('deaf', flush=True);"
                "time.sleep(1000)",
                name="deaf",
            )
            for key in (polite, deaf):
                await bench.started(key)
            while not bench.files(deaf).log.exists():
                await asyncio.sleep(0.01)
            for key in (polite, deaf):
                bench.executor.stop(key, StopReason.CANCEL, SECOND / 2)
            ends = [await bench.exit(key) for key in (polite, deaf)]
            assert [end.signal for end in ends] == ["SIGTERM", "SIGKILL"]
            assert [end.stopped for end in ends] == [StopReason.CANCEL] * 2

    run(main())


def test_who_finishes_before_the_stop_arrives_has_finished(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("true")
            await bench.ended(key)
            bench.executor.stop(key, StopReason.CANCEL, SECOND)
            assert (await bench.exit(key)).stopped is None

    run(main())


def test_a_stop_right_after_the_start_is_not_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.start("sleep", "1000")
            bench.executor.stop(key, StopReason.CANCEL, SECOND)
            assert (await bench.exit(key)).stopped is StopReason.CANCEL

    run(main())


def test_two_starts_of_one_attempt_are_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            marker = tmp_path / "ran"
            for _ in range(2):
                bench.start("sh", "-c", f"echo x >> {marker}; sleep 0.2")
            await bench.exit(KEY)
            await asyncio.sleep(0.3)
            assert marker.read_text() == "x\n"

    run(main())
