"""Brings the rows of one table into order: repair within a buffer, and files that overlap in time.

The order is total: timestamp, then the order of the files, then the row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from openbell.errors import DataError
from openbell.replay.batch import Chunk, Piece
from openbell.replay.reader import Reader


def as_stored(readers: Sequence[Reader]) -> Iterator[Chunk]:
    """File order. A row whose timestamp lies before that of an earlier one is known with that one."""
    latest = None
    for reader in readers:
        for chunk in reader.chunks():
            times = np.maximum.accumulate(chunk.times)
            if latest is not None:
                times = np.maximum(times, latest)
            latest = times[-1]
            yield Chunk(times, chunk.rows, chunk.schema, chunk.origin, chunk.first, chunk.kept)


def in_order(readers: Sequence[Reader], buffer_rows: int) -> Iterator[Chunk]:
    """By timestamp. Raises DataError for two rows out of order that are more than `buffer_rows` apart."""
    chains = _chains([reader for reader in readers if reader.meta.num_rows])
    streams = [_chained(chain, buffer_rows) for chain in chains]
    return streams[0] if len(streams) == 1 else _merged(streams)


def _chained(chain: Sequence[Reader], buffer_rows: int) -> Iterator[Chunk]:
    for reader in chain:
        yield from repaired(reader.chunks(), buffer_rows)


def _chains(readers: Sequence[Reader]) -> list[list[Reader]]:
    """Files that follow each other in time, put behind one another; one chain where all of them do.

    A file whose statistics do not tell its span could lie anywhere: it is a chain of its own.
    """
    if len(readers) == 1:
        return [list(readers)]
    chains: list[list[Reader]] = []
    for reader in readers:
        span = reader.span
        for chain in chains if span is not None else ():
            last = chain[-1].span
            if last is not None and span is not None and last[1] <= span[0]:
                chain.append(reader)
                break
        else:
            chains.append([reader])
    return chains


# ── repair ──────────────────────────────────────────────────────────────────────────────────────


def repaired(chunks: Iterable[Chunk], buffer_rows: int) -> Iterator[Chunk]:
    """The chunks of a file in order. The last `buffer_rows` rows are held: a later one may precede them."""
    held: list[Piece] = []  # in order
    recent = _Recent(buffer_rows)
    for chunk in chunks:
        times = chunk.times
        last = int(held[-1][0].times[held[-1][2] - 1]) if held else None
        ordered = (last is None or times[0] >= last) and bool((times[1:] >= times[:-1]).all())
        recent.see(chunk, ordered=ordered)
        if ordered:
            held.append((chunk, 0, len(chunk)))
        else:
            merged = sort([*held, (chunk, 0, len(chunk))])
            held = [(merged, 0, len(merged))]
        ready, held = _but_the_last(held, buffer_rows)
        yield from (chunk.part(low, high) for chunk, low, high in ready)
    yield from (chunk.part(low, high) for chunk, low, high in held)


class _Recent:
    """The last rows in file order, and the latest time before them: what tells disorder beyond the buffer."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._tail: deque[Chunk] = deque()
        self._ordered: deque[bool] = deque()
        self._count = 0
        self._ceiling: tuple[int, Chunk, int] | None = None  # (time, chunk, position) before the tail

    def see(self, chunk: Chunk, *, ordered: bool) -> None:
        """Take a chunk in. Raises DataError for a row of it that comes too late."""
        if not ordered:
            self._check(chunk)
        self._tail.append(chunk)
        self._ordered.append(ordered)
        self._count += len(chunk)
        while self._count - len(self._tail[0]) >= self._rows and len(self._tail) > 1:
            gone = self._tail.popleft()
            self._count -= len(gone)
            at = len(gone) - 1 if self._ordered.popleft() else int(gone.times.argmax())
            if self._ceiling is None or gone.times[at] > self._ceiling[0]:
                self._ceiling = (int(gone.times[at]), gone, at)

    def _check(self, chunk: Chunk) -> None:
        parts = [*self._tail, chunk]
        times = np.concatenate([part.times for part in parts])
        highest = np.maximum.accumulate(times)
        if self._ceiling is not None:
            highest = np.maximum(highest, self._ceiling[0])
        behind = len(times) - len(chunk)
        begin = max(behind, self._rows + 1)
        rest = times[begin:]
        late = rest < highest[begin - self._rows - 1 :][: len(rest)]
        if self._ceiling is not None and begin > behind:  # rows so early that only the ceiling precedes them
            early = np.flatnonzero(times[behind:begin] < self._ceiling[0])
            if early.size:
                raise self._error(chunk, int(early[0]), parts, times, behind + int(early[0]))
        if late.any():
            at = begin + int(late.argmax())
            raise self._error(chunk, at - behind, parts, times, at)

    def _error(self, chunk: Chunk, n: int, parts: list[Chunk], times: Any, at: int) -> DataError:
        """What is said of row `n` of the chunk, which is the one at `at` of all that is remembered."""
        earlier, where = (self._ceiling[0], self._name(*self._ceiling[1:])) if self._ceiling else (None, "")
        upto = max(0, at - self._rows)
        if upto and (earlier is None or times[:upto].max() > earlier):
            position = int(times[:upto].argmax())
            earlier = int(times[position])
            for part in parts:
                if position < len(part):
                    where = self._name(part, position)
                    break
                position -= len(part)
        return DataError(
            f"{chunk.origin.path}, row {chunk.row(n)}: its timestamp {stamp(int(chunk.times[n]))} comes more "
            f"than {self._rows} rows after {where} with {stamp(int(earlier or 0))}",
            hint="raise `buffer_rows`, sort the file, or write `sorted: false`",
        )

    @staticmethod
    def _name(chunk: Chunk, position: int) -> str:
        return f"row {chunk.row(position)}"


def _but_the_last(pieces: list[Piece], count: int) -> tuple[list[Piece], list[Piece]]:
    """All but the last `count` rows, and these."""
    held: list[Piece] = []
    rest = list(pieces)
    while rest and count:
        chunk, low, high = rest.pop()
        cut = max(low, high - count)
        held.insert(0, (chunk, cut, high))
        count -= high - cut
        if cut > low:
            rest.append((chunk, low, cut))
    return rest, held


# ── merging ─────────────────────────────────────────────────────────────────────────────────────


def _merged(streams: Sequence[Iterator[Chunk]]) -> Iterator[Chunk]:
    """Several streams in order as one. Of equal times, those of the earlier file come first."""
    cursors = [Cursor(stream) for stream in streams]
    while True:
        for cursor in cursors:
            if not cursor.pieces:
                cursor.load()
        open_ones = [cursor for cursor in cursors if not cursor.ended]
        if not open_ones:
            pieces = [piece for cursor in cursors for piece in cursor.take(None)]
            if pieces:
                yield sort(sorted(pieces, key=_by_file))
            return
        limit = min(cursor.last for cursor in open_ones)
        pieces = [piece for cursor in cursors for piece in cursor.take(limit)]
        if pieces:
            yield sort(sorted(pieces, key=_by_file))
        for cursor in open_ones:
            if cursor.last == limit:
                cursor.load()


def _by_file(piece: Piece) -> int:
    return piece[0].origin.number


class Cursor:
    """What is loaded of a stream and not yet taken."""

    def __init__(self, source: Iterator[Chunk]) -> None:
        self._source = source
        self.pieces: deque[Piece] = deque()
        self.ended = False
        self.last = -(1 << 63)
        """The time of the last row that is loaded: every later one comes then or afterwards."""

    def load(self) -> None:
        """Load the next chunk, if there is one."""
        chunk = None if self.ended else next(self._source, None)
        if chunk is None:
            self.ended = True
        else:
            self.pieces.append((chunk, 0, len(chunk)))
            self.last = int(chunk.times[-1])

    def take(self, before: int | None) -> list[Piece]:
        """Take out the rows before a time; None: all."""
        found: list[Piece] = []
        while self.pieces:
            chunk, low, high = self.pieces[0]
            if before is None or chunk.times[high - 1] < before:
                found.append(self.pieces.popleft())
                continue
            cut = low + int(np.searchsorted(chunk.times[low:high], before))
            if cut > low:
                found.append((chunk, low, cut))
                self.pieces[0] = (chunk, cut, high)
            break
        return found

    def first(self) -> int | None:
        """The time of the next row, as far as it is loaded."""
        return int(self.pieces[0][0].times[self.pieces[0][1]]) if self.pieces else None


def sort(pieces: Sequence[Piece]) -> Chunk:
    """The rows of all pieces in the order of their times; equal ones stay as they are."""
    chunks = [chunk.part(low, high) for chunk, low, high in pieces]
    times = np.concatenate([chunk.times for chunk in chunks])
    one = chunks[0]
    if (times[1:] >= times[:-1]).all():
        if len(chunks) == 1:
            return one
        order = np.arange(len(times))
    else:
        order = np.argsort(times, kind="stable")
    rows = pa.Table.from_batches([chunk.rows for chunk in chunks]).unify_dictionaries().combine_chunks()
    taken = rows.take(pa.array(order)).combine_chunks().to_batches()[0]
    numbers = np.concatenate([chunk.numbers() for chunk in chunks])[order]
    return Chunk(times[order], taken, one.schema, one.origin, 0, numbers)


def stamp(ns: int) -> str:
    """Nanoseconds as people write them, in UTC."""
    return f"{np.datetime64(ns, 'ns')}Z"
