"""The report of a session: data first, and the same tables as Markdown and as HTML."""

from dataclasses import dataclass
from html import escape
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    title: str
    header: list[str]
    rows: list[list[str]]


def summarise(
    session: object,
    prices_of: object,
    scenarios_of: object,
    ranked: list[dict[str, Any]],
    profiles: list[dict[str, Any]],
    missing: list[str],
    scenarios: pl.DataFrame,
) -> dict[str, Any]:
    """All that the report tells, as data."""
    losses = scenarios.group_by("Kind", "Scenario", "From", "To", maintain_order=True).agg(
        pl.col("PnL").sum(), Proxies=pl.col("Ticker").filter(pl.col("Proxy"))
    )
    return {
        "session": str(session),
        "prices of": str(prices_of),
        "scenarios of": str(scenarios_of),
        "without metrics": missing,
        "ranking": ranked,
        "stocks": profiles,
        "scenarios": losses.with_columns(pl.col("From", "To").cast(pl.String)).to_dicts(),
    }


def tables(summary: dict[str, Any]) -> list[Table]:
    """What people look at."""
    ranked, stocks, scenarios = summary["ranking"], summary["stocks"], summary["scenarios"]
    measures = ["growth", "volatility", "sharpe", "sortino", "drawdown", "calmar", "turnover", "costs"]
    risks = ["growth", "volatility", "sharpe", "drawdown", "beta", "value at risk 95%", "shortfall 95%"]
    seen = ["Close", "SMA_50", "SMA_200", "RSI", "MACD", "MACD_Signal", "Band_Low", "Band_High", "ATR"]
    return [
        Table(
            "Strategies, best first",
            ["", "strategy", *measures],
            [
                [str(one["rank"]), one["strategy"], *[shown(name, one[name]) for name in measures]]
                for one in ranked
            ],
        ),
        Table(
            "Strategies in history's scenarios",
            ["strategy", *ranked[0]["scenarios"]],
            [[one["strategy"], *[f"{value:.1%}" for value in one["scenarios"].values()]] for one in ranked],
        ),
        Table(
            "The book in the scenarios",
            ["scenario", "from", "to", "PnL", "by proxy"],
            [
                [one["Scenario"], one["From"], one["To"], f"{one['PnL']:,.0f}", ", ".join(one["Proxies"])]
                for one in scenarios
            ],
        ),
        Table(
            "Stocks, over the last year",
            ["symbol", *risks],
            [[one["symbol"], *[shown(name, one["statistics"][name]) for name in risks]] for one in stocks],
        ),
        Table(
            "Indicators",
            ["symbol", *seen],
            [[one["symbol"], *[_level(one["technical"][name]) for name in seen]] for one in stocks],
        ),
    ]


def shown(name: str, value: float) -> str:
    """A ratio as a number, anything else in percent."""
    return f"{value:.2f}" if name in ("sharpe", "sortino", "calmar", "beta", "turnover") else f"{value:.2%}"


def _level(value: float | None) -> str:
    return "too young" if value is None else f"{value:,.2f}"


def notes(summary: dict[str, Any]) -> list[str]:
    """What a reader has to know before the tables."""
    old = [what for what in ("prices", "scenarios") if summary[f"{what} of"] != summary["session"]]
    found = [f"The {what} are those of {summary[f'{what} of']}." for what in old]
    if summary["without metrics"]:
        found.append(
            f"Without metrics, and so left out of the strategies: {', '.join(summary['without metrics'])}."
        )
    return found


def markdown(summary: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [f"# Research of {summary['session']}", "", *[f"**{note}**\n" for note in notes(summary)]]
    for table in tables(summary):
        lines += [f"## {table.title}", "", _row(table.header), _row(["---"] * len(table.header))]
        lines += [*map(_row, table.rows), ""]
    return "\n".join(lines)


def html(summary: dict[str, Any]) -> str:
    """The report as one page that needs nothing else."""
    title = f"Research of {summary['session']}"
    parts = [f"<h1>{title}</h1>", *[f"<p><strong>{escape(note)}</strong></p>" for note in notes(summary)]]
    for table in tables(summary):
        head = "".join(f"<th>{escape(word)}</th>" for word in table.header)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(word)}</td>' for word in row)}</tr>" for row in table.rows
        )
        parts.append(f"<h2>{escape(table.title)}</h2><table><tr>{head}</tr>{body}</table>")
    return _PAGE.format(title=title, body="\n".join(parts))


def _row(words: list[str]) -> str:
    return f"| {' | '.join(words)} |"


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884; }}
th:first-child, td:first-child {{ text-align: left; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #ddd; }} }}
</style>
{body}
</html>
"""
