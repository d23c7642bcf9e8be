"""One session, one look-back: hold the stocks that have risen over the look-back, for one day.

The signal of a session uses prices up to the close before it; the return is that of the session.
"""

import csv
import gzip
from pathlib import Path

from openbell import worker

DATA = Path(__file__).parent / "data" / "us_stocks_wiki.csv.gz"


def closes() -> dict[str, list[tuple[str, float]]]:
    """Adjusted closes by ticker, oldest first: (date, price)."""
    found: dict[str, list[tuple[str, float]]] = {}
    with gzip.open(DATA, "rt", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["Ticker"], []).append((row["Date"], float(row["Adj Close"])))
    return found


def main() -> None:
    ctx = worker.context()
    lookback = ctx.params["lookback"]
    today = ctx.date.isoformat()

    returns = {}
    for ticker, history in closes().items():
        dates = [day for day, _ in history]
        if today not in dates:
            continue  # not listed yet: Facebook came in May 2012
        now = dates.index(today)
        if now <= lookback:
            continue  # too young for this look-back
        price = [value for _, value in history[: now + 1]]
        rising = price[-2] > price[-2 - lookback]
        returns[ticker] = price[-1] / price[-2] - 1 if rising else 0.0

    if not returns:
        raise SystemExit(f"no prices on {today}")
    held = sum(value != 0 for value in returns.values())
    print(f"{today}, look-back {lookback}: {held} of {len(returns)} stocks held")
    worker.result(ret=sum(returns.values()) / len(returns), held=held)


main()
