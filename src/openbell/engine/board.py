"""The board of a daemon: which pipelines it heeds, what opens their next runs, and what their markets do.

`.openbell/board.json`, for readers in a hurry: reading all definitions and calendars takes `status` twice as
long as everything else. It counts only while the daemon that has written it leads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from openbell.core.freshness import Dataset, Required, stale
from openbell.core.health import Coming


@dataclass(frozen=True, slots=True)
class Posted:
    """A pipeline on the board. `requires` are those of its steps, as (step, what)."""

    name: str
    title: str
    market: str
    scheduled: bool
    """Whether it has triggers."""
    coming: tuple[Coming, ...] = ()
    provides: tuple[str, ...] = ()
    requires: tuple[tuple[str, Required], ...] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """What a market does in the next days: states and labels of sessions, and the sessions lately."""

    tz: str
    changes: tuple[tuple[datetime, str, date], ...]
    sessions: tuple[date, ...]

    def at(self, now: datetime) -> tuple[str, date] | None:
        """State and label; None where that is not known."""
        past = [change for change in self.changes if change[0] <= now]
        return past[-1][1:] if past and len(past) < len(self.changes) else None

    def earliest(self, required: Required, now: datetime) -> str | None:
        """The first session that would do for a run of now."""
        known = self.at(now)
        labels = [label for label in self.sessions if known is not None and label <= known[1]]
        wanted = required.sessions
        return labels[-wanted - 1].isoformat() if wanted is not None and wanted < len(labels) else None


@dataclass(frozen=True, slots=True)
class Board:
    """What is posted, and when that was."""

    at: datetime
    pipelines: tuple[Posted, ...] = ()
    markets: Mapping[str, Hours] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    """Names of files that cannot be used; their last good version stays."""

    def states(self, now: datetime) -> dict[str, tuple[str, date] | None]:
        """State and label of every market."""
        return {name: hours.at(now) for name, hours in self.markets.items()}

    def staleness(self, known: Mapping[str, Dataset], now: datetime) -> dict[str, tuple[str, ...]]:
        """Which data sets are too old for what requires them, and why."""
        found: dict[str, tuple[str, ...]] = {}
        for posted in self.pipelines:
            hours = self.markets.get(posted.market)
            for step, required in posted.requires:
                earliest = hours.earliest(required, now) if hours is not None else None
                last = known.get(required.dataset)  # what has never been provided is new, and not stale
                if last is not None and (reason := stale(required, last, earliest, now)):
                    told = f"{reason} (required by {posted.name}/{step})"
                    found[required.dataset] = (*found.get(required.dataset, ()), told)
        return found


def encode(board: Board) -> str:
    """The board as JSON."""
    return json.dumps(asdict(board), default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()


def read_board(path: Path) -> Board | None:
    """The board of this file; None when there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        pipelines = tuple(_read_posted(one) for one in data["pipelines"])
        markets = {name: _read_hours(one) for name, one in data["markets"].items()}
        return Board(datetime.fromisoformat(data["at"]), pipelines, markets, tuple(data["broken"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_posted(data: dict[str, Any]) -> Posted:
    comings = (Coming(**{**one, "at": _instant(one["at"])}) for one in data["coming"])
    required = ((step, _read_required(one)) for step, one in data["requires"])
    found = {
        **data,
        "coming": tuple(comings),
        "requires": tuple(required),
        "provides": tuple(data["provides"]),
    }
    return Posted(**found)


def _read_required(data: dict[str, Any]) -> Required:
    age = timedelta(seconds=data["age"]) if data["age"] is not None else None
    return Required(**{**data, "age": age, "providers": tuple(data["providers"])})


def _read_hours(data: dict[str, Any]) -> Hours:
    changes = tuple(
        (datetime.fromisoformat(at), state, date.fromisoformat(day)) for at, state, day in data["changes"]
    )
    return Hours(data["tz"], changes, tuple(map(date.fromisoformat, data["sessions"])))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
