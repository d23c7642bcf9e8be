"""The journal as one file a run: `events/pipeline_<run>.jsonl`, for whoever tails files.

A file is written after the commit, and is never ahead of the journal and never without an entry of it:
the sequence number of its last line tells how far it is, and whoever takes the lead goes on from there.
So a `kill -9`, a full disk or a power cut costs nothing but a delay.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from errno import ENOSPC
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openbell.core.events import Amend, Event
from openbell.core.state import State
from openbell.core.telling import WHOLE, Teller, run_of
from openbell.errors import StoreError
from openbell.store.protocol import Store

_MOST_OPEN = 64  # files
_PAGE = 2_000  # journal entries that are read at a time
_TAIL = 256 * 1024  # bytes at the end of a file among which its last whole line is looked for
_CURSOR = "cursor"

Entry = tuple[int, Event]
Line = dict[str, Any]


def event_file(folder: Path, run_id: str) -> Path:
    """The event file of a run."""
    return folder / f"pipeline_{quote(run_id, safe='')}.jsonl"


class EventLog:
    """An observer of the engine that keeps the files of a project. `folder`: `.openbell/events`."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._next: int | None = None
        """Number of the next journal entry; None: the journal has to be asked."""
        self._cursor: int | None = None
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._tellers: dict[str, Teller] = {}
        self.trouble = ""
        """Why the files are behind the journal; empty when they are not."""

    def see(self, events: Sequence[Event], state: State) -> None:
        """A batch has become durable. What cannot be written now is written as soon as it can be."""
        try:
            if self._next is None:
                self._catch_up(len(events), state)
            else:
                entries = list(zip(count(self._next), events, strict=False))
                self._next += len(entries)
                self._write(entries, state)
        except (OSError, StoreError) as error:
            self._lose_touch(error)

    def add(self, lines: Iterable[tuple[Teller, Line]]) -> None:
        """Append lines that stand in no journal."""
        try:
            for teller, line in lines:
                self._file(teller.run.id).append([line], counted=False)
        except OSError as error:
            self._lose_touch(error)

    def teller(self, run_id: str, state: State) -> Teller | None:
        """Who tells about this run; None when there is no such run."""
        found = self._tellers.get(run_id)
        if found is None:
            record = state.runs.get(run_id)
            run = record.run if record is not None else self._store.definition(run_id)
            if run is None:
                return None
            found = self._tellers[run_id] = Teller(run)
        return found

    @property
    def position(self) -> int:
        """Number of the newest journal entry that the files know of."""
        return (self._next or 1) - 1

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        if self._cursor is not None:
            os.close(self._cursor)
            self._cursor = None

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _catch_up(self, new: int, state: State) -> None:
        """Write what the journal has and the files have not. `new`: entries that have just come."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        last = self._store.last()
        after = min(self._read_cursor(last - new), last)
        for entries in self._pages(after, last):
            self._write(entries, state)
        self._next = last + 1
        self._keep_cursor(last)
        self.trouble = ""

    def _pages(self, after: int, last: int, run_id: str | None = None) -> Iterator[list[Entry]]:
        while after < last and (entries := self._store.journal(after, run_id, _PAGE)):
            after = entries[-1][0]
            yield entries

    def _write(self, entries: Sequence[Entry], state: State) -> None:
        by_run: dict[str, list[Line]] = {}
        for seq, event in entries:
            run_id = run_of(event)
            if run_id is None:
                continue
            if isinstance(event, Amend):
                self._tellers.pop(run_id, None)
            teller = self.teller(run_id, state)
            if teller is not None and (line := teller.line(seq, event)) is not None:
                by_run.setdefault(run_id, []).append(line)
        for run_id, lines in by_run.items():
            file = self._file(run_id)
            if file.last == 0 and (lines[0]["stage"], lines[0]["event"]) != (WHOLE, "start"):
                self._begin(file, run_id, lines[0]["seq"] - 1, state)
            file.append(lines)
        if entries:
            self._keep_cursor(entries[-1][0])
        for run_id in [run_id for run_id in self._tellers if run_id not in state.runs]:
            del self._tellers[run_id]

    def _begin(self, file: _File, run_id: str, last: int, state: State) -> None:
        """The past of a run whose file is new: an older openbell kept none, or somebody has removed it."""
        teller = self.teller(run_id, state)
        assert teller is not None
        for entries in self._pages(0, last, run_id):
            lines = (teller.line(seq, event) for seq, event in entries if seq <= last)
            file.append([line for line in lines if line is not None])

    def _file(self, run_id: str) -> _File:
        file = self._files.pop(run_id, None)
        if file is None:
            file = _File(event_file(self._folder, run_id), self._store)
        self._files[run_id] = file
        if len(self._files) > _MOST_OPEN:
            self._files.popitem(last=False)[1].close()
        return file

    def _lose_touch(self, error: OSError | StoreError) -> None:
        """The files are behind from here on; the next batch has them caught up."""
        self.trouble = (isinstance(error, OSError) and error.strerror) or str(error)
        self.close()
        self._next = None

    def _read_cursor(self, default: int) -> int:
        """How far all files are, from an earlier engine."""
        if self._cursor is None:
            self._cursor = os.open(self._folder / _CURSOR, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        text = os.pread(self._cursor, 32, 0)
        return int(text) if text.strip().isdigit() else default

    def _keep_cursor(self, seq: int) -> None:
        if self._cursor is not None:
            os.pwrite(self._cursor, b"%020d\n" % seq, 0)


class _File:
    """The file of one run, open to append. Lines that it has already are not written again."""

    def __init__(self, path: Path, store: Store) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.last = 0
        """Number of the newest journal entry that it knows of; 0 while it is empty."""
        if end := os.fstat(self._fd).st_size:
            self._trim(end, store.last())

    def append(self, lines: Sequence[Line], *, counted: bool = True) -> None:
        """Write these lines. `counted`: they stand in the journal, under their numbers."""
        new = [line for line in lines if not counted or line["seq"] > self.last]
        if not new:
            return
        data = b"".join(_encode(line) for line in new)
        if os.write(self._fd, data) != len(data):
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self.last = max(self.last, new[-1]["seq"])

    def close(self) -> None:
        os.close(self._fd)

    def _trim(self, end: int, known: int) -> None:
        """Cut off a line without an end, and lines that the journal has lost (in a power cut)."""
        span = _TAIL
        while end:
            start = max(0, end - span)
            data = os.pread(self._fd, end - start, start)
            whole = data.rfind(b"\n") + 1
            begin = data.rfind(b"\n", 0, whole - 1) + 1 if whole else 0
            if start and not begin:  # the line begins before what has been read
                span *= 2
                continue
            seq = _seq(data[begin:whole])
            if seq is not None and seq <= known:
                self.last, end = seq, start + whole
                break
            end = start + begin
        os.ftruncate(self._fd, end)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _encode(line: Line) -> bytes:
    return _ENCODER.encode(line).encode(errors="replace") + b"\n"


def _seq(line: bytes) -> int | None:
    """The number of a line; None for one that is none of ours."""
    try:
        found = json.loads(line)["seq"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None
