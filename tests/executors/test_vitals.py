from __future__ import annotations

import asyncio
from pathlib import Path

from openbell.core.model import AttemptKey
from openbell.core.states import StopReason
from openbell.executors.process.vitals import Vitals, vitals
from tests.executors.bench import PATIENCE, SECOND, Bench, run

HUNGRY = """
import subprocess, sys
held = bytearray(b"x") * 30_000_000
print("one")
print("two", flush=True)
child = "import time; held = bytearray(b'x') * 30_000_000; time.sleep(60)"
subprocess.run([sys.executable, "-c", child])
"""


def test_the_last_line_of_a_worker_and_the_memory_of_its_whole_tree(tmp_path: Path) -> None:
    async def main() -> Vitals:
        async with Bench.opened(tmp_path) as bench:
            key = bench.python(HUNGRY)
            await bench.started(key)
            async with asyncio.timeout(PATIENCE):
                while (seen := vitals(bench.folder / "attempts", key)).memory < 60_000_000:
                    await asyncio.sleep(0.05)
            bench.executor.stop(key, StopReason.CANCEL, SECOND)
            await bench.ended(key)
            return seen

    seen = run(main())
    assert seen.said == "two"
    assert 60_000_000 < seen.memory < 300_000_000


def test_an_attempt_that_is_not_there_has_nothing_to_show(tmp_path: Path) -> None:
    assert vitals(tmp_path, AttemptKey("run/1", "a", 0, 1)) == Vitals("", 0)
