"""Follow the sun: three markets' days and the book of all, their numbers once more, bad feeds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from openbell.market import market
from tests.examples.conftest import ROOT, Example

pytestmark = pytest.mark.slow
Make = Callable[[str], Example]
MARKETS = {"asia_eq": "ASIA_EQ", "eu_eq": "EU_EQ", "us_eq": "US_EQ"}
SESSION = "2025-12-02"
SHORT = ("synthesize.py", "--from", "2025-05-01", "--to")
JOBS = {
    "ingest_prices", "ingest_factors", "compute_returns", "compute_volatility", "build_numeric_windows",
    "update_profiles", "run_signals", "run_universes", "run_books",
}  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The example after the commands of its README; its files are only read."""
    example = Example("follow_the_sun", tmp_path_factory.mktemp("sun"))
    told = example.follow_the_readme()
    lines = re.findall(
        r"^    (\w+_EQ +book of .*)", (ROOT / "follow_the_sun/README.md").read_text(), re.MULTILINE
    )
    assert len(lines) == 3
    assert all(line in told for line in lines), "the README tells other numbers"
    yield example
    example.close()


def table(example: Example, place: str, name: str, session: str = SESSION) -> pl.DataFrame:
    return pl.read_parquet(example.folder / f"out/{place}/{name}/{session}.parquet")


def closes(example: Example, place: str) -> dict[str, dict[date, float]]:
    """By symbol and date, out of the feed, up to the session."""
    found: dict[str, dict[date, float]] = {}
    rows = pl.read_parquet(example.folder / f"feed/{place}/prices.parquet").sort("Symbol", "Date")
    for symbol, day, close in rows.select("Symbol", "Date", "Close").iter_rows():
        if str(day) <= SESSION:
            found.setdefault(symbol, {})[day] = close
    return found


def moves(prices: dict[date, float], count: int) -> list[float]:
    """The last so many returns, oldest first."""
    values = list(prices.values())
    return [b / a - 1 for a, b in pairwise(values)][-count:]


# ── what it does ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pipeline", MARKETS)
def test_nine_jobs_and_their_books_are_the_expected_ones(done: Example, pipeline: str) -> None:
    shown = json.loads(done.run("runs", "show", pipeline, "-o", "json").out)
    assert {one["step"] for one in shown["attempts"]} == JOBS
    expected = json.loads((ROOT / "follow_the_sun/expected/books.json").read_text())
    book = dict(table(done, MARKETS[pipeline], "book").iter_rows())
    assert book == pytest.approx(expected[MARKETS[pipeline]], abs=1e-6)


def test_the_global_book_is_the_expected_one(done: Example) -> None:
    expected = json.loads((ROOT / "follow_the_sun/expected/books.json").read_text())
    book = {symbol: weight for _, symbol, weight in table(done, "GLOBAL", "book").iter_rows()}
    assert book == pytest.approx(expected["GLOBAL"], abs=1e-6)


def test_a_feed_depends_on_its_seed_only(done: Example, example: Make) -> None:
    """A shorter feed is the beginning of a longer one; another seed is another feed."""
    short = example("follow_the_sun")
    short.python("synthesize.py", "--to", "2025-06-30")
    for place in MARKETS.values():
        path = f"feed/{place}/prices.parquet"
        whole, part = (pl.read_parquet(one.folder / path) for one in (done, short))
        assert part.equals(whole.filter(pl.col("Date") <= pl.date(2025, 6, 30)))
        sessions = [one.date for one in market(place).sessions(date(2024, 6, 3), date(2026, 12, 31))]
        assert whole["Date"].unique().sort().to_list() == sessions
    short.python("synthesize.py", "--to", "2025-06-30", "--seed", "8")
    assert not part.equals(pl.read_parquet(short.folder / path))


def test_the_same_day_again_gives_the_same_bytes(done: Example) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (done.folder / "out/US_EQ").rglob(f"{SESSION}.parquet")}

    before = everything()
    assert len(before) == 9
    assert "nothing to do" in done.run("run", "us_eq", "--date", SESSION).err
    done.succeeds("run", "us_eq", "--date", SESSION, "--new")
    assert everything() == before


# ── its numbers, once more ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", MARKETS.values())
def test_returns_volatilities_and_windows(done: Example, place: str) -> None:
    prices = closes(done, place)
    vols = {row["Symbol"]: row for row in table(done, place, "volatility").to_dicts()}
    windows = dict(table(done, place, "windows").iter_rows())
    told = table(done, place, "returns")
    bars = pl.read_parquet(done.folder / f"feed/{place}/prices.parquet").filter(
        pl.col("Date") <= pl.lit(SESSION).str.to_date()
    )
    for symbol, own in prices.items():
        values = moves(own, 120)
        assert told.filter(pl.col("Symbol") == symbol).sort("Date")["Return"].to_list() == pytest.approx(
            values
        )
        weights = [0.94**age for age in range(len(values))][::-1]
        variance = sum(w * v * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        assert vols[symbol]["Ewma"] == pytest.approx(math.sqrt(variance * 252))
        last = bars.filter(pl.col("Symbol") == symbol).sort("Date").tail(20)
        spans = [math.log(high / low) ** 2 for high, low in last.select("High", "Low").iter_rows()]
        assert vols[symbol]["Parkinson"] == pytest.approx(math.sqrt(fmean(spans) / (4 * math.log(2)) * 252))
        assert windows[symbol] == pytest.approx([value / math.sqrt(variance) for value in values[-60:]])


@pytest.mark.parametrize("place", MARKETS.values())
def test_profiles_find_the_betas_that_the_feed_was_made_with(done: Example, place: str) -> None:
    true = json.loads((done.folder / f"feed/{place}/betas.json").read_text())
    factors = (
        pl.read_parquet(done.folder / f"feed/{place}/factors.parquet")
        .filter(pl.col("Date") <= pl.lit(SESSION).str.to_date())
        .tail(120)
    )
    profiles = {row["Symbol"]: row for row in table(done, place, "profiles").to_dicts()}
    assert set(profiles) == set(true)
    x = np.column_stack([np.ones(120), factors.drop("Date").to_numpy()])
    spread = np.sqrt(np.diag(np.linalg.inv(x.T @ x)))  # of an estimate, in units of the residual
    far = 0
    for symbol, own in closes(done, place).items():
        y = np.array(moves(own, 120))
        loads = np.linalg.solve(x.T @ x, x.T @ y)
        told = profiles[symbol]
        rest = y - x @ loads
        daily = math.sqrt(rest @ rest / 116)
        assert told["Idiosyncratic"] == pytest.approx(daily * math.sqrt(252))
        assert told["Fit"] == pytest.approx(1 - rest @ rest / ((y - y.mean()) ** 2).sum())
        for column, name in enumerate(("Market", "Size", "Value"), 1):
            assert told[f"Beta_{name}"] == pytest.approx(loads[column])
            far += abs(told[f"Beta_{name}"] - true[symbol][name]) > 3 * daily * spread[column]
    assert far <= 2, "of 72 estimates hardly one is three standard errors away"


@pytest.mark.parametrize("place", MARKETS.values())
def test_signals_universe_and_book(done: Example, place: str) -> None:
    windows = dict(table(done, place, "windows").iter_rows())
    profiles = {row["Symbol"]: row for row in table(done, place, "profiles").to_dicts()}
    raw = {
        "Momentum": {symbol: sum(window[:55]) for symbol, window in windows.items()},
        "Reversal": {symbol: -sum(window[55:]) for symbol, window in windows.items()},
        "Calm": {symbol: -profiles[symbol]["Idiosyncratic"] for symbol in windows},
    }
    signals = {row["Symbol"]: row for row in table(done, place, "signals").to_dicts()}
    for name, values in raw.items():
        mean, spread = fmean(values.values()), stdev(values.values())
        scores = {symbol: min(2.0, max(-2.0, (value - mean) / spread)) for symbol, value in values.items()}
        assert {symbol: row[name] for symbol, row in signals.items()} == pytest.approx(scores)
    universe = {row["Symbol"]: row for row in table(done, place, "universe").to_dicts()}
    for symbol, row in universe.items():
        little, wild = profiles[symbol]["Traded"] < 5e6, row["Ewma"] > 0.6
        assert row["Out"] == ("traded too little" if little else "too volatile" if wild else None)
        assert row["Signal"] == pytest.approx(fmean(signals[symbol][name] for name in raw))
    book = dict(table(done, place, "book").iter_rows())
    assert set(book) == {symbol for symbol, row in universe.items() if row["Out"] is None}
    assert sum(map(abs, book.values())) == pytest.approx(1)
    assert sum(book.values()) == pytest.approx(0, abs=1e-12)
    assert sum(weight * profiles[symbol]["Beta_Market"] for symbol, weight in book.items()) == pytest.approx(
        0, abs=1e-12
    )
    wish = {symbol: universe[symbol]["Signal"] / universe[symbol]["Ewma"] for symbol in book}
    assert sum(wish[symbol] * weight for symbol, weight in book.items()) > 0, "it goes along with its signals"


def test_each_market_gives_the_global_book_the_same_risk(done: Example) -> None:
    world = table(done, "GLOBAL", "book")
    for place in MARKETS.values():
        weights = {symbol: weight for where, symbol, weight in world.iter_rows() if where == place}
        series = {symbol: moves(prices, 120) for symbol, prices in closes(done, place).items()}
        daily = [sum(weight * series[symbol][n] for symbol, weight in weights.items()) for n in range(120)]
        assert stdev(daily) * math.sqrt(252) == pytest.approx(0.08 / math.sqrt(3))


def test_a_market_on_holiday_gives_its_last_book(done: Example) -> None:
    """Tokyo is closed on 24 November 2025 (Labor Thanksgiving Day, observed); London and New York trade."""
    for pipeline, days in {"asia_eq": "2025-11-21", "eu_eq": "2025-11-24", "us_eq": "2025-11-24"}.items():
        done.succeeds("run", pipeline, "--date", days)
    done.succeeds("run", "global_book", "--date", "2025-11-24")
    told = done.run("logs", "global_book").out
    assert "ASIA_EQ  book of 2025-11-21" in told
    assert "US_EQ    book of 2025-11-24" in told
    refused = done.run("run", "asia_eq", "--date", "2025-11-24")
    assert refused.code == 65
    assert "has no session on 2025-11-24" in refused.err


# ── a year, rehearsed ────────────────────────────────────────────────────────────────────────────

NEEDS = {
    "compute_returns": ["ingest_prices"],
    "compute_volatility": ["ingest_prices"],
    "build_numeric_windows": ["compute_returns", "compute_volatility"],
    "update_profiles": ["ingest_factors", "compute_returns"],
    "run_signals": ["build_numeric_windows", "update_profiles"],
    "run_universes": ["run_signals"],
    "run_books": ["run_universes"],
}
CLOSES = {
    "asia_eq": ("Asia/Tokyo", time(15, 30)),
    "eu_eq": ("Europe/London", time(16, 30)),
    "us_eq": ("America/New_York", time(16)),
}
EARLY = {
    "us_eq": dict.fromkeys(["2025-07-03", "2025-11-28", "2025-12-24"], time(13)),
    "eu_eq": dict.fromkeys(["2025-12-24", "2025-12-31"], time(12, 30)),
}
"""Half days of 2025 as the exchanges have published them, and what their clocks say at the close."""


def rehearsed(desk: Example, *words: str) -> Any:
    told = desk.run(
        "rehearse", "--from", "2025-01-01", "--to", "2025-12-31", "-o", "json", *words, timeout=180
    )
    assert told.code == (1 if words else 0), told.err
    return json.loads(told.out)


def check_times(runs: list[Any]) -> None:
    """Each run's jobs begin after the close of its own session, and in the order of their needs."""
    for run in runs:
        steps = {name: (step["starts"], step["ends"]) for name, step in run["steps"].items()}
        assert set(steps) == JOBS
        zone, usual = CLOSES[run["pipeline"]]
        session = date.fromisoformat(run["session"])
        close = datetime.combine(
            session, EARLY.get(run["pipeline"], {}).get(run["session"], usual), ZoneInfo(zone)
        )
        for name in ("ingest_prices", "ingest_factors"):
            assert timedelta() <= datetime.fromisoformat(steps[name][0]) - close < timedelta(days=4)
        for name, needs in NEEDS.items():
            assert all(steps[name][0] >= steps[one][1] for one in needs)


def test_a_year_of_all_markets_goes_as_it_should(example: Make) -> None:
    """243 sessions in Tokyo, 253 in London, 250 in New York; and a global book for each date that has one."""
    year = rehearsed(example("follow_the_sun"))
    assert year["problems"] == []
    runs: dict[str, list[Any]] = {}
    for run in year["runs"]:
        runs.setdefault(run["pipeline"], []).append(run)
        assert run["outcome"] == "succeeded"
    assert {name: len(found) for name, found in runs.items() if name != "global_book"} == {
        "asia_eq": 243, "eu_eq": 253, "us_eq": 250,
    }  # fmt: skip
    closed = {}
    for name in MARKETS:
        check_times(runs[name])
        closed[name] = {run["session"]: run["closes"] for run in runs[name]}
        assert len(closed[name]) == len(runs[name]), "each session once"
        for run in runs[name]:
            begins = datetime.fromisoformat(run["steps"]["ingest_prices"]["starts"])
            zone, usual = CLOSES[name]
            assert begins.astimezone(ZoneInfo(zone)).time() == EARLY.get(name, {}).get(run["session"], usual)
    dates = {session for found in closed.values() for session in found}
    assert sorted(run["session"] for run in runs["global_book"]) == sorted(dates)
    for run in runs["global_book"]:
        for found in closed.values():
            assert found.get(run["session"], "") <= run["opens"], "it comes after every market of its date"


def test_who_was_away_over_the_close_comes_back_and_no_session_is_lost(example: Make) -> None:
    """From Thursday afternoon until Monday noon nobody leads."""
    year = rehearsed(example("follow_the_sun"), "--outage", "2025-03-06T15:00/2025-03-10T11:00")
    assert not [
        one for one in year["problems"] if "missed" in one["what"] and "global_book" not in one["run"]
    ]
    for name, count in {"asia_eq": 243, "eu_eq": 253, "us_eq": 250}.items():
        runs = [run for run in year["runs"] if run["pipeline"] == name]
        assert len({run["session"] for run in runs}) == len(runs) == count
        assert {run["outcome"] for run in runs} == {"succeeded"}
        check_times(runs)
    late = {run["session"] for run in year["runs"] if run["closes"].startswith("2025-03-10T11")}
    assert {"2025-03-06", "2025-03-07", "2025-03-10"} <= late, (
        "each in a run of its own, bound to its session"
    )


# ── bad inputs ───────────────────────────────────────────────────────────────────────────────────


def spoil(what: str, path: Path) -> None:
    rows = pl.read_parquet(path)
    today = pl.col("Date") == pl.lit(SESSION).str.to_date()
    match what:
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case "late":
            rows.filter(~today).write_parquet(path)
        case "thin":
            rows.filter(~(today & (pl.col("Symbol") > "US20"))).write_parquet(path)
        case "twice":
            pl.concat([rows, rows.filter(today).head(1)]).write_parquet(path)
        case "zero":
            first = today & (pl.col("Symbol") == "US07")
            rows.with_columns(Low=pl.when(first).then(0.0).otherwise("Low")).write_parquet(path)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("cut", "feed/US_EQ/prices.parquet cannot be read"),
        ("late", "feed/US_EQ/prices.parquet has nothing of 2025-12-02"),
        ("thin", "feed of US_EQ: 20 symbols on 2025-12-02, 24 on the session before"),
        ("twice", "feed of US_EQ: 2 prices that occur twice, the first: {'Symbol': 'US01'"),
        ("zero", "feed of US_EQ: 1 prices with a price that is not above zero, the first: {'Symbol': 'US07'"),
    ],
)
def test_a_bad_feed_fails_its_job_and_nothing_is_lost(example: Make, what: str, told: str) -> None:
    desk = example("follow_the_sun")
    desk.python(*SHORT, "2025-12-05")
    desk.edit("us_eq.yaml", "delay: 1s", "delay: 10ms")
    feed = desk.folder / "feed/US_EQ/prices.parquet"
    whole = feed.read_bytes()
    spoil(what, feed)
    outcome = desk.run("run", "us_eq", "--date", SESSION)
    assert outcome.code == 2
    assert told in desk.run("logs", "us_eq", "--failed").out
    assert "1 succeeded, 1 failed, 7 skipped" in outcome.out, "the factors are in; nothing else has begun"
    assert not (desk.folder / "out/US_EQ/prices").exists()
    if what != "cut":
        return
    feed.write_bytes(whole)
    desk.succeeds("run", "us_eq", "--date", SESSION)
    assert len(list((desk.folder / "out/US_EQ").rglob(f"{SESSION}.parquet"))) == 9


def test_a_job_without_its_feed_says_what_makes_one(example: Make) -> None:
    desk = example("follow_the_sun")
    desk.edit("eu_eq.yaml", "delay: 1s", "delay: 10ms")
    assert desk.run("run", "eu_eq", "--date", SESSION).code == 2
    assert "`python synthesize.py` makes a synthetic feed" in desk.run("logs", "eu_eq", "--failed").out


def test_a_market_that_is_late_holds_the_global_book_by_name(done: Example) -> None:
    outcome = done.run("run", "global_book", "--date", "2025-12-03")
    assert outcome.code == 2
    told = done.run("logs", "global_book", "--failed").out
    assert "ASIA_EQ has no book of its session 2025-12-03; the newest is of 2025-12-02" in told


def shown(example: Example) -> Any:
    """The books of the session, as `expected/books.json` keeps them."""
    found = {place: dict(table(example, place, "book").iter_rows()) for place in MARKETS.values()}
    found["GLOBAL"] = {symbol: weight for _, symbol, weight in table(example, "GLOBAL", "book").iter_rows()}
    return {
        place: {symbol: round(weight, 6) for symbol, weight in book.items()} for place, book in found.items()
    }
