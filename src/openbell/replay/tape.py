"""The tape: several tables of one date, delivered in the order of time as if they came in live."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date as day
from datetime import datetime, time, timedelta
from itertools import islice
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa

from openbell.errors import DataError
from openbell.replay.batch import Batch, Block, Chunk
from openbell.replay.clock import NS, at, simulated
from openbell.replay.cycles import Cut, Cycles, cycles, events
from openbell.replay.layout import Folders, values
from openbell.replay.order import as_stored, in_order
from openbell.replay.pace import Line, Monotonic, Pace, Wall
from openbell.replay.reader import Reader, Wanted, readers

Moment = str | time | datetime | int
"""A time of day on the tape's date (`09:30:00`), an aware datetime, or nanoseconds since 1970 UTC."""
Where = Mapping[str, Any] | Iterable[Any] | str | None

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h)\s*")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": NS, "m": 60 * NS, "h": 3600 * NS}


_Delivery = tuple[int, tuple[int, ...], tuple[int, ...], bool]


class _Stopped(Exception):
    """A callback has ended the replay."""


class Tape:
    """Tables (`namespace.table`) of a date in the order of time.

    `for now, batch in tape` delivers cycle after cycle: `now` is its end in nanoseconds since 1970 UTC, and
    the batch holds the rows before it which have not been delivered yet. Cycles without rows are passed over
    unless `empty`. Rows before the start come with the first cycle, unless `skip_earlier`. At `speed` "max"
    nothing waits; at a number, cycles come by the wall clock, and overdue ones together unless `strict`.

    `where`: the values of `Sym` that are wanted, or values by column, or either by table. `columns`: those
    that are wanted, by table. `available_after`: how long after its timestamp a row is known, by table.
    `timestamp_columns`: by table, where it is not `Timestamp` nor the only one. `sorted`: disorder within
    `buffer_rows` is repaired, and further disorder is an error; false: file order.

    Raises DataError, naming file and row, for data that cannot be replayed.
    """

    def __init__(
        self,
        tables: Sequence[str],
        date: day | str,
        start: Moment = "09:30:00",
        interval: str | float | timedelta = "1s",
        speed: float | Literal["max"] = "max",
        where: Where = None,
        buffer_rows: int = 10_000,
        sorted: bool = True,  # noqa: A002
        strict: bool = False,
        available_after: Mapping[str, str | float | timedelta] | None = None,
        timestamp_columns: Mapping[str, str] | None = None,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        end: Moment | None = None,
        skip_earlier: bool = False,
        empty: bool = False,
        tz: str = "UTC",
        data: Folders | Mapping[str, str] | None = None,
        control: int | None = None,
        report: Callable[..., None] | None = None,
        wall: Wall | None = None,
    ) -> None:
        self.tables = _listed(tables)
        self.date = day.fromisoformat(date) if isinstance(date, str) else date
        self.tz = ZoneInfo(tz)
        self.start = self._moment(start)
        self.end = None if end is None else self._moment(end)
        self.interval = nanoseconds(interval)
        self.speed = _speed(speed)
        self.strict, self.empty, self.skip_earlier = strict, empty, skip_earlier
        self.sorted, self.buffer_rows = sorted, buffer_rows
        if self.interval <= 0 or buffer_rows < 1:
            raise ValueError("`interval` is longer than nothing, and `buffer_rows` 1 or more")
        self._folders = data if isinstance(data, Folders) else Folders(data) if data else Folders.known()
        self._wanted = _wanted(self.tables, where, columns, timestamp_columns, available_after)
        self._line = Line(control) if control is not None else None
        self._report, self._wall = report, wall or Monotonic()
        self._pace = self._new_pace()
        self.rows = 0
        """Rows that were delivered."""
        self.batches = 0
        """Cycles that were delivered, those that were put together as one."""
        self.coalesced = 0
        """Cycles that were late, and came together with a later one."""

    def __repr__(self) -> str:
        return f"<tape of {', '.join(self.tables)} of {self.date}>"

    @property
    def lag(self) -> float:
        """Seconds by which the last delivery was late."""
        return self._pace.lag

    @property
    def worst_lag(self) -> float:
        """Seconds by which the latest delivery was late."""
        return self._pace.worst

    # ── delivering ──────────────────────────────────────────────────────────────────────────────

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        with self._playing():
            for block, deliveries in self._deliveries(self._cut()):
                for now, low, high, _ in deliveries:
                    simulated.now = now
                    yield now, Batch(block, low, high)

    def run(
        self,
        on_batch: Callable[[int, Batch], object] | None = None,
        on_event: Callable[[int, str, tuple[Any, ...]], object] | None = None,
        on_timer: Callable[[int], object] | None = None,
        every: str | float | timedelta = "1m",
    ) -> None:
        """Deliver to callbacks, until the rows (or `end`) are reached or one of them calls `stop()`.

        `on_event(time, table, values)` is given each row by itself, in the order of time, of the declared
        tables, of files and rows; the values are those of the columns, times in nanoseconds.
        `on_batch(now, batch)` is given each cycle that has rows, after its events. `on_timer(now)` is called
        at every multiple of `every` after the start, rows or not, after the cycle that ends then.
        """
        period = nanoseconds(every) if on_timer else 0
        if period % self.interval:
            raise ValueError(f"`every` is a multiple of the interval of {self.interval / NS:g} s")
        rowwise = on_batch is None and self.speed is None and self._line is None
        try:
            with self._playing():
                self._run(self._cut(period // self.interval, whole=rowwise), on_batch, on_event, on_timer)
        except _Stopped:
            return

    def stop(self) -> None:
        """End the replay from within a callback, at once."""
        raise _Stopped

    def _run(
        self,
        cut: Cut,
        on_batch: Callable[[int, Batch], object] | None,
        on_event: Callable[[int, str, tuple[Any, ...]], object] | None,
        on_timer: Callable[[int], object] | None,
    ) -> None:
        for block, deliveries in self._deliveries(cut):
            following = events(block) if on_event is not None else iter(())
            for now, low, high, timer in deliveries:
                count = sum(high) - sum(low)
                if on_event is not None:
                    for moment, table, row in islice(following, count):
                        simulated.now = moment
                        on_event(moment, table, row)
                simulated.now = now
                if on_batch is not None and (count or self.empty):
                    on_batch(now, Batch(block, low, high))
                if timer and on_timer is not None:
                    on_timer(now)

    def _deliveries(self, cut: Cut) -> Iterator[tuple[Block, Iterable[_Delivery]]]:
        """Block after block, with its cycles: (now, from, to, whether a timer is due)."""
        self._pace = pace = self._new_pace()
        for found in self._blocks(cut):
            block, times, highs, timers = found
            self.rows += sum(highs[-1])
            self.batches += len(times)
            if pace.attended:
                yield block, self._paced(found, pace)
            else:
                due = {times[n] for n in timers}
                lows = [(0,) * len(self.tables), *highs[:-1]]
                yield block, zip(times, lows, highs, map(due.__contains__, times), strict=True)

    def _paced(self, found: Cycles, pace: Pace) -> Iterator[_Delivery]:
        """The cycles of a block, each when it is due; overdue ones together, up to the next timer."""
        _, times, highs, timers = found
        low, n = (0,) * len(self.tables), 0
        base = self.rows - sum(highs[-1])
        while n < len(times):
            due = pace.wait(times[n])
            last = n
            if self.speed is not None and not self.strict and not pace.step:
                last = max(n, bisect_right(times, due) - 1)
                after = bisect_left(timers, n)
                last = min(last, timers[after]) if after < len(timers) else last
            self.coalesced += last - n
            self.batches -= last - n
            yield times[last], low, highs[last], last in timers
            low, n = highs[last], last + 1
            pace.tell(times[last], base + sum(low))

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def _blocks(self, cut: Cut) -> Iterator[Cycles]:
        opened = {name: self._readers(name) for name in self.tables}
        schemas = [found[0].schema for found in opened.values()]
        streams = {name: self._stream(found) for name, found in opened.items()}
        for n, found in enumerate(cycles(streams, schemas, cut)):
            if n == 0:
                self._pace.begin(self.start)
            yield found

    def _readers(self, name: str) -> list[Reader]:
        files = self._folders.table(name).files(self.date)
        return readers(files, values(files), self._wanted[name])

    def _stream(self, found: Sequence[Reader]) -> Iterator[Chunk]:
        chunks = in_order(found, self.buffer_rows) if self.sorted else as_stored(found)
        return self._later(chunks) if self.skip_earlier else chunks

    def _later(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            low = int(chunk.times.searchsorted(self.start))
            if low < len(chunk):
                yield chunk.part(low, len(chunk))

    def schema(self, table: str) -> pa.Schema:
        """The columns of a table as they are delivered. Raises DataError where it cannot be read."""
        return self._readers(table)[0].schema

    # ── the clock ───────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _playing(self) -> Iterator[None]:
        """While this is open, the clock of the process is that of the tape."""
        before = (simulated.now, simulated.today, simulated.tz)
        simulated.now, simulated.today, simulated.tz = self.start, self.date, self.tz
        self.rows = self.batches = self.coalesced = 0
        try:
            yield
        finally:
            if before[0] is None:
                simulated.now, simulated.today, simulated.tz = before
            if self._report is not None:
                self._report(
                    rows=self.rows,
                    batches=self.batches,
                    coalesced=self.coalesced,
                    lag=round(self.worst_lag, 3),
                )

    def _new_pace(self) -> Pace:
        return Pace(self.speed, self._wall, self._line)

    def _cut(self, every: int = 0, *, whole: bool = False) -> Cut:
        return Cut(self.start, self.interval, self.end, every, self.empty, whole)

    def _moment(self, moment: Moment) -> int:
        match moment:
            case bool():
                raise TypeError("a moment is a time of day, an aware datetime or nanoseconds")
            case int():
                return moment
            case datetime():
                if moment.tzinfo is None:
                    raise ValueError(f"{moment} has no time zone")
                return int(moment.timestamp()) * NS + moment.microsecond * 1000
            case _:
                return at(self.date, moment, self.tz)


def nanoseconds(duration: str | float | timedelta) -> int:
    """`10ms`, seconds, or a timedelta, as nanoseconds. ValueError for anything else."""
    match duration:
        case timedelta():
            return (duration.days * 86400 + duration.seconds) * NS + duration.microseconds * 1000
        case int() | float():
            return round(duration * NS)
        case str():
            found = _DURATION.fullmatch(duration)
            if found is not None:
                return round(float(found[1]) * _UNITS[found[2]])
    raise ValueError(f"{duration!r} is no duration: 10ms, 1s, 5m")


def _speed(speed: float | str) -> float | None:
    """None for `max`."""
    if speed == "max":
        return None
    if isinstance(speed, bool | str) or not 1 <= speed < float("inf"):
        raise ValueError(f'`speed` is a number, 1 or more, or "max", not {speed!r}')
    return float(speed)


def _listed(tables: Sequence[str] | str) -> tuple[str, ...]:
    found = (tables,) if isinstance(tables, str) else tuple(tables)
    if not found or len(set(found)) < len(found):
        raise ValueError("a tape has one table at least, and none of them twice")
    return found


def _wanted(
    tables: Sequence[str],
    where: Where,
    columns: Mapping[str, Sequence[str]] | None,
    timestamps: Mapping[str, str] | None,
    after: Mapping[str, str | float | timedelta] | None,
) -> dict[str, Wanted]:
    """What is wanted of each table. Settings may name tables that are not on this tape."""
    by_table = where if isinstance(where, Mapping) and any(name in tables for name in where) else None
    found = {}
    for table in tables:
        chosen = (columns or {}).get(table)
        found[table] = Wanted(
            table,
            tuple(chosen) if chosen is not None else None,
            (timestamps or {}).get(table),
            _values(by_table.get(table) if by_table is not None else where),
            nanoseconds((after or {}).get(table, 0)),
        )
    for name in columns or ():
        if name not in tables:
            raise DataError(f"`columns` names {name!r}, which is not on this tape", hint=", ".join(tables))
    return found


def _values(where: Where) -> dict[str, frozenset[Any]] | None:
    """Wanted values by column."""
    match where:
        case None:
            return None
        case Mapping():
            return {column: _set(wanted) for column, wanted in where.items()}
        case _:
            return {"Sym": _set(where)}


def _set(wanted: Any) -> frozenset[Any]:
    return frozenset([wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else wanted)
