"""Assessment: what each strategy would have earned, after costs; ranked, and written up.

What is done is saved strategy by strategy: an attempt that is broken off goes on after the last one.
"""

from pathlib import Path
from typing import Any

import polars as pl

from openbell import worker
from research import report
from research.assessment import assess, ranking
from research.desk import read_desk
from research.files import digest, newest, read_json, write
from research.prices import span
from research.strategies import STRATEGIES, backtest, holdings


def main() -> None:
    ctx = worker.context()
    desk = read_desk()
    session = ctx.session or max(Path("out/metrics").iterdir()).name
    tables = sorted(Path(f"out/metrics/{session}").glob("*.parquet"))
    if not tables:
        raise SystemExit(f"there are no metrics of {session}: metrics.py makes them")
    metrics = pl.concat([pl.read_parquet(path) for path in tables])
    stories = newest(Path("out/scenarios"), session, ".parquet")
    scenarios = pl.read_parquet(stories)

    folder = Path(f"out/assessment/{session}")
    inputs = digest([*tables, stories, Path("desk.toml")])
    saved = ctx.checkpoint.load({})
    done: dict[str, Any] = saved["done"] if saved.get("inputs") == inputs else {}
    for count, name in enumerate(STRATEGIES):
        worker.progress(count, len(STRATEGIES), name)
        if name in done:
            print(f"{name}: done by an earlier attempt")
            continue
        curve = backtest(holdings(name, metrics), metrics, desk.cost)
        write(folder / f"{name}.parquet", curve)
        done[name] = assess(name, curve, scenarios)
        ctx.checkpoint.save({"inputs": inputs, "done": done})

    ranked = ranking(done.values())
    profiles = [read_json(path.with_suffix(".json")) for path in tables]
    missing = sorted(set(desk.book) - {profile["symbol"] for profile in profiles})
    summary = report.summarise(session, span(metrics)[1], stories.stem, ranked, profiles, missing, scenarios)
    target = Path(f"out/reports/{session}")
    write(target / "report.json", summary)
    write(target / "report.md", report.markdown(summary))
    write(target / "report.html", report.html(summary))

    for one in ranked:
        print(
            f"{one['rank']}. {one['strategy']:<15} Sharpe {one['sharpe']:5.2f}, {one['growth']:6.1%} a year"
        )
    worker.result(best=ranked[0]["strategy"], sharpe=round(ranked[0]["sharpe"], 6), missing=missing)


if __name__ == "__main__":
    main()
