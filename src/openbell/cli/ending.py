"""What a run came to: counts, failures in groups, results, what to do next."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import click

from openbell.cli.entry import sheltered
from openbell.cli.words import seconds
from openbell.core.failures import failure_groups
from openbell.core.render import again, task_label, task_path
from openbell.core.state import RunRecord
from openbell.core.states import TaskState
from openbell.core.summary import concessions, exit_code, summarize
from openbell.core.words import plural
from openbell.engine.conduct import Ending
from openbell.errors import ExitCode
from openbell.store.protocol import Store
from openbell.store.records import AttemptInfo

_COLOURS = {"succeeded": "green", "partial": "yellow", "failed": "red", "cancelled": "yellow"}
_MOST_GROUPS = 5

Attempts = Callable[[], Iterable[AttemptInfo]]
"""Reads the last attempt of each task, anew each time."""


def show_ending(store: Store, ending: Ending, output: str, *, resumes: bool = True) -> int:
    """Print the summary on stdout, and give the exit code of the process.

    `resumes`: the same command again takes this run up, instead of opening a new one.
    """
    record = ending.record
    if record is None:
        click.echo("Left before the engine had taken it up: it will not run", err=True)
        return ExitCode.INTERRUPTED
    code = _code(ending, record)
    with sheltered():
        _show(store, record, ending, code, output, resumes)
    return code


def _show(store: Store, record: RunRecord, ending: Ending, code: int, output: str, resumes: bool) -> None:
    attempts = partial(store.attempts, record.id, last_only=True)  # a million would not fit
    if output == "json":
        click.echo(json.dumps(_as_json(record, attempts, code, ending), ensure_ascii=False))
    elif ending.detached:
        click.echo(f"Left {record.id} to its engine. To see it again: openbell status", err=True)
    else:
        _show_counts(record)
        _show_failures(record, attempts)
        _show_results(record, attempts)
        _show_next(record, resumes)


def _code(ending: Ending, record: RunRecord) -> ExitCode:
    code = exit_code(record)
    if ending.signal and (record.outcome is None or code is ExitCode.INTERRUPTED):
        return ExitCode.INTERRUPTED if ending.signal == signal.SIGINT else ExitCode.TERMINATED
    return code


def _show_counts(record: RunRecord) -> None:
    summary = summarize(record)
    states = [(state.name.lower(), count) for state, count in summary.counts.items() if count]
    told = ", ".join(f"{count:,} {name}" for name, count in states)
    verdict = record.state.value
    took = f", {seconds(record.last_end - record.run.opened_at)}" if summary.final else ""
    click.secho(f"{record.id}: {verdict}", fg=_COLOURS.get(verdict), bold=True, nl=False)
    click.echo(f" — {plural(summary.total, 'task')}: {told}{took}")
    for line in concessions(record):
        click.secho(f"  {line}", fg="yellow")


def _show_failures(record: RunRecord, attempts: Attempts) -> None:
    groups = failure_groups(record, attempts())
    if not groups:
        return
    count = sum(group.count for group in groups)
    ways = "1 way" if len(groups) == 1 else f"{len(groups)} ways"
    click.secho(f"\n{plural(count, 'task')} failed in {ways}:", bold=True)
    for group in groups[:_MOST_GROUPS]:
        name = task_label(record.run.pipeline, group.tasks[0])
        click.echo(f"  {group.count:>5,} x  {group.error}")
        click.echo(f"           for example {name}")
        click.echo(f"           openbell logs {task_path(record.run.pipeline, group.tasks[0])}")
    if len(groups) > _MOST_GROUPS:
        click.echo(f"  and {len(groups) - _MOST_GROUPS} more ways: openbell report {record.id}")


def _show_results(record: RunRecord, attempts: Attempts) -> None:
    from openbell.report.performance import performance

    table = performance(record, attempts())
    if table is None:
        return
    click.echo()
    for line in table.lines():
        click.echo(line)


def _show_next(record: RunRecord, resumes: bool) -> None:
    pipeline = record.run.pipeline
    same = again(pipeline)
    how = f"{same}, or: openbell retry {record.id}" if resumes else f"openbell retry {record.id}"
    click.echo()
    if record.outcome is None:
        left = record.size - record.count(TaskState.SUCCEEDED) - record.count(TaskState.FAILED)
        click.echo(f"{plural(left, 'task')} left. Resume: {how}")
    elif record.count(TaskState.FAILED) or record.count(TaskState.CANCELLED):
        click.echo(f"Run what is missing: {how}")
    click.echo(f"Report: openbell report {record.id}")


def _as_json(record: RunRecord, attempts: Attempts, code: int, ending: Ending) -> dict[str, Any]:
    from openbell.report.performance import performance

    table = performance(record, attempts())
    return {
        "event": "Summary",
        "run": record.id,
        "state": record.state.value,
        "tasks": record.size,
        "counts": {state.name.lower(): record.count(state) for state in TaskState},
        "failures": [
            {
                "count": group.count,
                "error": group.error,
                "example": task_path(record.run.pipeline, group.tasks[0]),
            }
            for group in failure_groups(record, attempts())
        ],
        "concessions": concessions(record),
        "performance": table.data() if table else None,
        "detached": ending.detached,
        "exit_code": int(code),
    }
