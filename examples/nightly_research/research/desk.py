"""The desk's settings: `desk.toml`."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Window:
    """A stretch of history: returns after the close of `start` up to the close of `end`."""

    name: str
    start: date
    end: date


@dataclass(frozen=True)
class Stress:
    """A move of the market, which each stock follows by its beta, and of single stocks."""

    name: str
    market: float
    stocks: dict[str, float]


@dataclass(frozen=True)
class Desk:
    """What the desk holds (shares by ticker), what it is afraid of, and what it tries."""

    book: dict[str, int]
    stresses: list[Stress]
    history: list[Window]
    worst: list[int]
    cost: float
    """What trading costs, as a fraction of what is traded."""


def read_desk(path: Path = Path("desk.toml")) -> Desk:
    """The settings of this folder."""
    data: dict[str, Any] = tomllib.loads(path.read_text())
    return Desk(
        book=data["book"],
        stresses=[
            Stress(one["name"], one.get("market", 0.0), one.get("stocks", {})) for one in data["stress"]
        ],
        history=[Window(one["name"], one["from"], one["to"]) for one in data["history"]],
        worst=data["worst"]["sessions"],
        cost=data["backtest"]["cost_bps"] / 10_000,
    )
