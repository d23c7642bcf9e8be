"""Triggers of a file into those of the core."""

from __future__ import annotations

from datetime import timedelta

from openbell.config.binding import occurs
from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.shapes import PipelineShape
from openbell.config.trigger_shapes import (
    AfterShape,
    CronShape,
    EveryShape,
    FilesShape,
    MarketPointShape,
    SessionShape,
)
from openbell.core.inputs import Signal
from openbell.core.triggers import (
    AfterTrigger,
    AnchorTrigger,
    CronTrigger,
    FilesTrigger,
    IntervalTrigger,
    SessionTrigger,
    Trigger,
)
from openbell.errors import MarketError
from openbell.market import resolve

_SETTLE = timedelta(seconds=5)
_SHORTEST = timedelta(seconds=1)


def compile_triggers(draft: Draft, shape: PipelineShape, tz: str | None) -> tuple[Trigger, ...]:
    """The triggers of a pipeline. `tz`: its zone, None where it says nothing about one."""
    found: list[Trigger] = []
    for number, given in enumerate(shape.triggers):
        place: Place = ("triggers", number)
        trigger = _trigger(draft, given, shape, tz, place) if not draft.doubtful(place) else None
        if trigger is None:
            continue
        if str(trigger) in map(str, found):
            draft.fault("OB109", f"the trigger `{trigger}` is there twice", place)
        found.append(trigger)
    return tuple(found)


def _trigger(
    draft: Draft, given: object, shape: PipelineShape, tz: str | None, place: Place
) -> Trigger | None:
    match given:
        case SessionShape() | "session":
            mode = given.mode if isinstance(given, SessionShape) else None
            return SessionTrigger(mode=mode or "") if _in_a_market(draft, shape, "session", place) else None
        case MarketPointShape():
            here = _in_a_market(draft, shape, "market", (*place, "market"))
            return AnchorTrigger(given.market, mode=given.mode or "") if here else None
        case CronShape():
            return _cron(draft, given, shape, tz, place)
        case EveryShape():
            if given.every < _SHORTEST:
                draft.fault("OB104", "every: must be one second or more", (*place, "every"))
                return None
            during = _during(draft, given, shape, place)
            return IntervalTrigger(given.every, tz or "UTC", during, mode=given.mode or "")
        case FilesShape():
            return _files(draft, given, place)
        case AfterShape(after=(every_one, names)):
            if shape.name in names:
                draft.fault("OB117", f"`{shape.name}` comes after itself", (*place, "after"))
                return None
            mismatch = given.mismatch
            return AfterTrigger(names, every_one, mismatch, mode=given.mode or "")  # type: ignore[arg-type]
        case _:
            return None


def _files(draft: Draft, given: FilesShape, place: Place) -> FilesTrigger:
    for name in ("stalled", "timeout"):
        if getattr(given, name) is not None and given.signal is None:
            draft.fault("OB111", f"`{name}` goes with `signal`", (*place, name), key=True)
    told = given.signal
    return FilesTrigger(
        given.files,
        given.settle or _SETTLE,
        mode=given.mode or "",
        signal=Signal(told.complete, told.start or "", told.progress or "") if told else None,
        stalled=given.stalled,
        timeout=given.timeout,
    )


def _cron(
    draft: Draft, given: CronShape, shape: PipelineShape, tz: str | None, place: Place
) -> Trigger | None:
    if given.tz is not None and draft.zone(given.tz, (*place, "tz")) is None:
        return None
    zone = given.tz or tz
    if zone is None:
        said = shape.market is not None  # that there is no such market
        if not said and not draft.meant((), "tz", "market") and not draft.meant(place, "tz"):
            help_ = "add `tz: America/New_York` to it, or `tz` or `market` to the pipeline"
            draft.fault("OB129", f"`{given.cron}` has no time zone", (*place, "cron"), help_)
        return None
    return CronTrigger(given.cron, zone, _during(draft, given, shape, place), mode=given.mode or "")


def _during(
    draft: Draft, given: CronShape | EveryShape, shape: PipelineShape, place: Place
) -> tuple[str, ...]:
    at = (*place, "during")
    if given.during is None or not _in_a_market(draft, shape, "during", at):
        return ()
    states = tuple(given.during) if isinstance(given.during, list) else (given.during,)
    try:
        market = resolve(shape.market or "", draft.markets)
    except MarketError:  # that there is no such market, is said elsewhere
        return states
    if not any(occurs(market, state) for state in states):
        draft.fault("OB128", f"{market.name} is never in the state {' or '.join(states)}", at)
    return states


def _in_a_market(draft: Draft, shape: PipelineShape, key: str, place: Place) -> bool:
    """Whether the pipeline has a market, which this trigger needs."""
    if shape.market is None and not draft.meant((), "market"):
        draft.fault("OB129", f"`{key}` has no market", place, "name one: `market: XNYS`")
    return shape.market is not None
