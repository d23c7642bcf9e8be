"""What is traded: `instruments.toml`."""

import tomllib
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Session:
    """A part of the day: a range goes from `range_from` up to a slot; each slot is a trade of its own."""

    name: str
    range_from: time
    slots: tuple[time, ...]


@dataclass(frozen=True)
class Instrument:
    """Prices move in ticks; a point is worth `point_value` dollars; a trade aims at `target` points."""

    name: str
    names: tuple[str, ...]
    tick: float
    point_value: float
    target: float
    zone: ZoneInfo
    opens: time
    closes: time
    sessions: tuple[Session, ...]


def instruments(path: Path = Path("instruments.toml")) -> dict[str, Instrument]:
    """All instruments by name."""
    data = tomllib.loads(path.read_text())
    defaults = data.pop("defaults")
    return {name: _instrument(name, defaults | own) for name, own in data.items()}


def named(word: str) -> Instrument:
    """The instrument that a platform calls so. Leaves with a message when there is none."""
    known = instruments()
    for one in known.values():
        if word in (one.name, *one.names):
            return one
    every = sorted(name for one in known.values() for name in (one.name, *one.names))
    raise SystemExit(f"unknown instrument {word!r}; instruments.toml has {', '.join(every)}")


def _instrument(name: str, data: dict[str, Any]) -> Instrument:
    return Instrument(
        name=name,
        names=tuple(data.get("names", ())),
        tick=data["tick"],
        point_value=data["point_value"],
        target=data["target"],
        zone=ZoneInfo(data["zone"]),
        opens=data["opens"],
        closes=data["closes"],
        sessions=tuple(
            Session(one["name"], one["range_from"], tuple(one["slots"])) for one in data["sessions"]
        ),
    )
