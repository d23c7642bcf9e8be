"""Replay: rows a second from compressed Parquet to a callback that does nothing, memory, the first batch.

A seeded day of 4 million quotes and 1 million trades of 500 symbols is written once and measured in processes
of their own, by the time that the processor spends: one thread that never waits takes the same time by the
wall clock wherever it has a core to itself. What the wall clock said stands beside, and in the same run
decoding alone, a plain Arrow loop, and backtesting.py and nautilus_trader where the interpreter that the
variable PEERS names (default: this one) has them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

DAY, OPEN = "2012-03-06", 1_331_044_200_000_000_000  # 09:30 in New York
QUOTES, TRADES = 4_000_000, 1_000_000
TABLES = ("Market.Quote", "Market.Trade")
REAL = Path(__file__).parents[2] / "shared" / "data"
FEEDS, REAL_DAY = ("Fxcm", "Oanda", "OandaCfd"), "2014-05-08"
_ROUNDS = 3
_BUDGETS = {"1s": 14.0, "100ms": 5.0, "10ms": 1.5}  # million rows a second


def generate(root: Path, times: int = 1) -> None:
    """Write the day, synthetic and the same each time; `times` as many rows of it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(7)
    words = pa.array([f"S{n:03d}" for n in range(500)])

    def common(count: int) -> dict[str, Any]:
        at = np.sort(OPEN + (draw.random(count) * 23_400e9).astype(np.int64))
        codes = pa.array(draw.integers(0, 500, count), pa.int32())
        stamps = pa.array(at).cast(pa.timestamp("ns", "UTC"))
        return {"Timestamp": stamps, "Sym": pa.DictionaryArray.from_arrays(codes, words).cast(pa.string())}

    def prices(count: int) -> Any:
        return np.round(50 + np.cumsum(draw.normal(0, 0.005, count)), 2)

    def sizes(count: int) -> Any:
        return pa.array(draw.integers(1, 50, count) * 100, pa.int32())

    for name, count in (("Quote", QUOTES * times), ("Trade", TRADES * times)):
        columns = common(count)
        if name == "Quote":
            mid = prices(count)
            columns |= {
                "Bid": mid - 0.01,
                "Ask": mid + 0.01,
                "BidSize": sizes(count),
                "AskSize": sizes(count),
            }
        else:
            columns |= {"Price": prices(count), "Size": sizes(count)}
        folder = root / name / f"Date={DAY}"
        folder.mkdir(parents=True)
        pq.write_table(
            pa.table(columns), folder / "part-0.parquet", compression="zstd", row_group_size=1 << 17
        )


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate(root / "day")
        decode = _in_a_process("decode", root / "day")
        arrow = _in_a_process("arrow", root / "day")
        limits = f"decoding alone {_told(decode)}, a plain Arrow loop over the same cycles {_told(arrow)}"
        peak, first = 0.0, 9.0
        for interval, budget in _BUDGETS.items():
            found = _in_a_process(interval, root / "day")
            peak, first = max(peak, found["peak"]), min(first, found["first"])
            beside = f"by the wall clock {found['wall']:.1f}" + (f"; {limits}" if interval == "1s" else "")
            yield Figure(f"replay, {interval} batches", found["rate"], "M rows/s", budget, "more", beside)
        found = _in_a_process("event", root / "day")
        beside = f"by the wall clock {found['wall']:.1f}; {_peers()}"
        yield Figure("replay, event by event", found["rate"], "M rows/s", 3.0, "more", beside)
        first = min(first, found["first"])
        yield Figure("first batch, from the making of the tape", first, "s", 0.3)
        yield Figure("peak memory of these processes", max(peak, found["peak"]), "MB", 250)
        generate(root / "long", 10)
        found = _in_a_process("long", root / "long")
        yield Figure("peak memory with ten times the rows", found["peak"], "MB", 250, "less", "1 s batches")
    if REAL.is_dir():
        batches, events = (_in_a_process(f"real {what}", REAL) for what in ("batches", "events"))
        what = f"replay of real ticks, {len(FEEDS)} feeds of {REAL_DAY}, 1 s batches"
        yield Figure(what, batches["rate"], "M rows/s", None, "more", f"event by event {_told(events)}")


def _in_a_process(what: str, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.replay", what, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def one(what: str, root: Path) -> dict[str, float]:
    """The best of three rounds: million rows a second of the processor's time, and of the wall's."""
    rounds: dict[str, Callable[[Path], int]] = {
        "decode": _decode,
        "arrow": _arrow,
        "event": lambda root: _events(_tape(root, "1s")),
        "real batches": lambda root: _drained(_real(root)),
        "real events": lambda root: _events(_real(root)),
    }
    play = rounds.get(what) or (lambda root: _drained(_tape(root, "1s" if what == "long" else what)))
    import openbell.replay.tape  # noqa: F401  # what is imported is not measured

    first = _first(root) if what not in ("decode", "arrow") and not what.startswith("real") else 0.0
    rate = wall = 0.0
    for _ in range(1 if what == "long" else _ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        rows = play(root)
        rate = max(rate, rows / (time.process_time() - used) / 1e6)
        wall = max(wall, rows / (time.perf_counter() - began) / 1e6)
    return {"rate": rate, "wall": wall, "first": first, "peak": _peak()}


def _told(found: dict[str, float]) -> str:
    return f"{found['rate']:.1f} (wall {found['wall']:.1f})"


def _tape(root: Path, interval: str) -> Any:
    from openbell.replay import Tape

    return Tape(TABLES, DAY, "14:30:00", interval, data={"Market": str(root)})


def _first(root: Path) -> float:
    used = time.process_time()
    next(iter(_tape(root, "1s")))
    return time.process_time() - used


def _real(root: Path) -> Any:
    from openbell.replay import Tape

    folders = {name: str(root / name) for name in FEEDS}
    return Tape([f"{name}.Quote" for name in FEEDS], REAL_DAY, "00:00:00", "1s", data=folders)


def _drained(tape: Any) -> int:
    for _ in tape:
        pass
    return int(tape.rows)


def _events(tape: Any) -> int:
    tape.run(on_event=lambda _now, _table, _row: None)
    return int(tape.rows)


def _decode(root: Path) -> int:
    """Nothing but reading the files."""
    return sum(len(rows) for name in ("Quote", "Trade") for rows in _read(root, name))


def _arrow(root: Path) -> int:
    """What somebody writes by hand: each table by itself, cut by a search for the ends of the cycles."""
    import numpy as np
    import pyarrow as pa

    ends, rows = OPEN + np.arange(1, 23_401) * 1_000_000_000, 0
    for name in ("Quote", "Trade"):
        for part in _read(root, name):
            times = part.column("Timestamp").cast(pa.int64()).to_numpy()
            low = 0
            for high in np.unique(np.searchsorted(times, ends)).tolist():
                if high > low:
                    rows += len(part.slice(low, high - low))
                    low = high
            rows += len(part) - low
    return rows


def _read(root: Path, name: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(root / name / f"Date={DAY}" / "part-0.parquet", read_dictionary=["Sym"]) as source:
        for group in range(source.num_row_groups):
            yield source.read_row_group(group, use_threads=False)


def _peak() -> float:
    """Megabytes. The kernel's figure of this program alone: that of getrusage counts its parent's too."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1000 if found else 0.0


# ── peers ───────────────────────────────────────────────────────────────────────────────────────

_BACKTESTING = """
import time, warnings; warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from backtesting import Backtest, Strategy
n = 50_000
price = 50 + np.random.default_rng(7).normal(0, .01, n).cumsum()
frame = pd.DataFrame({"Open": price, "High": price, "Low": price, "Close": price},
                     index=pd.date_range("2012-03-06 14:30", periods=n, freq="100ms"))
class Idle(Strategy):
    def init(self): pass
    def next(self): pass
test = Backtest(frame, Idle)
began = time.perf_counter(); test.run(); print(n / (time.perf_counter() - began) / 1e6)
"""

_NAUTILUS = """
import time
import numpy as np, pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy
n = 100_000
one = TestInstrumentProvider.default_fx_ccy("EUR/USD")
class Idle(Strategy):
    def on_start(self): self.subscribe_quote_ticks(one.id)
    def on_quote_tick(self, tick): pass
engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="OFF")))
money = [Money(1_000_000, USD)]
engine.add_venue(Venue("SIM"), OmsType.HEDGING, AccountType.MARGIN, money, base_currency=USD)
engine.add_instrument(one)
bid, ask, size = Price(1.1, 5), Price(1.10001, 5), Quantity.from_int(100)
engine.add_data([QuoteTick(one.id, bid, ask, size, size, i, i) for i in range(1, n + 1)])
engine.add_strategy(Idle())
began = time.perf_counter(); engine.run(); print(n / (time.perf_counter() - began) / 1e6)
"""


def _peers() -> str:
    """The others, a strategy that does nothing on one instrument, rows in memory already."""
    python = os.environ.get("PEERS", sys.executable)
    told = []
    for name, code in (("nautilus_trader", _NAUTILUS), ("backtesting.py", _BACKTESTING)):
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
        lines = done.stdout.split()
        told.append(f"{name} {float(lines[-1]):.2f}" if done.returncode == 0 else f"{name} is not installed")
    return ", ".join(told)


if __name__ == "__main__":
    print(json.dumps(one(sys.argv[1], Path(sys.argv[2]))))
