"""`openbell events`: what has happened, from the journal."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from openbell.cli.options import LINES, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.targets import find
from openbell.cli.words import moment
from openbell.core.events import Amend, Event
from openbell.core.telling import Teller, project_line, run_of
from openbell.errors import NotFound, UsageError
from openbell.store.protocol import Store

_FIRST = 100  # lines without being asked for more
_SOON, _LATER = 0.2, 1.0  # seconds between looks, while things happen and when they do not
_PAGE = 2_000
_COLOURS = {"failure": "red", "success": "green", "metric": "bright_black"}

Line = dict[str, Any]


@click.command()
@click.option("--run", "wanted", help="Only of this run; without a number, the newest of the name.")
@click.option("--pipeline", help="Only of runs of this pipeline.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until the run has ended.")
@click.option(
    "-n", "--tail", type=click.IntRange(0), help="Only the last entries; else all of a run, or 100."
)
@LINES
@PROJECT
def events(
    wanted: str | None, pipeline: str | None, follow: bool, tail: int | None, output: str, project: str
) -> None:
    """Show what has happened: starts, ends, failures, who asked for what, what the workers said.

    As JSON, the lines are those of the event files (`.openbell/events`).
    """
    if wanted and pipeline:
        raise UsageError("--run and --pipeline exclude each other", hint="a run names its pipeline")
    store = Setting.of_the_past(Path(project)).past()
    run_id = find(store, wanted).record.id if wanted else None
    if pipeline and store.newest(pipeline) is None:
        raise NotFound(f"nothing of {pipeline} has run", hint="see `openbell runs ls`")
    reader = _Reader(store, run_id, pipeline)
    count = tail if tail is not None else None if run_id else _FIRST
    reader.after = 0 if count is None else store.before_last(count, run_id, pipeline)
    show = _as_json if output == "json" else _as_text
    for line in reader.news():
        show(line)
    if follow:
        _follow(reader, store, show)


class _Reader:
    """Reads the journal on and on. `after`: the number of the newest entry that has been read."""

    def __init__(self, store: Store, run_id: str | None, pipeline: str | None) -> None:
        self.after = 0
        self.run_id = run_id
        self._store = store
        self._pipeline = pipeline
        self._tellers: dict[str, Teller | None] = {}

    def news(self) -> Iterator[Line]:
        """The lines of what has come since."""
        while entries := self._page():
            for seq, event in entries:
                self.after = seq
                if (line := self._line(seq, event)) is not None:
                    yield line

    def _page(self) -> list[tuple[int, Event]]:
        return self._store.journal(self.after, self.run_id, _PAGE, name=self._pipeline)

    def _line(self, seq: int, event: Event) -> Line | None:
        run_id = run_of(event)
        if isinstance(event, Amend):
            self._tellers.pop(event.run, None)
        if run_id is not None and run_id not in self._tellers:
            run = self._store.definition(run_id)
            self._tellers[run_id] = Teller(run) if run is not None else None
        teller = self._tellers.get(run_id or "")
        return (teller.line(seq, event) if teller else None) or project_line(seq, event)


def _follow(reader: _Reader, store: Store, show: Callable[[Line], None]) -> None:
    gc.enable()  # this may take days
    pause = _SOON
    while not _over(reader, store):
        time.sleep(pause)
        pause = min(_LATER, pause * 1.5)
        for line in reader.news():
            show(line)
            pause = _SOON


def _over(reader: _Reader, store: Store) -> bool:
    """Whether nothing more can come: the run that is followed has ended, and all of it has been read."""
    if reader.run_id is None:
        return False
    info = store.info(reader.run_id)
    ended = info is None or info.state.final
    return ended and not store.journal(reader.after, reader.run_id, 1)


def _as_json(line: Line) -> None:
    click.echo(json.dumps(line, ensure_ascii=False))


def _as_text(line: Line) -> None:
    at = moment(datetime.fromisoformat(line["timestamp"]))
    where = f"{line['run_id']}  " if line["run_id"] else ""
    click.echo(f"{at}  {where}{line['stage']}  ", nl=False)
    click.secho(line["msg"], fg=_COLOURS.get(line["event"]))
