"""`retry` and `cancel`: asked of the engine that leads, or carried out here when none does."""

from __future__ import annotations

from pathlib import Path

import click

from openbell.cli.carry import carry_out, choose_view
from openbell.cli.ending import show_ending
from openbell.cli.lines import Lines
from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting, actor
from openbell.cli.targets import find
from openbell.core.requests import CancelTasks, Only, RetryTasks
from openbell.errors import ExitCode


@click.command()
@click.argument("target")
@click.option(
    "--only",
    type=click.Choice([only.value for only in Only]),
    default=Only.MISSING.value,
    show_default=True,
    help="Failed tasks, or all that has not succeeded.",
)
@click.option("--verbose", is_flag=True, help="Every decision.")
@PROJECT
@OUTPUT
def retry(target: str, only: str, verbose: bool, project: str, output: str) -> int:
    """Reopen tasks of a run that have ended without success, and follow it to its end.

    TARGET is RUN, RUN/STEP or RUN/STEP/CELL. Earlier attempts stay in the history.
    """
    setting = Setting.of(Path(project))
    store = setting.past()
    wanted = find(store, target)
    request = RetryTasks(wanted.record.id, Only(only), wanted.step, wanted.cell, actor())
    ending = carry_out(setting, store, request, choose_view(setting, store, output, verbose=verbose))
    if ending.answer is not None and not ending.answer.accepted:
        click.echo(f"{wanted.record.id}: {ending.answer.message}", err=True)
        return ExitCode.OK
    return show_ending(store, ending, output)


@click.command()
@click.argument("target")
@PROJECT
def cancel(target: str, project: str) -> int:
    """Cancel a run, a step, or one task: stop what runs, never start what waits.

    TARGET is RUN, RUN/STEP or RUN/STEP/CELL. `openbell retry` opens cancelled tasks again.
    """
    setting = Setting.of(Path(project))
    store = setting.past()
    wanted = find(store, target)
    request = CancelTasks(wanted.record.id, wanted.step, wanted.cell, actor())
    ending = carry_out(setting, store, request, Lines(setting.vitals), patient=False)
    message = ending.answer.message if ending.answer else "asked"
    click.echo(f"{target}: {message}")
    return ExitCode.OK
