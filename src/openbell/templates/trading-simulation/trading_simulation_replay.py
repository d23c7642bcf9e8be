"""The strategy, quote by quote as they came in. The same at any speed."""

from openbell import worker
from strategy import Strategy, close_of, mine, write

ctx = worker.context()
names = ("decay", "width", "lot", "limit")
strategy = Strategy(close_of(ctx.date), **{name: ctx.params[name] for name in names})

universe = ctx.table("Market", "Quote", columns=["Sym"]).unique().collect()["Sym"].to_list()
symbols = mine(universe, ctx.partition, ctx.num_partitions)
columns = {"Market.Quote": ["Timestamp", "Sym", "Bid", "Ask"]}

for _now, batch in ctx.replay("Market.Quote", where=symbols, columns=columns):
    for quote in batch["Market.Quote"].rows():
        strategy.on_quote(*quote)

strategy.end()
write(ctx, strategy.orders, strategy.executions)
