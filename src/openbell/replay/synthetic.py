"""Synthetic quotes within a day that fit a real daily bar: demonstration data, and never anything else.

The middle of the quotes begins at the bar's open, ends at its close, and touches its high and its low; what
lies between is drawn at random, the same for the same seed on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]
_TICK = 0.01


class Bar(NamedTuple):
    """A day of one symbol, in its currency."""

    open: float
    high: float
    low: float
    close: float


def quotes(
    bars: Mapping[str, Bar], day: date, begin: int, end: int, *, each: int = 2000, seed: int = 0
) -> pa.Table:
    """`each` quotes a symbol from `begin` until before `end` (ns since 1970 UTC), in the order of time.

    Columns Timestamp, Sym, Bid, Ask, BidSize, AskSize. Prices are whole cents; the spread is two of them.
    """
    parts = []
    for symbol, bar in bars.items():
        draw = np.random.Generator(np.random.PCG64([seed, day.toordinal(), crc32(symbol.encode())]))
        inside = draw.choice((end - begin) // 1_000_000 - 1, each - 1, replace=False)
        times = begin + np.sort(np.append(inside + 1, 0)) * 1_000_000
        middle = np.round(path(bar, each, draw) / _TICK).astype(np.int64)
        sizes = draw.integers(1, 20, (2, each)) * 100
        parts.append((times, symbol, middle, sizes))
    order = np.argsort(np.concatenate([times for times, *_ in parts]), kind="stable")
    times = np.concatenate([times for times, *_ in parts])[order]
    middle = np.concatenate([middle for _, _, middle, _ in parts])[order]
    sizes = np.concatenate([sizes for *_, sizes in parts], axis=1)[:, order]
    symbols = np.repeat([symbol for _, symbol, *_ in parts], each)[order]
    return pa.table(
        {
            "Timestamp": pa.array(times).cast(pa.timestamp("ns", "UTC")),
            "Sym": pa.array(symbols.tolist(), pa.string()),
            "Bid": (middle - 1) / 100,
            "Ask": (middle + 1) / 100,
            "BidSize": pa.array(sizes[0]),
            "AskSize": pa.array(sizes[1]),
        }
    )


def path(bar: Bar, count: int, draw: np.random.Generator) -> Array:
    """Prices from the open to the close that stay between low and high, and touch both. At least four."""
    low, high = bar.low, max(bar.high, bar.low + _TICK)
    turns = np.sort(draw.choice(count - 2, 2, replace=False) + 1)
    extremes = (high, low) if draw.random() < 0.5 else (low, high)
    fixed = {0: bar.open, int(turns[0]): extremes[0], int(turns[1]): extremes[1], count - 1: bar.close}
    wide = (high - low) / np.sqrt(count)
    walk = np.cumsum(draw.normal(0, wide, count))
    knots = list(fixed)
    bridge = walk - np.interp(np.arange(count), knots, walk[knots])
    found = np.interp(np.arange(count), knots, list(fixed.values())) + bridge
    folded = low + np.abs((found - low + (high - low)) % (2 * (high - low)) - (high - low))
    for at, price in fixed.items():
        folded[at] = price
    return folded
