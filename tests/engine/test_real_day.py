"""The day of two markets in real time, a minute of it: one closes as the other opens, and the daemon dies
again and again. What must hold stands in the store and in the workers' own ledger; nothing is timed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from openbell.core.events import Event, Fire, Miss, OpenRun, Skip, Watch
from openbell.core.states import TaskState
from openbell.store.sql import SqlStore

AHEAD, POST, STEP = timedelta(seconds=12), timedelta(seconds=8), timedelta(seconds=2)
EXCHANGES = {"XNYS": "America/New_York", "XLON": "Europe/London", "XTKS": "Asia/Tokyo"}
TICK = """
name: {name}
market: {market}
triggers: [{{every: 2s, during: session}}]
{how}
steps: {{a: {{run: "true"}}}}
"""
PROJECT = """
markets:
  EAST:
    calendar: {calendar}
    post_close: 8s
    overlays: [{{date: {day}, open: "00:30", close: "{turn}", breaks: []}}]
  WEST:
    calendar: {calendar}
    pre_open: 12s
    overlays: [{{date: {day}, open: "{turn}", close: "22:00", breaks: []}}]
"""
EAST = """
name: east
market: EAST
triggers: [session]
steps:
  quote: {run: WORK, when: session}
  flat: {run: WORK, when: {after: close-5s, until: close}, late: skip}
  book: {run: WORK, when: post_close, needs: [quote]}
  night: {run: WORK, when: overnight, needs: [book]}
"""
WEST = """
name: west
market: WEST
triggers: [session]
steps:
  load: {run: WORK, when: pre_open}
  trade: {run: WORK, when: session, needs: [load]}
  steady: {run: WORK, when: {after: open+4s, until: open+9s}, late: skip}
"""
GLOBE = "name: globe\nmarket: WEST\ntriggers: [{after: [east, west]}]\nsteps: {all: {run: WORK}}\n"
WORK = (
    "[sh, -c, 'echo begun $OPENBELL_ATTEMPT $(date +%s.%N) >> ledger; "
    "sleep 2; echo ended $OPENBELL_ATTEMPT >> ledger']"
)


class Day:
    """A project around `turn`, when EAST closes and WEST opens, and the daemons that lead it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.turn = (datetime.now(UTC) + AHEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
        calendar, zone = next(
            (name, zone)
            for name, zone in EXCHANGES.items()
            if 5 <= self.turn.astimezone(ZoneInfo(zone)).hour < 19  # midnight is far away
        )
        local = self.turn.astimezone(ZoneInfo(zone))
        self.label = local.date()
        files = {"east": EAST, "west": WEST, "globe": GLOBE}
        files["tick"] = TICK.format(name="tick", market="EAST", how="overlap: allow\ncatch_up: all")
        files["tock"] = TICK.format(name="tock", market="WEST", how="")
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text.replace("WORK", WORK))
        project = PROJECT.format(calendar=calendar, day=self.label, turn=f"{local:%H:%M}")
        (folder / "openbell.yaml").write_text(project)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.deaths = 0

    def start(self, kill_at: str = "") -> None:
        env = {**os.environ, "OPENBELL_KILL_AT": kill_at} if kill_at else {**os.environ}
        command = [sys.executable, "-m", "openbell", "start", "--foreground"]
        with (self.folder / "log").open("ab") as log:
            self.daemon = subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log)

    def dies(self) -> None:
        """By its own hand, at the point that it was started with."""
        assert self.daemon is not None
        assert self.daemon.wait(timeout=60) == -signal.SIGKILL, self.log()
        self.deaths += 1

    def kill(self) -> None:
        assert self.daemon is not None
        assert self.daemon.poll() is None, self.log()
        self.daemon.kill()
        self.dies()

    def end(self) -> None:
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()

    def openbell(self, *words: str) -> str:
        command = [sys.executable, "-m", "openbell", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        return done.stdout

    def log(self) -> str:
        return (self.folder / "log").read_text()[-3000:]

    def wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def told(self, word: str, task: str) -> bool:
        """A worker of this day's run has said so."""
        pipeline, _, step = task.partition("/")
        ledger = self.folder / "ledger"
        return ledger.exists() and f"{word} {pipeline}/{self.label}/{step}/" in ledger.read_text()

    def reaches(self, since_turn: float) -> None:
        self.wait(lambda: datetime.now(UTC) >= self.turn + timedelta(seconds=since_turn))

    def live(self) -> None:
        """Die in a run, at named points, just before the turn, in a run again, and between two states."""
        self.start()
        self.wait(lambda: self.told("begun", "east/quote"))
        self.kill()
        for point in ("before-commit:4", "after-commit:3", "before-start:1"):
            self.start(point)
            self.dies()
        self.start()
        self.reaches(-0.5)
        self.kill()
        self.start()
        self.wait(lambda: self.told("begun", "west/trade") and self.told("begun", "east/book"))
        self.kill()
        self.start()
        self.wait(lambda: self.told("ended", "east/book"))
        self.kill()
        self.reaches(POST.total_seconds() + 1)  # nobody leads when EAST's evening begins
        self.start()
        self.wait(lambda: self.told("ended", "globe/all"))
        self.openbell("stop", "--drain")
        assert self.daemon is not None
        assert self.daemon.wait(timeout=60) == 0, self.log()


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    made = Day(tmp_path)
    yield made
    made.end()


def answers(events: Sequence[Event], pipeline: str) -> Counter[str]:
    """How often each occasion of a pipeline was dealt with: runs, and what is recorded as missed."""
    runs = {
        event.run: event.key for event in events if isinstance(event, Fire) and event.pipeline == pipeline
    }
    found = Counter(runs.values())
    for event in events:
        if isinstance(event, Miss) and event.pipeline == pipeline:
            at = datetime.strptime(event.first, "%Y%m%dT%H%M%S%z")
            found.update(f"{at + n * STEP:%Y%m%dT%H%M%SZ}" for n in range(event.count))
    opened = Counter(event.run.id for event in events if isinstance(event, OpenRun))
    assert {run: opened[run] for run in runs} == dict.fromkeys(runs, 1), "a run for each, and one only"
    return found


def judge_the_ticks(day: Day, events: Sequence[Event]) -> None:
    """Each second second of a session is answered once, and no other: the turn belongs to WEST."""
    [since] = [event.position for event in events if isinstance(event, Watch) and event.pipeline == "tick"]
    first = datetime.fromisoformat(since).replace(microsecond=0)
    first += STEP - (first - datetime.min.replace(tzinfo=UTC)) % STEP
    ticks, tocks = answers(events, "tick"), answers(events, "tock")
    assert tocks, "WEST has been open for a while"
    expected = [first + n * STEP for n in range((day.turn - first) // STEP)]
    assert ticks == Counter(f"{at:%Y%m%dT%H%M%SZ}" for at in expected)
    assert tocks == Counter(f"{day.turn + n * STEP:%Y%m%dT%H%M%SZ}" for n in range(len(tocks)))


def judge_the_steps(day: Day, store: SqlStore, events: Sequence[Event]) -> None:
    """Each step began once and in its own time, by the store and by the worker's own clock."""
    windows: dict[str, tuple[float, float | None]] = {
        "east/quote": (-86_400, None), "east/flat": (-5, 0), "east/book": (0, None), "east/night": (8, None),
        "west/load": (-12, None), "west/trade": (0, None), "west/steady": (4, 9), "globe/all": (8, None),
    }  # fmt: skip
    late = {(event.run, event.step) for event in events if isinstance(event, Skip)}
    begun: defaultdict[str, list[float]] = defaultdict(list)
    for line in (day.folder / "ledger").read_text().splitlines():
        word, task, *clock = line.split()
        if word == "begun":
            begun[task].append(float(clock[0]))
    for task, (after, until) in windows.items():
        pipeline, _, step = task.partition("/")
        run = f"{pipeline}/{day.label}"
        record = store.run(run)
        assert record is not None
        attempts = [one for one in store.attempts(run) if one.key.step == step]
        if until is not None and not attempts:
            assert record.groups[step].state(0) is TaskState.SKIPPED
            assert (run, step) in late
            continue
        [(attempt, at)] = [(one, at) for one in attempts for at in begun[f"{run}/{step}/0#{one.key.attempt}"]]
        assert record.groups[step].state(0) is TaskState.SUCCEEDED, task
        since = (attempt.decided_at - day.turn).total_seconds()
        assert after <= since <= at - day.turn.timestamp(), task
        assert until is None or since < until, task


def workers(folder: Path) -> list[int]:
    """Processes that still bear the mark of an attempt and work in this folder."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            marked = b"OPENBELL_ATTEMPT=" in Path(f"/proc/{name}/environ").read_bytes()
            if marked and os.readlink(f"/proc/{name}/cwd") == str(folder):
                found.append(int(name))
        except OSError:
            pass
    return found


@pytest.mark.slow
def test_a_daemon_that_dies_all_day_does_everything_once_and_in_its_time(day: Day) -> None:
    day.live()
    assert day.deaths == 7
    store = SqlStore(f"sqlite:///{day.folder}/.openbell/openbell.db")
    events = [event for _, event in store.journal(limit=10**6)]
    for name in ("east", "west", "globe"):
        assert not [event for event in events if isinstance(event, Miss) and event.pipeline == name]
        assert answers(events, name) == {str(day.label): 1}
    judge_the_ticks(day, events)
    judge_the_steps(day, store, events)
    assert all(run.closed_at is not None for run in store.runs(limit=10**4))
    store.close()
    day.openbell("db", "check")
    day.wait(lambda: not workers(day.folder))
