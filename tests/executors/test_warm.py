"""Calls on warm workers, on real processes: what is promised of attempts with a shim holds for them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openbell.core.events import Exit, Exited, Lost, Refused
from openbell.core.model import AttemptKey, Demand
from openbell.core.states import StopReason
from openbell.executors.process import leftovers
from openbell.executors.process.files import claim_of
from openbell.executors.process.vitals import vitals
from tests.executors.bench import KEY, PATIENCE, SECOND, Bench, alive, gone, kill, own, pids_of, run

JOBS = '''
import atexit, os, signal, subprocess, sys, threading, time
from openbell import worker

COUNT = [0]

def count(ctx):
    COUNT[0] += 1
    return {"pid": os.getpid(), "count": COUNT[0], "attempt": os.environ["OPENBELL_ATTEMPT"]}

def say(ctx):
    print("out", ctx.env["OPENBELL_ATTEMPT"])
    print("err", file=sys.stderr)
    subprocess.run(["echo", "child"])
    os.write(1, b"raw\\n")

def meddle(ctx):
    os.environ["MINE"] = "x"
    del os.environ["PATH"]
    os.chdir("/")
    sys.path.insert(0, "/nowhere")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout = open(os.devnull, "w")
    sys.stderr.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

def look(ctx):
    print("seen")
    return {"mine": os.environ.get("MINE"), "path": "PATH" in os.environ, "cwd": os.getcwd(),
            "first": sys.path[0], "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
            "argv": sys.argv, "pid": os.getpid()}

def sleep(ctx): time.sleep(1000)

def nap(ctx):
    print("before", flush=True)
    time.sleep(0.7)
    print("after")
    return {"slept": True}

def deaf(ctx):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    time.sleep(1000)

def stubborn(ctx):
    """Notices the request to end, and returns all the same."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    print("ready", flush=True)
    while not asked:
        time.sleep(0.01)

def leave_0(ctx): os._exit(0)
def leave_3(ctx): os._exit(3)
def segfault(ctx): os.kill(os.getpid(), signal.SIGSEGV)

def hungry(ctx):
    block = bytearray(300_000_000)
    time.sleep(1000)

def hungry_child(ctx):
    subprocess.run([sys.executable, "-c", "b = bytearray(300_000_000); import time; time.sleep(1000)"])

def litter(ctx):
    subprocess.Popen(["sleep", "9981"])
    subprocess.Popen(["sleep", "9982"], start_new_session=True)
    return {"pid": os.getpid()}

def daemon(ctx):
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "9983"])
        os._exit(0)
    os.waitpid(child, 0)  # not any child: what an earlier call has left behind may be one

def forker(ctx):
    subprocess.Popen(["sleep", "9984"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(9985)
        os._exit(0)
    print("ready", flush=True)
    time.sleep(9986)

def fork_returns(ctx):
    parent = os.getpid()
    if os.fork() == 0:
        return {"child": True}
    os.wait()
    return {"parent": os.getpid() == parent}

def threads(ctx):
    def late():
        time.sleep(0.3)
        print("late")
    threading.Thread(target=late).start()
    return {"pid": os.getpid()}

def children(ctx):
    import multiprocessing
    def late():
        time.sleep(0.3)
        print("late", flush=True)
    multiprocessing.get_context("fork").Process(target=late).start()
    return {"pid": os.getpid()}

def bad_thread_end(ctx):
    threading.Thread(target=lambda: (time.sleep(0.2), os._exit(4))).start()

def flood(ctx):
    os.write(1, b"FIRST\\n")
    for _ in range(400):
        os.write(1, b"x" * 100_000)
    os.write(1, b"\\nLAST\\n")

def reports(ctx):
    worker.progress(1, 4, "loading")
    worker.emit("metric", rows=10)
    worker.result(pnl=1.5)
    return {"trades": 3}

def close_all(ctx): os.closerange(3, 4096)

def memory(ctx):
    held = bytearray(b"x") * ctx.params["size"]
    return {"size": len(held)}

def large(ctx): return {"text": "\\N{GRINNING FACE}" * 15_000}

def remove(ctx):
    import pathlib, shutil
    shutil.rmtree(pathlib.Path(os.environ["OPENBELL_BELL"]).parent / "workers")
    open("removed", "w").close()
    time.sleep(1000)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(re.sub(r"998\d", lambda mark: own(int(mark[0])), JOBS))
    return tmp_path


Test = Callable[[Bench], Coroutine[Any, Any, Any]]


def on(folder: Path, test: Test, **keys: Any) -> Any:
    async def main() -> Any:
        async with Bench.opened(folder, **keys) as bench:
            return await test(bench)

    return run(main())


async def called(bench: Bench, function: str, name: str = "a", **keys: Any) -> Exited:
    """Call it, and record its end as an engine does."""
    key = bench.start(call=f"jobs:{function}", name=name, **keys)
    fact = await bench.ended(key)
    assert isinstance(fact, Exited), fact
    bench.executor.settle(key)
    return fact


# ── one worker, many calls ───────────────────────────────────────────────────────────────────


def test_calls_share_a_worker_and_nothing_else(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        found = [(await called(bench, "count", f"s{n}")).result for n in range(5)]
        assert [one["count"] for one in found] == [1, 2, 3, 4, 5]
        assert len({one["pid"] for one in found}) == 1
        assert [one["attempt"] for one in found] == [f"run/1/s{n}/0#1" for n in range(5)]

    on(folder, test)


def test_each_call_has_a_log_of_its_own(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        for name in ("a", "b"):
            fact = await called(bench, "say", name)
            key = AttemptKey(*fact.task, 1)
            assert sorted(bench.log(key).decode().splitlines()) == ["child", "err", f"out {key}", "raw"]
            assert fact.exit.log_bytes == len(bench.log(key))
        silent = await called(bench, "count", "c")
        assert not bench.files(AttemptKey(*silent.task, 1)).folder.exists()

    on(folder, test)


def test_what_a_call_has_changed_is_put_back(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        await called(bench, "meddle")
        fact = await called(bench, "look", "b")
        assert {**fact.result, "pid": 0} == {
            "mine": None,
            "path": True,
            "cwd": str(folder),
            "first": str(folder),
            "term": True,
            "argv": ["jobs:look"],
            "pid": 0,
        }
        assert bench.log(AttemptKey(*fact.task, 1)) == b"seen\n"

    on(folder, test)


def test_a_worker_is_replaced_after_its_share_of_calls(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        found = [(await called(bench, "count", f"s{n}")).result for n in range(7)]
        assert [one["count"] for one in found] == [1, 2, 3, 1, 2, 3, 1]

    on(folder, test, recycle=3)


def test_changed_modules_are_imported_anew(folder: Path) -> None:
    (folder / "helper.py").write_text("WORD = 'old'\n")
    (folder / "uses.py").write_text("import helper\ndef run(ctx): return helper.WORD\n")

    async def test(bench: Bench) -> None:
        for name, word in (("a", "old"), ("b", "newer"), ("c", "newer")):
            if name == "b":
                (folder / "helper.py").write_text("WORD = 'newer'\n")
            fact = await bench.ended(key := bench.start(call="uses:run", name=name))
            assert isinstance(fact, Exited)
            assert fact.result == {"value": word}
            bench.executor.settle(key)

    on(folder, test)


def test_workers_of_other_environments_are_others(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        found = [(await called(bench, "count", n, env={"MINE": n})).result["pid"] for n in "ab"]
        again = (await called(bench, "count", "c", env={"MINE": "a"})).result
        assert found[0] != found[1]
        assert (again["pid"], again["count"]) == (found[0], 2)

    on(folder, test)


def test_there_are_not_more_hosts_than_needed(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        for n in range(14):
            await called(bench, "count", f"s{n}", env={"MINE": str(n)})
        assert len(bench.executor._hosts._hosts) <= 8
        slates = list((bench.folder / "workers").iterdir())
        assert len(slates) <= 8

    on(folder, test)


def test_a_host_gets_its_next_call_when_the_end_of_the_last_is_recorded(folder: Path) -> None:
    """Until then its slate is the only place where that end stands."""

    async def test(bench: Bench) -> None:
        first = bench.start(call="jobs:count", name="a")
        await bench.ended(first)
        second = bench.start(call="jobs:count", name="b")
        fact = await bench.ended(second)
        assert isinstance(fact, Exited)
        assert fact.result["count"] == 1, "it was given to the host whose slate is not read yet"
        bench.executor.settle(first)
        bench.executor.settle(second)

    on(folder, test)


def test_reports_and_results_of_a_call(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        fact = await called(bench, "reports")
        assert fact.result == {"pnl": 1.5, "trades": 3}
        assert [(s.topic, s.message, dict(s.data)) for s in bench.said(KEY)] == [
            ("progress", "loading", {"done": 1, "total": 4}),
            ("metric", "", {"rows": 10}),
        ]
        large = await called(bench, "large", "b")
        assert large.result == {"text": "\N{GRINNING FACE}" * 15_000}

    on(folder, test)


def test_what_a_call_took_is_its_own(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        ends = []
        for n, size in enumerate((60_000_000, 1000)):
            env = {"OPENBELL_PARAMS": f'{{"size": {size}}}'}
            ends.append((await called(bench, "memory", f"s{n}", env=env)).exit)
        assert 60_000_000 < ends[0].peak_rss < 150_000_000
        assert ends[1].peak_rss < 55_000_000
        assert all(0 < end.cpu < 5 and 0 < end.elapsed < 5 for end in ends)

    on(folder, test)


# ── calls that misbehave ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("function", "code", "name", "error"),
    [
        ("leave_0", None, "", "its process ended (exit code 0) before the call had returned"),
        ("leave_3", 3, "", "exit code 3"),
        ("segfault", None, "SIGSEGV", "killed by SIGSEGV"),
        ("bad_thread_end", 4, "", "exit code 4"),
    ],
)
def test_a_worker_that_dies_costs_its_own_call(
    folder: Path, function: str, code: int | None, name: str, error: str
) -> None:
    async def test(bench: Bench) -> None:
        before = (await called(bench, "count", "x")).result
        end = (await called(bench, function)).exit
        assert (end.code, end.signal, end.stopped, end.started) == (code, name, None, True)
        assert end.error.startswith(error)
        after = (await called(bench, "count", "y")).result
        assert after["count"] == 1
        assert after["pid"] != before["pid"]

    on(folder, test)


def test_a_worker_that_dies_between_calls_costs_nothing(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        pid = (await called(bench, "count")).result["pid"]
        kill(pid)
        while alive(pid):
            await asyncio.sleep(0.01)
        assert (await called(bench, "count", "b")).result["count"] == 1

    on(folder, test)


def test_a_stop_asks_first_and_insists_after_the_grace(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        keys = [bench.start(call=f"jobs:{name}", name=name) for name in ("sleep", "deaf")]
        for key in keys:
            await bench.started(key)
        while not bench.files(keys[1]).log.exists():
            await asyncio.sleep(0.01)
        for key in keys:
            bench.executor.stop(key, StopReason.CANCEL, SECOND / 2)
        ends = [await bench.exit(key) for key in keys]
        assert [end.signal for end in ends] == ["SIGTERM", "SIGKILL"]
        assert [end.stopped for end in ends] == [StopReason.CANCEL] * 2

    on(folder, test)


def test_a_call_that_returns_when_it_is_asked_to_stop_was_stopped(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        key = bench.start(call="jobs:stubborn")
        while not bench.files(key).log.exists():
            await asyncio.sleep(0.01)
        bench.executor.stop(key, StopReason.CANCEL, SECOND * 5)
        end = await bench.exit(key)
        assert (end.code, end.stopped) == (0, StopReason.CANCEL)
        bench.executor.settle(key)
        assert (await called(bench, "count", "b")).result["count"] == 1, "its worker has gone"

    on(folder, test)


def test_a_stop_right_after_the_start_is_not_lost(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        key = bench.start(call="jobs:sleep")
        bench.executor.stop(key, StopReason.CANCEL, SECOND)
        fact = await bench.ended(key)
        assert isinstance(fact, Refused)
        assert not fact.counted
        await called(bench, "count", "b")  # there is an idle host now
        key = bench.start(call="jobs:sleep", name="c")
        bench.executor.stop(key, StopReason.CANCEL, SECOND)
        assert (await bench.exit(key)).stopped is StopReason.CANCEL

    on(folder, test)


def test_a_hanging_call_is_ended_in_time(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        end = (await called(bench, "sleep", timeout=SECOND / 2, grace=SECOND)).exit
        assert end.stopped is StopReason.TIMEOUT
        assert 0.5 <= end.elapsed < 3
        assert end.error == "timed out after 0.5 s"
        assert (await called(bench, "count", "b")).exit.code == 0

    on(folder, test)


@pytest.mark.parametrize("function", ["hungry", "hungry_child"])
def test_a_memory_cap_is_enforced_over_the_tree(folder: Path, function: str) -> None:
    async def test(bench: Bench) -> None:
        end = (await called(bench, function, demand=Demand(memory=200_000_000))).exit
        assert end.stopped is StopReason.MEMORY
        assert end.error.startswith("passed its memory cap of 200 MB")
        assert (await called(bench, "count", "b")).exit.code == 0

    on(folder, test)


def test_a_worker_that_has_grown_is_replaced(folder: Path) -> None:
    (folder / "grows.py").write_text(
        "import os\nKEPT = []\ndef run(ctx):\n    KEPT.append(bytearray(b'x') * 60_000_000)\n"
        "    return {'pid': os.getpid(), 'kept': len(KEPT)}\n"
    )

    async def test(bench: Bench) -> None:
        for n in range(3):
            key = bench.start(call="grows:run", name=f"s{n}", demand=Demand(memory=100_000_000))
            fact = await bench.ended(key)
            assert isinstance(fact, Exited)
            assert (fact.exit.error, fact.result["kept"]) == ("", 1)
            bench.executor.settle(key)

    on(folder, test)


def test_what_a_call_leaves_behind_is_ended_and_counted(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        fact = await called(bench, "litter")
        assert (fact.exit.code, fact.exit.stragglers) == (0, 2)
        assert gone(own(9981))
        assert gone(own(9982))
        daemon = await called(bench, "daemon", "b")
        assert (daemon.exit.code, daemon.exit.stragglers) == (0, 1)
        assert gone(own(9983))
        assert (await called(bench, "look", "c")).result["pid"] == fact.result["pid"], "the worker stays"

    on(folder, test)


def test_a_fork_that_comes_back_does_not_speak_for_its_parent(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        assert (await called(bench, "fork_returns")).result == {"parent": True}
        assert (await called(bench, "count", "b")).exit.code == 0

    on(folder, test)


@pytest.mark.parametrize("function", ["threads", "children"])
def test_what_goes_on_in_a_worker_is_waited_for_and_ends_it(folder: Path, function: str) -> None:
    async def test(bench: Bench) -> None:
        fact = await called(bench, function)
        assert fact.exit.code == 0
        assert fact.exit.elapsed >= 0.3
        assert bench.log(KEY) == b"late\n"
        assert (await called(bench, "look", "b")).result["pid"] != fact.result["pid"]

    on(folder, test)


def test_a_thread_that_never_ends_meets_the_timeout(folder: Path) -> None:
    (folder / "endless.py").write_text(
        "import threading, time\ndef run(ctx): threading.Thread(target=time.sleep, args=(1000,)).start()\n"
    )

    async def test(bench: Bench) -> None:
        key = bench.start(call="endless:run", timeout=SECOND / 2, grace=SECOND / 4)
        assert (await bench.exit(key)).stopped is StopReason.TIMEOUT

    on(folder, test)


def test_a_flood_is_cut_in_the_middle_and_blocks_nobody(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        end = (await called(bench, "flood")).exit
        log = bench.log(KEY)
        assert end.log_bytes == 40_000_000 + len("FIRST\n\nLAST\n")
        assert log.startswith(b"FIRST\n")
        assert log.endswith(b"\nLAST\n")
        assert len(log) <= 101_000
        assert (await called(bench, "say", "b")).exit.code == 0
        assert b"x" not in bench.log(AttemptKey("run/1", "b", 0, 1))

    on(folder, test, log_cap=100_000)


def test_a_worker_that_has_closed_everything_is_replaced(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        end = (await called(bench, "close_all", grace=SECOND / 4)).exit
        assert end.code != 0
        assert (await called(bench, "count", "b")).exit.code == 0

    on(folder, test)


def test_an_interpreter_that_is_not_there_is_a_failed_start(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        end = (await called(bench, "count", python=str(folder / "python"))).exit
        assert (end.started, end.code) == (False, None)
        assert "there is no program" in end.error

    on(folder, test)


def test_an_interpreter_that_does_not_work_fails_its_calls(folder: Path) -> None:
    broken = folder / "python"
    broken.write_text("#!/bin/sh\necho broken\nexit 5\n")
    broken.chmod(0o755)

    async def test(bench: Bench) -> None:
        for name in "ab":
            end = (await called(bench, "count", name, python=str(broken))).exit
            assert end.code == 5
            assert "broken" in end.error

    on(folder, test)


# ── engines that die ─────────────────────────────────────────────────────────────────────────


def begin(folder: Path, function: str, **keys: Any) -> None:
    """An engine starts a call and goes."""

    async def test(bench: Bench) -> None:
        await bench.started(bench.start(call=f"jobs:{function}", **keys))

    on(folder, test)


def test_running_calls_survive_the_engine_and_are_adopted(folder: Path) -> None:
    async def second(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True)])
        await bench.started(KEY)
        fact = await bench.ended(KEY)
        assert isinstance(fact, Exited)
        assert (fact.exit.code, fact.result) == (0, {"slept": True})
        assert bench.log(KEY) == b"before\nafter\n"
        bench.executor.settle(KEY)
        assert list((bench.folder / "workers").iterdir()) == []

    begin(folder, "nap")
    on(folder, second)


def test_what_ended_while_nobody_led_is_reported_as_it_was(folder: Path) -> None:
    async def second(bench: Bench) -> None:
        while (claim := claim_of(bench.folder / "attempts", KEY)) is None or alive(claim.shim):
            await asyncio.sleep(0.02)
        bench.executor.adopt([bench.orphan(KEY, call=True)])
        fact = await bench.ended(KEY)
        assert isinstance(fact, Exited)
        assert fact.result == {"slept": True}

    begin(folder, "nap")
    on(folder, second)


def test_an_end_that_was_not_recorded_is_reported_again(folder: Path) -> None:
    """The engine has heard of the end, and dies before its commit."""

    async def first(bench: Bench) -> None:
        await bench.ended(bench.start(call="jobs:count"))

    async def second(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True)])
        fact = await bench.ended(KEY)
        assert isinstance(fact, Exited)
        assert fact.result["count"] == 1

    on(folder, first)
    on(folder, second)


def test_what_never_began_is_free(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True)])
        fact = await bench.ended(KEY)
        assert isinstance(fact, Refused)
        assert not fact.counted

    on(folder, test)


def test_the_timeout_fires_while_no_engine_lives(folder: Path) -> None:
    async def second(bench: Bench) -> None:
        await asyncio.sleep(1.0)
        claim = claim_of(bench.folder / "attempts", KEY)
        assert claim is not None
        assert not alive(claim.shim)
        bench.executor.adopt([bench.orphan(KEY, call=True)])
        assert (await bench.exit(KEY)).stopped is StopReason.TIMEOUT

    begin(folder, "deaf", timeout=SECOND / 2, grace=SECOND / 4)
    on(folder, second)


def test_a_stop_that_the_old_engine_could_not_deliver_is_delivered(folder: Path) -> None:
    async def second(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True, stop=StopReason.CANCEL)])
        assert (await bench.exit(KEY)).stopped is StopReason.CANCEL

    begin(folder, "sleep")
    on(folder, second)


def test_an_adopted_call_can_be_stopped(folder: Path) -> None:
    async def second(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True)])
        await bench.started(KEY)
        bench.executor.stop(KEY, StopReason.CANCEL, SECOND)
        assert (await bench.exit(KEY)).stopped is StopReason.CANCEL

    begin(folder, "sleep")
    on(folder, second)


def test_hosts_leave_with_their_engine(folder: Path) -> None:
    async def test(bench: Bench) -> list[int]:
        pid = (await called(bench, "count")).result["pid"]
        (host,) = bench.executor._hosts._hosts.values()
        return [host.pid, pid]

    pids = on(folder, test)

    async def wait() -> None:
        async with asyncio.timeout(10):
            while any(map(alive, pids)):
                await asyncio.sleep(0.02)

    run(wait())
    assert list((folder / "state" / "workers").iterdir()) == []


# ── hosts that die ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("adopted", [False, True])
def test_when_the_host_dies_nothing_of_the_attempt_survives(folder: Path, adopted: bool) -> None:
    async def first(bench: Bench) -> None:
        key = bench.start(call="jobs:forker")
        await bench.started(key)
        while not bench.files(key).log.exists():
            await asyncio.sleep(0.01)

    async def second(bench: Bench) -> None:
        if adopted:
            bench.executor.adopt([bench.orphan(KEY, call=True)])
            await bench.started(KEY)
        else:
            await first(bench)
        claim = claim_of(bench.folder / "attempts", KEY)
        async with asyncio.timeout(PATIENCE):
            while len(forks := leftovers._find(bench.files(KEY), claim)) < 3:
                await asyncio.sleep(0.02)
        assert pids_of(own(9984))
        assert vitals(bench.folder / "attempts", KEY).memory > 0
        kill(bench.shim(KEY))
        fact = await bench.ended(KEY)
        assert isinstance(fact, Lost)
        assert not any(map(alive, forks))
        assert gone(own(9984))
        bench.executor.settle(KEY)
        assert (await called(bench, "count", "b")).exit.code == 0

    if adopted:
        on(folder, first)
    on(folder, second)


def test_a_host_that_died_with_its_engine(folder: Path) -> None:
    async def first(bench: Bench) -> int:
        await bench.started(bench.start(call="jobs:forker"))
        return bench.shim(KEY)

    async def second(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True, handle="1")])
        assert isinstance(await bench.ended(KEY), Lost)
        assert gone(own(9984))

    kill(on(folder, first))
    on(folder, second)


def test_somebody_else_ends_the_host(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        key = bench.start(call="jobs:sleep")
        await bench.started(key)
        os.kill(bench.shim(key), signal.SIGTERM)
        fact = await bench.ended(key)
        assert isinstance(fact, Lost)
        assert "somebody else" in fact.reason
        bench.executor.settle(key)
        assert (await called(bench, "count", "b")).exit.code == 0

    on(folder, test)


def test_an_idle_host_that_dies_costs_nothing(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        await called(bench, "count")
        (host,) = bench.executor._hosts._hosts.values()
        kill(host.pid)
        while alive(host.pid):
            await asyncio.sleep(0.01)
        key = bench.start(call="jobs:count", name="b")
        fact = await bench.ended(key)
        if isinstance(fact, Refused):  # it was given to the dead one: free of charge
            assert not fact.counted
            bench.executor.settle(key)
            fact = await called(bench, "count", "b", attempt=2)
        assert isinstance(fact, Exited)
        assert fact.result["count"] == 1

    on(folder, test)


def test_a_stopped_host_can_be_stopped(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        key = bench.start(call="jobs:sleep")
        await bench.started(key)
        os.kill(bench.shim(key), signal.SIGSTOP)
        bench.executor.stop(key, StopReason.CANCEL, SECOND)
        assert (await bench.exit(key)).stopped is StopReason.CANCEL

    on(folder, test)


def test_a_zygote_that_dies_costs_nothing(folder: Path) -> None:
    async def test(bench: Bench) -> None:
        await called(bench, "count")
        (zygote,) = bench.executor._zygotes.zygotes.values()
        kill(zygote.spawner._process.pid)
        assert (await called(bench, "count", "b")).result["count"] == 2
        key = bench.start(call="jobs:count", name="c", env={"MINE": "x"})
        fact = await bench.ended(key)
        if isinstance(fact, Refused):
            assert not fact.counted
            fact = await called(bench, "count", "c", env={"MINE": "x"}, attempt=2)
        assert isinstance(fact, Exited)

    on(folder, test)


def test_what_has_begun_is_never_taken_for_what_has_not(folder: Path) -> None:
    """The engine dies, and the slates are gone: the worker is ended, the attempt lost."""

    async def first(bench: Bench) -> None:
        await bench.started(bench.start(call="jobs:remove"))
        while not (folder / "removed").exists():
            await asyncio.sleep(0.01)

    async def second(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True, handle="1")])
        assert isinstance(await bench.ended(KEY), Lost)

    on(folder, first)
    on(folder, second)


def test_a_forged_end_of_a_running_call_is_not_believed(folder: Path) -> None:
    from openbell.executors.process.slate import _CLAIM, _packed

    record = {"id": str(KEY), "code": 0, "stopped": None, "log_bytes": 0, "log_dropped": 0, "at": 1}

    async def first(bench: Bench) -> None:
        await bench.started(bench.start(call="jobs:nap"))
        (slate,) = (bench.folder / "workers").iterdir()
        with slate.open("r+b") as file:
            file.seek(_CLAIM)
            file.write(_packed(record))

    async def second(bench: Bench) -> None:
        bench.executor.adopt([bench.orphan(KEY, call=True, handle="1")])
        fact = await bench.ended(KEY)
        assert isinstance(fact, Exited)
        assert fact.result == {"slept": True}

    on(folder, first)
    on(folder, second)


def test_a_spoiled_slate_costs_its_attempt_and_nothing_else(folder: Path) -> None:
    async def second(bench: Bench) -> None:
        while (claim := claim_of(bench.folder / "attempts", KEY)) is None or alive(claim.shim):
            await asyncio.sleep(0.02)
        (slate,) = (bench.folder / "workers").iterdir()
        slate.write_bytes(slate.read_bytes()[:4096] + b"garbage")
        bench.executor.adopt([bench.orphan(KEY, call=True, handle="1")])
        assert isinstance(await bench.ended(KEY), Lost)
        assert (await called(bench, "count", "b")).exit.code == 0

    begin(folder, "nap")
    on(folder, second)


def test_a_start_is_announced_and_seen(folder: Path) -> None:
    async def test(bench: Bench) -> Exit:
        key = bench.start(call="jobs:nap", start_timeout=timedelta(seconds=5))
        started = await bench.started(key)
        assert alive(int(started.handle))
        seen = vitals(bench.folder / "attempts", key)
        assert seen.memory > 5_000_000
        return await bench.exit(key)

    assert on(folder, test).code == 0
