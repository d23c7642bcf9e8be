"""Pipelines that come after others: which labels are there, and what stands in for those that cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import groupby, takewhile

from openbell.core.events import Action, Fire, Miss
from openbell.core.model import Overlap, Run, run_name
from openbell.core.state import Schedule, State
from openbell.core.states import RunState
from openbell.core.triggers import AfterTrigger, named
from openbell.core.turns import displaced, predecessor
from openbell.errors import OutOfBounds
from openbell.market import Market

_KEPT = 60  # endings of each pipeline that are kept in mind
_DATED = re.compile(r"\d{4}-\d\d-\d\d(-.*)?")
_TIMED = re.compile(r"\d{8}T\d{6}Z(-.*)?")


def following(
    state: State, schedule: Schedule, trigger: AfterTrigger, position: str, now: datetime
) -> Iterator[Action]:
    """The first label behind the position that every pipeline it waits for has come to."""
    if not any(max(state.ended.get(name, {}), default="") > position for name in trigger.pipelines):
        return
    passed: list[tuple[str, str]] = []  # labels, each with the reason why it can have no run, or none
    known = {label for name in trigger.pipelines for label in _known(state, name) if label > position}
    for label in sorted(known):
        why = _unfit(state, schedule, trigger, label)
        if not why and ready(state, trigger, label):
            yield from _missed(schedule, trigger, passed, f"{label} came first", now)
            yield from _follow(state, schedule, trigger, label, now)
            return
        passed.append((label, why))
    hopeless = [*takewhile(lambda one: one[1], passed)]
    yield from _missed(schedule, trigger, hopeless, "", now)


def _follow(
    state: State, schedule: Schedule, trigger: AfterTrigger, label: str, now: datetime
) -> Iterator[Action]:
    """The run for a label. What it waited for is done, so it is never given up for a predecessor."""
    name = schedule.pipeline.name
    if schedule.pipeline.overlap is Overlap.REPLACE:
        yield from displaced(state, name, now)
    key = f"{label}-{trigger.mode}" if trigger.mode else label
    queued = predecessor(state, schedule) not in ("", f"{name}/{key}")
    session = _session(schedule, label)
    yield Fire(now, name, named(trigger), label, key, now, session, trigger.mode, queued)


def _missed(
    schedule: Schedule, trigger: AfterTrigger, passed: Sequence[tuple[str, str]], reason: str, now: datetime
) -> Iterator[Miss]:
    """The records of labels that no run comes of. `reason`: of those that have none of their own."""
    name = schedule.pipeline.name
    for why, group in groupby(passed, key=lambda one: one[1] or reason):
        labels = [label for label, _ in group]
        yield Miss(now, name, named(trigger), labels[-1], labels[0], labels[-1], len(labels), why)


def _unfit(state: State, schedule: Schedule, trigger: AfterTrigger, label: str) -> str:
    """Why there can be no run for a label, or an empty text."""
    closed = [schedule.market]
    if trigger.mismatch == "skip":
        closed += [_market(state, name) for name in trigger.pipelines]
    return next(filter(None, (_foreign(market, label) for market in closed)), "")


def awaited_labels(
    state: State, schedule: Schedule, trigger: AfterTrigger, position: str
) -> Iterator[tuple[str, str]]:
    """Labels that have begun to be there, with what each of the pipelines has come to."""
    if before := predecessor(state, schedule):
        yield before, "still runs: what comes after it waits"
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
    if not any(state.ended.get(name, {}).get(label) is RunState.SUCCEEDED for name in trigger.pipelines):
        return False
    return not trigger.every_one or all(fits(state, name, label, trigger) for name in trigger.pipelines)


def fits(state: State, name: str, label: str, trigger: AfterTrigger) -> bool:
    """Whether a pipeline has succeeded for a label, or for the session that stands in for it."""
    ended = state.ended.get(name, {})
    if ended.get(label) is RunState.SUCCEEDED:
        return True
    market, day = _market(state, name), _day(label)
    if market is None or day is None or not _foreign(market, label):
        return False
    return ended.get(_beside(market, day, trigger.mismatch)) is RunState.SUCCEEDED


def _beside(market: Market, day: date, mismatch: str) -> str:
    """The label of the session that stands in for a date without one."""
    try:
        near = market.prev_session(day) if mismatch == "previous" else market.next_session(day)
    except OutOfBounds:
        return ""
    return near.date.isoformat()


@lru_cache(maxsize=4096)
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
    """The session that a label is, or None."""
    try:
        return date.fromisoformat(label) if label[4:5] == "-" else None
    except ValueError:
        return None


def _session(schedule: Schedule, label: str) -> date | None:
    """The session of a run that comes after runs of this label."""
    if (day := _day(label)) is not None or schedule.market is None:
        return day
    try:
        return schedule.market.session(datetime.strptime(label[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    except (ValueError, OutOfBounds):
        return None


def latest(state: State, trigger: AfterTrigger) -> str:
    """The last label that all it waits for have come to already: no news; empty where there is none."""
    labels = sorted(
        {label for name in trigger.pipelines for label in state.ended.get(name, {})}, reverse=True
    )
    return next((label for label in labels if ready(state, trigger, label)), "")


def remember(state: State, name: str, label: str, outcome: RunState) -> None:
    """How a run of this label ended, for the pipelines that come after it."""
    if not label:
        return
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
    """What runs of different pipelines are matched by, in the order of time."""
    pipeline = run.pipeline
    return label_for(run.id, pipeline.sessions.get("session", ""), pipeline.market, run.opened_at)


def label_for(run_id: str, session: str, market: object, opened_at: datetime) -> str:
    """The session of a run; without a market the instant that it is for, or at which it was opened.

    Empty for a run that belongs to no session although its pipeline has a market: nothing comes after it.
    """
    if session or market is not None:
        return session
    key = run_name(run_id)[1]
    if _DATED.fullmatch(key):  # it came after one that has a market
        return key[:10]
    return key if _TIMED.fullmatch(key) else f"{opened_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
