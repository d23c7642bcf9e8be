"""A calendar under its overlays: the same questions, other answers where one holds. The last one wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from hashlib import sha256

from openbell.errors import OverlayError
from openbell.market.calendar import instant
from openbell.market.overlay import Breaks, Overlay
from openbell.market.schedule import DAY, Closure, Schedule, Session, session_after, session_before


class Amended:
    """A schedule with overlays on top. `kind`: what its closures are called where an overlay does not say.

    `prove` finds what cannot hold and what has no effect. A break that does not lie inside the hours of
    its session is left out, so that a half day has no lunch.
    """

    def __init__(self, base: Schedule, overlays: Sequence[Overlay], kind: str = "overlay") -> None:
        self.base = base
        self.name, self.tz, self.sources = base.name, base.tz, base.sources
        self.valid_from, self.valid_until, self.before = base.valid_from, base.valid_until, base.before
        self.kind = kind
        self.overlays = tuple(overlays)
        self.notes: list[tuple[int, str]] = []
        """What has no effect, with the number of the overlay."""
        self._singles: dict[date, list[int]] = {}
        self._ranges = [n for n, overlay in enumerate(overlays) if not overlay.single]
        for n, overlay in enumerate(overlays):
            if overlay.single:
                self._singles.setdefault(overlay.first, []).append(n)
        effects = [overlay.effect for overlay in overlays if not self._outside(overlay)]
        self.digest = sha256(repr((base.digest, effects)).encode()).hexdigest()[:16]

    def session(self, day: date) -> Session | None:
        """The session of this date; None when there is none. Raises `OutOfBounds`."""
        found = self.base.session(day)
        for n in self._holding(day):
            found = self._apply(self.overlays[n], day, found)
        return found

    def closure(self, day: date) -> Closure | None:
        """Why this date has no session; None when it has one. Raises `OutOfBounds`."""
        holding, base = self._holding(day), self.base.closure(day)
        if not holding:
            return base
        if self.session(day) is not None:
            return None
        closing = [overlay for n in holding if (overlay := self.overlays[n]).closed]
        if not closing or (base and (not closing[-1].reason or base.kind == "weekend")):
            return base
        last = closing[-1]
        return Closure(day, last.kind or self.kind, last.reason, last.source)

    def usual(self, day: date) -> Session:
        """What an ordinary session of this date would be: with the hours of ranges. Bounds do not matter."""
        found = self.base.usual(day)
        for n in self._ranges:
            overlay = self.overlays[n]
            if overlay.first <= day <= overlay.last and not overlay.closed:
                found = self._apply(overlay, day, found) or found
        return found

    def _holding(self, day: date) -> Sequence[int]:
        """The overlays of this date by number, in their order."""
        singles = self._singles.get(day, ())
        ranges = [n for n in self._ranges if self.overlays[n].first <= day <= self.overlays[n].last]
        return sorted((*ranges, *singles)) if ranges else singles

    def _apply(self, overlay: Overlay, day: date, found: Session | None) -> Session | None:
        if overlay.closed:
            return None
        if found is None:
            if not overlay.single or not (overlay.extra or overlay.whole_day):
                return None
            found = self.base.usual(day)
        opens = instant(day, overlay.open, self.tz) if overlay.open else found.open
        closes = instant(day, overlay.close, self.tz) if overlay.close else found.close
        breaks = self._instants(overlay.breaks, day) if overlay.breaks is not None else found.breaks
        inside = tuple(pause for pause in breaks if opens < pause[0] and pause[1] < closes)
        if not overlay.single:  # a range says what is usual, not what is special about a date
            return replace(found, open=opens, close=closes, breaks=inside)
        return Session(
            day, opens, closes, inside, overlay.reason or found.note, overlay.source or found.source
        )

    def _instants(self, breaks: Breaks, day: date) -> tuple[tuple[datetime, datetime], ...]:
        return tuple((instant(day, begin, self.tz), instant(day, end, self.tz)) for begin, end in breaks)

    def _outside(self, overlay: Overlay) -> bool:
        return overlay.last < self.valid_from or overlay.first > self.valid_until

    # ── what cannot hold, and what has no effect ─────────────────────────────────────────────────

    def prove(self) -> Iterator[tuple[int, OverlayError]]:
        """Each overlay that cannot hold, by its number in the list. Fills `notes` on the way."""
        self.notes = []
        for n, overlay in enumerate(self.overlays):
            try:
                self._prove(n, overlay)
            except OverlayError as error:
                yield n, error

    def _prove(self, n: int, overlay: Overlay) -> None:
        known = f"{self.name}, which is known from {self.valid_from} to {self.valid_until}"
        if self._outside(overlay):
            self.notes.append((n, f"{overlay}: outside of {known}"))
            return
        if overlay.first < self.valid_from or overlay.last > self.valid_until:
            self.notes.append((n, f"{overlay}: partly outside of {known}"))
        first, last = max(overlay.first, self.valid_from), min(overlay.last, self.valid_until)
        changes = 0
        for day in (first + k * DAY for k in range((last - first).days + 1)):
            below, above = self._around(n, day)
            changes += (below and below.hours) != (above and above.hours)
            if overlay.single:
                self._prove_single(n, overlay, below)
            if (session := self.session(day)) is not None:
                self._prove_hours(overlay, session)
                self._prove_neighbours(overlay, session)
        if not changes:
            self.notes.append((n, f"{overlay}: redundant, {self.name} says so already"))

    def _around(self, n: int, day: date) -> tuple[Session | None, Session | None]:
        """The session below an overlay, and what the overlay makes of it."""
        below = self.base.session(day)
        for other in self._holding(day):
            if other == n:
                return below, self._apply(self.overlays[n], day, below)
            below = self._apply(self.overlays[other], day, below)
        return below, below

    def _prove_single(self, n: int, overlay: Overlay, below: Session | None) -> None:
        if below is None and not (overlay.closed or overlay.extra or overlay.whole_day):
            raise OverlayError(
                f"{overlay}: there is no session of {self.name} to change ({self._why_none(n, overlay)})",
                hint="add `extra: true`, or give both `open` and `close`, for an extra session",
            )
        for other in self._holding(overlay.first):
            if other > n:
                self._prove_order(n, overlay, self.overlays[other])

    def _prove_order(self, n: int, overlay: Overlay, later: Overlay) -> None:
        """The later of the list wins; one that was announced earlier must not."""
        if overlay.known_at and later.known_at and later.known_at < overlay.known_at:
            raise OverlayError(
                f"two overlays contradict each other: `{later}` stands below `{overlay}` "
                "but was known before it",
                hint="the last one of the list holds: put them in the order in which they were announced",
            )
        if later.closed or (later.whole_day and overlay.breaks is None):
            self.notes.append((n, f"{overlay}: superseded by `{later}` below it"))

    def _prove_hours(self, overlay: Overlay, session: Session) -> None:
        """Of one date, the breaks that were asked for: `_apply` leaves out what does not lie inside."""
        breaks = session.breaks
        if overlay.single and overlay.breaks is not None:
            breaks = self._instants(overlay.breaks, session.date)
        times = [session.open, *(at for pause in breaks for at in pause), session.close]
        if times != sorted(set(times)):
            shown = " ".join(f"{at.astimezone(self.tz):%H:%M}" for at in times)
            when = "" if overlay.single else f" on {session.date}"
            raise OverlayError(
                f"{overlay}: open, breaks and close do not follow each other{when}: {shown}",
                hint="times are local to the exchange; `02:00+1` is the day after",
            )

    def _prove_neighbours(self, overlay: Overlay, session: Session) -> None:
        before, after = session_before(self, session.date), session_after(self, session.date)
        for first, second in ((before, session), (session, after)):
            if first and second and second.open < first.close:
                raise OverlayError(
                    f"{overlay}: contradicts its neighbour, the session of {second.date} would open before "
                    f"that of {first.date} closes",
                    hint="change the hours of the one or the other",
                )

    def _why_none(self, n: int, overlay: Overlay) -> str:
        """Why there is no session below this overlay."""
        above = [self.overlays[other] for other in self._holding(overlay.first) if other < n]
        for other in reversed(above):
            if other.closed:
                return f"closed by the overlay above it: {other.reason or other}"
        return str(self.base.closure(overlay.first))
