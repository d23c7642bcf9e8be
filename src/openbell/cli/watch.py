"""`openbell watch`: the live view of a run that somebody else leads."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import click

from openbell.cli.carry import Sheltered, choose_view
from openbell.cli.ending import show_ending
from openbell.cli.lean import asyncio
from openbell.cli.lines import Lines
from openbell.cli.options import LINES, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.targets import find
from openbell.core.state import RunRecord
from openbell.engine.conduct import Ending, View
from openbell.engine.leader import holder
from openbell.engine.watching import Sight, Watching
from openbell.errors import ExitCode
from openbell.store.protocol import Store

_NOT_RUNNING = 3


@click.command()
@click.argument("target", metavar="RUN")
@click.option("--verbose", is_flag=True, help="Every decision.")
@LINES
@PROJECT
def watch(target: str, verbose: bool, output: str, project: str) -> int:
    """Watch a run until it has ended; Ctrl-C leaves it alone.

    Without a number, the newest run of the name. Exit code as of `run`; 0 after Ctrl-C, 3 when no engine
    leads, and so nothing happens.
    """
    setting = Setting.of_the_past(Path(project))
    store = setting.past()
    record = find(store, target).record
    if record.outcome is None:
        view = choose_view(setting, store, output, verbose=verbose)
        leader = holder(setting.workspace.lock)
        if leader is not None and not isinstance(view, Lines):  # whose words are about a run handed over
            view.follows(leader)
        sight, record = _watch(setting, store, record, view)
        if sight is Sight.LEFT:
            click.echo(f"Left {record.id} alone. To see it again: openbell watch {record.id}", err=True)
            return ExitCode.OK
        if sight is Sight.ALONE:
            told = f"{record.id} is {record.state.value}, and no engine leads it"
            click.echo(f"{told}\n  help: openbell resume {record.id}", err=True)
            return _NOT_RUNNING
    return show_ending(store, Ending(None, record), output)


def _watch(setting: Setting, store: Store, record: RunRecord, view: View) -> tuple[Sight, RunRecord]:
    gc.enable()  # this may take days
    limits = setting.limits

    async def main() -> tuple[Sight, RunRecord]:
        watching = Watching(setting.workspace, store, setting.clock, Sheltered(view), limits)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, watching.left.set)
        return await watching.watch(record)

    return asyncio.run(main())
