"""The smallest worker of both modes: what came in, and which task it was."""

from openbell import replay, worker

ctx = worker.context()
if ctx.mode["kind"] == "replay":
    tape = ctx.replay("Market.Quote")
    quotes = sum(len(batch["Market.Quote"]) for _, batch in tape)
else:
    quotes = ctx.table("Market", "Quote").collect().height

ctx.write(
    "Demo",
    f"Status_{ctx.mode['kind']}",
    {"Worker": [ctx.name], "Quotes": [quotes], "Today": [replay.today()]},
)
worker.result(quotes=quotes)
