"""Worker scripts of Enterprise on the embedded engine: the README, both modes, the numbers once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import exp, sqrt
from pathlib import Path

import polars as pl
import pytest

from openbell.executors.deephaven.interpreter import VARIABLE
from tests.cli.conftest import Desk
from tests.enterprise import Controller, client_python
from tests.examples.conftest import Example
from tests.runtimes.engine import MISSING, PYTHON

FILES = (
    "simple_worker_batch",
    "simple_worker_replay",
    "trading_simulation_batch",
    "trading_simulation_replay",
)
ENGINE = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """What the README says, for a morning and on one machine: a daemon leads, and keeps it warm."""
    example = Example("deephaven", tmp_path_factory.mktemp("desk"))
    settings = {"executors": {"process": {"slots": 1}}, "deephaven_core": {"python": PYTHON}}
    project = (example.folder / "openbell.yaml").read_text()
    (example.folder / "openbell.yaml").write_text(
        project + "\n".join(f"{name}: {json.dumps(value)}" for name, value in settings.items()) + "\n"
    )
    for name in FILES:
        end = "2012-07-10" if name.startswith("trading") else "2012-07-06"
        example.edit(f"{name}.yaml", end, "2012-07-05")
        if name.startswith("trading"):
            example.edit(f"{name}.yaml", '"16:00"', '"12:00"')
    assert example.python("generate.py").code == 0  # a daemon wants the folders of its project
    example.succeeds("start")
    example.follow_the_readme()
    yield example
    example.run("stop")
    example.close()


def table(example: Example, namespace: str, name: str) -> pl.DataFrame:
    from openbell.replay import Folders, frame

    return frame(f"{namespace}.{name}", None, Folders({}, str(example.folder / "output"))).collect()


@ENGINE
@pytest.mark.slow
def test_the_smallest_workers_have_seen_their_date(done: Example) -> None:
    batch, replay = (table(done, "Simple", f"{mode}Status").sort("Partition") for mode in ("Batch", "Replay"))
    assert batch.select("Date", "Partition", "Quotes").rows() == [("2012-07-05", n, 10_000) for n in range(2)]
    quotes = pl.read_parquet(done.folder / "data/market/Quote/Date=2012-07-05/synthetic.parquet")
    until = pl.lit("2012-07-05T14:20:00").str.to_datetime(time_zone="UTC")
    arrived = quotes.filter(pl.col("Timestamp") <= until).height
    assert replay.select("Partition", "Quotes", "Ended").rows() == [
        (n, arrived, "2012-07-05T14:20:00Z") for n in range(2)
    ]


@ENGINE
@pytest.mark.slow
def test_both_modes_trade_what_the_rule_says(done: Example) -> None:
    keys = ["Timestamp", "Sym", "Size", "Price", "Position"]
    replay, batch = (
        table(done, f"Sim{mode}", "Trades").select(keys).sort(keys) for mode in ("Replay", "Batch")
    )
    assert replay.equals(batch)
    quotes = pl.read_parquet(done.folder / "data/market/Quote/Date=2012-07-05/synthetic.parquet")
    wanted = [row for rows in quotes.sort("Timestamp").partition_by("Sym") for row in traded(rows)]
    assert sorted(wanted) == replay.select(pl.col("Timestamp").dt.epoch("ns"), *keys[1:4]).rows()
    assert len(wanted) > 80
    assert (
        f"{len(wanted)} trades agree; the replay alone has 0, the batch alone 0"
        in done.run("logs", "analysis").out
    )


@ENGINE
@pytest.mark.slow
def test_profits_are_cash_flows(done: Example) -> None:
    """Everything is flat in the end: PnL = -sum(size x price). Each symbol is in one partition."""
    trades, pnl = table(done, "SimReplay", "Trades"), table(done, "SimReplay", "PnL").sort("Sym")
    cash = (
        trades.group_by("Sym").agg(PnL=-(pl.col("Size") * pl.col("Price")).sum(), Trades=pl.len()).sort("Sym")
    )
    assert pnl["Sym"].to_list() == ["AAPL", "FB", "GOOG", "IBM", "MSFT"] == cash["Sym"].to_list()
    assert pnl["Position"].to_list() == [0] * 5
    assert pnl["Trades"].to_list() == cash["Trades"].to_list()
    assert (pnl["PnL"] - cash["PnL"]).abs().max() < 1e-6  # type: ignore[operator]
    assert set(pnl["Task"]) == {"2012-07-05_0", "2012-07-05_1"}


@ENGINE
@pytest.mark.slow
def test_the_results_go(done: Example) -> None:
    assert (done.folder / "output/SimReplay/Trades").exists()
    done.succeeds("run", "cleanup.yaml")
    assert not list((done.folder / "output").rglob("*.parquet"))


@ENGINE
@pytest.mark.slow
def test_the_same_files_on_a_simulated_controller(tmp_path: Path) -> None:
    """The real client carries each file to the controller; a worker of its own runs the script."""
    example = Example("deephaven", tmp_path)
    example.python("generate.py")
    data = json.dumps({"Market": str(example.folder / "data/market")})
    output = str(example.folder / "output")
    controller = Controller("--engine", PYTHON, "--slots", "1", "--data", data, "--output", output)
    example.env |= controller.environment | {VARIABLE: client_python()}
    try:
        for name in FILES:
            end = "2012-07-10" if name.startswith("trading") else "2012-07-06"
            example.edit(f"{name}.yaml", end, "2012-07-05")
            example.edit(f"{name}.yaml", "num_partitions: 2", "num_partitions: 1")
            if name.startswith("trading"):
                example.edit(f"{name}.yaml", '"16:00"', '"09:50"')
            example.succeeds("run", f"{name}.yaml")
        assert controller.calls("addQuery") == len(FILES)
    finally:
        controller.close()
    keys = ["Timestamp", "Sym", "Size", "Price", "Position"]
    replay, batch = (
        table(example, f"Sim{mode}", "Trades").select(keys).sort(keys) for mode in ("Replay", "Batch")
    )
    assert replay.equals(batch)
    assert replay.height >= 4
    assert table(example, "Simple", "BatchStatus")["Quotes"].to_list() == [10_000]


@pytest.mark.slow
def test_the_template(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    outcome = desk.run("init", "sim", "--template", "deephaven")
    assert outcome.code == 0, outcome.err
    assert outcome.out.endswith("openbell run trading_simulation_batch.yaml --on process\n")
    desk.folder = desk.folder / "sim"
    for name in FILES:
        checked = desk.run("validate", "--on", "process", f"{name}.yaml")
        assert checked.code == 0, checked.err


def traded(quotes: pl.DataFrame) -> Iterator[tuple[int, str, int, float]]:
    """The trades of one symbol by the rule, with plain loops: (ns, symbol, size, price)."""
    decay, second = 60e9, 10**9
    opened = 1_341_495_000 * second  # 09:30 in New York
    rows = quotes.select(pl.col("Timestamp").dt.epoch("ns"), "Sym", "Bid", "Ask").rows()
    mean = square = 0.0
    before = None
    held = 0
    for (at, symbol, bid, ask), following in zip(rows, [*rows[1:], None], strict=True):
        price = (bid + ask) / 2
        weight = exp(-(at - before) / decay) if before is not None else 0.0
        deviation2 = weight * (square + (1 - weight) * (price - mean) ** 2)
        mean, square, before = weight * mean + (1 - weight) * price, deviation2, at
        if following is not None and -(-following[0] // second) == -(-at // second):
            continue  # not the last of its second
        size = 0
        if at >= opened + 140 * 60 * second:
            size = -held
        elif at < opened + 300 * second:
            continue
        elif price < mean - 2 * sqrt(square) and (held + 100) * ask <= 200_000:
            size = 100
        elif price > mean + 2 * sqrt(square) and (held - 100) * bid >= -200_000:
            size = -100
        if size:
            held += size
            yield at, symbol, size, ask if size > 0 else bid
    if held:
        yield at, symbol, -held, bid if held > 0 else ask
