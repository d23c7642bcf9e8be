"""`openbell why`: why a task has not started, and what waits for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.targets import Target, find
from openbell.cli.words import moment, seconds
from openbell.config.catalog import catalog
from openbell.config.definition import Definition
from openbell.core.alarms import overdue_at
from openbell.core.events import Cancel, Mark, Skip
from openbell.core.evolve import evolve
from openbell.core.explain import explain
from openbell.core.gates import Blocker
from openbell.core.graph import dependants
from openbell.core.group import MARKED, OUTDATED
from openbell.core.inputs import Fail
from openbell.core.model import TaskKey
from openbell.core.outlook import outlook
from openbell.core.render import command, task_label, task_path
from openbell.core.state import Limits, State
from openbell.core.states import TaskState
from openbell.core.words import plural
from openbell.engine.engine import recall
from openbell.engine.leader import holder
from openbell.store.protocol import Store

_LATEST = 20_000  # journal entries


@click.command()
@click.argument("target")
@PROJECT
@OUTPUT
def why(target: str, project: str, output: str) -> None:
    """Say why something has not started: every unmet condition, with its time where one is known.

    TARGET is RUN/STEP or RUN/STEP/CELL (for a step with many tasks, its next one), or a pipeline with
    triggers: what opens its next run.
    """
    setting = Setting.of(Path(project))
    if "/" not in target and (definition := _definition(setting, target)) is not None:
        _show_outlook(setting, definition, output)
        return
    store = setting.past()
    wanted = find(store, target)
    state = store.load(setting.limits)
    state.runs.setdefault(wanted.record.id, wanted.record)
    if not wanted.record.paused:
        for _, seen in store.journal(run_id=wanted.record.id, limit=10**6, kinds=("FilesSeen",)):
            evolve(state, seen)  # what the engine has in mind, and no row holds
    tasks = [task] if (task := wanted.task) else list(_next_tasks(wanted))
    leading = holder(setting.workspace.lock) is not None
    if output == "json":
        click.echo(json.dumps([_as_json(state, wanted, task, setting) for task in tasks], ensure_ascii=False))
        return
    if wanted.record.outcome is None and (due := wanted.record.overdue or overdue_at(wanted.record)):
        late = wanted.record.overdue is not None
        click.echo(f"the run {'is overdue: it was' if late else 'has'} to end by {moment(due)}")
    for task in tasks:
        _show(store, state, wanted, task, setting, leading=leading)


def _definition(setting: Setting, name: str) -> Definition | None:
    """The pipeline of that name, if it has triggers and nothing of it is under way."""
    found = catalog(setting.project, os.environ).definitions.get(name)
    if found is None or not found.pipeline.triggers:
        return None
    busy = setting.workspace.exists and any(not info.state.final for info in setting.store().runs(name, 20))
    return None if busy else found


def _show_outlook(setting: Setting, definition: Definition, output: str) -> None:
    store = setting.store()
    state = store.load(Limits())
    state.schedules = {
        name: one.schedule for name, one in catalog(setting.project, os.environ).definitions.items()
    }
    recall(state, store)
    for _, seen in store.journal(store.before_last(_LATEST), kinds=("Arrived",), limit=_LATEST):
        evolve(state, seen)  # what writers have told, and no row holds
    found = list(outlook(state, definition.schedule, setting.clock.now()))
    if output == "json":
        click.echo(json.dumps([{"trigger": str(trigger), **_blocker(one)} for trigger, one in found]))
        return
    click.secho(definition.pipeline.shown, bold=True)
    for trigger, blocker in found:
        click.echo(f"  {trigger}: {_told(blocker, setting)}")
    if (missed := store.misses(definition.pipeline.name, 1)) and (last := missed[0]):
        click.echo(f"  missed last: {last.last} ({last.reason})")
    if holder(setting.workspace.lock) is None:
        click.echo("  no engine leads this project: openbell start")


def _blocker(one: Blocker) -> dict[str, object]:
    return {"gate": one.gate, "text": one.text, "until": one.until.isoformat() if one.until else None}


def _next_tasks(wanted: Target) -> list[TaskKey]:
    """The first waiting task of each step that is meant, else its first task."""
    found = []
    for name, group in wanted.record.groups.items():
        if wanted.step in (None, name):
            waiting = next((cell for cell in range(group.size) if group.state(cell) is TaskState.WAITING), 0)
            found.append(TaskKey(wanted.record.id, name, waiting))
    return found


def _show(
    store: Store, state: State, wanted: Target, task: TaskKey, setting: Setting, *, leading: bool
) -> None:
    pipeline = wanted.record.run.pipeline
    group = wanted.record.groups[task.step]
    found = group.state(task.cell)
    click.secho(task_label(pipeline, task), bold=True, nl=False)
    click.echo(f"  {found.name.lower()}")
    if not found.final and (expected := group.expected(task.cell)):
        click.echo(f"  takes about {seconds(expected)}, by earlier runs")
    if found is TaskState.WAITING:
        blockers = explain(state, task, setting.clock.now())
        for blocker in blockers:
            click.echo(f"  {_told(blocker, setting)}")
        if not blockers:
            click.echo("  nothing holds it: it starts with the next turn of the engine")
        if not leading:
            click.echo(f"  no engine leads this project: {command(pipeline)}")
    elif group.flags[task.cell] & MARKED:
        for told in marks(store, task):
            click.echo(f"  {told}")
        click.echo(f"  to take that back: openbell retry {task_path(pipeline, task)}")
    elif found is TaskState.SKIPPED or found is TaskState.CANCELLED:
        for reason in _reasons(store, task):
            click.echo(f"  {reason}")
    elif found is TaskState.FAILED:
        for info in store.attempts(task.run, last_only=True) if group.tries[task.cell] else ():
            if info.key.task == task:
                click.echo(f"  {info.error}")
        for reason in _reasons(store, task) if not group.tries[task.cell] else ():
            click.echo(f"  {reason}")
        click.echo(f"  after {plural(group.tries[task.cell], 'attempt')}; again: openbell retry {task.run}")
    if group.flags[task.cell] & OUTDATED:
        click.echo("  out of date: what it needs has come to more since it began")
    if not found.final and (below := dependants(pipeline.steps, task.step)):
        click.echo(f"  waits for it: {', '.join(below)}")


def _told(blocker: Blocker, setting: Setting) -> str:
    if blocker.until is None:
        return f"{blocker.gate}: {blocker.text}"
    left = blocker.until - setting.clock.now()
    return f"{blocker.gate}: {blocker.text} — {moment(blocker.until)} (in {seconds(left)})"


def _reasons(store: Store, task: TaskKey) -> list[str]:
    """What the journal says about how this task ended without running."""
    found = [
        event.reason
        for _, event in store.journal(run_id=task.run, limit=10**6, kinds=("Skip", "Cancel", "Fail"))
        if isinstance(event, Skip | Cancel | Fail) and event.step == task.step and event.covers(task.cell)
    ]
    return found[-1:]


def marks(store: Store, task: TaskKey) -> list[str]:
    """What was said last of a marked task, by whom and when."""
    found = [
        f"marked {event.to.name.lower()} by {event.actor} at {moment(event.at)}: {event.reason}"
        for _, event in store.journal(run_id=task.run, limit=10**6, kinds=("Mark",))
        if isinstance(event, Mark) and event.step == task.step and event.covers(task.cell)
    ]
    return found[-1:]


def _as_json(state: State, wanted: Target, task: TaskKey, setting: Setting) -> dict[str, object]:
    group = wanted.record.groups[task.step]
    return {
        "run": task.run,
        "step": task.step,
        "cell": task.cell,
        "coordinates": group.step.matrix.coordinates(task.cell),
        "state": group.state(task.cell).name.lower(),
        "predicted_seconds": group.expected(task.cell) or None,
        "overdue": wanted.record.overdue is not None,
        "blockers": [_blocker(blocker) for blocker in explain(state, task, setting.clock.now())],
        "dependants": dependants(wanted.record.run.pipeline.steps, task.step),
    }
