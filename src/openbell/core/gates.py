"""The conditions for starting, as pure predicates that explain themselves.

`decide`, `openbell why`, the API and the dashboard ask these same functions. A gate looks at a step
as a whole; what differs between the cells of a step is only when each may be tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from openbell.core.binding import deadline, missing
from openbell.core.freshness import oldest_session, stale
from openbell.core.intake import batch, left, rival, taken
from openbell.core.model import Late, Opening
from openbell.core.needs import Fate, called, stands_by, unmet, waits
from openbell.core.resources import Pool, Usage
from openbell.core.state import Group, RunRecord, State
from openbell.core.windows import is_open


class Blocker(NamedTuple):
    """Why something has not started, and until when, where that can be known.

    `told` may be a function: a thousand gates are asked whether they hold before one is asked why.
    """

    gate: str
    told: str | Callable[[], str]
    until: datetime | None = None

    @property
    def text(self) -> str:
        """The reason in words."""
        return self.told if isinstance(self.told, str) else self.told()


class Scope(NamedTuple):
    """What a gate may look at. (Made for every step that waits, every turn: tuples are made quickly.)"""

    state: State
    record: RunRecord
    group: Group
    usage: Usage
    now: datetime
    tripped: bool
    """Whether the run has failed too often: asked once per run, not once per step."""


def brake(scope: Scope) -> Blocker | None:
    """The run is paused, or has failed too often."""
    record = scope.record
    if record.paused:
        return Blocker("paused", f"the run is paused: {record.paused}")
    if scope.tripped:
        failed = record.failed
        return Blocker("max_failures", f"{failed} tasks have failed: max_failures is reached")
    return None


def space(scope: Scope) -> Blocker | None:
    """The disk of the state folder is nearly full."""
    return Blocker("space", "the disk of the state folder is nearly full") if scope.state.space_low else None


def needs(scope: Scope) -> Blocker | None:
    """Every needed step has come as far as asked. (What cells need of cells is asked cell by cell.)"""
    need = unmet(scope.record, scope.group)
    return Blocker("needs", partial(waits, scope.record, need)) if need else None


def stand_in(scope: Scope) -> Blocker | None:
    """A step that stands in for others runs only when one of them has failed."""
    group = scope.group
    return None if called(group) is Fate.MET else Blocker("stand_in", partial(stands_by, group))


def window(scope: Scope) -> Blocker | None:
    """The daily window of the step is open."""
    daily = scope.group.step.window
    if daily is None:
        return None
    opened, until = is_open(daily, scope.now)
    if opened:
        return None
    return Blocker("window", f"outside its window {daily.start:%H:%M}-{daily.stop:%H:%M} {daily.tz}", until)


def market(scope: Scope) -> Blocker | None:
    """The time of the step in the day of the run's own session has come."""
    if reason := missed(scope.group, scope.now) or expired(scope.group, scope.now):
        return Blocker("market", reason)
    openings = scope.group.step.openings
    if not openings or any(_open(opening, scope.now) for opening in openings):
        return None
    coming = next((opening.start for opening in openings if opening.start > scope.now), None)
    if coming is None:  # late, and may be
        return None
    session = scope.record.run.pipeline.sessions.get("session", "")
    return Blocker("market", f"its time in the session {session} has not come", coming)


def fresh(scope: Scope) -> Blocker | None:
    """The data sets that the step requires are fresh."""
    sessions = scope.record.run.pipeline.sessions
    for required in scope.group.step.requires:
        known = scope.state.datasets.get(required.dataset)
        if reason := stale(required, known, sessions.get(oldest_session(required)), scope.now):
            return Blocker("fresh", reason)
    return None


def files(scope: Scope) -> Blocker | None:
    """A file that has settled, and that nobody has consumed or bound, is there for it to take."""
    group, wanted = scope.group, scope.group.step.files
    if wanted is None:
        return None
    if wanted.bound is not None:
        if left(scope.record, group) is not None or any(True for _ in taken(scope.record, group)):
            return Blocker("files", "another run has consumed its files")
        other = rival(scope.state, scope.record, group)
        return Blocker("files", f"{other} works on the same files") if other else None
    looked = group.intake is not None and group.intake.seen is not None
    if batch(scope.state, scope.record, group) or (scope.record.run.forced and looked and not wanted.axis):
        return None
    until = deadline(wanted, group.intake.since if group.intake else None)
    end = f"; then it {'is skipped' if wanted.absent == 'skip' else 'fails'}" if until else ""
    told = partial(missing, scope.state, scope.record, group, scope.now, end)
    return Blocker("files", told, until)


def _open(opening: Opening, now: datetime) -> bool:
    return opening.start <= now and (opening.end is None or now < opening.end)


def missed(group: Group, now: datetime) -> str:
    """Why a step will not start any more: it must not be late, or the time that it holds is over."""
    step = group.step
    if step.absent:
        return step.absent
    last = step.openings[-1].end if step.openings else None
    if step.hold:
        last = step.ends
    elif step.late is Late.RUN or group.begun:
        last = None
    if last is None or now < last:
        return ""
    return f"too late: its time was over at {last:%Y-%m-%d %H:%M:%S} UTC"


def expired(group: Group, now: datetime) -> str:
    """Why nothing of a step may start or run any more, or an empty text."""
    end = None if group.step.hold else group.step.stop_at
    return f"it was to end by {end:%Y-%m-%d %H:%M:%S} UTC" if end is not None and end <= now else ""


def slots(scope: Scope) -> Blocker | None:
    """There is a free slot, and enough of every pool."""
    lacking = scope.usage.short(scope.state, scope.record, scope.group.step)
    if not lacking:
        return None
    pool, taken, size = lacking[0]
    return Blocker(
        "slots", f"no room in {_room(pool)}: {_amount(pool, taken)} of {_amount(pool, size)} taken"
    )


GATES: tuple[Callable[[Scope], Blocker | None], ...] = (
    brake,
    space,
    needs,
    stand_in,
    window,
    market,
    fresh,
    files,
)
"""In the order in which they are asked and shown. `slots` comes last: it is asked per task."""


PATIENT = frozenset({"needs", "stand_in", "window", "market"})
"""Gates that only time, or news about their own run, can open."""


def closed_gate(scope: Scope) -> Blocker | None:
    """The first gate that does not let the step through, slots aside."""
    for gate in GATES:
        if blocker := gate(scope):
            return blocker
    return None


def awaits_files(scope: Scope) -> bool:
    """Whether nothing but its files keeps the step from starting: only then somebody looks for them."""
    wanted = scope.group.step.files
    if wanted is None or wanted.bound is not None or not scope.group.waiting:
        return False
    return not any(gate(scope) for gate in GATES if gate is not files)


def _room(pool: Pool) -> str:
    match pool:
        case ("executor", name):
            return f"the executor {name}"
        case ("run", _):
            return "the concurrency of the run"
        case (_, name):
            return f"the pool {name}"


def _amount(pool: Pool, value: float) -> str:
    return f"{value / 1e9:.1f} GB" if pool == ("pool", "memory") else f"{value:g}"
