"""Pipelines that come after others: which labels are there, and what stands in for those that cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime

from openbell.core.events import Action, Fire, Miss
from openbell.core.model import Overlap, Run, run_name
from openbell.core.state import Schedule, State
from openbell.core.states import RunState
from openbell.core.triggers import AfterTrigger, named
from openbell.errors import OutOfBounds
from openbell.market import Market

_KEPT = 60  # endings of each pipeline that are kept in mind


def following(
    state: State, schedule: Schedule, trigger: AfterTrigger, position: str, now: datetime
) -> Iterator[Action]:
    """The first label behind the position that every pipeline it waits for has come to."""
    if schedule.pipeline.overlap is not Overlap.ALLOW and state.rivals(schedule.pipeline.name):
        return  # what it waited for is done: the run comes when its predecessor has ended
    if not any(max(state.ended.get(name, {}), default="") > position for name in trigger.pipelines):
        return
    labels = {
        label
        for name in trigger.pipelines
        for label, outcome in state.ended.get(name, {}).items()
        if label > position and outcome is RunState.SUCCEEDED
    }
    passed: list[str] = []
    skips = trigger.mismatch == "skip"
    for label in sorted(labels):
        closed = [schedule.market]
        if skips:
            closed += [_market(state, name) for name in trigger.pipelines]
        if why := next(filter(None, (_foreign(market, label) for market in closed)), ""):
            yield _unmatched(schedule, trigger, [*passed, label], why, now)
            return
        if ready(state, trigger, label):
            if passed:
                yield _unmatched(schedule, trigger, passed, f"{label} came first", now)
            key = f"{label}-{trigger.mode}" if trigger.mode else label
            name = schedule.pipeline.name
            yield Fire(now, name, named(trigger), label, key, now, _day(label), trigger.mode)
            return
        passed.append(label)


def awaited_labels(
    state: State, schedule: Schedule, trigger: AfterTrigger, position: str
) -> Iterator[tuple[str, str]]:
    """Labels that have begun to be there, with what each of the pipelines has come to."""
    if running := state.rivals(schedule.pipeline.name):
        yield running[0], "still runs: what comes after it waits"
    labels = {label for name in trigger.pipelines for label in _known(state, name) if label > position}
    for label in sorted(labels):
        told = (f"{name} {_told(state, name, label, trigger)}" for name in trigger.pipelines)
        yield label, ", ".join(told)
    if not labels:
        yield "next", f"waits for {', '.join(trigger.pipelines)}"


def _known(state: State, name: str) -> set[str]:
    """The labels of a pipeline's runs, those under way included."""
    running = (record.run for record in state.runs.values() if record.run.pipeline.name == name)
    return set(state.ended.get(name, {})) | {label_of(run) for run in running}


def _told(state: State, name: str, label: str, trigger: AfterTrigger) -> str:
    if fits(state, name, label, trigger):
        return "has succeeded"
    if why := _foreign(_market(state, name), label):
        which = "the session before" if trigger.mismatch == "previous" else "its next session"
        return f"is waited for with {which}: {why}"
    if outcome := state.ended.get(name, {}).get(label):
        return f"has ended: {outcome.value}"
    return "is under way" if label in _known(state, name) else "has not run"


def ready(state: State, trigger: AfterTrigger, label: str) -> bool:
    """Whether what a trigger waits for is there for this label."""
    there = (fits(state, name, label, trigger) for name in trigger.pipelines)
    return all(there) if trigger.every_one else any(there)


def fits(state: State, name: str, label: str, trigger: AfterTrigger) -> bool:
    """Whether a pipeline has succeeded for a label, or for the session that stands in for it."""
    ended = state.ended.get(name, {})
    if ended.get(label) is RunState.SUCCEEDED:
        return True
    market, day = _market(state, name), _day(label)
    if market is None or day is None or not _foreign(market, label):
        return False
    if trigger.mismatch == "previous":
        return (before := _before(market, day)) is not None and ended.get(before) is RunState.SUCCEEDED
    return any(other > label and outcome is RunState.SUCCEEDED for other, outcome in ended.items())


def _before(market: Market, day: date) -> str | None:
    """The label of the last session before a date."""
    try:
        return market.prev_session(day).date.isoformat()
    except OutOfBounds:
        return None


def _foreign(market: Market | None, label: str) -> str:
    """Why a label is no session of a market, or an empty text."""
    day = _day(label)
    known = market is not None and day is not None and market.valid_from <= day <= market.valid_until
    if market is None or day is None or not known:
        return ""
    closure = market.closure(day)
    return f"{market.name} has no session on {label} ({closure})" if closure else ""


def _market(state: State, name: str) -> Market | None:
    schedule = (state.schedules or {}).get(name)
    return schedule.market if schedule else None


def _day(label: str) -> date | None:
    try:
        return date.fromisoformat(label) if "-" in label else None
    except ValueError:
        return None


def _unmatched(
    schedule: Schedule, trigger: AfterTrigger, labels: list[str], reason: str, now: datetime
) -> Miss:
    name = schedule.pipeline.name
    return Miss(now, name, named(trigger), labels[-1], labels[0], labels[-1], len(labels), reason)


def latest(state: State, trigger: AfterTrigger) -> str:
    """The last label that all it waits for have come to already: no news; empty where there is none."""
    labels = sorted(
        {label for name in trigger.pipelines for label in state.ended.get(name, {})}, reverse=True
    )
    return next((label for label in labels if ready(state, trigger, label)), "")


def remember(state: State, name: str, label: str, outcome: RunState) -> None:
    """How a run of this label ended, for the pipelines that come after it."""
    ended = state.ended.setdefault(name, {})
    ended.pop(label, None)
    ended[label] = outcome
    while len(ended) > _KEPT:
        del ended[next(iter(ended))]


def awaited(schedules: Mapping[str, Schedule]) -> set[str]:
    """Pipelines that others come after."""
    triggers = (trigger for schedule in schedules.values() for trigger in schedule.pipeline.triggers)
    return {name for trigger in triggers if isinstance(trigger, AfterTrigger) for name in trigger.pipelines}


def label_of(run: Run) -> str:
    """What runs of different pipelines are matched by: the session, or the key where there is none."""
    return run.pipeline.sessions.get("session") or run_name(run.id)[1]
