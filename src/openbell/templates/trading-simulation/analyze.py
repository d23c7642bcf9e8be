"""Draws what a sweep has traded, and compares replay with batch trade by trade.

    python analyze.py replay|batch

The drawings go into the report of the run (`openbell report trading_simulation_replay`); by hand they lie in
output/analysis/.
"""

import os
import sys
from html import escape
from pathlib import Path

import polars as pl

from openbell import worker
from openbell.errors import DataError

HERE = Path(__file__).parent
WIDE, HIGH, EDGE = 900, 260, 60


def svg(title, body, high=HIGH):
    style = "font: 12px sans-serif; background: white"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {high}" style="{style}">'
    return f'{head}<text x="8" y="18" font-weight="bold">{escape(title)}</text>{body}</svg>'


def scale(values, low, high):
    """A function from values to places."""
    least, most = min(values), max(values)
    span = (most - least) or 1.0
    return lambda value: low + (high - low) * (value - least) / span


def line(xs, ys, colour):
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}"/>'


def equity(pnl):
    """Cumulated profit over the dates."""
    by_day = pnl.group_by("Date").agg(pl.col("PnL").sum()).sort("Date")
    total = [0.0, *by_day["PnL"].cum_sum().to_list()]
    y, x = scale(total, HIGH - 30, 30), scale(range(len(total)), EDGE, WIDE - 20)
    labels = "".join(
        f'<text x="{x(n + 1):.0f}" y="{HIGH - 8}" text-anchor="middle">{day:%m-%d}</text>'
        for n, day in enumerate(by_day["Date"])
    )
    ends = "".join(f'<text x="4" y="{y(v):.0f}">{v:,.0f}</text>' for v in {min(total), max(total)})
    return svg(
        "Equity: cumulated PnL", line(map(x, range(len(total))), map(y, total), "#0072B2") + labels + ends
    )


def heat(pnl):
    """Profit of each symbol on each day."""
    symbols, days = sorted(pnl["Sym"].unique()), sorted(pnl["Date"].unique())
    worst = max(abs(value) for value in pnl["PnL"]) or 1.0
    wide, tall = (WIDE - EDGE) / len(days), 34
    cells = []
    for day, symbol, value in pnl.select("Date", "Sym", "PnL").sort("Date", "Sym").iter_rows():
        x, y = EDGE + days.index(day) * wide, 30 + symbols.index(symbol) * tall
        colour = "0,114,178" if value >= 0 else "213,94,0"
        cells.append(
            f'<rect x="{x:.1f}" y="{y}" width="{wide - 2:.1f}" height="{tall - 2}" '
            f'fill="rgba({colour},{abs(value) / worst:.2f})"/>'
            f'<text x="{x + wide / 2:.1f}" y="{y + 20}" text-anchor="middle">{value:,.0f}</text>'
        )
    names = [f'<text x="4" y="{50 + n * tall}">{escape(symbol)}</text>' for n, symbol in enumerate(symbols)]
    foot = 46 + len(symbols) * tall
    dates = [
        f'<text x="{EDGE + (n + 0.3) * wide:.0f}" y="{foot}">{day:%m-%d}</text>' for n, day in enumerate(days)
    ]
    return svg("PnL by symbol and day", "".join([*cells, *names, *dates]), foot + 12)


def markers(ctx, executions):
    """The busiest symbol and day: its quotes, and where it bought and sold."""
    [(day, symbol, _)] = executions.group_by("Date", "Sym").len().sort("len", "Date", "Sym").tail(1).rows()
    quotes = ctx.table("Market", "Quote", day).filter(pl.col("Sym") == symbol).collect()
    done = executions.filter(pl.col("Date") == day, pl.col("Sym") == symbol)
    times = quotes["Timestamp"].dt.epoch("ns").to_list()
    middle = ((quotes["Bid"] + quotes["Ask"]) / 2).to_list()
    x, y = scale(times, EDGE, WIDE - 20), scale(middle, HIGH - 20, 30)
    marks = []
    for at, size, price in done.select(pl.col("Timestamp").dt.epoch("ns"), "Size", "Price").iter_rows():
        left, top, up = x(at), y(price), -6 if size < 0 else 6
        colour, word = ("#009E73", "buy") if size > 0 else ("#D55E00", "sell")
        shape = f"M{left:.1f} {top:.1f}l-4 {up}h8z"
        marks.append(f'<path d="{shape}" fill="{colour}"><title>{word} {abs(size)} at {price}</title></path>')
    body = line(map(x, times), map(y, middle), "#999") + "".join(marks)
    return svg(f"{symbol} on {day}: synthetic quotes, bought (green) and sold (orange)", body)


def compare(ctx, mode, executions):
    """How many executions both modes have, and how many one of them only."""
    other = "batch" if mode == "replay" else "replay"
    try:
        theirs = ctx.table(f"Sim_{other}", "Executions", None).collect()
    except DataError:
        return {"compared": 0}, f"{other} has not run yet: openbell run trading_simulation_{other}.yaml"
    keys = ["Date", "Timestamp", "Sym", "Size", "Price", "Position"]
    both = executions.join(theirs, on=keys, how="inner").height
    ours, others = executions.height - both, theirs.height - both
    told = f"{both} executions agree with those of {other}; {mode} alone has {ours}, {other} alone {others}"
    return {"compared": both, "only_here": ours, "only_there": others, "agree": not ours and not others}, told


def main(mode):
    ctx = worker.context()
    if not ctx.output:  # by hand
        os.environ["OPENBELL_DATA"] = f'{{"Market": "{HERE / "data" / "market"}"}}'
        os.environ["OPENBELL_OUTPUT"] = str(HERE / "output")
        ctx = worker.context()
    executions = ctx.table(f"Sim_{mode}", "Executions", None).collect()
    pnl = ctx.table(f"Sim_{mode}", "PnL", None).collect()
    compared, told = compare(ctx, mode, executions)
    print(told)
    folder = Path(ctx.output) / "analysis" / mode
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"equity": equity(pnl), "pnl": heat(pnl), "compared": svg(told, "", 30)}
    if executions.height:
        drawn["trades"] = markers(ctx, executions)
    for name, text in drawn.items():
        (folder / f"{name}.svg").write_text(text)
    worker.result(
        total=float(pnl["PnL"].sum()), **compared, **{f"figure_{n}": str(folder / f"{n}.svg") for n in drawn}
    )


if __name__ == "__main__":
    main(sys.argv[1])
