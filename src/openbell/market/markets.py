"""A market: a schedule of sessions with its windows, and what time it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

from openbell.errors import MarketError, NaiveInstant, OutOfBounds
from openbell.market import vector
from openbell.market.amended import Amended
from openbell.market.names import PRIMARY
from openbell.market.overlay import Overlay, Overlays, collect
from openbell.market.schedule import DAY, Closure, Schedule, Session, check, session_after, session_before
from openbell.market.snapshot import schedule_of
from openbell.market.states import MarketState, Windows, between
from openbell.market.timeline import Span, Timeline

_DURATION = re.compile(r"(\d+)\s*(s|m|h)")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
_LONGEST = timedelta(hours=24)
_NAMES = ", ".join(state.name.lower() for state in MarketState)


class Transition(NamedTuple):
    """From the instant `at` on (aware, UTC) the market is in this state, in the session with this label."""

    at: datetime
    state: MarketState
    session: date


class Moment(NamedTuple):
    """The state of a market around an instant: since when, and until when (aware, UTC)."""

    state: MarketState
    session: date
    since: datetime
    until: datetime
    closure: Closure | None
    """Why the local date has no session; set in HOLIDAY only."""


class Market:
    """One calendar with its windows. Get one from `market(name)`.

    Dates outside `valid_from`..`valid_until`, and instants outside of what follows from them, raise
    `OutOfBounds`; datetimes without a zone raise `NaiveInstant`.
    """

    def __init__(self, name: str, schedule: Schedule, windows: Windows | None = None) -> None:
        self.name = name
        self.schedule = schedule
        self.windows = windows or Windows()
        self.calendar = schedule.name
        self.tz = schedule.tz
        self.valid_from = schedule.valid_from
        self.valid_until = schedule.valid_until
        self.source = schedule.sources
        self.digest = sha256(f"{schedule.digest} {self.windows}".encode()).hexdigest()[:16]
        self._timeline = Timeline(schedule, self.windows)
        if self._timeline.first >= self._timeline.last:
            raise MarketError(f"{name} has no session at all", hint="are its members ever open together?")

    def __repr__(self) -> str:
        return f"<Market {self.name} ({self.calendar})>"

    # ── instants ─────────────────────────────────────────────────────────────────────────────────

    def state(self, at: datetime) -> MarketState:
        """The state at an aware datetime."""
        return self.span(at)[2]

    def session(self, at: datetime) -> date:
        """The label of an instant: the latest session whose PRE_OPEN has begun. It never goes backwards."""
        return date.fromordinal(self.span(at)[3])

    def moment(self, at: datetime) -> Moment:
        """State and label at an instant, since when, and until when."""
        since, until, state, label = self.span(at)
        closure = None
        if state is MarketState.HOLIDAY:
            closure = self.schedule.closure(at.astimezone(self.tz).date())
        return Moment(state, date.fromordinal(label), _utc(since), _utc(until), closure)

    def span(self, at: datetime) -> Span:
        """All of one lookup: since and until when (seconds since 1970), the state, the label as an ordinal.

        `until` is the next change of state or label. Everything else is made of this.
        """
        if type(at) is datetime and at.tzinfo is UTC:  # the usual case, without another call
            return self._timeline.at(at.timestamp())
        return self._timeline.at(self._seconds(at))

    def next_transition(self, at: datetime) -> Transition:
        """The next change of state or label, strictly later. `OutOfBounds` after the last one."""
        return self._first(self.transitions(at), at)

    def next_state_change(self, at: datetime) -> Transition:
        """The next change of state: a market that only turns to its next session is left aside."""
        state = self.state(at)
        return self._first((found for found in self.transitions(at) if found.state is not state), at)

    def transitions(self, after: datetime, until: datetime | None = None) -> Iterator[Transition]:
        """Every change of state or label strictly after an instant, and before `until`."""
        last = self._timeline.last if until is None else self._seconds(until)
        for start, state, label in self._timeline.edges(self._seconds(after)):
            if start >= last:
                return
            yield Transition(_utc(start), state, label)

    def state_at_ns(self, ns: int) -> MarketState:
        """The state at whole nanoseconds since 1970."""
        return self._timeline.at(ns // 1_000_000_000)[2]

    def states(self, instants_ns: Any) -> Any:
        """The states of many instants, as codes: `MarketState(code)` is the state.

        `instants_ns`: an array of any shape of int64 nanoseconds since 1970 or of datetime64 (UTC); gives a
        uint8 array of the same shape. Another sequence of whole nanoseconds gives an `array('B')`, and
        needs no numpy.
        """
        return vector.states(self._timeline, instants_ns)

    def labels(self, instants_ns: Any) -> Any:
        """The labels of many instants: datetime64[D] for arrays, a list of dates for other sequences."""
        return vector.labels(self._timeline, instants_ns)

    # ── dates ────────────────────────────────────────────────────────────────────────────────────

    def is_session(self, day: date) -> bool:
        """Whether this exchange-local date is a trading day."""
        return self.schedule.closure(day) is None

    def closure(self, day: date) -> Closure | None:
        """Why this date has no session; None when it has one."""
        return self.schedule.closure(day)

    def session_of(self, day: date) -> Session:
        """The session with this label. Raises `MarketError`, with the reason, when there is none."""
        found = self.schedule.session(day)
        if found is None:
            closure = self.schedule.closure(day)
            raise MarketError(
                f"{self.name} has no session on {day} ({closure})", hint="next_session gives the one after it"
            )
        return found

    def is_usual(self, session: Session) -> bool:
        """Whether its hours are those of an ordinary session of its time."""
        return session.hours == self.schedule.usual(session.date).hours

    def session_known(self, day: date) -> Session | None:
        """The session with this label; None when there is none, or none that the calendar knows."""
        known = self.valid_from <= day <= self.valid_until
        return self.schedule.session(day) if known else None

    def next_session(self, day: date | datetime) -> Session:
        """The first session after a date, or after the one that an instant belongs to."""
        found = session_after(self.schedule, self._known(day))
        if found is None:
            raise self._no_more(f"after {day}")
        return found

    def prev_session(self, day: date | datetime) -> Session:
        """The last session before a date, or before the one that an instant belongs to."""
        found = session_before(self.schedule, self._known(day))
        if found is None:
            raise self._no_more(f"before {day}")
        return found

    def sessions(self, start: date, end: date) -> list[Session]:
        """The sessions labelled `start` to `end`, both included."""
        found = (self.schedule.session(day) for day in self._days(start, end))
        return [session for session in found if session is not None]

    def dates(self, start: date, end: date) -> list[date]:
        """The labels of `sessions(start, end)`, without computing their hours."""
        return [day for day in self._days(start, end) if self.schedule.closure(day) is None]

    def closures(self, start: date, end: date) -> list[Closure]:
        """The dates from `start` to `end` without a session, each with its reason."""
        found = (self.schedule.closure(day) for day in self._days(start, end))
        return [closure for closure in found if closure is not None]

    def window(self, session: date, state: str | MarketState) -> tuple[datetime, datetime]:
        """Start and end (UTC) of the `pre_open`, `session`, `break` or `post_close` of a session.

        `session` is from open to close, breaks included; `break` is the first one. A window is empty
        (its start is its end) where the sessions follow each other without a gap. Raises `MarketError`
        when the date has no session or the session has no break.
        """
        found = self.session_of(session)
        match state_of(state):
            case MarketState.SESSION:
                return found.open, found.close
            case MarketState.BREAK if found.breaks:
                return found.breaks[0]
            case MarketState.PRE_OPEN:
                before = session_before(self.schedule, session)
                begin = self._between(before, found)[1] if before else found.open - self.windows.pre_open
                return begin, found.open
            case MarketState.POST_CLOSE:
                after = session_after(self.schedule, session)
                end = self._between(found, after)[0] if after else found.close + self.windows.post_close
                return found.close, end
            case MarketState.BREAK:
                raise MarketError(
                    f"{self.name} has no break on {session}",
                    hint="`session_of(date).breaks` tells",
                )
            case other:
                raise MarketError(
                    f"{other} is no window of a session", hint="pre_open, session, break, post_close"
                )

    def notes(self) -> list[str]:
        """What its users should know: windows that do not fit, overlays without effect."""
        found = [note for _, note in self.schedule.notes] if isinstance(self.schedule, Amended) else []
        return [*self._squeezed(), *found]

    def possible(self) -> set[MarketState]:
        """The states that occur here at all: a market without gaps has no PRE_OPEN, few have a BREAK."""
        first = self._timeline.first
        return {self._timeline.at(first)[2]} | {edge.state for edge in self._timeline.edges(first)}

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def _seconds(self, at: datetime) -> float:
        if not isinstance(at, datetime):
            raise TypeError(f"an instant is an aware datetime, not {at!r}")
        if at.utcoffset() is None:
            raise NaiveInstant(
                f"{at} has no time zone: it says nothing about {self.name}",
                hint="for example datetime(..., tzinfo=timezone.utc), or datetime.now(timezone.utc)",
            )
        value = getattr(at, "value", None)  # pandas has nanoseconds, which its timestamp() rounds
        return value // 1_000_000_000 if isinstance(value, int) else at.timestamp()

    def _first(self, found: Iterator[Transition], at: datetime) -> Transition:
        for transition in found:
            return transition
        raise self._no_more(f"after {at}")

    def _no_more(self, where: str) -> OutOfBounds:
        return OutOfBounds(
            f"{self.name} knows nothing {where}: its calendar covers {self.valid_from} to {self.valid_until}",
            hint="update openbell for a later calendar",
        )

    def _known(self, day: date | datetime) -> date:
        if isinstance(day, datetime):
            return self.session(day)
        check(self.schedule, day)
        return day

    def _days(self, start: date, end: date) -> Iterator[date]:
        """Both ends are checked first, so that an error names the date that was asked for."""
        if start <= end:
            check(self.schedule, start)
            check(self.schedule, end)
        return (start + n * DAY for n in range((end - start).days + 1))

    def _between(self, session: Session, following: Session) -> tuple[datetime, datetime]:
        """Where the POST_CLOSE of the one ends, and the PRE_OPEN of the other begins."""
        ends = between(int(session.close.timestamp()), int(following.open.timestamp()), self.windows)
        return _utc(ends[0]), _utc(ends[1])

    def _squeezed(self) -> Iterator[str]:
        day = self.valid_until - 28 * DAY
        recent = self.sessions(max(day, self.valid_from), self.valid_until)
        gaps = [(b.open - a.close, a, b) for a, b in pairwise(recent)]
        if not gaps:
            return
        gap, session, following = min(gaps, key=lambda one: one[0])
        if not gap:
            yield f"{self.name} has no PRE_OPEN and no POST_CLOSE: its sessions have no gap between them"
        elif gap < self.windows.pre_open + self.windows.post_close:
            over, _ = self._between(session, following)
            yield (
                f"{self.name}: POST_CLOSE and PRE_OPEN share {_minutes(gap)} minutes between sessions: "
                f"{_minutes(over - session.close)} and {_minutes(following.open - over)}"
            )


def market(
    name: str,
    *,
    pre_open: timedelta | str | None = None,
    post_close: timedelta | str | None = None,
    overlays: Overlays = (),
    as_of: datetime | None = None,
) -> Market:
    """The market of this name: `XNYS`, an alias such as `US_EQ`, or `any(XLON, XPAR)`, `all(XNYS, XLON)`.

    `pre_open`, `post_close`: other windows than 60 and 120 minutes, as timedelta or such as `30m`.
    `overlays`: a list, a CSV file, or a provider (see `Overlay`). `as_of`: only those that were known then.
    Raises `UnknownMarket` with the nearest name, and `OverlayError`.
    """
    plain = pre_open is None and post_close is None and as_of is None and overlays == ()
    if plain and isinstance(name, str):
        return _plain(name)
    schedule = schedule_of(name)
    found = collect(overlays, schedule.name)
    if as_of is not None:
        if not isinstance(as_of, datetime) or as_of.utcoffset() is None:
            raise NaiveInstant(f"as_of={as_of} is no aware datetime", hint="for example tzinfo=timezone.utc")
        found = [overlay for overlay in found if overlay.known_at is None or overlay.known_at <= as_of]
    return build(name, schedule, found, pre_open, post_close)


def build(
    name: str,
    schedule: Schedule,
    overlays: Sequence[Overlay] = (),
    pre_open: timedelta | str | None = None,
    post_close: timedelta | str | None = None,
) -> Market:
    """A market on this schedule, under these overlays. Raises `OverlayError`."""
    usual = Windows()
    windows = Windows(
        usual.pre_open if pre_open is None else _duration(pre_open, "pre_open"),
        usual.post_close if post_close is None else _duration(post_close, "post_close"),
    )
    if not overlays:
        return Market(name, schedule, windows)
    amended = Amended(schedule, overlays)
    for _, error in amended.prove():
        raise error
    return Market(name, amended, windows)


def resolve(name: str, own: Mapping[str, Market]) -> Market:
    """A market of the project, also inside of a composite, or of the package. Raises `UnknownMarket`."""
    if name in own:
        return own[name]
    if not own:
        return market(name)
    return Market(name, schedule_of(name, {other: one.schedule for other, one in own.items()}))


@lru_cache(maxsize=256)
def _plain(name: str) -> Market:
    return Market(name, schedule_of(name))


def get_market_state(name: str, at: datetime) -> MarketState:
    """The state of a market at an aware datetime."""
    return market(name).state(at)


def get_all_market_states(at: datetime, names: tuple[str, ...] = tuple(PRIMARY)) -> dict[str, MarketState]:
    """The states of the markets that follow the sun: `US_EQ`, `EU_EQ`, `ASIA_EQ`, or of those named."""
    return {name: market(name).state(at) for name in names}


def get_next_state_transition(name: str, at: datetime) -> Transition:
    """The next change of state or label of a market, strictly later."""
    return market(name).next_transition(at)


def _duration(value: timedelta | str, what: str) -> timedelta:
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        value = timedelta(**{UNITS[found[2]]: int(found[1])})
    if (
        not isinstance(value, timedelta)
        or value % timedelta(seconds=1)
        or not timedelta() <= value <= _LONGEST
    ):
        raise MarketError(
            f"{what} cannot be {value}", hint="whole seconds of up to a day: timedelta, or '30m'"
        )
    return value


def state_of(name: str | MarketState) -> MarketState:
    """The state of this name, in any case. Raises `MarketError`."""
    try:
        return MarketState(name)  # type: ignore[arg-type]  # names are members by another way
    except ValueError:
        raise MarketError(f"{name!r} is no state", hint=_NAMES) from None


def _minutes(span: timedelta) -> int:
    return round(span.total_seconds() / 60)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
