"""The trading simulation: its README, the numbers computed once more, both modes trade by trade."""

from __future__ import annotations

import hashlib
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import openbell
from tests.cli.conftest import Desk
from tests.examples.conftest import ROOT, Example

SOURCE = ROOT / "trading_simulation"
EXECUTIONS = "e8f24ebd4799d6bf74a2a32fbf188b6ba02450175335fc17de03b79270088e03"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """What the README says, with two sessions in both modes, of which one is a half day."""
    example = Example("trading_simulation", tmp_path_factory.mktemp("desk"))
    for mode in ("replay", "batch"):
        example.edit(f"simple_worker_{mode}.yaml", "to: 2012-07-06", "to: 2012-07-03")
        example.edit(f"trading_simulation_{mode}.yaml", "to: 2012-07-13", "to: 2012-07-03")
    example.follow_the_readme()
    return example


def table(example: Example, mode: str, name: str) -> pl.DataFrame:
    from openbell.replay import Folders, frame

    folders = Folders({"Market": str(example.folder / "data/market")}, str(example.folder / "output"))
    return frame(f"Sim_{mode}.{name}", None, folders).collect()


@pytest.mark.slow
def test_both_modes_trade_the_same(done: Example) -> None:
    keys = ["Date", "Timestamp", "Sym", "Size", "Price", "Position"]
    one, other = (table(done, mode, "Executions").select(keys).sort(keys) for mode in ("replay", "batch"))
    assert one.height > 50
    assert one.equals(other)
    assert "batch alone has 0, replay alone 0" in done.run("logs", "trading_simulation_batch/1/analysis").out


@pytest.mark.slow
def test_every_machine_trades_the_same(done: Example) -> None:
    """The digest was taken elsewhere: quotes, decisions and fills depend on nothing but the seed."""
    keys = ["Timestamp", "Sym", "Size", "Price", "Position"]
    rows = table(done, "replay", "Executions").select(keys).sort(keys).write_csv()
    assert hashlib.sha256(rows.encode()).hexdigest() == EXECUTIONS


@pytest.mark.slow
def test_profits_are_cash_flows_and_everything_is_flat_before_the_close(done: Example) -> None:
    executions = table(done, "replay", "Executions")
    pnl = table(done, "replay", "PnL").sort("Date", "Sym")
    cash = executions.group_by("Date", "Sym").agg(
        PnL=-(pl.col("Size") * pl.col("Price")).sum(), Held=pl.col("Size").sum()
    )
    assert cash["Held"].to_list() == [0] * cash.height
    assert (
        pnl.join(cash, on=["Date", "Sym"], suffix="_again")
        .filter((pl.col("PnL") - pl.col("PnL_again")).abs() > 1e-6)
        .is_empty()
    )
    for day in (date(2012, 7, 2), date(2012, 7, 3)):
        close = openbell.market("XNYS").session_of(day).close
        late = executions.filter(
            pl.col("Date") == day, pl.col("Timestamp") >= close.replace(minute=50, hour=close.hour - 1)
        )
        orders = table(done, "replay", "Orders")
        reasons = orders.join(late, on=["Date", "Timestamp", "Sym"], how="semi")["Reason"].unique().to_list()
        assert reasons in (["close-out"], [])
    assert (executions["Position"] * executions["Price"]).abs().max() <= 200_000 * 1.2  # type: ignore[operator]


@pytest.mark.slow
def test_the_report_draws_it(done: Example) -> None:
    assert done.run("report", "trading_simulation_batch").code == 0
    page = (done.folder / "trading_simulation_batch-1.html").read_text()
    assert page.count('class="drawing"') == 4
    outcome = done.python("cleanup.py")
    assert "removed output/Sim_batch" in outcome.out


def test_each_symbol_is_in_exactly_one_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SOURCE))
    from strategy import mine  # type: ignore[import-not-found]

    symbols = [f"S{n}" for n in range(500)]
    for count in (1, 2, 7):
        parts = [mine(symbols, n, count) for n in range(count)]
        assert sorted(symbol for part in parts for symbol in part) == sorted(symbols)
    sys.modules.pop("strategy")


@pytest.mark.slow
def test_the_template_brings_its_market(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    outcome = desk.run("init", "sim", "--template", "trading-simulation")
    assert outcome.code == 0, outcome.err
    assert len(list(Path(desk.folder, "sim/data/market").rglob("*.parquet"))) == 9
    desk.folder = desk.folder / "sim"
    assert desk.run("validate", "monte_carlo.yaml").code == 0
    outcome = desk.run("run", "monte_carlo.yaml", "--sample", "3")
    assert outcome.code == 0, outcome.err
    assert desk.run("report", "monte_carlo", "--heat", "decay,width").code == 0
