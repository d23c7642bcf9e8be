"""Everything that a worker can do wrong, on real processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from openbell.core.events import Exited
from openbell.core.model import Demand
from openbell.core.states import StopReason
from openbell.executors.process.events import read_events
from openbell.executors.process.files import AttemptFiles
from tests.executors.bench import KEY, SECOND, Bench, alive, gone, own, run


def test_a_hanging_worker_is_ended_in_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(bench.start("sleep", "1000", timeout=SECOND / 2, grace=SECOND))
            assert end.stopped is StopReason.TIMEOUT
            assert 0.5 <= end.elapsed < 3
            assert end.error == "timed out after 0.5 s"

    run(main())


def test_the_timeout_fires_while_no_engine_lives(tmp_path: Path) -> None:
    async def first() -> None:
        async with Bench.opened(tmp_path) as bench:
            await bench.started(bench.start("sleep", "1000", timeout=SECOND / 2, grace=SECOND))

    async def second() -> None:
        await asyncio.sleep(1.0)
        async with Bench.opened(tmp_path) as bench:
            assert not alive(bench.shim(KEY))
            bench.executor.adopt([bench.orphan(KEY)])
            assert (await bench.exit(KEY)).stopped is StopReason.TIMEOUT

    run(first())
    run(second())


def test_a_worker_that_ignores_term_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(bench.python(code, timeout=SECOND / 2, grace=SECOND / 2))
            assert (end.signal, end.stopped) == ("SIGKILL", StopReason.TIMEOUT)
            assert 1.0 <= end.elapsed < 4

    run(main())


def test_what_a_worker_leaves_behind_is_ended_and_counted(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(
                bench.start("sh", "-c", f"sleep {own(8881)} & setsid sleep {own(8882)} & exit 0")
            )
            assert end.code == 0
            assert end.stragglers == 2
            assert gone(own(8881))
            assert gone(own(8882))

    run(main())


def test_a_daemon_is_found_although_it_has_left_its_session(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execvp('sleep', ['sleep', '{own(8883)}'])\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(bench.python(code))
            assert (end.code, end.stragglers) == (0, 1)
            assert gone(own(8883))

    run(main())


def test_the_whole_tree_is_killed(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            deaf = "(trap '' TERM; setsid sleep {}) & (trap '' TERM; sleep {})"
            script = f"trap '' TERM; {deaf.format(own(8884), own(8885))} & wait"
            key = bench.start("sh", "-c", script, timeout=SECOND / 2, grace=SECOND / 4)
            end = await bench.exit(key)
            assert end.stopped is StopReason.TIMEOUT
            assert gone(own(8884))
            assert gone(own(8885))

    run(main())


def test_a_flood_is_cut_in_the_middle_and_blocks_nobody(tmp_path: Path) -> None:
    script = "echo FIRST; head -c 40000000 /dev/zero | tr '\\0' x; echo; echo LAST"

    async def main() -> None:
        async with Bench.opened(tmp_path, log_cap=100_000) as bench:
            key = bench.start("sh", "-c", script)
            end = await bench.exit(key)
            log = bench.log(key)
            assert end.code == 0
            assert end.log_bytes == 40_000_000 + len("FIRST\n\nLAST\n")
            assert log.startswith(b"FIRST\n")
            assert log.endswith(b"\nLAST\n")
            assert 75_000 <= len(log) <= 101_000
            assert b"[openbell: %d bytes dropped here]" % end.log_dropped in log
            assert end.log_bytes - end.log_dropped == len(log) - len(
                b"\n[openbell: %d bytes dropped here]\n" % end.log_dropped
            )

    run(main())


def test_a_log_within_its_bound_is_whole(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, log_cap=100_000) as bench:
            key = bench.start("sh", "-c", "seq 1 15000")
            end = await bench.exit(key)
            expected = "".join(f"{n}\n" for n in range(1, 15001)).encode()
            assert bench.log(key) == expected
            assert end.log_dropped == 0

    run(main())


def test_a_memory_cap_is_enforced_over_the_tree(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    block = bytearray(300_000_000)\n"
        "    time.sleep(1000)\n"
        "time.sleep(1000)\n"
    )

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            end = await bench.exit(bench.python(code, demand=Demand(memory=200_000_000)))
            assert end.stopped is StopReason.MEMORY
            assert end.error.startswith("passed its memory cap of 200 MB")

    run(main())


def test_a_reservation_is_no_cap(tmp_path: Path) -> None:
    code = "block = bytearray(300_000_000); import time; time.sleep(0.6)"

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            demand = Demand(memory=200_000_000, memory_cap=False)
            assert (await bench.exit(bench.python(code, demand=demand))).code == 0

    run(main())


def test_out_of_memory_is_told_from_a_kill_by_hand(tmp_path: Path) -> None:
    from openbell.core.model import Command as C
    from openbell.core.model import Step
    from openbell.executors.process.outcome import exited

    record = {
        "code": None,
        "signal": "SIGKILL",
        "peak_rss": 2_000_000_000,
        "at": 0,
        "log_bytes": 0,
        "log_dropped": 0,
    }
    files = AttemptFiles(tmp_path, KEY)
    by_kernel = exited(KEY, Step("a", C(("x",))), files, {**record, "oom": True})
    by_hand = exited(KEY, Step("a", C(("x",))), files, {**record, "oom": False})
    assert by_kernel.exit.error == "killed by SIGKILL, probably out of memory (peak memory 2000 MB)"
    assert by_hand.exit.error == "killed by SIGKILL (peak memory 2000 MB)"


def test_garbage_among_the_reports_is_log_text_and_never_success(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "with open(os.environ['OPENBELL_EVENTS'], 'ab') as f:\n"
        '    f.write(b\'not json\\n{"topic": "metric", "data": {"n": 1}}\\n[1]\\n\')\n'
        '    f.write(b\'{"topic": "Exited", "exit": {"code": 0}}\\n\' + b\'x\' * 200_000)\n'
        "    f.write(b'\\n\\xff\\xfe\\n{\"topic')\n"
        "sys.exit(9)\n"
    )

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(code)
            assert (await bench.exit(key)).code == 9
            said = bench.said(key)
            assert [one.topic for one in said] == ["log", "metric", "log", "log", "log", "log"]
            assert said[1].data == {"n": 1}
            assert all(one.data == {"malformed": True} for n, one in enumerate(said) if n != 1)
            assert max(len(one.message) for one in said) <= 64 * 1024

    run(main())


def test_what_no_store_could_hold_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(
        b'{"topic": "log", "message": "a \\udcff b\r"}\n'
        b'{"topic": "metric", "data": {"x": NaN, "y": [-Infinity, 1e999, 2.5]}}\n'
        b'{"topic": "log", "message": "\\ud83d\\ude00"}\n'
        b'{"topic": "log", "message": "after\rall"}\r\n'
    )
    said = list(read_events(path, 0))
    assert [one.message for one in said if not one.data.get("malformed")] == ["", "\N{GRINNING FACE}"]
    assert said[1].data == {"x": None, "y": [None, None, 2.5]}
    assert said[-1].end == path.stat().st_size


def test_half_a_surrogate_pair_reaches_the_journal_as_a_question_mark(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(b'{"topic": "log", "message": "a \\udcff b", "data": {"\\uD800": 1}}\n')
    (said,) = read_events(path, 0)
    assert (said.message, said.data) == ("a ? b", {"?": 1})


def test_a_flood_of_reports_is_cut(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "with open(os.environ['OPENBELL_EVENTS'], 'a') as f:\n"
        '    f.writelines(\'{"topic": "metric", "data": {"n": %d}}\\n\' % n for n in range(30_000))\n'
        '    f.write(\'{"topic": "result", "data": {"pnl": 5}}\\n\')\n'
    )

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(code)
            fact = await bench.ended(key)
            assert isinstance(fact, Exited)
            assert fact.result == {"pnl": 5}
            assert len(bench.said(key)) == 10_000
            assert "not recorded" in bench.said(key)[-1].message

    run(main())


def test_results_and_progress_of_a_worker(tmp_path: Path) -> None:
    code = (
        "from openbell import worker\n"
        "worker.progress(1, 4, 'loading'); worker.emit('metric', rows=10)\n"
        "worker.result(pnl=1.5); worker.result(pnl=2.5, trades=3)\n"
    )

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(code)
            fact = await bench.ended(key)
            assert isinstance(fact, Exited)
            assert fact.result == {"pnl": 2.5, "trades": 3}
            assert [(s.topic, s.message, dict(s.data)) for s in bench.said(key)] == [
                ("progress", "loading", {"done": 1, "total": 4}),
                ("metric", "", {"rows": 10}),
            ]

    run(main())


def test_a_worker_finds_the_checkpoint_of_the_attempt_before(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "from openbell import worker\n"
        "done = worker.context().checkpoint.load(0)\n"
        "worker.save_checkpoint(done + 1); worker.result(done=done)\n"
    )

    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            for attempt, expected in ((1, 0), (2, 1), (3, 2)):
                fact = await bench.ended(bench.start(script=script, attempt=attempt))
                assert isinstance(fact, Exited), fact
                assert fact.result == {"done": expected}

    run(main())


def test_a_child_starts_clean(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:4], os.getsid(0) == os.getpid(),\n"
        "      [signal.getsignal(s).name for s in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)],\n"
        "      'SECRET' in os.environ, repr(sys.stdin.read()))\n"
    )

    async def main() -> None:
        os.environ["SECRET"] = "canary"
        try:
            async with Bench.opened(tmp_path) as bench:
                key = bench.python(code)
                assert (await bench.exit(key)).code == 0
                assert bench.log(key).decode() == (
                    "[0, 1, 2, 3] True ['SIG_DFL', 'SIG_DFL', 'SIG_DFL'] False ''\n"
                )
        finally:
            del os.environ["SECRET"]

    run(main())


def test_what_is_recorded_is_tidied_and_the_log_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path) as bench:
            silent, loud = bench.start("true", name="silent"), bench.start("echo", "x", name="loud")
            for key in (silent, loud):
                await bench.exit(key)
                bench.executor.settle(key)
            assert not bench.files(silent).folder.exists()
            assert [path.name for path in bench.files(loud).folder.iterdir()] == ["log"]

    run(main())


def test_the_exit_is_recorded_on_a_full_disk(tmp_path: Path) -> None:
    """On a file system of its own where this user may mount one; the record's room is reserved anyway."""
    import subprocess

    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")

    async def main() -> None:
        async with Bench.opened(small) as bench:
            key = bench.start(
                "sh", "-c", f"sleep 0.3; head -c 5000000 /dev/zero > {small}/fill; echo never; exit 3"
            )
            await bench.started(key)
            end = await bench.exit(key)
            assert end.code == 3
            assert end.log_bytes == end.log_dropped + len(bench.log(key))

    try:
        run(main())
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_deep_project_folder_has_a_working_bell(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    async def main() -> None:
        async with Bench.opened(deep) as bench:
            key = bench.python(
                "from openbell import worker; import time; worker.emit('log', 'x'); time.sleep(5)"
            )
            await bench.until(lambda fact: getattr(fact, "message", "") == "x")
            bench.executor.stop(key, StopReason.CANCEL, SECOND)
            await bench.exit(key)

    run(main())
