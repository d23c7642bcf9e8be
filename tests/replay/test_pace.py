"""Pacing by a fake wall clock, lag, coalescing, strictness, and the line to whoever watches."""

from __future__ import annotations

import json
import os
import socket
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.replay.days import NINE, SECOND, store, table, tape, ticks

T = "Market.Trade"
MS = 1_000_000


class Fake:
    """A wall clock that only sleeping, and work, moves. Sleeping takes a little longer than asked for."""

    def __init__(self, late: int = 0) -> None:
        self.at, self.late, self.slept = 5_000, late, list[int]()

    def now(self) -> int:
        return self.at

    def sleep(self, ns: int) -> None:
        assert ns > 0
        self.slept.append(ns)
        self.at += ns + self.late


@pytest.fixture
def seconds(tmp_path: Path) -> Path:
    """A row in the middle of each of a hundred seconds."""
    store(tmp_path, T, table([NINE + n * SECOND + SECOND // 2 for n in range(100)]), group=1000)
    return tmp_path


def test_deadlines_are_absolute(seconds: Path) -> None:
    """Each sleep is a little too long, and nothing adds up."""
    wall = Fake(late=3 * MS)
    at = [(wall.at - 5_000, now - NINE) for now, _ in tape(seconds, T, speed=10, wall=wall)]
    assert len(at) == 100
    for passed, simulated in at:
        assert 0 <= passed - simulated // 10 <= 3 * MS


def test_nothing_sleeps_at_max(seconds: Path) -> None:
    wall = Fake()
    assert len(list(tape(seconds, T, wall=wall))) == 100
    assert wall.slept == []


def test_a_slow_strategy_is_given_overdue_cycles_together(seconds: Path) -> None:
    wall = Fake()
    found = tape(seconds, T, speed=10, wall=wall)
    counts, lags = [], []
    for now, batch in found:
        counts.append(len(batch[T]))
        assert (batch[T].times < now).all()
        assert wall.at - 5_000 >= (now - NINE) // 10
        lags.append(found.lag)
        wall.at += 350 * MS  # three cycles and a half
    assert sum(counts) == 100
    assert counts[0] == 1
    assert set(counts[1:-1]) == {3, 4}
    assert found.coalesced == 100 - len(counts)
    assert found.worst_lag == max(lags) <= 0.36


def test_strict_keeps_every_cycle_and_falls_behind(seconds: Path) -> None:
    wall = Fake()
    found = tape(seconds, T, speed=10, wall=wall, strict=True)
    counts = []
    for _, batch in found:
        counts.append(len(batch[T]))
        wall.at += 200 * MS
    assert counts == [1] * 100
    assert found.coalesced == 0
    assert found.worst_lag == pytest.approx(99 * 0.1)


def test_a_lag_is_made_up_for(seconds: Path) -> None:
    wall = Fake()
    found = tape(seconds, T, speed=10, wall=wall, strict=True)
    for n, _ in enumerate(found):
        if n == 10:
            wall.at += SECOND
    assert found.worst_lag == pytest.approx(0.9)
    assert found.lag == 0


def test_it_wakes_a_hundred_times_a_second_at_most(seconds: Path) -> None:
    """At 1000x a cycle of a second is due every millisecond: ten of them come together, the speed holds."""
    wall = Fake()
    woken = []
    for _, batch in tape(seconds, T, speed=1000, wall=wall):
        woken.append((wall.at - 5_000, len(batch[T])))
    assert sum(count for _, count in woken) == 100
    assert min(b - a for (a, _), (b, _) in pairwise(woken[:-1])) >= 10 * MS  # the last ends the tape
    assert woken[-1][0] <= 110 * MS


def test_timers_are_never_put_together(seconds: Path) -> None:
    wall = Fake()
    told: list[Any] = []

    def on_batch(now: int, batch: Any) -> None:
        told.append(("batch", (now - NINE) // SECOND))
        wall.at += 2500 * MS

    tape(seconds, T, speed=10, wall=wall).run(
        on_batch=on_batch, on_timer=lambda now: told.append(("timer", (now - NINE) // SECOND)), every="10s"
    )
    assert [at for kind, at in told if kind == "timer"] == list(range(10, 101, 10))
    assert told == sorted(told, key=lambda entry: (entry[1], entry[0]))


@pytest.mark.parametrize("interval", ["10ms", "1s", "60s"])
def test_speed_changes_nothing(tmp_path: Path, interval: str) -> None:
    """100x in strict mode, as fast as it can, and in time: the same batches."""
    store(tmp_path, T, ticks(9, 300, spread=200 * SECOND), group=40)

    def played(**settings: Any) -> list[Any]:
        return [
            (now, tuple(batch[T].rows())) for now, batch in tape(tmp_path, T, interval=interval, **settings)
        ]

    quick = played()
    assert played(speed=100, strict=True, wall=Fake(late=7 * MS)) == quick
    if interval != "10ms":
        assert played(speed=5, wall=Fake()) == quick


# ── whoever watches ─────────────────────────────────────────────────────────────────────────────


def test_it_halts_and_goes_on_and_takes_single_steps(seconds: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"p")
        found: list[int] = []

        def play() -> None:
            found.extend((now - NINE) // SECOND for now, _ in tape(seconds, T, control=theirs.fileno()))

        thread = threading.Thread(target=play)
        thread.start()
        lines = ours.makefile()
        told = json.loads(lines.readline())
        assert (told["paused"], found) == (True, [])
        ours.send(b"s")
        while not (told := json.loads(lines.readline())).get("rows"):
            pass
        assert told["rows"] == 1
        assert found == [1]
        ours.send(b"s")
        while json.loads(lines.readline()).get("rows") != 2:
            pass
        assert found == [1, 2]
        ours.send(b"p")
        thread.join(20)
        assert found == list(range(1, 101))


def test_it_goes_on_when_nobody_watches_any_more(seconds: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.send(b"p")
        ours.close()
        assert len(list(tape(seconds, T, control=theirs.fileno()))) == 100
        os.fstat(theirs.fileno())
