"""Why a pipeline has not run yet, and when it will: the answers of `openbell why` about triggers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from openbell.core.following import awaited_labels
from openbell.core.gates import Blocker
from openbell.core.occasions import coming, overdue
from openbell.core.state import Schedule, State
from openbell.core.triggers import AfterTrigger, FilesTrigger, Timed, Trigger, named
from openbell.core.turns import predecessor


def outlook(state: State, schedule: Schedule, now: datetime) -> Iterator[tuple[Trigger, Blocker]]:
    """For each trigger of a pipeline, what its next run waits for."""
    for trigger in schedule.pipeline.triggers:
        name = schedule.pipeline.name
        for fire in state.fired.values():
            if fire.queued and (fire.pipeline, fire.trigger) == (name, named(trigger)):
                before = predecessor(state, schedule) or "its predecessor"
                yield trigger, Blocker("overlap", f"{fire.run} is queued behind {before}, which still runs")
        position = state.positions.get((name, named(trigger)))
        if isinstance(trigger, FilesTrigger):
            yield trigger, _files(state, name, trigger, now)
        elif position is None:
            yield trigger, Blocker("daemon", "no daemon has seen it yet: `openbell start`")
        elif isinstance(trigger, AfterTrigger):
            for label, told in awaited_labels(state, schedule, trigger, position):
                yield trigger, Blocker("after", f"{label}: {told}")
        elif isinstance(trigger, Timed):
            yield trigger, _timed(schedule, trigger, position, now)


def _files(state: State, name: str, trigger: FilesTrigger, now: datetime) -> Blocker:
    waits = f"waits for files: {' '.join(trigger.patterns)}"
    told = state.told.get((name, named(trigger)))
    if trigger.signal is None:
        return Blocker("files", waits)
    if told is None or not told.writes:
        return Blocker("files", f"{waits}; its writer has told nothing since the last run")
    late = overdue(trigger, told)
    if late is not None and late[0] <= now:
        return Blocker("files", f"{waits}; {late[1]}")
    said = f"{waits}; its writer told {told.phase}" + (f" ({told.text})" if told.text else "")
    return Blocker("files", said, late[0] if late is not None else None)


def _timed(schedule: Schedule, trigger: Timed, position: str, now: datetime) -> Blocker:
    occasion = coming(trigger, schedule.market, position)
    if occasion is None:
        return Blocker("calendar", "the calendar knows of no further occasion: renew it")
    if occasion.at > now:
        session = f" (session {occasion.session})" if occasion.session else ""
        return Blocker("time", f"opens {schedule.pipeline.name}/{occasion.key}{session}", occasion.at)
    return Blocker("daemon", f"{occasion.key} is due, and the engine will open it when it leads")
