"""kill -9 of the engine, over and over, at random and at named points, on real processes.

What must hold afterwards: one final state per task, each attempt begun at most once, no two attempts
of a task at the same time, the outcome is what the worker did, no process left, nothing unfinished.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from openbell.core.telling import Teller
from openbell.engine.eventlog import event_file
from openbell.executors.process.slate import Reading
from openbell.store.records import AttemptInfo
from openbell.store.sql import SqlStore

DEATHS = int(os.environ.get("KILL_DEATHS", "100"))
TASKS = max(360, 4 * DEATHS)
POINTS = ("loaded", "before-commit", "after-commit", "before-start", "after-start")

PIPELINE = f"""
name: campaign
concurrency: 4
steps:
  work:
    {{work}}
    matrix: {{{{cell: {TASKS}}}}}
    retry: {{{{attempts: 3, delay: 50ms, jitter: 0.5}}}}
    timeout: 20s
  after:
    run: [sh, -c, "echo after >> ledger"]
    needs: {{{{work: done}}}}
"""

WORKER = """
import fcntl, os, random, subprocess, sys, time

def work(ctx=None):
    cell, attempt = os.environ["OPENBELL_ATTEMPT"].split("/")[-1].split("#")
    ledger = os.open("ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(word):
        os.write(ledger, f"{word} {cell} {attempt} {os.getpid()}\\n".encode())

    with open(f"locks/{cell}", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("OVERLAP")
        say("start")
        rng = random.Random(f"{cell}#{attempt}")
        if rng.random() < 0.1:
            subprocess.Popen(["sleep", "600"], start_new_session=True)
        time.sleep(rng.random() * 0.12)
        fails = int(cell) % 7 == 3 and int(attempt) == 1 or int(cell) % 50 == 9
        print("cell", cell, attempt)
        say("bad" if fails else "good")
    os.close(ledger)
    if fails and int(cell) % 2:
        os._exit(1)
    sys.exit(1) if fails else None
    return {"cell": int(cell), "attempt": int(attempt)}

if __name__ == "__main__":
    work()
"""

WORK = {"script": "script: worker.py", "call": "call: worker:work"}


def orphans(folder: Path) -> list[int]:
    """Processes that still bear the mark of an attempt and work in this folder."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes()
                marked = b"OPENBELL_ATTEMPT=campaign/" in environ or b"OPENBELL_WORKER=" in environ
                if marked and os.readlink(f"/proc/{name}/cwd") == str(folder):
                    found.append(int(name))
            except OSError:
                pass
    return found


def shims(folder: Path) -> list[int]:
    """Supervisors of attempts that have been claimed, and hosts that have one in hand."""
    found = []
    for claim in folder.glob(".openbell/attempts/*/*/claim"):
        with contextlib.suppress(OSError, ValueError):
            found.append(json.loads(claim.read_text().partition("\n")[0])["shim"])
    for slate in folder.glob(".openbell/workers/*"):
        with contextlib.suppress(OSError):
            reading = Reading(str(slate))
            found += [reading.claim["shim"]] if reading.claim and not reading.idle else []
    return found


class Campaign:
    """Engines of one project, each killed after a while, until the run has ended."""

    def __init__(self, folder: Path, seed: int, work: str, *, kill_shims: bool) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        self.kill_shims = kill_shims
        self.deaths = self.shim_deaths = 0
        (folder / "campaign.yaml").write_text(PIPELINE.format(work=WORK[work]))
        (folder / "locks").mkdir()
        (folder / "worker.py").write_text(WORKER)
        (folder / "openbell.yaml").write_text("executors: {process: {slots: 4}}\n")

    def fight(self, deaths: int) -> None:
        """Run until the run has ended; kill as many engines as asked for on the way."""
        for _ in range(deaths * 5):
            code = self.life(spare=self.deaths >= deaths)
            if code is not None and self.deaths >= deaths:
                assert code in (0, 2), f"the last engine left with {code}"
                return
            if code in (0, 2):
                return
        raise AssertionError("no end")

    def life(self, *, spare: bool) -> int | None:
        """One engine. Its exit code when it ended by itself, None when it was killed."""
        env = {**os.environ}
        by_point = not spare and self.rng.random() < 0.5
        if by_point:
            point = self.rng.choice(POINTS)
            env["OPENBELL_KILL_AT"] = f"{point}:{1 if point == 'loaded' else self.rng.randint(1, 8)}"
        command = [sys.executable, "-m", "openbell", "run", "campaign.yaml"]
        with (self.folder / "engine.log").open("ab") as log:
            engine = subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log)
        if not spare:
            self._wait(engine, 1.5 if by_point else 0.3 + self.rng.random() * 0.6)
            engine.kill()
        if self.kill_shims and self.rng.random() < 0.3:
            self._kill_a_shim()
        code = engine.wait(timeout=120)
        if code == -signal.SIGKILL:
            self.deaths += 1
            return None
        return code

    def _wait(self, engine: subprocess.Popen[bytes], seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.wait(timeout=seconds)

    def _kill_a_shim(self) -> None:
        for shim in self.rng.sample(alive := shims(self.folder), min(1, len(alive))):
            try:
                os.kill(shim, signal.SIGKILL)
                self.shim_deaths += 1
            except ProcessLookupError:
                pass


def judge(folder: Path, *, shims_were_killed: bool, called: bool) -> None:
    """Everything that must hold, by the workers' own ledger and the store."""
    told: dict[tuple[int, int], list[str]] = defaultdict(list)
    for line in (folder / "ledger").read_text().splitlines():
        if line != "after":
            word, number, attempt, _ = line.split()
            told[int(number), int(attempt)].append(word)
    assert not [key for key, words in told.items() if "OVERLAP" in words], "two attempts at the same time"
    assert not [key for key, words in told.items() if words.count("start") > 1], "an attempt was begun twice"
    store = SqlStore(f"sqlite:///{folder}/.openbell/openbell.db")
    record = store.run("campaign/1")
    assert record is not None
    assert store.next_key("campaign") == 2, "the same plan was opened twice"
    assert record.outcome is not None, "the run is not finished"
    group = record.groups["work"]
    assert all(group.state(cell).final for cell in range(TASKS))
    attempts: dict[int, list[AttemptInfo]] = defaultdict(list)
    for info in store.attempts("campaign/1"):
        if info.key.step == "work":
            attempts[info.key.cell].append(info)
    for cell in range(TASKS):
        last = attempts[cell][-1]
        words = told[cell, last.key.attempt]
        state = group.state(cell).name
        assert (state == "SUCCEEDED") == (words[-1:] == ["good"]), (cell, state, words, last)
        for info in attempts[cell]:
            said = told.get((cell, info.key.attempt), [])
            assert info.ended_at is not None
            if info.exit is not None and info.exit.started:
                assert said == ["start", "good" if info.exit.code == 0 else "bad"], (info, said)
                log = folder / f".openbell/attempts/campaign%2F1/work.{cell}.{info.key.attempt}/log"
                assert log.read_text() == f"cell {cell} {info.key.attempt}\n"
                if called and info.exit.code == 0:
                    assert info.result == {"cell": cell, "attempt": info.key.attempt}
            else:
                assert shims_were_killed or not said, f"{info.key} ran and its outcome is not known"
        if not shims_were_killed:
            expected = "FAILED" if cell % 50 == 9 else "SUCCEEDED"
            assert state == expected, (cell, state)
    _judge_the_event_file(folder, store)
    store.close()


def _judge_the_event_file(folder: Path, store: SqlStore) -> None:
    """It says what the journal says: no entry is missing, none is there twice."""
    run = store.definition("campaign/1")
    assert run is not None
    text = event_file(folder / ".openbell/events", run.id).read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    teller = Teller(run)
    told = (teller.line(seq, event) for seq, event in store.journal(run_id=run.id, limit=10**6))
    assert lines == [line for line in told if line is not None]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "share", "work", "kill_shims"),
    [(1, 0.5, "script", False), (2, 0.2, "script", True), (3, 0.5, "call", False), (4, 0.2, "call", True)],
)
def test_no_death_of_an_engine_loses_or_doubles_anything(
    tmp_path: Path, seed: int, share: float, work: str, kill_shims: bool
) -> None:
    campaign = Campaign(tmp_path, seed, work, kill_shims=kill_shims)
    deaths = int(DEATHS * share)
    campaign.fight(deaths)
    assert campaign.deaths >= deaths, f"only {campaign.deaths} engines were killed before the run had ended"
    judge(tmp_path, shims_were_killed=campaign.shim_deaths > 0, called=work == "call")
    deadline = time.monotonic() + 10
    while orphans(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert orphans(tmp_path) == []
