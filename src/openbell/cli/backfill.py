"""`openbell backfill`: one run for each session of a range, one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from operator import or_

import click

from openbell.cli.choosing import check_executors, load_for, parse_dates, parse_steps, parse_values, place_of
from openbell.cli.entry import sheltered
from openbell.cli.options import LINES, MODE, STEPS
from openbell.cli.setting import Setting, origin
from openbell.cli.words import moment, seconds
from openbell.config.load import Loaded, Overrides
from openbell.config.provenance import Inquiry, provenance
from openbell.core.events import Answer, Event
from openbell.core.model import EXECUTORS
from openbell.core.requests import Submit
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.core.summary import exit_code
from openbell.core.words import plural
from openbell.engine.conduct import Ending
from openbell.engine.leader import Holder
from openbell.errors import ExitCode, UsageError
from openbell.market import Closure, Market, resolve

_COLOURS = {"succeeded": "green", "partial": "yellow", "failed": "red", "cancelled": "red"}


@click.command()
@click.argument("pipeline")
@click.argument("dates")
@MODE
@STEPS
@click.option("--on", type=click.Choice(EXECUTORS), help="Where the tasks run.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Set a key of the file.")
@click.option("--dry-run", is_flag=True, help="Show the sessions and leave.")
@LINES
def backfill(
    pipeline: str,
    dates: str,
    mode: str | None,
    steps: tuple[str, ...],
    on: str | None,
    values: tuple[str, ...],
    dry_run: bool,
    output: str,
) -> int:
    """Run a pipeline for each session from A to B (DATES is A:B), in order, one run each.

    The pipeline has to live in sessions: by `when`, or by `{session}` in its commands. The same command
    again runs only what is missing. Closed dates have no session, and sessions that have not begun are
    left for later.
    """
    setting = Setting.of(place_of(pipeline))
    said = Overrides(on, values=parse_values(values), catching_up=True, mode=mode, steps=parse_steps(steps))
    work = _Backfill(setting, pipeline, said, output)
    first, last = parse_dates(dates) or (date.min, date.min)
    market = work.market()
    chosen, closures = _sessions(setting, market, first, last)
    if dry_run:
        work.preview(market, chosen, closures)
        return ExitCode.OK
    return work.run(chosen)


def _sessions(setting: Setting, market: Market, first: date, last: date) -> tuple[list[date], list[Closure]]:
    """The sessions that have begun, and the closed dates between. Raises `UsageError` without any."""
    begun = market.session(setting.clock.now())
    chosen, closures = market.dates(first, min(last, begun)), market.closures(first, min(last, begun))
    if not chosen:
        why = f" ({closures[0]})" if closures else f": {begun} is the latest that has begun"
        raise UsageError(
            f"{market.name} has no session from {first} to {last}{why}",
            hint="`openbell calendars show` lists a year",
        )
    return chosen, closures


@dataclass(frozen=True, slots=True)
class _Backfill:
    setting: Setting
    wanted: str
    said: Overrides
    output: str

    def load(self, session: date | None, *, starting: bool) -> Loaded:
        """The pipeline, bound to this session; to that of now without one, which tells what is to be told."""
        dates = (session, session) if session else None
        overrides = replace(self.said, dates=dates, now=self.setting.clock.now())
        return load_for(self.setting, self.wanted, overrides, starting=starting, quiet=session is not None)

    def market(self) -> Market:
        """The market whose sessions these are. Raises `UsageError` for a pipeline without sessions."""
        found = self.load(None, starting=False).pipeline
        dated = any(axis.kind == "date" for step in found for axis in step.matrix.axes)
        if found.market is None or (dated and not found.sessions):
            why = "it has no `market`" if found.market is None else "its dates are an axis"
            raise UsageError(
                f"{found.shown} does not live in sessions: {why}",
                hint="`openbell run FILE --dates A:B` runs a sweep over dates",
            )
        return resolve(found.market, self.setting.project.markets)

    def preview(self, market: Market, sessions: Sequence[date], closures: Sequence[Closure]) -> None:
        """What would run, and which dates would not, and why."""
        loaded = self.load(sessions[0], starting=False)
        tasks, name = loaded.pipeline.size * len(sessions), loaded.pipeline.shown
        if self.output == "json":
            left_out = [{"date": f"{one.date}", "reason": f"{one}", "kind": one.kind} for one in closures]
            told = {"pipeline": name, "market": market.name, "tasks": tasks, "left_out": left_out}
            click.echo(json.dumps(told | {"sessions": [f"{day}" for day in sessions]}, ensure_ascii=False))
            return
        closed = [closure for closure in closures if closure.kind != "weekend"]
        weekends = plural(len(closures) - len(closed), "weekend day")
        click.secho(f"{name}: {plural(len(sessions), 'session')} of {market.name}", bold=True, nl=False)
        click.echo(f", {sessions[0]} to {sessions[-1]}, {plural(tasks, 'task')}")
        click.echo(f"  left out: {weekends}, {plural(len(closed), 'closed weekday')}")
        for closure in closed:
            click.echo(f"    {closure.date}  {closure}")

    def run(self, sessions: Sequence[date]) -> int:
        """One run after the other. A failed one does not keep the next from starting; a signal does."""
        codes: list[int] = []
        left, interrupted = list(sessions), False
        try:
            for session, ending in self._runs(sessions):
                if ending.record is not None and ending.record.outcome is not None:
                    codes.append(exit_code(ending.record))
                    left = [day for day in sessions if day > session]
                    interrupted = bool(ending.signal or ending.detached)
                else:
                    interrupted = True
                if interrupted:
                    break
        except KeyboardInterrupt:  # between two runs
            interrupted = True
        if interrupted and left:
            told = f"{plural(len(left), 'session')} left: the same command goes on with {left[0]}"
            click.echo(told, err=True)
            return ExitCode.INTERRUPTED
        if self.output == "text":
            click.echo(f"\n{plural(len(codes), 'session')} done")
        return reduce(or_, codes, 0)

    def _runs(self, sessions: Sequence[date]) -> Iterator[tuple[date, Ending]]:
        """Each session's run, carried to its end and told. One whose time has not come is left for later."""
        from openbell.cli.carry import accepted, carry_out

        store = self.setting.store()
        for session in sessions:
            loaded = self.load(session, starting=True)
            check_executors(self.setting, loaded.pipeline)
            coming = [opening.start for step in loaded.pipeline for opening in step.openings]
            if (first := max(coming, default=None)) and first > self.setting.clock.now():
                click.echo(f"{session} is left for later: its time comes at {moment(first)}", err=True)
                continue
            said = replace(self.said, dates=(session, session)).told()
            known = provenance(loaded.pipeline, Inquiry(self.setting.project.folder), said)
            request = Submit(loaded.pipeline, loaded.digest, origin(), provenance=known)
            ending = accepted(carry_out(self.setting, store, request, _Quiet()))
            if ending.record is not None:
                with sheltered():
                    self._show(session, ending.record)
            yield session, ending

    def _show(self, session: date, record: RunRecord) -> None:
        state = record.state.value
        counts = {one.name.lower(): count for one in TaskState if (count := record.count(one))}
        if self.output == "json":
            told = {
                "session": f"{session}",
                "run": record.id,
                "state": state,
                "code": exit_code(record),
                "counts": counts,
            }
            click.echo(json.dumps(told))
            return
        click.echo(f"{session}  {record.id:<20} ", nl=False)
        click.secho(f"{state:<10}", fg=_COLOURS.get(state), nl=False)
        took = seconds(record.last_end - record.run.opened_at) if record.outcome else ""
        click.echo(f" {', '.join(f'{count} {name}' for name, count in counts.items())}  {took}")


class _Quiet:
    """Shows nothing of a run: its line comes when it has ended."""

    def opened(self, record: RunRecord, answer: Answer) -> None:
        pass

    def see(self, events: Sequence[Event], state: State) -> None:
        pass

    def look(self, record: RunRecord) -> None:
        pass

    def follows(self, leader: Holder) -> None:
        click.echo(f"Handed over to {leader}", err=True)

    def signalled(self, record: RunRecord, count: int) -> None:
        told = "Draining" if count == 1 else "Ending"
        click.echo(f"{told} {record.id}: {record.live} running", err=True)

    def close(self) -> None:
        pass
