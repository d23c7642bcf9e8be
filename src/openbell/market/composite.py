"""Several calendars as one: `any(XLON, XPAR)` is in session when one of them is, `all(...)` when all are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import reduce
from hashlib import sha256
from itertools import pairwise

from openbell.errors import MarketError
from openbell.market.schedule import DAY, Closure, Schedule, Session, check, session_before

Interval = tuple[datetime, datetime]


class Composite:
    """The times when one, or when all of them trade, as sessions of their own.

    A session of `any` unites those of one label, and ends where the next one begins. A session of `all` is
    the part of one of the first member's in which the others trade as well. What lies between is a break.
    The first member gives the zone of local dates. A date without a session says which member is closed.
    """

    def __init__(self, kind: str, members: Sequence[Schedule]) -> None:
        self.kind, self.members = kind, members
        self.name = f"{kind}({', '.join(member.name for member in members)})"
        self.tz = members[0].tz
        self.sources = ", ".join(dict.fromkeys(member.sources for member in members))
        self.digest = sha256(repr((kind, [m.digest for m in members])).encode()).hexdigest()[:16]
        self.valid_from = max(member.valid_from for member in members)
        self.valid_until = min(member.valid_until for member in members)
        if self.valid_from > self.valid_until:
            raise MarketError(f"{self.name}: no date lies in the bounds of all of them")
        self.before = self._before()
        self._sessions: dict[date, Session | None] = {}

    def session(self, day: date) -> Session | None:
        """The session of this date; None when there is none. Raises `OutOfBounds`."""
        check(self, day)
        if day not in self._sessions:
            self._sessions[day] = self._common(day) if self.kind == "all" else self._any(day)
        return self._sessions[day]

    def _any(self, day: date) -> Session | None:
        found = self._united(day)
        following = (self._united(day + n * DAY) for n in (1, 2))
        opens = [session.open for session in following if session is not None]
        return _until(found, min(opens)) if found and opens else found

    def closure(self, day: date) -> Closure | None:
        """Why this date has no session; None when it has one. Raises `OutOfBounds`."""
        if self.session(day) is not None:
            return None
        closures = [(member.name, member.closure(day)) for member in self.members]
        told = [(name, closure) for name, closure in closures if closure is not None]
        if not told:
            return Closure(day, "ad hoc", "no hour is common to all")
        kinds = {closure.kind for _, closure in told}
        if kinds == {"weekend"}:
            return Closure(day, "weekend")
        kind = kinds.pop() if len(kinds) == 1 else "ad hoc" if "ad hoc" in kinds else "holiday"
        reason = ", ".join(f"{name}: {closure}" for name, closure in told)
        source = ", ".join(f"{name}: {closure.source}" for name, closure in told if closure.source)
        return Closure(day, kind, reason, source)

    def usual(self, day: date) -> Session:
        """What an ordinary session of this date would be. Bounds do not matter."""
        usual = [member.usual(day) for member in self.members]
        intervals = [session.trading for session in usual]
        together = _either(intervals) if self.kind == "any" else reduce(_both, intervals)
        return _session(day, together or intervals[0], ())

    def _united(self, day: date) -> Session | None:
        """When one of the sessions with this label trades. They may reach into those of the next label."""
        found = [session for member in self.members if (session := _known(member, day)) is not None]
        return _session(day, _either([session.trading for session in found]), found) if found else None

    def _common(self, day: date) -> Session | None:
        """When the first member is in the session with this label, and the others in any session."""
        first = self.members[0].session(day)
        if first is None:
            return None
        common, found = first.trading, [first]
        for member in self.members[1:]:
            near = (_known(member, day + n * DAY) for n in (-1, 0, 1))
            theirs = [session for session in near if session is not None]
            common = _both(common, [interval for session in theirs for interval in session.trading])
            found += [session for session in theirs if session.date == day]
        return _session(day, common, found) if common else None

    def _before(self) -> date | None:
        """Known where each member either says it or still has dates before the common bound."""
        labels = [_label_before(member, self.valid_from) for member in self.members]
        known = [label for label in labels if label is not None]
        if len(known) < len(labels):
            return None
        return max(known) if self.kind == "any" else min(known)


def _label_before(member: Schedule, day: date) -> date | None:
    """The label of the last session before a date, where the member knows it."""
    found = session_before(member, day)
    return found.date if found else member.before


def _known(member: Schedule, day: date) -> Session | None:
    """The session of a date, also of one beyond what the member covers."""
    return member.session(day) if member.valid_from <= day <= member.valid_until else None


def _session(day: date, trading: list[Interval], found: Sequence[Session]) -> Session:
    """A session of these stretches, with a break between each two."""
    breaks = tuple((first[1], second[0]) for first, second in pairwise(trading))
    notes = dict.fromkeys(session.note for session in found if session.note)
    return Session(day, trading[0][0], trading[-1][1], breaks, ", ".join(notes))


def _until(session: Session, end: datetime) -> Session:
    """What of a session lies before the next one begins: from then on, instants belong to that."""
    if session.close <= end:
        return session
    trading = [(begin, min(close, end)) for begin, close in session.trading if begin < end]
    return _session(session.date, trading, [session]) if trading else session


def _either(trading: Sequence[list[Interval]]) -> list[Interval]:
    """The union; stretches that touch are one."""
    found: list[Interval] = []
    for begin, end in sorted(interval for intervals in trading for interval in intervals):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _both(left: list[Interval], right: list[Interval]) -> list[Interval]:
    """The intersection."""
    pairs = ((max(a[0], b[0]), min(a[1], b[1])) for a in left for b in right)
    return _either([[(begin, end) for begin, end in pairs if begin < end]])
