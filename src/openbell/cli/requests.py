"""What is asked of the engine that leads, or done here when none does: `retry`, `mark`, `cancel` ..."""

from __future__ import annotations

import json
from pathlib import Path

import click

from openbell.cli.carry import accepted, carry_out, choose_view
from openbell.cli.ending import show_ending
from openbell.cli.lines import Lines
from openbell.cli.options import LINES, OUTPUT, PROJECT
from openbell.cli.setting import Setting, actor
from openbell.cli.targets import find
from openbell.core.events import Answer
from openbell.core.requests import CancelTasks, MarkTasks, Only, PauseRun, ResumeRun, RetryTasks
from openbell.core.states import TaskState
from openbell.errors import ExitCode
from openbell.store.protocol import Store


@click.command()
@click.argument("target")
@click.option(
    "--only",
    type=click.Choice([only.value for only in Only]),
    default=Only.MISSING.value,
    show_default=True,
    help="Failed tasks, or all that has not succeeded.",
)
@click.option(
    "--no-downstream", is_flag=True, help="Leave what was made without them as it is when they succeed."
)
@click.option("--verbose", is_flag=True, help="Every decision.")
@PROJECT
@OUTPUT
def retry(target: str, only: str, no_downstream: bool, verbose: bool, project: str, output: str) -> int:
    """Reopen tasks of a run that have ended without success, and follow it to its end.

    TARGET is RUN, RUN/STEP or RUN/STEP/CELL. Earlier attempts stay in the history. When they succeed now,
    steps that had gone on without them run again. Named as such, a marked task is opened again too.
    """
    setting = Setting.of(Path(project))
    store = setting.past()
    wanted = find(store, target)
    request = RetryTasks(
        wanted.record.id, Only(only), wanted.step, wanted.cell, actor(), downstream=not no_downstream
    )
    ending = carry_out(setting, store, request, choose_view(setting, store, output, verbose=verbose))
    if ending.answer is not None and not ending.answer.accepted:
        click.echo(f"{wanted.record.id}: {ending.answer.message}", err=True)
        return ExitCode.OK
    return show_ending(store, ending, output)


@click.command()
@click.argument("target", metavar="TASK")
@click.argument("outcome", type=click.Choice(["succeeded", "skipped"]))
@click.option("--reason", required=True, help="Why. It is kept with your name, and shown with the task.")
@click.option("--verbose", is_flag=True, help="Every decision.")
@PROJECT
@LINES
def mark(target: str, outcome: str, reason: str, verbose: bool, project: str, output: str) -> int:
    """Say that a task has succeeded, or that it is skipped, whatever its attempts came to.

    TASK is RUN/STEP or RUN/STEP/CELL; what runs cannot be marked. After `succeeded`, those who need it go on,
    without results of it: here, or where the run is led. `openbell retry TASK` takes a mark back.
    """
    setting = Setting.of(Path(project))
    store = setting.past()
    wanted = find(store, target)
    if wanted.step is None:
        raise click.UsageError(f"{target} is a run: name a step of it, {wanted.record.id}/STEP[/CELL]")
    if not reason.strip():
        raise click.UsageError("--reason is empty: say why, it is all that is left of it tomorrow")
    state = TaskState[outcome.upper()]
    request = MarkTasks(wanted.record.id, wanted.step, state, reason, wanted.cell, actor())
    view = choose_view(setting, store, output, verbose=verbose)
    ending = accepted(carry_out(setting, store, request, view, lasting=False))
    if ending.record is None or ending.record.outcome is None or ending.answer is None:
        return _show_answer(wanted.record.id, ending.answer, output)
    _show_answer(wanted.record.id, ending.answer, output)
    return show_ending(store, ending, output)


@click.command()
@click.argument("target")
@PROJECT
@OUTPUT
def cancel(target: str, project: str, output: str) -> int:
    """Cancel a run, a step, or one task: stop what runs, never start what waits.

    TARGET is RUN, RUN/STEP or RUN/STEP/CELL. `openbell retry` opens cancelled tasks again.
    """
    setting = Setting.of(Path(project))
    store = setting.past()
    wanted = find(store, target)
    request = CancelTasks(wanted.record.id, wanted.step, wanted.cell, actor())
    return _ask(setting, store, request, output)


@click.command()
@click.argument("target", metavar="RUN")
@click.option("--reason", default="", help="Why: `status` and `why` tell it.")
@PROJECT
@OUTPUT
def pause(target: str, reason: str, project: str, output: str) -> int:
    """Start nothing more of a run; what runs ends by itself. `openbell resume` goes on with it."""
    setting = Setting.of(Path(project))
    store = setting.past()
    record = find(store, target).record
    request = PauseRun(record.id, reason or f"asked by {actor()}", actor())
    return _ask(setting, store, request, output)


@click.command()
@click.argument("target", metavar="RUN")
@click.option("--verbose", is_flag=True, help="Every decision.")
@PROJECT
@LINES
def resume(target: str, verbose: bool, project: str, output: str) -> int:
    """Go on with a paused run, or with one whose engine is gone, and follow it to its end.

    When an engine leads, the run is its own, and Ctrl-C only leaves it; otherwise it is led here.
    """
    setting = Setting.of(Path(project))
    store = setting.past()
    record = find(store, target).record
    request = ResumeRun(record.id, actor())
    view = choose_view(setting, store, output, verbose=verbose)
    ending = carry_out(setting, store, request, view)
    if ending.answer is not None and not ending.answer.accepted:
        return _show_answer(record.id, ending.answer, output)
    return show_ending(store, ending, output)


def _ask(setting: Setting, store: Store, request: CancelTasks | PauseRun, output: str) -> int:
    """Hand the request over, and say what came of it without waiting for the run's end."""
    ending = carry_out(setting, store, request, Lines(setting.vitals), patient=False)
    return _show_answer(request.run, ending.answer, output)


def _show_answer(run: str, answer: Answer | None, output: str) -> int:
    message = answer.message if answer is not None else "asked"
    if output == "json":
        accepted = answer.accepted if answer is not None else None
        click.echo(json.dumps({"event": "Answer", "run": run, "accepted": accepted, "message": message}))
    else:
        click.echo(f"{run}: {message}")
    return ExitCode.OK
