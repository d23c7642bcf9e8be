"""What one cycle delivers: the rows of each table, as views of what was decoded. Nothing is copied."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from openbell.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Times = np.ndarray[Any, np.dtype[np.int64]]
"""Nanoseconds since 1970 UTC."""

Piece = tuple["Chunk", int, int]
"""Rows `low` to `high` (not included) of a chunk."""


class Origin(NamedTuple):
    """The file that rows come from. `number`: its place in the order of the files."""

    number: int
    path: str


class Chunk:
    """Decoded rows of one file, in order. `times`: int64 nanoseconds at which they are known."""

    __slots__ = ("_columns", "first", "kept", "origin", "rows", "schema", "times")

    def __init__(
        self,
        times: Times,
        rows: pa.RecordBatch,
        schema: pa.Schema,
        origin: Origin,
        first: int,
        kept: np.ndarray[Any, np.dtype[np.int64]] | None = None,
    ) -> None:
        self.times, self.rows, self.schema = times, rows, schema
        self.origin, self.first, self.kept = origin, first, kept
        self._columns: dict[str, np.ndarray[Any, Any]] = {}

    def __len__(self) -> int:
        return len(self.times)

    def row(self, position: int) -> int:
        """The number of a row in its file, from 0."""
        return self.first + (position if self.kept is None else int(self.kept[position]))

    def numbers(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The number of each row in its file."""
        return self.first + (np.arange(len(self)) if self.kept is None else self.kept)

    def part(self, low: int, high: int) -> Chunk:
        """Some of its rows as a chunk of their own."""
        if low == 0 and high == len(self):
            return self
        kept = self.kept[low:high] if self.kept is not None else None
        first = self.first if kept is not None else self.first + low
        rows = self.rows.slice(low, high - low)
        return Chunk(self.times[low:high], rows, self.schema, self.origin, first, kept)

    def column(self, name: str) -> np.ndarray[Any, Any]:
        """A column as an array: without a copy where it holds numbers or times and no nulls."""
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = _array(self.rows.column(name))
        return found


def _array(column: pa.Array) -> np.ndarray[Any, Any]:
    if not pa.types.is_dictionary(column.type):
        return numbers(column)
    words = np.array(column.dictionary.to_pylist(), dtype=object)
    if column.null_count == 0:
        return words[numbers(column.indices)] if len(words) else words
    return np.array(column.to_pylist(), dtype=object)


def numbers(column: pa.Array) -> np.ndarray[Any, Any]:
    """A column as an array; a view that cannot be written where it holds numbers or times, and no nulls.

    Not by `to_numpy`, which imports pandas where there is one: a third of a second for nothing.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        dtype = f"{'M' if pa.types.is_timestamp(kind) else 'm'}8[{kind.unit}]"
    else:
        dtype = _DTYPES.get(str(kind), "")
    if column.null_count or not dtype:
        return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    width = np.dtype(dtype).itemsize
    data = column.buffers()[1]
    found = (
        np.frombuffer(data, dtype, len(column), column.offset * width) if len(column) else np.empty(0, dtype)
    )
    found.flags.writeable = False
    return found


_DTYPES = {"float": "f4", "double": "f8"} | {
    f"{sign}int{bits}": f"{sign or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
"""Arrow's numbers, and what numpy calls them."""


class Slice:
    """The rows of one table in one cycle. `slice["Bid"]` is an array, `.arrow()` and `.polars()` are frames.

    They are views of what the tape has decoded: who keeps one beyond its cycle keeps that memory, and
    copies what it wants to keep.
    """

    __slots__ = ("_pieces", "_schema")

    def __init__(self, pieces: Sequence[Piece], schema: pa.Schema) -> None:
        self._pieces, self._schema = pieces, schema

    def __len__(self) -> int:
        return sum(high - low for _, low, high in self._pieces)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._schema.names)

    @property
    def times(self) -> Times:
        """When each row was known: nanoseconds since 1970 UTC, `available_after` included."""
        parts = [chunk.times[low:high] for chunk, low, high in self._pieces]
        return joined(parts) if parts else np.empty(0, np.int64)

    def __getitem__(self, column: str) -> np.ndarray[Any, Any]:
        pieces = self._pieces
        try:
            if len(pieces) == 1:
                chunk, low, high = pieces[0]
                return chunk.column(column)[low:high]
            if not pieces:
                return _array(pa.array([], self._schema.field(column).type))
            return joined([chunk.column(column)[low:high] for chunk, low, high in pieces])
        except KeyError:
            known = ", ".join(self._schema.names)
            raise DataError(f"there is no column {column!r}", hint=f"there are {known}") from None

    def numpy(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every column as an array."""
        return {name: self[name] for name in self._schema.names}

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table, of the types that the file has."""
        parts = [
            _as_stored(chunk.rows.slice(low, high - low), self._schema) for chunk, low, high in self._pieces
        ]
        return pa.Table.from_batches(parts, self._schema)

    def polars(self) -> pl.DataFrame:
        """The rows as a Polars frame."""
        import polars as pl

        return pl.from_arrow(self.arrow())  # type: ignore[return-value]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows one by one, as tuples of Python's own values; times as nanoseconds."""
        for chunk, low, high in self._pieces:
            yield from zip(*(plain(chunk, name, low, high) for name in self._schema.names), strict=True)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self._schema.names)}>"


def plain(chunk: Chunk, name: str, low: int, high: int) -> list[Any]:
    """Values of a column as Python's own; times as nanoseconds, dates as dates."""
    found = chunk.column(name)[low:high]
    if found.dtype.kind == "M" and found.dtype != "M8[D]":
        found = found.astype("datetime64[ns]", copy=False).view(np.int64)
    values: list[Any] = found.tolist()
    return values


def _as_stored(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The rows with the types of the file: text is decoded as codes and words, because that is faster."""
    if rows.schema.equals(schema):
        return rows
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(rows.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def joined(parts: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """One array of several; a single one as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Block:
    """What several cycles share: the pieces of each table, counted through from the first row on."""

    __slots__ = ("_ends", "numbers", "pieces", "schemas")

    def __init__(
        self, numbers: Mapping[str, int], pieces: Sequence[Sequence[Piece]], schemas: Sequence[pa.Schema]
    ) -> None:
        self.numbers, self.pieces, self.schemas = numbers, pieces, schemas
        self._ends = [list(accumulate(high - low for _, low, high in some)) for some in pieces]

    def slice(self, table: int, low: int, high: int) -> Slice:
        """Rows `low` to `high` of a table."""
        pieces = self.pieces[table]
        if low >= high:
            return Slice((), self.schemas[table])
        if len(pieces) == 1:
            chunk, first, _ = pieces[0]
            return Slice(((chunk, first + low, first + high),), self.schemas[table])
        ends, found = self._ends[table], []
        n = bisect_right(ends, low)
        while low < high:
            chunk, first, last = pieces[n]
            base = ends[n] - (last - first)
            upto = min(high, ends[n])
            found.append((chunk, first + low - base, first + upto - base))
            low, n = upto, n + 1
        return Slice(tuple(found), self.schemas[table])


class Batch(Mapping[str, Slice]):
    """The rows of every table in one cycle, by table. `len(batch)` counts tables, `batch.rows` rows."""

    __slots__ = ("_block", "_high", "_low")

    def __init__(self, block: Block, low: tuple[int, ...], high: tuple[int, ...]) -> None:
        self._block, self._low, self._high = block, low, high

    def __getitem__(self, table: str) -> Slice:
        try:
            n = self._block.numbers[table]
        except KeyError:
            known = ", ".join(self._block.numbers)
            raise DataError(f"{table!r} is not on this tape", hint=f"it has {known}") from None
        return self._block.slice(n, self._low[n], self._high[n])

    def __iter__(self) -> Iterator[str]:
        return iter(self._block.numbers)

    def __len__(self) -> int:
        return len(self._low)

    def __bool__(self) -> bool:
        return self.rows > 0

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(self._high) - sum(self._low)

    def __repr__(self) -> str:
        held = (f"{name}: {high - low}" for name, low, high in zip(self, self._low, self._high, strict=True))
        return f"<batch of {', '.join(held)}>"
