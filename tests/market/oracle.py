"""What time it is in the market, worked out by looking through nearby sessions: slow, plain, and on its own.

Written from the words of the design alone. It imports nothing of openbell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

MINUTE = timedelta(minutes=1)
ZERO = timedelta()


class Day(NamedTuple):
    """One session: its label, and its hours in UTC."""

    label: date
    open: datetime
    close: datetime
    breaks: tuple[tuple[datetime, datetime], ...] = ()


@dataclass(frozen=True)
class Sky:
    """Sessions in their order, a zone, and the two windows."""

    days: Sequence[Day]
    zone: tzinfo
    pre_open: timedelta = timedelta(hours=1)
    post_close: timedelta = timedelta(hours=2)
    labels: set[date] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", {day.label for day in self.days})

    def pre_begins(self, n: int) -> datetime:
        day = self.days[n]
        return day.open - (min(self.pre_open, self.shares(n)[1]) if n else self.pre_open)

    def post_ends(self, n: int) -> datetime:
        day = self.days[n]
        last = n + 1 == len(self.days)
        return day.close + (self.post_close if last else min(self.post_close, self.shares(n + 1)[0]))

    def shares(self, n: int) -> tuple[timedelta, timedelta]:
        """How the gap before session n is shared: what POST_CLOSE may have of it, and what PRE_OPEN may."""
        gap = self.days[n].open - self.days[n - 1].close
        both = self.pre_open + self.post_close
        if gap >= both:
            return self.post_close, self.pre_open
        post = round(gap * (self.post_close / both) / MINUTE) * MINUTE
        return post, gap - post

    def verdict(self, at: datetime) -> tuple[str, date]:
        """State and label. The sessions have to reach back before the instant."""
        n = max(n for n in range(len(self.days)) if self.pre_begins(n) <= at)
        day = self.days[n]
        if at < day.open:
            return "PRE_OPEN", day.label
        if at < day.close:
            paused = any(begin <= at < end for begin, end in day.breaks)
            return "BREAK" if paused else "SESSION", day.label
        if at < self.post_ends(n):
            return "POST_CLOSE", day.label
        local = at.astimezone(self.zone).date()
        return "OVERNIGHT" if local in self.labels else "HOLIDAY", day.label

    def edges(self) -> list[datetime]:
        """Every instant at which something may change, local midnights included."""
        found = set()
        for n, day in enumerate(self.days):
            found |= {self.pre_begins(n), day.open, day.close, self.post_ends(n)}
            found |= {edge for pause in day.breaks for edge in pause}
        first, last = (self.days[n].open.astimezone(self.zone).date() for n in (0, -1))
        for n in range((last - first).days + 1):
            found.add(midnight(first + timedelta(days=n), self.zone))
        return sorted(found)


def midnight(day: date, zone: tzinfo) -> datetime:
    """The first instant of a local date, found by trying: the clock may have no 00:00 on it, or two."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    low, high = int(noon.timestamp()) - 36 * 3600, int(noon.timestamp()) + 24 * 3600
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date() < day:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def unsure(sky: Sky, at: datetime) -> bool:
    """Whether an instant lies within a minute of where two windows share a gap, which is rounded."""
    both = sky.pre_open + sky.post_close
    for one, following in pairwise(sky.days):
        gap = following.open - one.close
        if ZERO < gap < both and abs(one.close + gap * (sky.post_close / both) - at) <= MINUTE:
            return True
    return False
