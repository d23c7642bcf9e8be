"""Mean reversion: buy below a band around the mean, sell above it, be flat before the close.

The mean and the deviation decay with time: a quote that is `decay` old counts half. The strategy sees one
quote after another and knows nothing of batches, clocks or files, so that it does the same wherever it runs.
"""

from hashlib import blake2b
from math import sqrt

import polars as pl

import openbell
from openbell import worker

CLOSE_OUT = 10 * 60 * 10**9  # ns before the close of the session
WARM_UP = 5  # half-lives before it trades
SECONDS = {"s": 1, "m": 60, "h": 3600}


def mine(symbols, partition, partitions):
    """The symbols of a partition. The hash is stable, and never negative: each symbol is in exactly one."""
    return sorted(s for s in symbols if _hash(s) % partitions == partition)


def _hash(symbol):
    return int.from_bytes(blake2b(symbol.encode()).digest()[:8])


def close_of(day):
    """The close of the session in ns: 13:00 on a half day."""
    return int(openbell.market("XNYS").session_of(day).close.timestamp()) * 10**9


class Bands:
    """Mean and deviation of one symbol, which decay with time."""

    def __init__(self, decay):
        self.half_life = float(decay[:-1]) * SECONDS[decay[-1]] * 1e9
        self.first = self.last = None
        self.mean = self.variance = 0.0

    def update(self, time, price):
        """Take a price in. Returns mean and deviation BEFORE it; None while they are too young."""
        if self.first is None:
            self.first = self.last = time
            self.mean = price
            return None
        before = (self.mean, sqrt(self.variance))
        weight = 1.0 - 0.5 ** ((time - self.last) / self.half_life)
        distance = price - self.mean
        self.mean += weight * distance
        self.variance = (1.0 - weight) * (self.variance + weight * distance * distance)
        self.last = time
        return before if time - self.first >= WARM_UP * self.half_life else None


class Strategy:
    """One task: its symbols, its parameters, and what it has done."""

    def __init__(self, close, decay, width, lot, limit):
        self.stop_at = close - CLOSE_OUT
        self.decay, self.width, self.lot, self.limit = decay, width, lot, limit
        self.bands, self.position, self.last = {}, {}, {}
        self.orders, self.executions = [], []

    def on_quote(self, time, symbol, bid, ask):
        """The next quote. Crossed ones are passed over."""
        if ask < bid:
            return
        self.last[symbol] = (time, bid, ask)
        if time >= self.stop_at:
            self.close_out(symbol)
            return
        price = (bid + ask) / 2
        bands = self.bands.setdefault(symbol, Bands(self.decay)).update(time, price)
        if bands is None:
            return
        mean, deviation = bands
        held = self.position.get(symbol, 0)
        if price < mean - self.width * deviation and (held + self.lot) * ask <= self.limit:
            self.order(symbol, self.lot, "below the band")
        elif price > mean + self.width * deviation and (held - self.lot) * bid >= -self.limit:
            self.order(symbol, -self.lot, "above the band")

    def close_out(self, symbol):
        """Sell what is held, buy back what was sold, at the last quote."""
        if held := self.position.get(symbol, 0):
            self.order(symbol, -held, "close-out")

    def end(self):
        """After the last quote: a symbol that was not quoted any more is closed at its last one."""
        for symbol in sorted(self.position):
            self.close_out(symbol)

    def order(self, symbol, size, reason):
        """An order at the market, filled at once at the bid or the ask."""
        time, bid, ask = self.last[symbol]
        price = ask if size > 0 else bid
        number = len(self.orders)
        self.position[symbol] = self.position.get(symbol, 0) + size
        self.orders.append((time, number, symbol, size, reason))
        self.executions.append((time, number, symbol, size, price, self.position[symbol]))


def tables(orders, executions):
    """What a task writes, by table: columns by name."""
    return {
        "Orders": columns(orders, "Timestamp", "OrderId", "Sym", "Size", "Reason"),
        "Executions": columns(executions, "Timestamp", "OrderId", "Sym", "Size", "Price", "Position"),
        "Trades": round_trips(executions),
        "Positions": positions(executions),
        "PnL": profits(executions),
    }


def positions(executions):
    """After each execution: shares, and what they are worth at its price."""
    found = [(time, symbol, held, held * price) for time, _, symbol, _, price, held in executions]
    return columns(found, "Timestamp", "Sym", "Position", "Value")


def columns(rows, *names):
    """Rows as a frame; `Timestamp` and `Opened` from nanoseconds."""
    kinds = {"Timestamp": pl.Int64, "Opened": pl.Int64, "Sym": pl.String, "Reason": pl.String}
    kinds |= dict.fromkeys(("Price", "PnL", "Value"), pl.Float64)
    found = pl.DataFrame(rows, {name: kinds.get(name, pl.Int64) for name in names}, orient="row")
    stamps = [name for name in names if name in ("Timestamp", "Opened")]
    return found.with_columns(pl.col(stamps).cast(pl.Datetime("ns", "UTC"))) if stamps else found


def round_trips(executions):
    """From flat to flat: when it was opened and closed, in how many executions, with which profit."""
    open_ones, found = {}, []
    for time, _, symbol, size, price, position in executions:
        opened, count, cash = open_ones.pop(symbol, (time, 0, 0.0))
        cash -= size * price
        if position:
            open_ones[symbol] = (opened, count + 1, cash)
        else:
            found.append((opened, time, symbol, count + 1, cash))
    return columns(found, "Opened", "Timestamp", "Sym", "Executions", "PnL")


def profits(executions):
    """The cash flows of each symbol, which is flat in the end: PnL = -sum(size x price)."""
    cash, held, count = {}, {}, {}
    for _, _, symbol, size, price, _ in executions:
        cash[symbol] = cash.get(symbol, 0.0) - size * price
        held[symbol] = held.get(symbol, 0) + size
        count[symbol] = count.get(symbol, 0) + 1
    assert not any(held.values()), f"not flat at the close: {held}"
    return columns([(s, count[s], cash[s]) for s in sorted(cash)], "Sym", "Executions", "PnL")


def write(ctx, orders, executions):
    """Every table, and a summary as the result of the task. The mode tells the namespace."""
    namespace = f"Sim_{ctx.mode['kind']}"
    found = tables(orders, executions)
    for name, frame in found.items():
        ctx.write(namespace, name, frame)
    pnl = float(found["PnL"]["PnL"].sum())
    summary = {"orders": len(orders), "executions": len(executions)}
    summary |= {"round_trips": found["Trades"].height, "pnl": pnl}
    ctx.write(namespace, "Summary", {name: [value] for name, value in summary.items()})
    worker.result(**summary)


__all__ = ["Bands", "Strategy", "close_of", "mine", "write"]
