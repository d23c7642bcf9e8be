"""`openbell status`: who leads, and what is under way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.words import condition, moment, plural, seconds
from openbell.core.render import command, task_label
from openbell.core.state import RunRecord
from openbell.core.states import RunState, TaskState
from openbell.core.summary import Summary, summarize
from openbell.engine.leader import Holder, holder
from openbell.errors import ExitCode

_NOT_RUNNING = 3
_DEGRADED = 1


@click.command()
@PROJECT
@OUTPUT
def status(project: str, output: str) -> int:
    """Show who leads the project and what is under way.

    Exit code 0 when an engine leads and all is well, 1 when something has failed, 3 when
    no engine leads.
    """
    setting = Setting.of_the_past(Path(project))
    store = setting.past()
    leader = holder(setting.workspace.lock)
    open_runs = [info for info in store.runs(limit=1000) if not info.state.final]
    records = [record for info in open_runs if (record := store.run(info.id))]
    summaries = {record.id: summarize(record) for record in records}
    code = _code(leader, summaries)
    if output == "json":
        data = {
            "leader": {"pid": leader.pid, "command": leader.command} if leader else None,
            "runs": [_as_json(record, summaries[record.id]) for record in records],
        }
        click.echo(json.dumps(data, ensure_ascii=False))
        return code
    click.echo(f"engine   {leader}" if leader else "engine   none leads")
    if not records:
        click.echo("runs     nothing is under way")
    for record in records:
        _show(record, summaries[record.id], setting, led=leader is not None)
    return code


def _code(leader: Holder | None, summaries: dict[str, Summary]) -> int:
    if leader is None:
        return _NOT_RUNNING
    failed = any(summary.counts[TaskState.FAILED] for summary in summaries.values())
    return _DEGRADED if failed else ExitCode.OK


def _show(record: RunRecord, summary: Summary, setting: Setting, *, led: bool) -> None:
    colour = "yellow" if record.state is RunState.PAUSED else "cyan"
    click.secho(f"\n{record.id}", bold=True, nl=False)
    click.secho(f"  {record.state.value}", fg=colour, nl=False)
    waits = record.paused or ("" if led else "its engine is gone")
    click.echo(f" ({waits})" if waits else "")
    if record.overdue is not None:
        click.secho(f"  overdue: it was to have ended by {moment(record.overdue)}", fg="red")
    told = ", ".join(f"{count:,} {state.name.lower()}" for state, count in summary.counts.items() if count)
    click.echo(f"  {plural(summary.total, 'task')}: {told}")
    if summary.remaining and record.state is RunState.ACTIVE:
        click.echo(f"  about {seconds(summary.remaining)} left")
    if summary.oldest is not None:
        key, since = summary.oldest
        age = seconds(setting.clock.now() - since)
        how = condition(setting.vitals(key))
        click.echo(f"  oldest running: {task_label(record.run.pipeline, key.task)}, {age} ({how})")
    if record.paused or not led:
        click.echo(f"  resume: {command(record.run.pipeline)}")


def _as_json(record: RunRecord, summary: Summary) -> dict[str, Any]:
    return {
        "run": record.id,
        "state": record.state.value,
        "paused": record.paused,
        "overdue": record.overdue.isoformat() if record.overdue else None,
        "tasks": summary.total,
        "counts": {state.name.lower(): count for state, count in summary.counts.items()},
        "seconds_left": summary.remaining.total_seconds() if summary.remaining else None,
    }
