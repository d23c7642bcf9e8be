"""`openbell runs`: ls, show, diff, audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.targets import Target, find
from openbell.cli.why import marks
from openbell.cli.words import columns, commit_words, moment, seconds, size
from openbell.core.failures import failure_groups
from openbell.core.group import MARKED
from openbell.core.matrix import label
from openbell.core.model import AttemptKey, Pipeline
from openbell.core.render import task_label
from openbell.core.selection import dropped_needs
from openbell.core.states import StopReason, TaskState
from openbell.core.summary import concessions, summarize
from openbell.core.words import plural
from openbell.errors import ExitCode, NotFound
from openbell.store.protocol import Store
from openbell.store.records import AttemptInfo, MissInfo, RunInfo

_MOST_TASKS = 40
_HEADS = ("RUN", "STATE", "OPENED", "TOOK", "TASKS", "SESSION", "MODE", "NOTE")


@click.group()
def runs() -> None:
    """The runs of the project."""


@runs.command("ls")
@click.argument("name", required=False)
@click.option("-n", "--limit", type=click.IntRange(1), default=20, help="At most so many.")
@PROJECT
@OUTPUT
def ls(name: str | None, limit: int, project: str, output: str) -> None:
    """List runs and missed occasions, newest first; with NAME, those of one pipeline."""
    store = Setting.of_the_past(Path(project)).past()
    found: list[RunInfo | MissInfo] = [*store.runs(name, limit), *store.misses(name, limit)]
    found.sort(key=lambda one: one.at if isinstance(one, MissInfo) else one.opened_at, reverse=True)
    if output == "json":
        rows = (_miss_json(one) if isinstance(one, MissInfo) else _run_json(one) for one in found[:limit])
        click.echo(json.dumps(list(rows), ensure_ascii=False))
        return
    if not found:
        click.echo("no runs" + (f" of {name}" if name else ""))
        return
    lines = [_row(info) for info in found[:limit]]
    for line in columns(_HEADS, lines, "<<<>><<<"):
        click.echo(line)


def _row(info: RunInfo | MissInfo) -> tuple[str, ...]:
    if isinstance(info, MissInfo):
        which = info.last if info.count == 1 else f"{info.first} to {info.last}, {info.count:,} in all"
        return (f"{info.pipeline}/{which}", "missed", moment(info.at), "", "", "", "", info.reason)
    return (
        info.id,
        info.state.value,
        moment(info.opened_at),
        seconds(info.closed_at - info.opened_at) if info.closed_at else "",
        f"{info.size:,}",
        info.session,
        info.mode,
        "forced" if info.forced else "",
    )


@runs.command()
@click.argument("before")
@click.argument("after")
@PROJECT
@OUTPUT
def diff(before: str, after: str, project: str, output: str) -> int:
    """Compare two runs: definitions, outcomes, results, durations.

    Exit code 1 when they differ in more than their durations.
    """
    from openbell.cli.comparison import show_difference
    from openbell.report.difference import Side, difference

    store = Setting.of_the_past(Path(project)).past()
    records = [find(store, target).record for target in (before, after)]
    found = difference(*(Side(record, store.attempts(record.id, last_only=True)) for record in records))
    if output == "json":
        click.echo(json.dumps(found.data(), ensure_ascii=False))
    else:
        show_difference(found)
    return ExitCode.OK if found.nothing else 1


@runs.command()
@click.argument("target", metavar="RUN")
@PROJECT
@OUTPUT
def audit(target: str, project: str, output: str) -> None:
    """Account for a run: definition, provenance, who asked for what, every task with its attempts.

    As JSON it is complete, and of a stable form (`openbell schema audit`).
    """
    from openbell.cli.account import show_account
    from openbell.report.audit import audit as pieces

    store = Setting.of_the_past(Path(project)).past()
    record = find(store, target).record
    info = store.info(record.id)
    assert info is not None
    if output == "text":
        show_account(store, info, record)
        return
    for piece in pieces(store, info, record):
        click.echo(piece, nl=False)


def _miss_json(info: MissInfo) -> dict[str, Any]:
    return {**asdict(info), "at": info.at.isoformat(), "state": "missed"}


def _run_json(info: RunInfo) -> dict[str, Any]:
    data = asdict(info)
    times = {
        name: value.isoformat() if (value := data[name]) else None for name in ("opened_at", "closed_at")
    }
    return {**data, **times, "state": info.state.value}


@runs.command()
@click.argument("target")
@PROJECT
@OUTPUT
def show(target: str, project: str, output: str) -> None:
    """Show a run, a step, or one task with all its attempts.

    TARGET is RUN, RUN/STEP or RUN/STEP/CELL; without a number, the newest run of the name.
    """
    store = Setting.of_the_past(Path(project)).past()
    wanted = find(store, target)
    if wanted.attempt is not None and not any(map(wanted.covers, _keys(store, wanted))):
        raise NotFound(f"{target}: there is no such attempt")
    if output == "json":
        click.echo(json.dumps(_as_json(store, wanted), ensure_ascii=False))
    elif wanted.task is not None:
        _show_task(store, wanted)
    else:
        _show_run(store, wanted)


def _keys(store: Store, wanted: Target) -> Iterator[AttemptKey]:
    return (info.key for info in store.attempts(wanted.record.id))


def _show_choice(pipeline: Pipeline, info: RunInfo) -> None:
    """The mode, the parameters and the steps, what is not waited for, and who has forced it."""
    choice = pipeline.choice
    params = [f"{name}={value}" for name, value in pipeline.params.items()]
    facts = {"mode": [info.mode], "params": params, "steps": choice.steps, "without": choice.left_out}
    for title, words in facts.items():
        if any(words):
            click.echo(f"  {title:<7} {', '.join(words)}")
    for line in dropped_needs(pipeline):
        click.echo(f"          {line}")
    if info.forced:
        click.secho(f"  forced  {info.forced}", fg="yellow")


def _show_run(store: Store, wanted: Target) -> None:
    record = wanted.record
    info = store.info(record.id)
    assert info is not None
    click.secho(record.id, bold=True, nl=False)
    click.echo(f"  {record.state.value}" + (f" ({record.paused})" if record.paused else ""))
    click.echo(f"  opened  {moment(info.opened_at)}  by {info.origin}")
    if info.closed_at:
        click.echo(f"  closed  {moment(info.closed_at)}  after {seconds(info.closed_at - info.opened_at)}")
    pipeline = record.run.pipeline
    click.echo(f"  plan    {info.digest}  {pipeline.source}")
    if info.session:
        click.echo(f"  session {info.session} of {pipeline.market}")
    _show_choice(pipeline, info)
    if info.provenance.commit:
        click.echo(f"  commit  {commit_words(info.provenance)}")
    for name, digest in pipeline.calendars.items():
        click.echo(f"  calendar of {name}: {digest}")
    for name, group in record.groups.items():
        if wanted.step in (None, name):
            told = ", ".join(f"{n:,} {s.name.lower()}" for s in TaskState if (n := group.count(s)))
            click.echo(f"  {name:<20} {plural(group.size, 'task')}: {told}")
    for line in concessions(record):
        click.secho(f"  {line}", fg="yellow")
    attempts = [found for found in store.attempts(record.id, last_only=True) if wanted.covers(found.key)]
    for failed in failure_groups(record, attempts):
        name = task_label(record.run.pipeline, failed.tasks[0])
        click.echo(f"  {failed.count:>5,} x  {failed.error}  (for example {name})")
    if wanted.step is not None:
        for found in attempts[:_MOST_TASKS]:
            name = task_label(record.run.pipeline, found.key.task)
            state = record.groups[found.key.step].state(found.key.cell)
            took = seconds(found.exit.elapsed) if found.exit else ""
            click.echo(f"    {name:<40} {state.name.lower():<10} {took:>8}  {_results(found)}{found.error}")
        if len(attempts) > _MOST_TASKS:
            click.echo(f"    and {len(attempts) - _MOST_TASKS} more: -o json lists all")


def _results(info: AttemptInfo) -> str:
    return " ".join(f"{name}={value}" for name, value in info.result.items())


def _show_task(store: Store, wanted: Target) -> None:
    record, task = wanted.record, wanted.task
    assert task is not None
    group = record.groups[task.step]
    click.secho(f"{record.id}/{task.step}", bold=True, nl=False)
    click.echo(f"  {label(group.step.matrix.coordinates(task.cell))}  {group.state(task.cell).name.lower()}")
    for told in marks(store, task) if group.flags[task.cell] & MARKED else ():
        click.secho(f"  {told}", fg="yellow")
    for info in store.attempts(record.id):
        if info.key.task == task and wanted.attempt in (None, info.key.attempt):
            _show_attempt(info)


def _show_attempt(info: AttemptInfo) -> None:
    end = info.exit
    click.echo(f"  attempt {info.key.attempt}  decided {moment(info.decided_at)}  pid {info.handle or '-'}")
    if end is not None:
        code = f"exit code {end.code}" if end.code is not None else end.signal or "not started"
        told = [code, seconds(end.elapsed), f"peak {size(end.peak_rss)}", f"cpu {seconds(end.cpu)}"]
        told += [
            f"log {size(end.log_bytes)}" + (f" ({size(end.log_dropped)} dropped)" if end.log_dropped else "")
        ]
        told += (
            [f"{plural(end.stragglers, 'process', 'processes')} left behind were killed"]
            if end.stragglers
            else []
        )
        told += [f"not run: the result of {end.cached}"] if end.cached else []
        told += ["ended after its marker"] if end.ended_after_marker else []
        told += ["stopped at its end"] if end.stopped is StopReason.END else []
        told += ["verified"] if end.verified else []
        click.echo(f"    {', '.join(told)}")
        for name, digest in end.outputs.items():
            click.echo(f"    wrote {name}  sha256 {digest[:16]}")
    elif info.ended_at is None:
        click.echo("    is running" if info.started_at else "    is starting")
    for name, value in info.result.items():
        click.echo(f"    {name} = {value}")
    if info.error:
        click.secho(f"    {info.error}", fg="red")
    if end is not None and end.traceback:
        for line in end.traceback.splitlines():
            click.echo(f"      {line}")


def _as_json(store: Store, wanted: Target) -> dict[str, Any]:
    record = wanted.record
    summary = summarize(record)
    return {
        "run": record.id,
        "state": record.state.value,
        "paused": record.paused,
        "digest": record.run.digest,
        "session": record.run.pipeline.sessions.get("session", ""),
        "params": dict(record.run.pipeline.params),
        "choice": asdict(record.run.pipeline.choice),
        "forced": asdict(record.run.forced) if record.run.forced else None,
        "counts": {state.name.lower(): count for state, count in summary.counts.items()},
        "concessions": concessions(record),
        "marked": {
            name: {cell: group.state(cell).name.lower() for cell in group.flagged(MARKED)}
            for name, group in record.groups.items()
            if group.marked
        },
        "fallbacks": {name: group.fallback for name, group in record.groups.items() if group.fallback},
        "attempts": [
            _attempt_json(wanted, info) for info in store.attempts(record.id) if wanted.covers(info.key)
        ],
    }


def _attempt_json(wanted: Target, info: AttemptInfo) -> dict[str, Any]:
    group = wanted.record.groups[info.key.step]
    end = asdict(info.exit) if info.exit else None
    return {
        "step": info.key.step,
        "cell": info.key.cell,
        "coordinates": group.step.matrix.coordinates(info.key.cell),
        "attempt": info.key.attempt,
        "state": group.state(info.key.cell).name.lower(),
        "decided_at": info.decided_at.isoformat(),
        "started_at": info.started_at.isoformat() if info.started_at else None,
        "ended_at": info.ended_at.isoformat() if info.ended_at else None,
        "kind": info.kind.value if info.kind else None,
        "error": info.error,
        "result": dict(info.result),
        "exit": end,
    }
