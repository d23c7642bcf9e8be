"""Daily prices and what follows from them once more: plain loops over the vendor's file, without polars."""

from __future__ import annotations

import csv
import gzip
import math
from itertools import pairwise
from pathlib import Path
from statistics import fmean, pstdev, stdev

Bars = dict[str, dict[str, float]]
"""By date: open, high, low, close as traded, adjusted close."""


def feed(path: Path) -> dict[str, Bars]:
    """By ticker."""
    found: dict[str, Bars] = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["Ticker"], {})[row["Date"]] = {
                name: float(row[name]) for name in ("Open", "High", "Low", "Close", "Adj Close")
            }
    return {ticker: dict(sorted(bars.items())) for ticker, bars in found.items()}


def adjusted(bars: Bars) -> dict[str, list[float]]:
    """Columns of adjusted prices, oldest first, in terms of the last close."""
    last = next(reversed(bars.values()))
    scale = last["Close"] / last["Adj Close"]
    columns: dict[str, list[float]] = {name: [] for name in ("Open", "High", "Low", "Close")}
    for bar in bars.values():
        for name, column in columns.items():
            column.append(bar[name] * bar["Adj Close"] / bar["Close"] * scale)
    return columns


def returns(bars: Bars) -> dict[str, float]:
    """Adjusted return by date."""
    days = list(bars)
    return {day: bars[day]["Adj Close"] / bars[before]["Adj Close"] - 1 for before, day in pairwise(days)}


def mean_of(values: list[float], at: int, n: int) -> float:
    return fmean(values[at - n + 1 : at + 1])


def band(values: list[float], at: int) -> tuple[float, float, float]:
    mid, spread = mean_of(values, at, 20), 2 * pstdev(values[at - 19 : at + 1])
    return mid - spread, mid, mid + spread


def ema(values: list[float], n: int) -> list[float]:
    found = values[:1]
    for value in values[1:]:
        found.append(found[-1] + 2 / (n + 1) * (value - found[-1]))
    return found


def wilder(values: list[float], n: int) -> list[float]:
    """From the n-th value on."""
    found = [fmean(values[:n])]
    for value in values[n:]:
        found.append((found[-1] * (n - 1) + value) / n)
    return found


def rsi(closes: list[float]) -> float:
    moves = [b - a for a, b in pairwise(closes)]
    up, down = (wilder([max(sign * move, 0) for move in moves], 14)[-1] for sign in (1, -1))
    return 100 - 100 / (1 + up / down)


def atr(columns: dict[str, list[float]]) -> float:
    reach = [
        max(high, before) - min(low, before)
        for high, low, before in zip(columns["High"][1:], columns["Low"][1:], columns["Close"], strict=False)
    ]
    return wilder(reach, 14)[-1]


def sharpe(values: list[float]) -> float:
    return fmean(values) / stdev(values) * math.sqrt(252)


def drawdown(values: list[float]) -> float:
    money = peak = 1.0
    deepest = 0.0
    for value in values:
        money *= 1 + value
        peak = max(peak, money)
        deepest = min(deepest, money / peak - 1)
    return deepest


def beta(own: list[float], market: list[float]) -> float:
    a, b = fmean(own), fmean(market)
    up = sum((x - a) * (y - b) for x, y in zip(own, market, strict=True))
    return up / sum((y - b) ** 2 for y in market)


class Account:
    """Money that follows a rule: dollars in each stock, not weights; trades at the close, costs in cash."""

    def __init__(self, cost: float) -> None:
        self.money, self.cost, self.paid = 1.0, cost, 0.0
        self.held: dict[str, float] = {}

    def day(self, wanted: dict[str, float], moves: dict[str, float]) -> float:
        """Trade to these parts of the money, let the day pass; returns what it brought."""
        before = self.money
        names = {*wanted, *self.held}
        traded = sum(abs(wanted.get(name, 0.0) * before - self.held.get(name, 0.0)) for name in names)
        cash = before * (1 - sum(wanted.values()))
        worth = {name: part * before * (1 + moves.get(name, 0.0)) for name, part in wanted.items()}
        gross = cash + sum(worth.values())
        self.paid += self.cost * traded / before
        self.money = gross - self.cost * traded  # taken from everything alike
        self.held = {name: dollars * self.money / gross for name, dollars in worth.items()}
        return self.money / before - 1
