"""Cuts the rows of several tables into cycles: cycle k ends at start + k * interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat, starmap
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from openbell.replay.batch import Block, Chunk, Piece, Times, joined, plain
from openbell.replay.order import Cursor

_AT_ONCE = 1 << 12  # rows
_MOST = 1 << 20  # cycles of a block that are delivered though they are empty


@dataclass(frozen=True, slots=True)
class Cut:
    """How to cut: nanoseconds. `every`: cycles between timers; 0: none. `whole`: no cycles but timers."""

    start: int
    interval: int
    end: int | None = None
    every: int = 0
    empty: bool = False
    whole: bool = False

    def ends_at(self, cycle: int) -> int:
        return self.start + cycle * self.interval

    def last_complete(self, upto: int) -> int:
        """The last cycle that is complete when every row before a time is there."""
        return (upto - self.start) // self.interval

    def of(self, row: int) -> int:
        """The cycle of a row: the first that ends after it. What lies before the start is in the first."""
        return max(1, (row - self.start) // self.interval + 1)


class Cycles(NamedTuple):
    """Cycles of one block: when each ends, and up to which row of each table it goes."""

    block: Block
    times: list[int]
    highs: list[tuple[int, ...]]
    timers: list[int]
    """Positions of those at which a timer is due."""


def cycles(
    streams: Mapping[str, Iterator[Chunk]], schemas: Sequence[pa.Schema], cut: Cut
) -> Iterator[Cycles]:
    """The cycles in order, as far as the loaded rows of all tables make them complete, again and again."""
    cursors = [Cursor(stream) for stream in streams.values()]
    numbers = {name: n for n, name in enumerate(streams)}
    following = 1
    final = None if cut.end is None else -(-(cut.end - cut.start) // cut.interval)
    while final is None or following <= final:
        last = _complete(cursors, cut, following)
        if last is None:
            break
        if final is not None:
            last = min(last, final)
        if cut.every or cut.empty:
            last = min(last, following + _MOST)
        before = cut.ends_at(last) if cut.end is None else min(cut.ends_at(last), cut.end)
        pieces = [cursor.take(before) for cursor in cursors]
        found = _cycles(Block(numbers, pieces, schemas), cut, following, last)
        if found.times:
            yield found
        following = last + 1
    if final is not None and following <= final and (cut.every or cut.empty):
        nothing = Block(numbers, [[] for _ in cursors], schemas)
        for first in range(following, final + 1, _MOST):
            yield _cycles(nothing, cut, first, min(first + _MOST - 1, final))


def _complete(cursors: Sequence[Cursor], cut: Cut, following: int) -> int | None:
    """Load until a further cycle is complete, and tell the last that is; None when there are no more rows."""
    for cursor in cursors:
        if not cursor.pieces:
            cursor.load()
    while waiting := [cursor for cursor in cursors if not cursor.ended]:
        last = cut.last_complete(min(cursor.last for cursor in waiting))
        if last >= following:
            return last
        for cursor in waiting:
            if cut.last_complete(cursor.last) < following:
                cursor.load()
    ends = [int(chunk.times[high - 1]) for cursor in cursors for chunk, _, high in cursor.pieces]
    return max(following, cut.of(max(ends))) if ends else None


def _cycles(block: Block, cut: Cut, first: int, last: int) -> Cycles:
    times = [_times(pieces) for pieces in block.pieces]
    if cut.whole:
        chosen = np.array([last], np.int64)
    elif cut.empty or last - first < sum(map(len, times)):
        chosen = np.arange(first, last + 1)
    else:
        parts = [np.maximum((some - cut.start) // cut.interval + 1, first) for some in times]
        chosen = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
    due = np.arange(-(-first // cut.every), last // cut.every + 1) * cut.every if cut.every else chosen[:0]
    if due.size:
        chosen = np.union1d(chosen, due)
    ends = cut.start + chosen * cut.interval
    highs = [some.searchsorted(ends) for some in times]
    if not cut.empty:
        filled = np.diff(sum(highs), prepend=0) > 0
        filled |= np.isin(chosen, due, assume_unique=True) if due.size else False
        chosen, ends, highs = chosen[filled], ends[filled], [high[filled] for high in highs]
    timers = np.searchsorted(chosen, due).tolist() if due.size else []
    return Cycles(block, ends.tolist(), list(zip(*(high.tolist() for high in highs), strict=True)), timers)


def _times(pieces: Sequence[Piece]) -> Times:
    parts = [chunk.times[low:high] for chunk, low, high in pieces]
    return joined(parts) if parts else np.empty(0, np.int64)


def events(block: Block) -> Iterator[tuple[int, str, tuple[Any, ...]]]:
    """Every row of a block as (time, table, values), in the total order: time, table, file, row.

    A few rows at a time are made into Python's values: then these are still in the processor's cache when
    they are delivered.
    """
    names = list(block.numbers)

    def rows(n: int) -> Iterator[tuple[Any, ...]]:
        columns = block.schemas[n].names
        return chain.from_iterable(
            zip(*(plain(chunk, name, first, last) for name in columns), strict=True)
            for chunk, low, high in block.pieces[n]
            for first, last in _parts(low, high)
        )

    times = [_times(pieces) for pieces in block.pieces]
    filled = [n for n, some in enumerate(times) if len(some)]
    if len(filled) == 1:
        [n] = filled
        return zip(times[n].tolist(), repeat(names[n]), rows(n), strict=False)
    every = np.concatenate(times)
    order = np.argsort(every, kind="stable")
    tables = np.repeat(np.arange(len(times)), [len(some) for some in times])[order]
    sources = np.array([None, *(rows(n) for n in range(len(times)))], object)[1:]  # not what they give
    called = np.array(names, object)

    def merged(first: int, last: int) -> Iterator[tuple[int, str, tuple[Any, ...]]]:
        some = tables[first:last]
        moments = every[order[first:last]].tolist()
        return zip(moments, called[some].tolist(), map(next, sources[some].tolist()), strict=False)

    return chain.from_iterable(starmap(merged, _parts(0, len(order))))


def _parts(low: int, high: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + _AT_ONCE, high)) for first in range(low, high, _AT_ONCE))
