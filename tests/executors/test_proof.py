"""What has to hold before a success is one: outputs, checks, markers. With shims and with hosts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openbell.core.events import Exited
from openbell.core.model import AttemptKey, Marker
from openbell.core.retry import failure
from openbell.core.states import FailureKind, StopReason
from tests.executors.bench import KEY, SECOND, Bench, gone, own, run

JOBS = """
import os, subprocess, sys, time

def write(ctx):
    with open("out.csv", "w") as file:
        file.write("a,b\\n")

def nothing(ctx): pass
def fails(ctx): sys.exit(3)

def marks(ctx):
    sys.stdout.write("almost [SUC")
    sys.stdout.flush()
    time.sleep(0.1)
    print("CESS] done", flush=True)
    time.sleep(1000)

def marks_deaf(ctx):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    marks(ctx)

def marks_and_ends(ctx): print("[SUCCESS]")

def marks_and_fails(ctx):
    print("[SUCCESS]", flush=True)
    time.sleep(0.1)
    sys.exit(5)

def marks_and_fails_when_asked(ctx):
    import signal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    marks(ctx)

def good(ctx): print("checked", ctx.step)
def bad(ctx): return False
def raises(ctx): raise ValueError("lot 7 is missing")
def hangs(ctx): time.sleep(1000)
def litters(ctx): subprocess.Popen(["sleep", os.environ["MARK"]], start_new_session=True)

if __name__ == "__main__":
    globals()[sys.argv[1]](None)
"""


class Works(Bench):
    """Starts the functions above, as scripts with shims or as calls with hosts."""

    call: bool = False

    async def work(self, function: str, **keys: Any) -> Exited:
        proof = {name: keys.pop(name) for name in ("outputs", "verify") if name in keys}
        if self.call:
            keys["call"] = f"jobs:{function}"
            words: tuple[str, ...] = ()
        else:
            import sys

            words = (sys.executable, "jobs.py", function)
        fact = await self.ended(self.start(*words, proof=proof, **keys))
        assert isinstance(fact, Exited), fact
        self.executor.settle(AttemptKey(*fact.task, fact.attempt))
        return fact


Test = Callable[[Works], Any]


@pytest.fixture(params=["shim", "host"])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Test], Any]:
    (tmp_path / "jobs.py").write_text(JOBS)

    def do(test: Test) -> Any:
        async def main() -> Any:
            async with Works.opened(tmp_path) as bench:
                assert isinstance(bench, Works)
                bench.call = request.param == "host"
                return await test(bench)

        return run(main())

    return do


On = Callable[[Test], Any]


def test_outputs_that_are_there_are_recorded(on: On, tmp_path: Path) -> None:
    async def test(bench: Works) -> None:
        fact = await bench.work("write", outputs=("out.csv", str(tmp_path / "out.csv")))
        digest = hashlib.sha256(b"a,b\n").hexdigest()
        assert fact.exit.outputs == {"out.csv": digest, str(tmp_path / "out.csv"): digest}
        assert (fact.exit.well, fact.exit.verified, failure(fact)) == (True, False, None)

    on(test)


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (lambda folder: None, "output data/x.csv does not exist"),
        (lambda folder: (folder / "data" / "x.csv").mkdir(), "output data/x.csv is not a file"),
        (lambda folder: (folder / "data" / "x.csv").touch(), "output data/x.csv is empty"),
        (
            lambda folder: (folder / "data" / "x.csv").symlink_to("nowhere"),
            "output data/x.csv does not exist",
        ),
        (lambda folder: (folder / "data" / "x.csv").symlink_to("x.csv"), "output data/x.csv cannot be read"),
    ],
)
def test_an_output_that_is_not_there_is_a_failure_of_its_own(
    on: On, tmp_path: Path, prepare: Callable[[Path], Any], told: str
) -> None:
    (tmp_path / "data").mkdir()
    prepare(tmp_path)

    async def test(bench: Works) -> None:
        fact = await bench.work("write", outputs=("out.csv", "data/x.csv"), verify=("touch", "ran"))
        assert (fact.exit.code, fact.exit.check, fact.exit.well) == (0, "outputs", False)
        assert fact.exit.error.startswith(told)
        assert failure(fact) is FailureKind.OUTPUTS
        assert fact.exit.outputs == {}
        assert not (tmp_path / "ran").exists()

    on(test)


def test_outputs_of_a_failure_are_not_asked_for(on: On) -> None:
    async def test(bench: Works) -> None:
        fact = await bench.work("fails", outputs=("no",), verify=("no-such-program",))
        assert (fact.exit.code, fact.exit.check) == (3, "")
        assert failure(fact) is FailureKind.EXIT

    on(test)


def test_a_check_that_passes(on: On) -> None:
    async def test(bench: Works) -> None:
        command = await bench.work("write", verify=("sh", "-c", "cat out.csv; echo ok"), outputs=("out.csv",))
        assert (command.exit.verified, command.exit.well) == (True, True)
        assert list(command.exit.outputs) == ["out.csv"]
        assert bench.log(KEY) == b"a,b\nok\n"
        called = await bench.work("nothing", verify="jobs:good", name="b", env={"OPENBELL_STEP": "b"})
        assert called.exit.verified
        assert bench.log(AttemptKey("run/1", "b", 0, 1)) == b"checked b\n"

    on(test)


@pytest.mark.parametrize(
    ("verify", "told"),
    [
        (
            ("sh", "-c", "echo why; exit 4"),
            "verify `sh -c echo why; exit 4` failed: exit code 4; last output: why",
        ),
        (("sh", "-c", "kill -SEGV $$"), "verify `sh -c kill -SEGV $$` failed: killed by SIGSEGV"),
        (("no-such-program",), "verify `no-such-program` could not be started: there is no program"),
        ("jobs:bad", "verify `jobs:bad` failed: exit code 1; last output: jobs:bad returned False"),
        (
            "jobs:raises",
            "verify `jobs:raises` failed: exit code 1; last output: ValueError: lot 7 is missing",
        ),
        ("jobs:none", "verify `jobs:none` failed: exit code 1; last output: AttributeError"),
    ],
)
def test_a_check_that_does_not(on: On, verify: Any, told: str) -> None:
    async def test(bench: Works) -> None:
        fact = await bench.work("write", verify=verify, outputs=("out.csv",))
        assert (fact.exit.check, fact.exit.verified, fact.exit.well) == ("verify", False, False)
        assert fact.exit.error.startswith(told)
        assert failure(fact) is FailureKind.VERIFY
        assert fact.exit.outputs == {}

    on(test)


def test_a_check_is_within_the_limits_of_its_attempt(on: On) -> None:
    async def test(bench: Works) -> None:
        fact = await bench.work("nothing", verify="jobs:hangs", timeout=SECOND, grace=SECOND)
        assert fact.exit.stopped is StopReason.TIMEOUT
        assert failure(fact) is FailureKind.TIMEOUT
        assert 1 <= fact.exit.elapsed < 5
        again = await bench.work("nothing", verify="jobs:good", name="b")
        assert again.exit.well

    on(test)


def test_a_check_can_be_stopped(on: On) -> None:
    async def test(bench: Works) -> None:
        import asyncio

        async def stop() -> None:
            await asyncio.sleep(1.0)
            bench.executor.stop(KEY, StopReason.CANCEL, SECOND)

        stopping = asyncio.ensure_future(stop())
        fact = await bench.work("nothing", verify="jobs:hangs")
        assert fact.exit.stopped is StopReason.CANCEL
        await stopping

    on(test)


def test_what_a_check_leaves_behind_is_ended(on: On) -> None:
    async def test(bench: Works) -> None:
        fact = await bench.work("nothing", verify="jobs:litters", env={"MARK": own(7)})
        assert (fact.exit.well, fact.exit.stragglers) == (True, 1)
        assert gone(own(7))

    on(test)


# ── markers ──────────────────────────────────────────────────────────────────────────────────

SHORT = Marker("[SUCCESS]", timedelta(seconds=0.3))


@pytest.mark.parametrize("function", ["marks", "marks_deaf", "marks_and_fails_when_asked"])
def test_who_lingers_after_its_marker_is_ended_and_has_succeeded(on: On, function: str) -> None:
    async def test(bench: Works) -> None:
        fact = await bench.work(function, done_when=SHORT, grace=SECOND / 4, outputs=("jobs.py",))
        assert (fact.exit.ended_after_marker, fact.exit.stopped, fact.exit.error) == (True, None, "")
        assert (failure(fact), fact.exit.verified) == (None, False)
        assert 0.4 <= fact.exit.elapsed < 6
        assert list(fact.exit.outputs) == ["jobs.py"]
        assert (await bench.work("nothing", name="b")).exit.well

    on(test)


def test_a_check_decides_about_who_lingers(on: On) -> None:
    async def test(bench: Works) -> None:
        good = await bench.work("marks", done_when=SHORT, grace=SECOND / 4, verify="jobs:good")
        assert (good.exit.ended_after_marker, good.exit.verified, failure(good)) == (True, True, None)
        bad = await bench.work("marks", done_when=SHORT, grace=SECOND / 4, verify="jobs:bad", name="b")
        assert (bad.exit.ended_after_marker, failure(bad)) == (True, FailureKind.VERIFY)

    on(test)


@pytest.mark.parametrize(
    ("function", "code", "kind"), [("marks_and_ends", 0, None), ("marks_and_fails", 5, FailureKind.EXIT)]
)
def test_who_ends_by_itself_says_how(on: On, function: str, code: int, kind: FailureKind | None) -> None:
    async def test(bench: Works) -> None:
        fact = await bench.work(function, done_when=Marker("[SUCCESS]", SECOND * 5))
        assert (fact.exit.code, fact.exit.ended_after_marker, failure(fact)) == (code, False, kind)

    on(test)


def test_without_its_marker_nothing_is_done(on: On) -> None:
    async def test(bench: Works) -> None:
        done = Marker("[OTHER]", timedelta(0))
        fact = await bench.work("marks", done_when=done, timeout=SECOND, grace=SECOND / 4)
        assert (fact.exit.stopped, fact.exit.ended_after_marker) == (StopReason.TIMEOUT, False)

    on(test)
