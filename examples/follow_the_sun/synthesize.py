"""Makes `feed/`: SYNTHETIC prices and factors of three markets, on the sessions of their real calendars.

Nothing in here is a price of anything. Each symbol follows three factors of its market with betas of its
own (`betas.json`, for tests); markets share a part of what moves the world. The same seed makes the same
feed, on any machine, and a longer feed begins as a shorter one does.

    python synthesize.py [--from 2024-06-03] [--to 2026-12-31] [--seed 7]
"""

import argparse
import json
import math
from datetime import date
from pathlib import Path
from random import Random

import polars as pl

import openbell as ob

SYMBOLS = 24  # a market
FACTORS = {"Market": 0.009, "Size": 0.004, "Value": 0.004}  # standard deviation a day
SHARED = 0.6  # of the market factor's variance
CURRENCY = {"US_EQ": 60.0, "EU_EQ": 40.0, "ASIA_EQ": 2_000.0}  # a typical price


def draw(seed: str) -> Random:
    """Random numbers that depend on these words and on nothing else."""
    return Random(seed)


def fat(random: Random) -> float:
    """A move with mean 0 and variance 1 and more extremes than a normal one: Student's t with 5 degrees."""
    chi = sum(random.gauss(0, 1) ** 2 for _ in range(5))
    return random.gauss(0, 1) / math.sqrt(chi / 5) * math.sqrt(3 / 5)


def factor_returns(seed: int, market: str, days: list[date]) -> pl.DataFrame:
    """Date and the return of each factor."""
    rows = []
    for day in days:
        world, own = draw(f"{seed}/world/{day}"), draw(f"{seed}/{market}/{day}")
        shared = math.sqrt(SHARED) * fat(world) + math.sqrt(1 - SHARED) * fat(own)
        moves = [
            0.0003 + FACTORS["Market"] * shared,
            *(FACTORS[name] * fat(own) for name in ("Size", "Value")),
        ]
        rows.append((day, *(round(move, 8) for move in moves)))
    return pl.DataFrame(rows, ["Date", *FACTORS], orient="row")


def prices(
    seed: int, market: str, symbol: str, factors: pl.DataFrame
) -> tuple[list[tuple[object, ...]], dict[str, float]]:
    """The rows of one symbol, and its true betas."""
    random = draw(f"{seed}/{symbol}")
    betas = {
        "Market": random.uniform(0.5, 1.5),
        "Size": random.uniform(-1, 1),
        "Value": random.uniform(-1, 1),
    }
    noise = random.uniform(0.006, 0.02)
    traded = 10 ** random.uniform(6.2, 8.5)
    close = CURRENCY[market] * 10 ** random.uniform(-0.4, 0.4)
    rows: list[tuple[object, ...]] = []
    for day, *moves in factors.iter_rows():
        today = draw(f"{seed}/{symbol}/{day}")
        before, gap = close, noise * 0.4 * fat(today)
        close *= (
            1
            + sum(beta * move for beta, move in zip(betas.values(), moves, strict=True))
            + noise * fat(today)
        )
        opened = before * (1 + gap)
        high = max(opened, close) * (1 + noise * 0.3 * abs(fat(today)))
        low = min(opened, close) * (1 - noise * 0.3 * abs(fat(today)))
        volume = round(traded / close * math.exp(0.3 * today.gauss(0, 1)))
        rows.append((symbol, day, round(opened, 3), round(high, 3), round(low, 3), round(close, 3), volume))
    return rows, betas


def synthesize(market: str, first: date, last: date, seed: int, folder: Path) -> None:
    """The feed of one market."""
    days = [session.date for session in ob.market(market).sessions(first, last)]
    factors = factor_returns(seed, market, days)
    found = {
        f"{market[:2]}{n:02}": prices(seed, market, f"{market[:2]}{n:02}", factors)
        for n in range(1, SYMBOLS + 1)
    }
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["Symbol", "Date", "Open", "High", "Low", "Close", "Volume"]
    rows = [row for made, _ in found.values() for row in made]
    pl.DataFrame(rows, columns, orient="row").write_parquet(folder / "prices.parquet")
    factors.write_parquet(folder / "factors.parquet")
    (folder / "betas.json").write_text(
        json.dumps({symbol: betas for symbol, (_, betas) in found.items()}, indent=1)
    )
    print(f"{folder}: {len(rows):,} synthetic prices of {len(found)} symbols, {days[0]} to {days[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2024, 6, 3))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2026, 12, 31))
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    for market in CURRENCY:
        synthesize(market, chosen.first, chosen.last, chosen.seed, Path("feed") / market)


if __name__ == "__main__":
    main()
