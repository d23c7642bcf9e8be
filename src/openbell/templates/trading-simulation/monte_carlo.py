"""One cell of the sweep: the strategy on a random day that fits the real bars, drawn with the cell's seed."""

import polars as pl

import openbell
from generate import daily
from openbell import worker
from openbell.replay.synthetic import quotes
from strategy import close_of, profits
from trading_simulation_batch import simulate

ctx = worker.context()
session = openbell.market("XNYS").session_of(ctx.date)
begin, end = (int(at.timestamp()) * 10**9 for at in (session.open, session.close))
drawn = quotes(daily()[ctx.date], ctx.date, begin, end, each=1000, seed=1 + ctx.params["seed"])
settings = {name: ctx.params[name] for name in ("decay", "width", "lot", "limit")}
_, executions = simulate(pl.DataFrame(drawn), close_of(ctx.date), **settings)

found = profits(executions)
ctx.write("MonteCarlo", "PnL", found)
worker.result(pnl=float(found["PnL"].sum()), executions=len(executions))
