"""`openbell logs`: what tasks have printed."""

from __future__ import annotations

import gc
import json
import time
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from openbell.cli.options import LINES, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.targets import Target, find, find_pipeline
from openbell.core.events import Exited, Lost, Refused, Start
from openbell.core.model import AttemptKey, Pipeline
from openbell.core.render import task_label, task_path
from openbell.core.states import TaskState
from openbell.errors import NotFound, UsageError
from openbell.executors.process.files import AttemptFiles
from openbell.store.protocol import Store
from openbell.store.records import AttemptInfo

_LOOK = 0.2  # seconds between looks at a log that is followed
_MOST = 20  # logs that are printed one after the other without being asked for


@click.command()
@click.argument("target", required=False)
@click.option("--pipeline", help="Instead of TARGET: the newest run of this pipeline, or step.")
@click.option("-f", "--follow", is_flag=True, help="Go on until all of it has ended.")
@click.option("-n", "--tail", type=click.IntRange(0), help="Only the last lines of each.")
@click.option("--failed", is_flag=True, help="Only tasks that have failed.")
@LINES
@PROJECT
def logs(
    target: str | None,
    pipeline: str | None,
    follow: bool,
    tail: int | None,
    failed: bool,
    output: str,
    project: str,
) -> None:
    """Print the logs of a task, a step or a run: the last attempt of each task.

    TARGET is RUN, RUN/STEP, RUN/STEP/CELL or RUN/STEP/CELL#ATTEMPT.
    """
    if (target is None) == (pipeline is None):
        raise UsageError(
            "logs takes a TARGET, or --pipeline NAME", hint="for example `openbell logs nightly/3`"
        )
    target = target or pipeline or ""
    setting = Setting.of_the_past(Path(project))
    store = setting.past()
    wanted = find(store, target) if pipeline is None else find_pipeline(store, pipeline)
    cursor = store.last()
    infos = list(_chosen(store, wanted, failed=failed))
    keys = [info.key for info in infos]
    if not keys and not (follow and _goes_on(store, wanted)):
        raise NotFound(f"{target}: nothing has {'failed' if failed else 'started'} there yet")
    several = len(keys) > 1 or (follow and wanted.task is None)
    printer = _Printer(wanted.record.run.pipeline, headings=several, as_json=output == "json")
    shown = keys if output == "json" or follow else keys[:_MOST]
    logs_of = {key: _Log(AttemptFiles(setting.workspace.attempts, key)) for key in shown}
    for key, log in logs_of.items():
        printer.show(key, _last(log.read(), tail))
    if follow:
        running = {info.key: logs_of[info.key] for info in infos if not info.ended_at}
        _follow(setting, store, wanted, printer, running, cursor)
    printer.finish()
    if len(keys) > len(shown):
        example = task_path(wanted.record.run.pipeline, keys[len(shown)].task)
        click.echo(
            f"and {len(keys) - len(shown)} more: name one, such as {example}; -o json has all", err=True
        )


def _chosen(store: Store, wanted: Target, *, failed: bool) -> Iterator[AttemptInfo]:
    for info in store.attempts(wanted.record.id, last_only=wanted.attempt is None):
        state = wanted.record.groups[info.key.step].state(info.key.cell)
        if wanted.covers(info.key) and (not failed or state is TaskState.FAILED):
            yield info


def _last(text: Iterator[str], tail: int | None) -> Iterable[str]:
    if tail is None:
        return text
    return deque("".join(text).splitlines(keepends=True), maxlen=tail)


class _Log:
    """The log of an attempt, read as it grows."""

    def __init__(self, files: AttemptFiles) -> None:
        self._files = files
        self._positions: dict[str, int] = {}
        self._decoder = getincrementaldecoder("utf-8")("replace")  # a look may end within a character

    def read(self) -> Iterator[str]:
        """What has come since the last look."""
        for piece in self._files.log_pieces:
            if not piece.exists():
                continue
            with piece.open("rb") as file:
                start = self._positions.get(piece.name, 0)
                file.seek(start if file.seek(0, 2) >= start else 0)  # a segment may have begun anew
                while block := file.read(1 << 20):
                    yield self._decoder.decode(block)
                self._positions[piece.name] = file.tell()


class _Printer:
    """Prints pieces of logs as text under headings, or as one JSON object a line."""

    def __init__(self, pipeline: Pipeline, *, headings: bool, as_json: bool) -> None:
        self._pipeline = pipeline
        self._headings = headings
        self._json = as_json
        self._last: AttemptKey | None = None
        self._begun: dict[AttemptKey, str] = {}

    def show(self, key: AttemptKey, pieces: Iterable[str]) -> None:
        for piece in pieces:
            if self._json:
                *lines, self._begun[key] = (self._begun.get(key, "") + piece).split("\n")
                for line in lines:
                    self._line(key, line)
                continue
            if self._headings and key != self._last:
                label = task_label(self._pipeline, key.task)
                click.secho(f"── {label} #{key.attempt}", bold=True)
            click.echo(piece, nl=False)
            self._last = key

    def finish(self) -> None:
        """Print the last lines, which have no end."""
        for key, line in self._begun.items():
            if line:
                self._line(key, line)

    def _line(self, key: AttemptKey, line: str) -> None:
        data = {"task": task_path(self._pipeline, key.task), "attempt": key.attempt, "line": line}
        click.echo(json.dumps(data, ensure_ascii=False))


def _follow(
    setting: Setting,
    store: Store,
    wanted: Target,
    printer: _Printer,
    running: dict[AttemptKey, _Log],
    cursor: int,
) -> None:
    """Print what comes, of attempts that run and of those that will, until nothing more can come."""
    gc.enable()  # this may take days
    news = True
    while True:
        over: list[AttemptKey] = []
        for seq, event in store.journal(cursor, wanted.record.id):
            cursor, news = seq, True
            match event:
                case Start() if wanted.covers(key := AttemptKey(*event.task, event.attempt)):
                    running.setdefault(key, _Log(AttemptFiles(setting.workspace.attempts, key)))
                case Exited() | Lost() | Refused():
                    over.append(AttemptKey(*event.task, event.attempt))
        for key, log in running.items():
            printer.show(key, log.read())
        for key in over:
            running.pop(key, None)
        if news and not running and not _goes_on(store, wanted):
            return
        news = False
        time.sleep(_LOOK)


def _goes_on(store: Store, wanted: Target) -> bool:
    """Whether more can come: a task of it is not final, and the run is neither closed nor paused."""
    record = store.run(wanted.record.id)
    if record is None or record.outcome is not None or record.paused:
        return False
    if wanted.attempt is not None:
        return any(
            info.key.attempt <= wanted.attempt and not info.ended_at and wanted.covers(info.key)
            for info in store.attempts(record.id)
        )
    groups = [group for name, group in record.groups.items() if wanted.step in (None, name)]
    if wanted.cell is not None:
        return not groups[0].state(wanted.cell).final
    return not all(group.closed for group in groups)
