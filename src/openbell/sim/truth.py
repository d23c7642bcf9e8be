"""When triggers come, by looking at every single minute: slow, plain, and nothing of the core.

What the core works out is judged by this. It knows sessions from the calendar, and the rules
from the documentation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from openbell.core.triggers import AnchorTrigger, CronTrigger, IntervalTrigger, SessionTrigger, Timed
from openbell.market import Market, Session

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Due(NamedTuple):
    """An occasion as it should be: when, and the session it belongs to."""

    at: datetime
    label: date | None


def due(trigger: Timed, market: Market | None, start: datetime, end: datetime) -> list[Due]:
    """Every occasion after `start`, up to `end`. Both are whole minutes."""
    match trigger:
        case SessionTrigger():
            return sessions(market, start, end)
        case AnchorTrigger():
            return points(trigger.anchor, market, start, end)
        case CronTrigger():
            found = cron(trigger.expression, ZoneInfo(trigger.tz), start, end)
        case IntervalTrigger():
            found = every(trigger.every, ZoneInfo(trigger.tz), start, end)
    sky = Sky(market, start, end) if market is not None else None
    return [
        Due(at, sky.label(at) if sky else None)
        for at in found
        if not trigger.during or (sky is not None and sky.state(at) in trigger.during)
    ]


# ── the clock on the wall ────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=512)
def cron(expression: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Debian's cron: fixed times by the wall, once a day; with a star in minute or hour by real time."""
    fields = expression.lower().split()
    sets = [
        numbers(fields[0], 0, 59),
        numbers(fields[1], 0, 23),
        numbers(fields[2], 1, 31),
        numbers(fields[3], 1, 12, _MONTHS, 1),
        numbers(fields[4], 0, 7, _WEEKDAYS, 0),
    ]
    both = fields[2].startswith("*") or fields[4].startswith("*")

    def matches(wall: datetime) -> bool:
        weekday = wall.isoweekday() % 7
        named = weekday in sets[4] or (weekday == 0 and 7 in sets[4])
        days = (wall.day in sets[2] and named) if both else (wall.day in sets[2] or named)
        return wall.minute in sets[0] and wall.hour in sets[1] and days and wall.month in sets[3]

    if fields[0].startswith("*") or fields[1].startswith("*"):
        return [at for at in minutes(start, end) if matches(at.astimezone(zone))]
    return by_the_wall(matches, zone, start, end)


def numbers(field: str, low: int, high: int, names: Sequence[str] = (), first: int = 0) -> frozenset[int]:
    """The numbers that one field of a cron expression stands for."""
    found: set[int] = set()

    def number(text: str) -> int:
        return names.index(text) + first if text in names else int(text)

    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            begin, end = low, high
        elif "-" in span:
            begin, end = map(number, span.split("-"))
        else:
            begin = number(span)
            end = high if step else begin
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


@lru_cache(maxsize=512)
def every(interval: timedelta, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Of an hour: by real time from the full hour. Of a day: by the wall from midnight. Else: from 1970."""
    if HOUR % interval == timedelta(0):
        return [at for at in minutes(start, end) if at.astimezone(zone).minute * MINUTE % interval == DAY * 0]
    if DAY % interval == timedelta(0):
        return by_the_wall(lambda wall: (wall - midnight(wall)) % interval == DAY * 0, zone, start, end)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [at for at in minutes(start, end) if (at - epoch) % interval == timedelta(0)]


def midnight(wall: datetime) -> datetime:
    return wall.replace(hour=0, minute=0, second=0, microsecond=0)


def by_the_wall(
    matches: Callable[[datetime], bool], zone: ZoneInfo, start: datetime, end: datetime
) -> list[datetime]:
    """Somebody looks at the clock on the wall each minute, and does each thing once.

    What the clock has skipped is done when it has; what it shows again has been done.
    """
    found = []
    latest = (start - DAY).astimezone(zone).replace(tzinfo=None)
    for at in minutes(start - DAY, end):
        wall = at.astimezone(zone).replace(tzinfo=None)
        comes = False
        while latest < wall:
            latest += MINUTE
            comes = comes or matches(latest)
        if comes and at > start:
            found.append(at)
    return found


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    """Every minute after `start`, up to `end`."""
    at = start + MINUTE
    while at <= end:
        yield at
        at += MINUTE


# ── the days of a market ─────────────────────────────────────────────────────────────────────


class Sky:
    """The sessions around a stretch of time, and what they make of an instant."""

    def __init__(self, market: Market | None, start: datetime, end: datetime) -> None:
        assert market is not None
        self.market = market
        self.days = around(market, start, end)
        self.begins = [self.begin(day) for day in self.days]

    def begin(self, day: Session) -> datetime:
        return day.open - self.market.windows.pre_open

    def day(self, at: datetime) -> Session:
        return self.days[bisect_right(self.begins, at) - 1]

    def label(self, at: datetime) -> date:
        return self.day(at).date

    def state(self, at: datetime) -> str:
        day = self.day(at)
        if at < day.open:
            return "pre_open"
        if at < day.close:
            return "break" if any(begin <= at < end for begin, end in day.breaks) else "session"
        if at < day.close + self.market.windows.post_close:
            return "post_close"
        today = at.astimezone(self.market.tz).date()
        return "overnight" if any(one.date == today for one in self.days) else "holiday"


def around(market: Market, start: datetime, end: datetime, days: int = 62) -> list[Session]:
    """The sessions of a stretch and of so many days on either side, as far as the calendar goes."""
    first = max(market.valid_from, start.date() - days * DAY)
    return market.sessions(first, min(market.valid_until, end.date() + days * DAY))


def sessions(market: Market | None, start: datetime, end: datetime) -> list[Due]:
    """One for each session, when its pre-open begins."""
    sky = Sky(market, start, end)
    return [Due(sky.begin(day), day.date) for day in sky.days if start < sky.begin(day) <= end]


def points(text: str, market: Market | None, start: datetime, end: datetime) -> list[Due]:
    """`[first|last session of PERIOD] [next|previous] open|close[+-N unit]` for each session."""
    assert market is not None
    days = around(market, start, end, 400 if "year" in text else 100)
    words = text.split()
    chosen = days
    if words[0] in ("first", "last"):
        which, period, words = words[0], words[3], words[4:] or ["open"]
        groups = [[*group] for _, group in groupby(days, key=lambda day: _period(day.date, period))]
        chosen = [group[0 if which == "first" else -1] for group in groups[1:-1]]
    shift = {"next": 1, "previous": -1}.get(words[0], 0)
    point = "".join(words[1:] if shift else words)
    event = "open" if point.startswith("open") else "close"
    offset = _offset(point.removeprefix(event))
    found = []
    for day in chosen:
        number = days.index(day) + shift
        if 0 <= number < len(days):
            at = getattr(days[number], event) + offset
            if start < at <= end:
                found.append(Due(at, day.date))
    return sorted(found)


def _period(day: date, period: str) -> tuple[int, int]:
    year, week, _ = day.isocalendar()
    periods = {
        "week": (year, week),
        "month": (day.year, day.month),
        "quarter": (day.year, (day.month + 2) // 3),
    }
    return periods.get(period, (day.year, 0))


def _offset(text: str) -> timedelta:
    if not text:
        return timedelta(0)
    unit = {"s": timedelta(seconds=1), "m": MINUTE, "h": HOUR}[text[-1]]
    return int(text[:-1]) * unit
