"""Doubts the shipped snapshot: where do the calendars of others say otherwise?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openbell.market.names import canonical
from openbell.market.overlay import Overlay, collect
from openbell.market.schedule import DAY, Schedule, Session
from openbell.market.snapshot import load, schedule_of
from openbell.refresh.claims import Claim, claims, shown
from openbell.refresh.compact import Hours


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A date on which a source contradicts the snapshot. `what` it says: `open`, `closed`, or other `hours`.

    `said`: what each source that knows the date says; `shipped`: what the snapshot says.
    """

    date: dt.date
    what: str
    said: Mapping[str, str]
    shipped: str

    def __str__(self) -> str:
        said = ", ".join(f"{source}: {text}" for source, text in self.said.items())
        return f"{self.date} shipped {self.shipped}; {said}"


def verify(name: str, first: dt.date, last: dt.date, *, settled: bool = False) -> list[Disagreement]:
    """The disagreements about a calendar from `first` to `last`, both included, as far as it is known.

    `holidays` is heard only where it has a calendar of the exchange itself, and only when it lists a weekday:
    a country has holidays on which its exchange trades, and its lists are silent about what nobody foretold.
    Dates for which we have a correction are left out, unless `settled`: we know that sources differ there.
    Raises `UnknownMarket`, and `MarketError` without the extra.
    """
    schedule = schedule_of(canonical(name))
    first, last = max(first, schedule.valid_from), min(last, schedule.valid_until)
    if first > last:
        return []
    known = list(claims(schedule.name.replace("/", "-"), first, last))
    corrected = [] if settled else _corrections(load(name))
    return list(_disagreements(schedule, known, first, last, corrected))


def _disagreements(
    schedule: Schedule, known: Sequence[Claim], first: dt.date, last: dt.date, corrected: Sequence[Overlay]
) -> Iterator[Disagreement]:
    for day in (first + n * DAY for n in range((last - first).days + 1)):
        hours = local_hours(schedule, day)
        what = _contradiction(known, day, hours)
        if what and not any(_settles(overlay, day, what) for overlay in corrected):
            said = {claim.source: claim.told(day) for claim in known if claim.says(day)}
            yield Disagreement(day, what, said, _shipped(schedule, day, hours))


def _settles(overlay: Overlay, day: dt.date, what: str) -> bool:
    """Whether a correction is about that disagreement: hours of a range leave its dates open to doubt."""
    covers = overlay.first <= day <= overlay.last
    return covers and (what == "hours" or overlay.closed or overlay.first == overlay.last)


def _contradiction(known: Sequence[Claim], day: dt.date, hours: Hours) -> str:
    says = {claim.says(day) for claim in known}
    if not hours:
        return "open" if "open" in says else ""
    if "closed" in says:
        return "closed"
    return "hours" if any(claim.other_hours(day, hours) for claim in known) else ""


def local_hours(schedule: Schedule, day: dt.date) -> Hours:
    """The local wall times of a session: open, close, breaks; nothing when there is none."""
    session = schedule.session(day)
    return tuple(_wall(at, day, schedule) for at in _instants(session)) if session else ()


def _instants(session: Session) -> list[dt.datetime]:
    return [session.open, session.close, *(at for pause in session.breaks for at in pause)]


def _wall(at: dt.datetime, day: dt.date, schedule: Schedule) -> str:
    local = at.astimezone(schedule.tz)
    offset = (local.date() - day).days
    return f"{local:%H:%M}" + (f"{offset:+d}" if offset else "")


def _shipped(schedule: Schedule, day: dt.date, hours: Hours) -> str:
    return shown(hours) if hours else f"closed ({schedule.closure(day)})"


def _corrections(data: dict[str, Any]) -> list[Overlay]:
    return collect(data["corrections"], data["name"])
