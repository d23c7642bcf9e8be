"""Writes down what needed steps have come to, where the attempts of those who need them find it.

One file for each needed step of a run, however many attempts read it: what a step has come to does not change
while somebody who needs it runs. Only a cell that waits for its like, while others of that step go on, gets
a file of its own.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from openbell.core.events import CloseRun, Event, Led, Mark, Reopen
from openbell.core.model import AttemptKey, Need, NeedMode
from openbell.core.needs import source
from openbell.core.state import Group, RunRecord, State
from openbell.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Told:
    """Where to read what a needed step has come to. `run` and `step`: whose results stand for it."""

    run: str
    step: str
    path: str
    digest: str
    """Of what it has come to, whichever run that was."""


class Upstream:
    """`folder`: where the files are kept while their run lasts."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._known: dict[tuple[str, str], Told] = {}

    def of(self, record: RunRecord, key: AttemptKey) -> dict[str, Told]:
        """For each step that this attempt's needs."""
        needs = record.groups[key.step].step.needs
        return {need.step: self._told(record, key, need) for need in needs}

    def see(self, events: Sequence[Event], state: State) -> None:
        """Forget what is not true any more; remove what nobody reads any more."""
        for event in events:
            match event:
                case Reopen(run=run) | Mark(run=run):
                    self._forget(run)
                case CloseRun(run=run):
                    self._forget(run)
                    shutil.rmtree(self._of_run(run), ignore_errors=True)
                case Led():
                    self._clear(state)

    def _told(self, record: RunRecord, key: AttemptKey, need: Need) -> Told:
        run, step = source(record, need)
        group = record.groups[step] if run == record.id else None
        if group is not None and not group.closed:
            return self._alike(record, key, need, group)
        known = self._known.get((record.id, need.step))
        if known is not None and (known.run, known.step) == (run, step) and os.path.exists(known.path):  # noqa: PTH110
            return known
        if group is None:
            other = self._store.run(run)
            assert other is not None, f"{record.id} falls back on {run}, which is not there"
            group = other.groups[step]
        told = self._write(record.id, run, group, None)
        self._known[record.id, need.step] = told
        return told

    def _alike(self, record: RunRecord, key: AttemptKey, need: Need, group: Group) -> Told:
        """The like of a cell, in a step that goes on."""
        cells = []
        if need.mode is NeedMode.SAME:
            links = (link for link in record.groups[key.step].links if link.upstream == need.step)
            cells = [cell for link in links if (cell := link.before(key.cell)) is not None]
        return self._write(record.id, record.id, group, cells)

    def _write(self, reader: str, run: str, group: Group, cells: list[int] | None) -> Told:
        """One file. Its name tells its content, so what is there already is not written again."""
        folder = self._of_run(reader)
        step = group.step
        matrix = step.matrix
        about = {"run": run, "step": step.name, "pick": matrix.pick, "cells": cells}
        header = json.dumps({**about, "axes": [[axis.name, axis.values] for axis in matrix.axes]}).encode()
        draft = f"{folder}/.{os.getpid()}.tmp"
        content = blake2b(digest_size=16)
        with _new(draft) as file:
            file.write(header + b"\n")
            for line in self._lines(run, group, cells):
                data = line.encode()
                content.update(data)
                file.write(data)
        name = blake2b(header + content.digest(), digest_size=8).hexdigest()
        path = f"{folder}/{quote(step.name, safe='')}.{name}"
        os.replace(draft, path)  # noqa: PTH105
        return Told(run, step.name, path, content.hexdigest())

    def _lines(self, run: str, group: Group, cells: list[int] | None) -> Iterator[str]:
        """The states of the cells, one digit each, and then each result with its cell."""
        yield (
            "".join(str(int(group.state(cell))) for cell in cells or ())
            if cells is not None
            else group.digits
        )
        yield "\n"
        asked = [0] if group.size == 1 else cells  # a single one is quickly found
        for cell, text in self._store.results(run, group.step.name, asked):
            yield f"{cell}\t{text}\n"

    def _of_run(self, run: str) -> str:
        return f"{self._folder}/{quote(run, safe='')}"

    def _forget(self, run: str) -> None:
        self._known = {key: told for key, told in self._known.items() if key[0] != run}

    def _clear(self, state: State) -> None:
        """Remove what a former engine has left of runs that have ended."""
        kept = {quote(run, safe="") for run in state.runs}
        for path in self._entries():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def _entries(self) -> Iterable[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []


def _new(path: str) -> BinaryIO:
    """An empty file, and its folder where it is the first there."""
    try:
        return open(path, "wb")  # noqa: PTH123
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)  # noqa: PTH103, PTH120
        return open(path, "wb")  # noqa: PTH123
