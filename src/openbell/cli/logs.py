"""`openbell logs`: what tasks have printed."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click

from openbell.cli.setting import Setting
from openbell.cli.targets import Target, find
from openbell.cli.words import task_label
from openbell.core.model import AttemptKey
from openbell.core.states import TaskState
from openbell.errors import NotFound
from openbell.executors.process.files import AttemptFiles
from openbell.store.protocol import Store

_LOOK = 0.2  # seconds between looks at a log that is followed
_MOST = 20  # logs that are printed one after the other without being asked for


@click.command()
@click.argument("target")
@click.option("-f", "--follow", is_flag=True, help="Go on until the task has ended.")
@click.option("-n", "--tail", type=click.IntRange(0), help="Only the last lines of each.")
@click.option("--failed", is_flag=True, help="Only tasks that have failed.")
@click.option(
    "-C", "--project", type=click.Path(exists=True, file_okay=False), default=".", help="The project."
)
def logs(target: str, follow: bool, tail: int | None, failed: bool, project: str) -> None:
    """Print the logs of a task, a step or a run: the last attempt of each task.

    TARGET is RUN, RUN/STEP, RUN/STEP/CELL or RUN/STEP/CELL#ATTEMPT.
    """
    setting = Setting.of_the_past(Path(project))
    store = setting.past()
    wanted = find(store, target)
    keys = list(_keys(store, wanted, failed=failed))
    if not keys:
        raise NotFound(f"{target}: nothing has {'failed' if failed else 'started'} there yet")
    for key in keys[:_MOST]:
        if len(keys) > 1:
            click.secho(f"── {task_label(wanted.record.run.pipeline, key.task)} #{key.attempt}", bold=True)
        files = AttemptFiles(setting.workspace.attempts, key)
        if follow and len(keys) == 1:
            _follow(store, key, files)
        else:
            _print(files, tail)
    if len(keys) > _MOST:
        click.echo(f"and {len(keys) - _MOST} more; name one, for example {target}", err=True)


def _keys(store: Store, wanted: Target, *, failed: bool) -> Iterator[AttemptKey]:
    for info in store.attempts(wanted.record.id, last_only=wanted.attempt is None):
        state = wanted.record.groups[info.key.step].state(info.key.cell)
        if wanted.covers(info.key) and (not failed or state is TaskState.FAILED):
            yield info.key


def _print(files: AttemptFiles, tail: int | None) -> None:
    lines: Iterator[str] = (line for piece in files.log_pieces if piece.exists() for line in _lines(piece))
    for line in deque(lines, maxlen=tail) if tail is not None else lines:
        click.echo(line, nl=False)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _follow(store: Store, key: AttemptKey, files: AttemptFiles) -> None:
    """Print what is there and what comes, until the attempt has ended."""
    gc.enable()  # this may take days
    positions: dict[str, int] = {}
    while True:
        ended = any(info.key == key and info.ended_at for info in store.attempts(key.run))
        for piece in files.log_pieces:
            if not piece.exists():
                continue
            with piece.open("rb") as file:
                if file.seek(0, 2) < positions.get(piece.name, 0):
                    positions[piece.name] = 0  # a segment was begun anew
                file.seek(positions.get(piece.name, 0))
                click.echo(file.read().decode(errors="replace"), nl=False)
                positions[piece.name] = file.tell()
        if ended:
            return
        time.sleep(_LOOK)
