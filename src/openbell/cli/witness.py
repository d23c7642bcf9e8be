"""What the daemon does, in plain lines: its log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from openbell.cli.entry import sheltered
from openbell.cli.words import moment, seconds
from openbell.clock import Clock
from openbell.config.findings import Finding, render
from openbell.core.events import (
    CloseRun,
    Event,
    Exited,
    Lost,
    Miss,
    OpenRun,
    Pause,
    Refused,
    Resume,
    Skip,
    SpaceChanged,
    Stall,
    Unplanned,
)
from openbell.core.occasions import moments
from openbell.core.render import task_label
from openbell.core.state import State
from openbell.core.states import RunState, TaskState
from openbell.core.words import plural
from openbell.engine.daemon import Leave
from openbell.engine.leader import Holder
from openbell.engine.planning import Reloaded
from openbell.errors import ConfigError
from openbell.market.horizon import ends_soon

_NEVER = datetime.min.replace(tzinfo=UTC)
_DAILY, _WEEKLY = timedelta(days=1), timedelta(days=7)


class Log:
    """Prints what an operator wants to find in the morning: runs, failures, misses, files that changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked = _NEVER
        self._ends: dict[str, datetime] = {}
        """When it was last said of a market that its calendar ends."""

    def waits(self, leader: Holder) -> None:
        self._say(f"Waits for the lead: {leader}")

    def leads(self, state: State) -> None:
        under_way = plural(len(state.runs), "run")
        self._say(f"Leads, with {plural(len(state.schedules or {}), 'schedule')}; {under_way} under way")
        self._calendars(state)
        self._next(state)

    def reloaded(self, found: Reloaded) -> None:
        self._looked = _NEVER
        for what, names in (
            ("Reads", found.added),
            ("Reads anew", found.changed),
            ("Does without", found.removed),
            ("In order again", found.mended),
        ):
            if names:
                self._say(f"{what}: {', '.join(names)}")
        for error in found.broken:
            self._say(
                f"{error.path or 'the project'} cannot be used; its last good version, if any, stays", "ERROR"
            )
            self._findings(error)

    def leaves(self, how: Leave, state: State) -> None:
        live = sum(record.live for record in state.runs.values())
        running = f"{plural(live, 'task')} running"
        told = {
            Leave.LET: f"Leaves; {running} on their own, for the next engine to take over",
            Leave.DRAIN: f"Drains: {running}",
            Leave.CANCEL: f"Cancels what is under way: {running}",
        }
        self._say(told[how])

    def see(self, events: Sequence[Event], state: State) -> None:
        for event in events:
            self._tell(event, state)
        self._calendars(state)

    def _calendars(self, state: State) -> None:
        """Say which calendars end soon: at first, and again every week."""
        now = self._clock.now()
        if now < self._looked + _DAILY:
            return
        self._looked = now
        markets = {one.market.name: one.market for one in (state.schedules or {}).values() if one.market}
        for name, market in markets.items():
            if (told := ends_soon(market, now.date())) and now - self._ends.get(name, _NEVER) >= _WEEKLY:
                self._ends[name] = now
                self._say(told[0].upper() + told[1:], "WARNING")

    def _tell(self, event: Event, state: State) -> None:
        match event:
            case OpenRun(run=run):
                self._say(f"{run.id}: opened ({run.origin}), {plural(run.pipeline.size, 'task')}")
            case CloseRun(outcome=outcome):
                level = "INFO" if outcome is RunState.SUCCEEDED else "WARNING"
                record = state.runs[event.run]
                took = seconds(event.at - record.run.opened_at)
                self._say(f"{event.run}: {outcome.value} after {took}", level)
                self._next(state)
            case Miss(count=count):
                which = event.first if count == 1 else f"{count:,} from {event.first} to {event.last}"
                self._say(f"{event.pipeline}: missed {which}: {event.reason}", "WARNING")
            case Unplanned(reason=reason):
                self._say(f"{event.pipeline}/{event.key}: missed: {reason}", "ERROR")
            case Exited() | Lost() | Refused():
                self._ended(event, state)
            case Skip(reason=reason):
                self._say(f"{event.run}/{event.step}: skipped: {reason}", "WARNING")
            case Pause(reason=reason):
                self._say(f"{event.run}: paused: {reason}", "WARNING")
            case Resume():
                self._say(f"{event.run}: resumed")
            case Stall(seconds=silent):
                self._say(f"{event.run}: no task has ended for {seconds(silent)}: {event.task}", "WARNING")
            case SpaceChanged(low=True):
                self._say("The disk is nearly full: nothing more starts", "ERROR")
            case SpaceChanged():
                self._say("There is room on the disk again")

    def _ended(self, event: Exited | Lost | Refused, state: State) -> None:
        record = state.runs.get(event.task.run)
        if record is None:
            return
        group = record.groups[event.task.step]
        name = f"{record.id}: {task_label(record.run.pipeline, event.task)}"
        reason = event.exit.error if isinstance(event, Exited) else event.reason
        match group.state(event.task.cell):
            case TaskState.FAILED:
                self._say(f"{name} failed: {reason}", "ERROR")
            case TaskState.WAITING:
                due = group.due.get(event.task.cell)
                self._say(
                    f"{name} will be tried again{f' at {moment(due)}' if due else ''}: {reason}", "WARNING"
                )

    def _next(self, state: State) -> None:
        coming = min((at for at in moments(state) if at > self._clock.now()), default=None)
        if coming is not None and not state.runs:
            self._say(f"Sleeps until {moment(coming)}")

    def _findings(self, error: ConfigError) -> None:
        path = Path(error.path) if error.path else None
        lines = path.read_text("utf-8-sig", errors="replace").split("\n") if path and path.is_file() else []
        for finding in error.findings:
            if isinstance(finding, Finding):
                with sheltered():
                    click.echo(render(finding, str(path), lines), err=True)

    def _say(self, text: str, level: str = "INFO") -> None:
        with sheltered():
            click.echo(f"[{moment(self._clock.now())}] {level}: {text}", err=True)
