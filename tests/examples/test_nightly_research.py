"""Nightly research: the commands of its README, its numbers computed once more, bad inputs."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import polars as pl
import pytest

from tests.examples import oracle
from tests.examples.conftest import ROOT, Example, Outcome

pytestmark = pytest.mark.slow
Make = Callable[[str], Example]
SESSION = "2013-03-01"
FEED = "data/us_stocks_wiki.csv.gz"
BOOK = {"AAPL": 500, "FB": 4000, "GOOG": 200, "IBM": 600, "MSFT": 6000}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The example after the commands of its README; its files are only read."""
    example = Example("nightly_research", tmp_path_factory.mktemp("research"))
    told = example.follow_the_readme()
    assert "1. buy_and_hold    Sharpe  0.87" in told
    yield example
    example.close()


def research(example: Example, session: str = SESSION, *, code: int = 0) -> Outcome:
    """Fill the store, then all of it."""
    example.succeeds("run", "nightly_research", "--mode", "backfill", "--date", session)
    outcome = example.run("run", "nightly_research", "--mode", "full", "--date", session)
    assert outcome.code == code, outcome.err
    return outcome


@pytest.fixture(scope="module")
def feed() -> dict[str, oracle.Bars]:
    return oracle.feed(ROOT / "nightly_research" / FEED)


def result(example: Example, name: str = "report.json", session: str = SESSION) -> Any:
    return json.loads((example.folder / "out/reports" / session / name).read_text())


def profile(example: Example, ticker: str) -> Any:
    return json.loads((example.folder / f"out/metrics/{SESSION}/{ticker}.json").read_text())


def market_of(feed: dict[str, oracle.Bars]) -> dict[str, float]:
    """The mean return of the listed stocks by date."""
    by_date: dict[str, list[float]] = {}
    for bars in feed.values():
        for day, value in oracle.returns(bars).items():
            by_date.setdefault(day, []).append(value)
    return {day: fmean(values) for day, values in sorted(by_date.items())}


# ── what it says ─────────────────────────────────────────────────────────────────────────────────


def test_the_report_is_the_expected_one(done: Example) -> None:
    expected = (ROOT / "nightly_research/expected/report.md").read_text()
    assert (done.folder / f"out/reports/{SESSION}/report.md").read_text() == expected
    rows = re.findall(
        r"^\| \d \|.*(?= \| \|$)", (ROOT / "nightly_research/README.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 4
    assert all(row in expected for row in rows), "the README tells other numbers"
    page = (done.folder / f"out/reports/{SESSION}/report.html").read_text()
    assert page.count("<table>") == expected.count("## ")
    assert "http" not in page


def test_the_same_run_again_gives_the_same_bytes(done: Example, example: Make) -> None:
    again = example("nightly_research")
    research(again)
    for name in ("report.json", "report.md", "report.html"):
        path = Path("out/reports") / SESSION / name
        assert (again.folder / path).read_bytes() == (done.folder / path).read_bytes()
    told = again.run("run", "nightly_research", "--mode", "full", "--date", SESSION)
    assert "nothing to do" in told.err


def test_the_splits_are_those_that_there_were(done: Example) -> None:
    """Public record: Apple 2 for 1 in June 2000 and February 2005, Microsoft 2 for 1 in February 2003."""
    quality = json.loads((done.folder / f"out/quality/{SESSION}.json").read_text())
    assert [(one["Ticker"], one["Date"], one["Ratio"]) for one in quality["findings"]["splits"]] == [
        ("AAPL", "2000-06-21", 2.0),
        ("AAPL", "2005-02-28", 2.0),
        ("MSFT", "2003-02-18", 2.0),
    ]
    assert [one["Date"] for one in quality["findings"]["jumps"]] == ["2000-09-29"]
    assert sorted(quality["findings"]) == ["jumps", "splits"]


# ── its numbers, once more ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ticker", ["AAPL", "FB", "MSFT"])
def test_indicators(done: Example, feed: dict[str, oracle.Bars], ticker: str) -> None:
    columns = oracle.adjusted(feed[ticker])
    closes, last = columns["Close"], len(columns["Close"]) - 1
    told = profile(done, ticker)["technical"]
    macd = [a - b for a, b in zip(oracle.ema(closes, 12), oracle.ema(closes, 26), strict=True)]
    assert told["Close"] == pytest.approx(feed[ticker][SESSION]["Close"])
    assert told["SMA_50"] == pytest.approx(oracle.mean_of(closes, last, 50))
    assert told["MACD"] == pytest.approx(macd[-1])
    assert told["MACD_Signal"] == pytest.approx(oracle.ema(macd[25:], 9)[-1])
    assert told["RSI"] == pytest.approx(oracle.rsi(closes))
    assert told["ATR"] == pytest.approx(oracle.atr(columns))
    bands = (told["Band_Low"], told["Band_Mid"], told["Band_High"])
    assert bands == pytest.approx(oracle.band(closes, last))
    if ticker == "FB":
        assert told["SMA_200"] is None
        assert told["Momentum"] is None
    else:
        assert told["SMA_200"] == pytest.approx(oracle.mean_of(closes, last, 200))
        assert told["Momentum"] == pytest.approx(closes[last - 21] / closes[last - 252] - 1)


def test_indicators_keep_to_their_bounds(done: Example) -> None:
    for path in (done.folder / f"out/metrics/{SESSION}").glob("*.parquet"):
        table = pl.read_parquet(path)
        assert table["RSI"].drop_nulls().is_between(0, 100).all()
        assert (table["ATR"].drop_nulls() > 0).all()
        assert (table["Band_Low"] <= table["Band_High"]).all()
        assert table["RSI"].null_count() == 14
        assert table["ATR"].null_count() == 14
        assert table["SMA_20"].null_count() == 19


@pytest.mark.parametrize("ticker", ["AAPL", "FB", "GOOG"])
def test_statistics(done: Example, feed: dict[str, oracle.Bars], ticker: str) -> None:
    market = market_of(feed)
    own = oracle.returns(feed[ticker])
    days = [day for day in list(market)[-252:] if day in own]
    values = [own[day] for day in days]
    told = profile(done, ticker)["statistics"]
    assert told["returns"] == len(values)
    assert told["volatility"] == pytest.approx(stdev(values) * 252**0.5)
    assert told["sharpe"] == pytest.approx(oracle.sharpe(values))
    losses = fmean([min(value, 0) ** 2 for value in values]) ** 0.5
    assert told["sortino"] == pytest.approx(fmean(values) / losses * 252**0.5)
    assert told["drawdown"] == pytest.approx(oracle.drawdown(values))
    assert told["beta"] == pytest.approx(oracle.beta(values, [market[day] for day in days]))
    worst = sorted(values)
    for level, count in (("95%", len(values) // 20), ("99%", len(values) // 100)):
        assert told[f"value at risk {level}"] == pytest.approx(-worst[count - 1])
        assert told[f"shortfall {level}"] == pytest.approx(-fmean(worst[:count]))
        assert told[f"shortfall {level}"] >= told[f"value at risk {level}"] > 0


def test_correlations_are_those_of_pairs(done: Example) -> None:
    told = {ticker: profile(done, ticker)["statistics"]["correlations"] for ticker in BOOK}
    for one in BOOK:
        assert set(told[one]) == {*BOOK, "Market"} - {one}
        for other in set(BOOK) - {one}:
            assert told[one][other] == pytest.approx(told[other][one])
            assert -1 <= told[one][other] <= 1


def test_scenarios_of_history(done: Example, feed: dict[str, oracle.Bars]) -> None:
    """Lehman: each stock from the close of 12 September to that of 20 November 2008; Facebook by its beta."""
    found = pl.read_parquet(done.folder / f"out/scenarios/{SESSION}.parquet")
    lehman = {row["Ticker"]: row for row in found.filter(pl.col("Scenario") == "Lehman").to_dicts()}
    for ticker in ("AAPL", "GOOG", "IBM", "MSFT"):
        closes = feed[ticker]
        shock = closes["2008-11-20"]["Adj Close"] / closes["2008-09-12"]["Adj Close"] - 1
        assert lehman[ticker]["Shock"] == pytest.approx(shock)
        assert lehman[ticker]["PnL"] == pytest.approx(shock * BOOK[ticker] * closes[SESSION]["Close"])
        assert not lehman[ticker]["Proxy"]
    market, own = market_of(feed), oracle.returns(feed["FB"])
    days = [day for day in list(market)[-252:] if day in own]
    beta = oracle.beta([own[day] for day in days], [market[day] for day in days])
    money = 1.0
    for day, move in market.items():
        money *= 1 + beta * move if "2008-09-12" < day <= "2008-11-20" else 1
    assert lehman["FB"]["Shock"] == pytest.approx(money - 1)
    assert lehman["FB"]["Proxy"]


def test_the_worst_week_is_the_worst_of_all(done: Example, feed: dict[str, oracle.Bars]) -> None:
    found = pl.read_parquet(done.folder / f"out/scenarios/{SESSION}.parquet")
    week = found.filter(pl.col("Scenario") == "worst 5 sessions")
    market = market_of(feed)
    days, moves = list(market), {ticker: oracle.returns(bars) for ticker, bars in feed.items()}
    betas = {}
    for ticker, own in moves.items():
        known = [day for day in days[-252:] if day in own]
        betas[ticker] = oracle.beta([own[day] for day in known], [market[day] for day in known])

    def pnl(window: list[str]) -> float:
        total = 0.0
        for ticker, shares in BOOK.items():
            money = 1.0
            for day in window:
                money *= 1 + moves[ticker].get(day, betas[ticker] * market[day])
            total += shares * feed[ticker][SESSION]["Close"] * (money - 1)
        return total

    losses = {days[at + 4]: pnl(days[at : at + 5]) for at in range(len(days) - 4)}
    last = min(losses, key=losses.__getitem__)
    assert str(week["To"][0]) == last
    assert days[days.index(last) - 5] == str(week["From"][0])


def test_stress_follows_beta_and_sums_up(done: Example) -> None:
    found = pl.read_parquet(done.folder / f"out/scenarios/{SESSION}.parquet")
    betas = {ticker: profile(done, ticker)["statistics"]["beta"] for ticker in BOOK}
    ten = {
        row["Ticker"]: row["Shock"] for row in found.filter(pl.col("Scenario") == "market -10%").to_dicts()
    }
    assert ten == pytest.approx({ticker: -0.1 * value for ticker, value in betas.items()})
    own = found.filter(pl.col("Scenario") == "internet halves")
    shocks = dict(own.select("Ticker", "Shock").iter_rows())
    assert shocks["FB"] == shocks["GOOG"] == -0.5
    assert shocks["IBM"] == pytest.approx(-0.05 * betas["IBM"])
    totals = {one["Scenario"]: one["PnL"] for one in result(done)["scenarios"]}
    assert totals["internet halves"] == pytest.approx(own["PnL"].sum())
    assert totals["market -20%"] == pytest.approx(2 * totals["market -10%"])
    assert totals["market +10%"] == pytest.approx(-totals["market -10%"])


# ── the backtest, with an account of its own ─────────────────────────────────────────────────────

Wanted = dict[str, float]


def rules(feed: dict[str, oracle.Bars]) -> Iterator[tuple[str, dict[str, Wanted]]]:
    """By strategy: what is held on each date, decided at the close before it."""
    days = list(feed["AAPL"])
    closes = {
        ticker: [bars[day]["Adj Close"] if day in bars else 0.0 for day in days]
        for ticker, bars in feed.items()
    }
    born = {ticker: days.index(next(iter(bars))) for ticker, bars in feed.items()}
    old = {ticker: at + 252 for ticker, at in born.items()}
    start = min(old.values())
    crossed: dict[str, Wanted] = {}
    strong: dict[str, Wanted] = {}
    cheap: dict[str, Wanted] = {}
    bought = dict.fromkeys(feed, 0.0)
    chosen: dict[str, float] = {}
    for at in range(21, len(days) - 1):
        day, listed = days[at + 1], [ticker for ticker in feed if at >= old[ticker]]
        for ticker, prices in closes.items():
            if at - 19 < max(born[ticker], old[ticker] - 252) or at < old[ticker]:
                continue
            low, mid, _ = oracle.band(prices, at)
            bought[ticker] = 1.0 if prices[at] < low else 0.0 if prices[at] >= mid else bought[ticker]
        if at < start:
            continue
        part = 1 / len(listed)
        crossed[day] = {
            ticker: part
            for ticker in listed
            if oracle.mean_of(closes[ticker], at, 50) > oracle.mean_of(closes[ticker], at, 200)
        }
        cheap[day] = {ticker: bought[ticker] * part for ticker in listed}
        if days[at][:7] != days[at - 1][:7]:
            rose = {ticker: closes[ticker][at - 21] / closes[ticker][at - 252] - 1 for ticker in listed}
            best = sorted(rose, key=lambda ticker: -rose[ticker])[:2]
            chosen = {ticker: 0.5 for ticker in best if rose[ticker] > 0}
        strong[day] = chosen
    yield "sma_cross", crossed
    yield "momentum", strong
    yield "mean_reversion", cheap


def test_the_backtest_is_what_an_account_would_have_earned(
    done: Example, feed: dict[str, oracle.Bars]
) -> None:
    moves = {ticker: oracle.returns(bars) for ticker, bars in feed.items()}
    told = {one["strategy"]: one for one in result(done)["ranking"]}
    for name, wanted in rules(feed):
        account = oracle.Account(cost=0.0005)
        curve = pl.read_parquet(done.folder / f"out/assessment/{SESSION}/{name}.parquet")
        assert [str(day) for day in curve["Date"]] == list(wanted)
        earned = [
            account.day(parts, {ticker: own.get(day, 0.0) for ticker, own in moves.items()})
            for day, parts in wanted.items()
        ]
        assert curve["Return"].to_list() == pytest.approx(earned, abs=1e-12)
        assert told[name]["total"] == pytest.approx(account.money - 1)
        assert told[name]["costs"] == pytest.approx(account.paid)
        assert told[name]["sharpe"] == pytest.approx(oracle.sharpe(earned))
        assert told[name]["drawdown"] == pytest.approx(oracle.drawdown(earned))


def test_who_buys_and_holds_has_what_the_prices_have_become(
    done: Example, feed: dict[str, oracle.Bars]
) -> None:
    told = {one["strategy"]: one for one in result(done)["ranking"]}
    curve = pl.read_parquet(done.folder / f"out/assessment/{SESSION}/buy_and_hold.parquet")
    days = list(feed["AAPL"])
    bought = days[days.index(str(curve["Date"][0])) - 1]
    grown = [
        bars[SESSION]["Adj Close"] / bars[bought]["Adj Close"] for bars in feed.values() if bought in bars
    ]
    assert len(grown) == 3
    first = float(curve["Return"][0])
    assert 1 + told["buy_and_hold"]["total"] == pytest.approx(
        fmean(grown) * (1 + first) / (1 + first + 0.0005)
    )
    assert curve["Turnover"].sum() == pytest.approx(1.0), "bought once, and never a trade again"


def test_the_ranking_is_by_sharpe_ratio(done: Example) -> None:
    ranked = result(done)["ranking"]
    assert [one["rank"] for one in ranked] == [1, 2, 3, 4]
    assert sorted(ranked, key=lambda one: -one["sharpe"]) == ranked


def test_costs_cost(done: Example, example: Make) -> None:
    free = example("nightly_research")
    free.edit("desk.toml", "cost_bps = 5", "cost_bps = 0")
    research(free)
    dear = {one["strategy"]: one for one in result(done)["ranking"]}
    for one in result(free)["ranking"]:
        assert one["costs"] == 0
        assert one["total"] > dear[one["strategy"]]["total"]
        assert one["turnover"] == pytest.approx(dear[one["strategy"]]["turnover"])


def test_nothing_looks_ahead(example: Make) -> None:
    """What comes after the session can be anything: the session's report is the same."""
    plain, poisoned = example("nightly_research"), example("nightly_research")
    lines = gzip.decompress((poisoned.folder / FEED).read_bytes()).decode().splitlines()
    for at, line in enumerate(lines[1:], 1):
        ticker, day, *prices = line.split(",")
        if day > "2009-06-30":
            prices = [str(float(price) * 3) for price in prices[:4]] + [prices[4], str(float(prices[5]) * 7)]
            lines[at] = ",".join([ticker, day, *prices])
    (poisoned.folder / FEED).write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
    for one in (plain, poisoned):
        one.edit("desk.toml", "FB = 4_000\n", "")
        one.edit("desk.toml", "FB = -0.50, ", "")
        one.edit("nightly_research.yaml", "AAPL, FB, GOOG", "AAPL, GOOG")
        research(one, "2009-06-30")
    assert result(plain, session="2009-06-30") == result(poisoned, session="2009-06-30")


# ── modes, and attempts that are broken off ──────────────────────────────────────────────────────


def test_night_after_night_comes_to_the_same_store_as_all_at_once(done: Example, example: Make) -> None:
    desk = example("nightly_research")
    desk.succeeds("run", "nightly_research", "--mode", "backfill", "--date", "2013-02-22")
    nights = desk.succeeds("backfill", "nightly_research", f"2013-02-25:{SESSION}", "--mode", "daily")
    assert "5 sessions done" in nights.out
    shown = json.loads(desk.run("runs", "show", "nightly_research", "-o", "json").out)
    assert [(one["step"], one["result"]["rows"], one["result"]["changed"]) for one in shown["attempts"]] == [
        ("data", 5, 5)
    ]
    for path in (done.folder / "out/prices").glob("*.parquet"):
        assert pl.read_parquet(desk.folder / "out/prices" / path.name).equals(pl.read_parquet(path))


def test_what_a_mode_runs(example: Make) -> None:
    desk = example("nightly_research")
    for mode, steps in {"daily": 1, "weekly": 8, "full": 8, "backfill": 1}.items():
        told = json.loads(
            desk.run("plan", "nightly_research", "--mode", mode, "--date", SESSION, "-o", "json").out
        )
        assert told["tasks"] == steps, mode
    assert "did you mean `daily`?" in desk.run("plan", "nightly_research", "--mode", "dayly").err


def test_an_assessment_that_is_broken_off_goes_on_where_it_was(done: Example, example: Make) -> None:
    desk = example("nightly_research")
    shutil.copytree(done.folder / "out", desk.folder / "out")
    shutil.rmtree(desk.folder / "out/reports")
    desk.edit("nightly_research.yaml", "delay: 1s", "delay: 10ms")
    desk.edit(
        "research/strategies.py",
        "    chosen = ((pl",
        "    from pathlib import Path\n\n"
        "    if not Path('broken').exists():\n        Path('broken').touch()\n        raise MemoryError\n"
        "    chosen = ((pl",
    )
    desk.succeeds("run", "nightly_research", "--steps", "assessment", "--mode", "full", "--date", SESSION)
    log = desk.run("logs", "nightly_research").out
    assert [line for line in log.splitlines() if "by an earlier attempt" in line] == [
        "buy_and_hold: done by an earlier attempt",
        "sma_cross: done by an earlier attempt",
    ]
    assert result(desk) == result(done)


# ── what is done when a stage fails ──────────────────────────────────────────────────────────────


def quick(desk: Example) -> Example:
    """Retries that do not take their time."""
    desk.edit("nightly_research.yaml", "delay: 1s", "delay: 10ms")
    return desk


def attempts(desk: Example, step: str) -> int:
    shown = json.loads(desk.run("runs", "show", "nightly_research", "-o", "json").out)
    return max(int(one["attempt"]) for one in shown["attempts"] if one["step"] == step)


def test_without_tonights_prices_it_goes_on_with_those_of_last_night(example: Make) -> None:
    desk = quick(example("nightly_research"))
    research(desk, "2013-02-28")
    (desk.folder / FEED).write_bytes((desk.folder / FEED).read_bytes()[:100_000])
    outcome = desk.run("run", "nightly_research", "--mode", "full", "--date", SESSION)
    assert outcome.code == 2, "the failure is told all the same"
    assert "data has failed; its results of nightly_research/2 stand for it" in outcome.out
    assert attempts(desk, "data") == 4
    told = result(desk)
    assert (told["session"], told["prices of"]) == (SESSION, "2013-02-28")
    text = (desk.folder / f"out/reports/{SESSION}/report.md").read_text()
    assert "**The prices are those of 2013-02-28.**" in text
    assert told["ranking"] == result(desk, session="2013-02-28")["ranking"]


def test_without_new_scenarios_it_goes_on_with_the_last_ones(example: Make) -> None:
    desk = quick(example("nightly_research"))
    research(desk, "2013-02-28")
    desk.edit("desk.toml", "MSFT = 6_000\n", "MSFT = 6_000\nORCL = 100\n")
    outcome = desk.run("run", "nightly_research", "--mode", "full", "--date", SESSION)
    assert "scenarios has failed; its results of nightly_research/2 stand for it" in outcome.out
    assert (
        "the book holds ORCL, and there is no price of that"
        in desk.run("logs", "nightly_research", "--failed").out
    )
    assert attempts(desk, "scenarios") == 3
    told = result(desk)
    assert (told["prices of"], told["scenarios of"]) == (SESSION, "2013-02-28")
    assert told["without metrics"] == ["ORCL"]


def test_the_first_night_of_all_has_nothing_to_fall_back_on(example: Make) -> None:
    desk = quick(example("nightly_research"))
    (desk.folder / FEED).write_bytes(b"")
    outcome = desk.run("run", "nightly_research", "--mode", "full", "--date", SESSION)
    assert "1 failed, 7 skipped" in outcome.out
    assert not (desk.folder / "out").exists()


def told(desk: Example, channel: str) -> list[tuple[str | None, str, bool]]:
    """Step (None: the whole run), topic, and whether nobody had seen to it."""
    lines = map(json.loads, desk.lines(f".openbell/{channel}.jsonl"))
    return [(line["step"], line["topic"], line["escalation"]) for line in lines]


def test_who_is_told_when_stages_fail_and_who_is_paged(example: Make) -> None:
    desk = quick(example("nightly_research"))
    desk.edit("nightly_research.yaml", "after: 30m", "after: 1s")
    research(desk, "2013-02-28")
    feed = (desk.folder / FEED).read_bytes()
    desk.succeeds("start")
    try:
        (desk.folder / FEED).write_bytes(feed[:100_000])
        desk.edit("metrics.py", "def main() -> None:\n", "def main() -> None:\n    raise MemoryError\n")
        assert desk.run("run", "nightly_research", "--mode", "full", "--date", SESSION).code == 2
        desk.until(lambda: bool(desk.lines("out/pages.txt")), 60)
        desk.until(lambda: len(told(desk, "slack")) == len(told(desk, "email")) == 3, 60)
    finally:
        desk.succeeds("stop")
    [page] = desk.lines("out/pages.txt")
    assert page.endswith("high: nightly_research/3/data: failure")
    everyone = [("data", "failure", False), ("metrics", "failure", False), (None, "failure", False)]
    assert sorted(told(desk, "email"), key=everyone.index) == everyone
    assert sorted(told(desk, "slack"), key=everyone.index) == everyone
    assert told(desk, "sms") == []
    listed = json.loads(desk.run("alerts", "ls", "-o", "json").out)
    numbers = [str(alert["number"]) for alert in listed]
    desk.succeeds("alerts", "ack", *numbers, "--reason", "the vendor knows")
    assert "no open alerts" in desk.run("alerts", "ls").out
    desk.succeeds("alerts", "test")
    assert " alert -, low: " in desk.lines("out/pages.txt")[1]


@pytest.mark.parametrize(
    ("program", "step", "channels"),
    [("scenarios.py", "scenarios", {"email"}), ("assess.py", "assessment", {"email", "slack", "sms"})],
)
def test_each_stage_has_its_own_channels(example: Make, program: str, step: str, channels: set[str]) -> None:
    desk = quick(example("nightly_research"))
    (desk.folder / program).write_text("raise SystemExit(1)\n")
    assert research(desk, code=2).code == 2
    assert {
        name for name in ("email", "slack", "sms") if (step, "failure", False) in told(desk, name)
    } == channels


def test_a_night_that_takes_too_long_is_worth_a_word(example: Make) -> None:
    desk = quick(example("nightly_research"))
    desk.edit("nightly_research.yaml", "deadline: {after: 2h", "deadline: {after: 300ms")
    desk.edit(
        "load.py", "def main() -> None:\n", "def main() -> None:\n    import time\n\n    time.sleep(2)\n"
    )
    desk.succeeds("run", "nightly_research", "--mode", "backfill", "--date", SESSION)
    assert told(desk, "slack") == [(None, "overdue", False)]
    assert told(desk, "email") == []


# ── bad inputs ───────────────────────────────────────────────────────────────────────────────────


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("cut", "the file is cut off or damaged"),
        ("row", "line 12155: the row of MSFT on 2013-02-28 has no value in some column"),
        ("zero", "line 2: the row of AAPL on 2000-03-01 has a price that is not above zero"),
        ("twice", "line 2: the row of AAPL on 2000-03-01 occurs twice (and 1 more)"),
        ("late", "has no prices of 2013-03-01: it reaches from 2000-03-01 to 2013-02-28"),
    ],
)
def test_a_feed_that_cannot_be_used_fails_and_nothing_is_lost(
    done: Example, example: Make, what: str, told: str
) -> None:
    desk = example("nightly_research")
    shutil.copytree(done.folder / "out", desk.folder / "out")
    before = bytes_below(desk.folder / "out")
    whole = (desk.folder / FEED).read_bytes()
    lines = gzip.decompress(whole).decode().splitlines(keepends=True)
    broken = {
        "cut": whole[: len(whole) // 2],
        "row": gzip.compress("".join([*lines[:-1], "MSFT,2013-02-28,27.8\n"]).encode()),
        "zero": gzip.compress("".join([lines[0], lines[1].replace("118.56", "0"), *lines[2:]]).encode()),
        "twice": gzip.compress("".join([lines[0], lines[1], *lines[1:]]).encode()),
        "late": gzip.compress("".join(line for line in lines if "2013-03-01" not in line).encode()),
    }
    (desk.folder / FEED).write_bytes(broken[what])
    desk.edit("nightly_research.yaml", "delay: 1s", "delay: 10ms")
    outcome = desk.run("run", "nightly_research", "--mode", "full", "--date", SESSION)
    assert outcome.code == 2
    assert told in desk.run("logs", "nightly_research", "--failed").out
    assert bytes_below(desk.folder / "out") == before
    if what != "cut":
        return
    (desk.folder / FEED).write_bytes(whole)
    desk.succeeds("run", "nightly_research", "--mode", "full", "--date", SESSION)
    assert result(desk)["session"] == SESSION


def test_an_unknown_symbol_fails_by_name_and_the_others_are_assessed(example: Make) -> None:
    desk = example("nightly_research")
    desk.edit("nightly_research.yaml", "MSFT]", "MSTF]")
    desk.edit("nightly_research.yaml", "delay: 1s", "delay: 10ms")
    outcome = research(desk, code=2)
    assert "7 succeeded, 1 failed" in outcome.out
    assert "1 of 5 tasks of metrics have failed; the others are enough" in outcome.out
    failed = desk.run("logs", "nightly_research", "--failed").out
    assert f"there are no prices of MSTF up to {SESSION}, only of AAPL, FB, GOOG, IBM, MSFT" in failed
    assert result(desk)["without metrics"] == ["MSFT"]
    assert (
        "Without metrics, and so left out of the strategies: MSFT."
        in (desk.folder / f"out/reports/{SESSION}/report.md").read_text()
    )
