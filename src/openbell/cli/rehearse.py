"""`schedule` and `rehearse`: what would run when, on the real calendars."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from openbell.cli.findings import show_rejection
from openbell.cli.lengths import Lengths, duration
from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.words import columns, seconds
from openbell.config.catalog import Catalog, catalog
from openbell.core.events import Fire
from openbell.core.model import Pipeline
from openbell.core.state import Capacity, Limits
from openbell.core.triggers import AfterTrigger
from openbell.core.words import plural
from openbell.errors import ExitCode, NotFound, UsageError
from openbell.report.rehearsed import Line, Problem, counts, lines, local, oddities, problems
from openbell.sim.rehearsal import Occurrence, Rehearsal

_ELSEWHERE = 1000  # slots of an executor that is not this machine
_A_FEW = 8  # runs of a pipeline on one day that are listed one by one
_MOST = 40  # lines about unusual days, and about problems
_FIRST = 5  # problems of one kind and pipeline that are told one by one


@click.command()
@click.option("--days", type=click.IntRange(1, 400), default=7, show_default=True, help="How far to look.")
@PROJECT
@OUTPUT
def schedule(days: int, project: str, output: str) -> int:
    """Show which runs will open in the next days, and when their steps may start.

    Times are those of each pipeline's zone. Runs that come after others are shown for the time at which
    these are likely to be done.
    """
    setting = Setting.of(Path(project))
    found = _catalog(setting)
    start = setting.clock.now()
    rehearsal = _rehearsed(setting, found, start, start + timedelta(days=days))
    if output == "json":
        click.echo(json.dumps([_as_json(one) for one in rehearsal.occurrences], ensure_ascii=False))
        return ExitCode.OK
    if not rehearsal.occurrences:
        click.echo(f"nothing will run in the next {plural(days, 'day')}")
    for day, ones in groupby(rehearsal.occurrences, key=_day):
        click.secho(f"{day:%a %Y-%m-%d}", bold=True)
        for line in _agenda(list(ones)):
            click.echo(f"  {line}")
    _show_broken(found)
    return ExitCode.CONFIG if found.broken else ExitCode.OK


def _day(one: Occurrence) -> date:
    return one.opened.astimezone(ZoneInfo(one.pipeline.tz)).date()


def _agenda(ones: Sequence[Occurrence]) -> Iterator[str]:
    """A line for each run of a day; many runs of one pipeline share one."""
    by_name: dict[str, list[Occurrence]] = {}
    for one in ones:
        by_name.setdefault(one.fire.pipeline, []).append(one)
    for name, found in by_name.items():
        zone = ZoneInfo(found[0].pipeline.tz)
        if len(found) > _A_FEW:
            first, last = found[0].opened.astimezone(zone), found[-1].opened.astimezone(zone)
            yield f"{first:%H:%M}-{last:%H:%M %Z}  {name}: {len(found)} runs ({found[0].fire.trigger})"
            continue
        for one in found:
            opens = f"{one.opened.astimezone(zone):%H:%M %Z}  {one.run} ({one.fire.trigger})"
            yield ": ".join(filter(None, (opens, ", ".join(_starts(one, zone)))))


def _starts(one: Occurrence, zone: ZoneInfo) -> Iterator[str]:
    """When the steps that have a time of their own start."""
    for step in one.pipeline:
        if step.openings:
            yield f"{step.name} {step.openings[0].start.astimezone(zone):%H:%M}"
        elif step.absent:
            yield f"{step.name} not: {step.absent}"


def _as_json(one: Occurrence) -> dict[str, Any]:
    return {
        "run": one.run,
        "pipeline": one.fire.pipeline,
        "trigger": one.fire.trigger,
        "mode": one.fire.mode,
        "session": one.session.isoformat() if one.session else None,
        "opens": one.opened.isoformat(),
        "closes": one.closed.isoformat() if one.closed else None,
        "outcome": one.outcome.value if one.outcome else None,
        "steps": {
            name: {
                "ready": played.ready.isoformat(),
                "starts": played.began.isoformat() if played.began else None,
                "ends": played.ended.isoformat() if played.ended else None,
                "note": played.note,
            }
            for name, played in one.steps.items()
        },
    }


@click.command()
@click.option("--from", "first", metavar="DATE", help="First day. Default: today.")
@click.option("--to", "last", metavar="DATE", help="Last day, included. Default: a year later.")
@click.option("--seed", default=0, help="Tasks differ in length by a quarter; another seed, other lengths.")
@click.option("--slots", type=click.IntRange(1), help="Tasks at once. Default: those of the project.")
@click.option(
    "--length",
    default="1m",
    metavar="DURATION",
    help="How long a task takes that has no history. Default 1m.",
)
@click.option(
    "--takes",
    multiple=True,
    metavar="NAME=DURATION",
    help="How long the tasks of PIPELINE or PIPELINE/STEP take, whatever its history says. Repeatable.",
)
@click.option(
    "--starved", default="5m", metavar="DURATION", help="What waits so long for a slot starves. Default 5m."
)
@click.option(
    "--outage",
    "outages",
    multiple=True,
    metavar="FROM/TO",
    help="Nobody leads between these instants (ISO, UTC).",
)
@click.option("--gantt", type=click.Path(dir_okay=False), help="Write a chart: FILE.svg, or FILE.html.")
@click.option("--tz", help="Zone of the chart. Default: UTC.")
@PROJECT
@OUTPUT
def rehearse(
    first: str | None,
    last: str | None,
    seed: int,
    slots: int | None,
    length: str,
    takes: tuple[str, ...],
    starved: str,
    outages: tuple[str, ...],
    gantt: str | None,
    tz: str | None,
    project: str,
    output: str,
) -> int:
    """Play a stretch of time with all pipelines of the project, in seconds.

    Triggers, calendars, gates and slots are the real ones; only the tasks are not run. Shows which runs
    open on half days, holidays and when the clocks change, what is missed, which deadlines and which next
    runs are overrun, and what starves for a slot. Exit code 1 when something would go wrong.
    """
    setting = Setting.of(Path(project))
    start = _midnight(first) if first else setting.clock.now()
    end = _midnight(last) + timedelta(days=1) if last else start + timedelta(days=365)
    if end <= start:
        raise UsageError("--to lies before --from")
    zone = _zone(tz or "UTC")
    chart = Path(gantt) if gantt else None
    if chart is not None and chart.suffix not in (".svg", ".html"):
        raise UsageError(f"--gantt writes .svg or .html, not {chart.name}")
    found = _catalog(setting)
    lengths = Lengths.of(setting, found, takes, duration("--length", length))
    patience = duration("--starved", starved)
    began = time.perf_counter()
    rehearsal = _rehearsed(setting, found, start, end, seed, slots, lengths, tuple(map(_outage, outages)))
    took = time.perf_counter() - began
    wrong = problems(rehearsal, patience)
    if chart is not None:
        _draw(rehearsal, wrong, chart, zone)
    if output == "json":
        _tell_json(rehearsal, wrong, took)
    else:
        _tell(rehearsal, wrong, took)
        _show_broken(found)
        if chart is not None:
            click.echo(f"\nthe chart: {chart}")
    return ExitCode.CONFIG if found.broken else 1 if wrong else ExitCode.OK


def _catalog(setting: Setting) -> Catalog:
    found = catalog(setting.project, os.environ)
    if not any(one.pipeline.triggers for one in found.definitions.values()):
        if found.broken:
            raise next(iter(found.broken.values()))
        raise NotFound(
            f"no pipeline of {setting.project.folder} has triggers",
            hint="`triggers: [session]`, for example; see `openbell explain triggers`",
        )
    return found


def _show_broken(found: Catalog) -> None:
    for error in found.broken.values():
        show_rejection(error)


def _rehearsed(
    setting: Setting,
    found: Catalog,
    start: datetime,
    end: datetime,
    seed: int = 0,
    slots: int | None = None,
    lengths: Lengths | None = None,
    outages: tuple[tuple[datetime, datetime], ...] = (),
) -> Rehearsal:
    def plan(fire: Fire) -> Pipeline:
        return found.definitions[fire.pipeline].bound(fire.session, fire.mode)

    schedules = {name: one.schedule for name, one in found.definitions.items() if one.pipeline.triggers}
    executors = {step.executor: Capacity(_ELSEWHERE) for one in schedules.values() for step in one.pipeline}
    limits = Limits({**executors, "process": Capacity(slots or setting.slots)}, setting.pools)
    lengths = lengths or Lengths.of(setting, found)
    rehearsal = Rehearsal(schedules, plan, limits, lengths, start, end, seed, outages)
    rehearsal.play()
    return rehearsal


def _midnight(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise UsageError(f"{text!r} is no date", hint="YYYY-MM-DD") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {name!r}", hint="for example America/New_York") from None


def _outage(text: str) -> tuple[datetime, datetime]:
    first, _, last = text.partition("/")
    try:
        ends = [datetime.fromisoformat(part) for part in (first, last)]
    except ValueError:
        raise UsageError(
            f"--outage takes FROM/TO, not {text!r}", hint="2026-11-20T20:00/2026-11-21T02:00"
        ) from None
    begin, end = (at if at.tzinfo else at.replace(tzinfo=UTC) for at in ends)
    if end <= begin:
        raise UsageError(f"--outage {text}: the end lies before the begin")
    return begin, end


def _tell(rehearsal: Rehearsal, wrong: Sequence[Problem], took: float) -> None:
    tasks = sum(len(one.steps) for one in rehearsal.occurrences)
    span = f"{rehearsal.start:%Y-%m-%d} to {rehearsal.end:%Y-%m-%d}"
    click.secho(f"{span}: ", bold=True, nl=False)
    click.echo(
        f"{plural(len(rehearsal.occurrences), 'run')}, {plural(tasks, 'step')}, rehearsed in {took:.1f} s\n"
    )
    click.echo(
        f"{'pipeline':<24}{'runs':>7}{'well':>7}{'missed':>8}{'skipped':>9}{'starts':>8}{'longest':>10}{'waited':>9}"
    )
    for line in lines(rehearsal):
        click.echo(_row(line))
    for trigger, name in _without_runs(rehearsal):
        click.secho(f"{name}: `{trigger}` never fires in this stretch", fg="yellow")
    _list(
        "unusual days", [f"{one.day:%a %Y-%m-%d}  {one.pipeline}: {one.what}" for one in oddities(rehearsal)]
    )
    zones = {name: one.pipeline.tz for name, one in rehearsal.schedules.items()}
    _list("problems", [*_counted(wrong, zones)])
    _list("one by one", [*_one_by_one(wrong, zones)])
    if not wrong:
        click.secho("\nnothing would go wrong", fg="green")


def _counted(wrong: Sequence[Problem], zones: Mapping[str, str]) -> Iterator[str]:
    """A table: what goes wrong where, how often, and by how much at most."""
    rows = [
        (
            one.kind.value,
            one.pipeline,
            f"{one.times:,}",
            seconds(one.worst.by) if one.worst.by is not None else "-",
            f"{one.worst.where}, {local(one.worst.at, zones[one.pipeline])}",
        )
        for one in counts(wrong)
    ]
    return columns(("what", "pipeline", "times", "at most", "where"), rows, "<<>><") if rows else iter(())


def _one_by_one(wrong: Sequence[Problem], zones: Mapping[str, str]) -> Iterator[str]:
    """The first ones of each kind and pipeline, so that a loop that overlaps all day hides nothing."""
    told = Counter[tuple[str, str]]()
    for one in wrong:
        told[one.kind, one.pipeline] += 1
        if told[one.kind, one.pipeline] <= _FIRST:
            yield f"{local(one.at, zones[one.pipeline])}  {one.where}: {one.what}"
    if rest := sum(max(0, count - _FIRST) for count in told.values()):
        yield f"and {rest:,} more of the same (-o json has all)"


def _row(line: Line) -> str:
    waited = seconds(line.waited) if line.waited else "-"
    return (
        f"{line.pipeline:<24}{line.runs:>7,}{line.succeeded:>7,}{line.missed:>8,}{line.skipped:>9,}"
        f"{line.usual or '-':>8}{seconds(line.longest):>10}{waited:>9}"
    )


def _without_runs(rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    fired = {(one.fire.pipeline, one.fire.trigger) for one in rehearsal.occurrences}
    for name, one in rehearsal.schedules.items():
        for trigger in one.pipeline.triggers:
            if (name, str(trigger)) not in fired:
                told = "its pipelines have no runs" if isinstance(trigger, AfterTrigger) else ""
                yield f"{trigger}{' ' * bool(told)}{told}", name


def _list(title: str, told: list[str]) -> None:
    if not told:
        return
    click.secho(f"\n{title}", bold=True)
    for line in told[:_MOST]:
        click.echo(f"  {line}")
    if len(told) > _MOST:
        click.echo(f"  and {len(told) - _MOST:,} more (-o json has all)")


def _tell_json(rehearsal: Rehearsal, wrong: Sequence[Problem], took: float) -> None:
    data = {
        "from": rehearsal.start.isoformat(),
        "to": rehearsal.end.isoformat(),
        "seconds": round(took, 3),
        "pipelines": [
            {**asdict(line), "longest": line.longest.total_seconds(), "waited": line.waited.total_seconds()}
            for line in lines(rehearsal)
        ],
        "unusual": [{**asdict(one), "day": one.day.isoformat()} for one in oddities(rehearsal)],
        "problems": [_problem_json(one) for one in wrong],
        "runs": [_as_json(one) for one in rehearsal.occurrences],
    }
    click.echo(json.dumps(data, ensure_ascii=False))


def _problem_json(one: Problem) -> dict[str, Any]:
    by = one.by.total_seconds() if one.by is not None else None
    return {**asdict(one), "at": one.at.isoformat(), "by": by}


def _draw(rehearsal: Rehearsal, wrong: Sequence[Problem], chart: Path, zone: ZoneInfo) -> None:
    from openbell.report.gantt import gantt, page

    svg = gantt(rehearsal.occurrences, wrong, rehearsal.start, rehearsal.end, zone)
    chart.write_text(svg if chart.suffix == ".svg" else page(svg), encoding="utf-8")
