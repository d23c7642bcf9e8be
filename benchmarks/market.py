"""Market time, beside exchange_calendars and pandas_market_calendars (extra `calendars`) in the same run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, seconds

FIRST, LAST = datetime(2005, 1, 3, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)  # 21 years
TEN = ("XNYS", "XLON", "XTKS", "XHKG", "XPAR", "XETR", "XASX", "XTSE", "CMES", "24/7")
_SCALARS = 20_000
_ELEMENTS = 1_000_000


def measure() -> Iterator[Figure]:
    instants = _instants(_SCALARS)
    theirs, name = _peers(instants)
    yield from _scalars(instants, theirs, name)
    yield from _arrays(theirs)
    yield from _in_a_process("load", "ms", 5, "calendar and first state of a market, mean of ten")
    yield from _in_a_process("memory", "MB", 8, "ten markets, 21 years compiled")
    with tempfile.TemporaryDirectory() as folder:
        cold = seconds([sys.executable, "-m", "openbell", "markets"], Path(folder)) * 1000
        bare = seconds([sys.executable, "-c", "pass"], Path(folder)) * 1000
        yield Figure("cold `openbell markets`", cold, "ms", 150, "less", f"bare Python {bare:.0f} ms")


def _instants(count: int) -> list[datetime]:
    """Whole minutes of 21 years in random order: nothing is near the lookup before."""
    draw = random.Random(7)
    minutes = int((LAST - FIRST).total_seconds()) // 60
    return [FIRST + timedelta(minutes=draw.randrange(minutes)) for _ in range(count)]


def _peers(instants: Sequence[datetime]) -> tuple[dict[str, float], str]:
    """Microseconds a lookup of the others, which answer open or closed and nothing else."""
    try:
        import exchange_calendars as ec
        import pandas as pd
        import pandas_market_calendars as pmc
    except ImportError:
        return {}, "the extra `calendars` is not installed"
    warnings.simplefilter("ignore")
    some = [pd.Timestamp(at) for at in instants[:5000]]
    calendar = ec.get_calendar("XNYS", start="2005-01-03", end="2026-01-02")
    nyse = pmc.get_calendar("XNYS")
    schedule = nyse.schedule("2005-01-03", "2026-01-02")
    calendar.is_open_on_minute(some[0])
    found = {"exchange_calendars": _each(calendar.is_open_on_minute, some)}

    def theirs(at: Any) -> bool:
        return bool(nyse.open_at_time(schedule, at))

    found["pandas_market_calendars"] = _each(theirs, some[:20])
    return found, ", ".join(f"{name} {us:,.1f} us" for name, us in found.items())


def _scalars(instants: Sequence[datetime], theirs: dict[str, float], told: str) -> Iterator[Figure]:
    from openbell.market import market

    one = market("XNYS")
    for at in instants:
        one.state(at)
    anywhere = _each(one.state, instants)
    yield Figure("state at a random instant of 21 years", anywhere, "us", 1.5, "less", told)
    near = [instants[0] + timedelta(seconds=n) for n in range(_SCALARS)]
    yield Figure("state at the next second", _each(one.state, near), "us", 1.5)
    ns = [int(at.timestamp()) * 10**9 for at in near]
    yield Figure("state at the next second, in nanoseconds", _each(one.state_at_ns, ns), "us")
    whole = _each(one.span, instants)
    yield Figure("state, label and next change at a random instant, in one lookup", whole, "us", 1.5)
    if theirs:
        ratio = theirs["exchange_calendars"] / whole
        yield Figure("times as fast as `is_open_on_minute`, a lookup", ratio, "x", 3, "more")


def _arrays(theirs: dict[str, float]) -> Iterator[Figure]:
    try:
        import numpy as np
    except ImportError:
        return
    from openbell.market import market

    one = market("XNYS")
    draw = np.random.default_rng(7)
    first, last = int(FIRST.timestamp()), int(LAST.timestamp())
    mixed = draw.integers(first, last, _ELEMENTS) * 1_000_000_000
    ordered = np.sort(mixed)
    one.states(ordered)
    began = time.perf_counter()
    one.states(ordered)
    sorted_ns = (time.perf_counter() - began) * 1e9 / _ELEMENTS
    began = time.perf_counter()
    one.states(mixed)
    mixed_ns = (time.perf_counter() - began) * 1e9 / _ELEMENTS
    yield Figure("states of a sorted array, an element", sorted_ns, "ns", 25)
    yield Figure("states of a mixed array, an element", mixed_ns, "ns")
    if theirs:
        ratio = theirs["exchange_calendars"] * 1000 / mixed_ns
        yield Figure("times as fast as `is_open_on_minute`, an element", ratio, "x", 20, "more")


def _each(ask: Callable[[Any], object], instants: Sequence[Any]) -> float:
    """Microseconds a call, the best of three rounds."""
    rounds = []
    for _ in range(3):
        began = time.perf_counter()
        for at in instants:
            ask(at)
        rounds.append((time.perf_counter() - began) * 1e6 / len(instants))
    return min(rounds)


def _in_a_process(what: str, unit: str, budget: float, name: str) -> Iterator[Figure]:
    """Loading and memory are measured where nothing is loaded yet."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.market", what], capture_output=True, text=True, check=True
    )
    yield Figure(name, json.loads(done.stdout), unit, budget)


def load() -> float:
    """Milliseconds a market: its file, and the piece of its clock around an instant."""
    from openbell.market import market

    market("XSWX").state(LAST)
    began = time.perf_counter()
    for name in TEN:
        market(name).state(LAST)
    return (time.perf_counter() - began) * 1000 / len(TEN)


def memory() -> float:
    """Megabytes that are allocated for ten markets after every instant of 21 years was asked for."""
    import gc
    import tracemalloc

    from openbell.market import market

    market("XSWX").state(LAST)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for name in TEN:
        for _ in market(name).transitions(FIRST, LAST):
            pass
    gc.collect()
    return (tracemalloc.get_traced_memory()[0] - before) / 1e6


if __name__ == "__main__":
    print(json.dumps({"load": load, "memory": memory}[sys.argv[1]]()))
