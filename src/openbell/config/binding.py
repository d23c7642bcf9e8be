"""Binds a pipeline to a session: points of its day become instants, `{session-1}` becomes a date.

A bound pipeline needs no calendar any more. Its gates compare instants, it means the same after a
reload, and a run that is late still works on its own session.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.shapes import BetweenShape, StepShape, When
from openbell.core.alerts import Deadline
from openbell.core.model import Late, Opening, Pipeline, Step
from openbell.core.render import sessions_in
from openbell.errors import MarketError
from openbell.market import Market
from openbell.market.markets import state_of
from openbell.market.points import point, stretches
from openbell.market.schedule import DAY


def bind(
    draft: Draft,
    pipeline: Pipeline,
    dates: tuple[date, date] | None,
    now: datetime | None,
    *,
    catching_up: bool = False,
) -> Pipeline | None:
    """The pipeline bound to its session; None for one that does not live in sessions.

    `dates`: what was asked for. `now`: when nothing was. `catching_up`: nothing is too late. What is wrong
    goes into the draft's findings.
    """
    asked = {name for step in pipeline for name in sessions_in(step)}
    dated = any(axis.kind == "date" for step in pipeline for axis in step.matrix.axes)
    named = dates is not None and dates[0] == dates[1] and pipeline.market is not None and not dated
    if not draft.timed and not asked and not named and draft.due_at is None:
        return None
    if pipeline.market is None:
        _no_market(draft)
        return pipeline
    market = draft.market(pipeline.market, ("market",))
    session = _session(draft, market, dates, now) if market else None
    if market is None or session is None:
        return pipeline
    return bind_to(draft, pipeline, market, session, catching_up=catching_up)


def bind_to(
    draft: Draft, pipeline: Pipeline, market: Market, session: date, *, catching_up: bool = False
) -> Pipeline:
    """The pipeline bound to a session of its market. What is wrong goes into the draft's findings."""
    asked = {name for step in pipeline for name in sessions_in(step)}
    try:
        sessions = {name: _near(market, session, name).isoformat() for name in sorted({"session", *asked})}
    except MarketError as error:
        draft.fault("OB128", error.message, ("market",), error.hint)
        return pipeline
    steps = tuple(_opened(draft, step, market, session) for step in pipeline)
    if catching_up:
        steps = tuple(step if step.hold else replace(step, late=Late.RUN, stop_at=None) for step in steps)
    due = None if catching_up else _due(draft, pipeline, market, session)
    _too_early(draft, market, session)
    return replace(pipeline, steps=steps, sessions=sessions, deadline=due)


def _due(draft: Draft, pipeline: Pipeline, market: Market, session: date) -> Deadline | None:
    """The deadline with its point of the day as an instant."""
    if pipeline.deadline is None or draft.due_at is None:
        return pipeline.deadline
    try:
        return replace(pipeline.deadline, at=point(draft.due_at).at(market, session))
    except MarketError as error:
        draft.fault("OB128", error.message, ("deadline", "at"), error.hint)
        return None


def _too_early(draft: Draft, market: Market, session: date) -> None:
    """A deadline that comes, in every session, before some step may start."""
    if draft.due_at is None:
        return
    due = point(draft.due_at)
    near = market.dates(max(market.valid_from, session - 20 * DAY), session)
    for name, shape in draft.timed.items():
        if shape.when is None:
            continue
        starts = {day: [one.start for one in _openings(market, day, shape.when)] for day in near}
        if any(starts.values()) and all(due.at(market, day) <= min(at) for day, at in starts.items() if at):
            told = f"the deadline `{draft.due_at}` comes before `{name}` may start"
            draft.fault("OB128", told, ("deadline", "at"))
            return


def occurs(market: Market, state: str) -> bool:
    """Whether the market has been in a state lately: some have no break, or no pre-open."""
    last = market.prev_session(market.valid_until).date
    near = market.dates(max(market.valid_from, last - 20 * DAY), last)
    return any(True for day in near for _ in stretches(market, day, state_of(state)))


def _no_market(draft: Draft) -> None:
    if draft.meant((), "market"):
        return
    for name, shape in draft.timed.items():
        key = "when" if shape.when is not None else "stop_at"
        told = f"`{key}` has no market"
        draft.fault("OB128", told, ("steps", name, key), "name one: `market: XNYS`", key=True)


def _session(
    draft: Draft, market: Market, dates: tuple[date, date] | None, now: datetime | None
) -> date | None:
    """The session that was asked for, or that of now."""
    try:
        if dates is None:
            return market.session(now) if now is not None else market.prev_session(market.valid_until).date
        if dates[0] != dates[1]:
            raise MarketError("this pipeline runs for one session at a time", hint="`--date` names it")
        if (closure := market.closure(dates[0])) is not None:
            following = market.next_session(dates[0]).date
            raise MarketError(
                f"{market.name} has no session on {dates[0]} ({closure})",
                hint=f"the next one is that of {following}",
            )
        return dates[0]
    except MarketError as error:
        draft.fault("OB128", error.message, ("market",), error.hint)
        return None


def _near(market: Market, session: date, name: str) -> date:
    """`session-1`, `session+2`: so many sessions away."""
    away = int(name.removeprefix("session") or 0)
    for _ in range(abs(away)):
        session = (market.next_session if away > 0 else market.prev_session)(session).date
    return session


def _opened(draft: Draft, step: Step, market: Market, session: date) -> Step:
    """The step with its times as instants, or with why it has none. One that never has any is an error."""
    shape = draft.timed.get(step.name)
    if shape is None:
        return step
    place: Place = ("steps", step.name)
    try:
        if (found := _times(market, session, shape)) is not None:
            openings, stop_at = found
            if step.hold and openings:  # over whatever lies between
                openings = (Opening(openings[0].start, openings[-1].end),)
            return replace(step, openings=openings, stop_at=stop_at)
        near = market.dates(max(market.valid_from, session - 20 * DAY), session)
        if any(_times(market, day, shape) for day in near):
            return replace(step, absent=f"the session {session} of {market.name} has no time for it")
        key, told = _never(market, session, shape)
        draft.fault("OB128", told, (*place, key))
    except MarketError as error:
        key = "stop_at" if shape.when is None else "when"
        draft.fault("OB128", error.message, (*place, key), error.hint)
    return step


def _times(
    market: Market, session: date, shape: StepShape
) -> tuple[tuple[Opening, ...], datetime | None] | None:
    """When a step may start in a session, and by when it has to end; None when it has no time in it."""
    openings = tuple(sorted(set(_openings(market, session, shape.when)))) if shape.when is not None else ()
    stop_at = point(shape.stop_at).at(market, session) if shape.stop_at is not None else None
    closed = shape.when is not None and not openings
    over = bool(stop_at and openings and stop_at <= openings[0].start)
    return None if closed or over else (openings, stop_at)


def _never(market: Market, session: date, shape: StepShape) -> tuple[str, str]:
    """The key, and what is wrong with it, of a step that has no time in any session."""
    if shape.when is None or any(True for _ in _openings(market, session, shape.when)):
        return "stop_at", f"`stop_at: {shape.stop_at}` is not after the time of the step"
    if isinstance(shape.when, BetweenShape):
        return "when", f"`until: {shape.when.until}` is not after `after: {shape.when.after}`"
    return "when", f"{market.name} is never in the state {' or '.join(_states(shape.when))}"


def _states(when: When) -> list[str]:
    return when if isinstance(when, list) else [when] if isinstance(when, str) else []


def _openings(market: Market, session: date, when: When) -> Iterator[Opening]:
    if not isinstance(when, BetweenShape):
        for name in _states(when):
            yield from (Opening(*stretch) for stretch in stretches(market, session, state_of(name)))
        return
    start = point(when.after).at(market, session)
    end = point(when.until).at(market, session) if when.until else None
    if end is None or start < end:
        yield Opening(start, end)
