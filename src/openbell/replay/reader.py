"""Reads one Parquet file, a part of its rows at a time: only the columns and row groups that are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openbell.errors import DataError
from openbell.replay.batch import Chunk, Origin, Times, numbers
from openbell.replay.layout import File

AT_ONCE = 1 << 16
"""Rows that are decoded at a time."""

TIMESTAMP = "Timestamp"
"""The timestamp column, where a table has one of this name."""

_TO_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a table. `where`: values that a column may have; `after`: ns until a row is known."""

    table: str
    columns: tuple[str, ...] | None = None
    timestamp: str | None = None
    where: Mapping[str, frozenset[Any]] | None = None
    after: int = 0


class Reader:
    """One file. `keys`: the columns that its path holds, which the file itself does not."""

    def __init__(self, file: File, keys: Mapping[str, Any], wanted: Wanted, number: int = 0) -> None:
        self.file, self.wanted = file, wanted
        self.origin = Origin(number, str(file.path))
        self._keys = keys
        try:
            self.meta = pq.read_metadata(file.path)
            self._stored = self.meta.schema.to_arrow_schema()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file.path} cannot be read: {_told(error)}") from None
        self.timestamp = self._timestamp()
        self.schema = self._schema()

    def _timestamp(self) -> str:
        stored, wanted = self._stored, self.wanted.timestamp
        if wanted is None:
            times = [field.name for field in stored if pa.types.is_timestamp(field.type)]
            if TIMESTAMP in stored.names:
                wanted = TIMESTAMP
            elif len(times) == 1:
                wanted = times[0]
            else:
                told = (
                    f"{self.file.path} has {'several timestamp columns' if times else 'no timestamp column'}"
                )
                hint = f"name it: timestamp_columns: {{{self.wanted.table}: {(times or ['column'])[0]}}}"
                raise DataError(told, hint=hint)
        self._must_have(wanted)
        kind = stored.field(wanted).type
        if not (pa.types.is_timestamp(kind) or kind == pa.int64()):
            raise DataError(f"{self.file.path}: the column {wanted} holds {kind}, not timestamps")
        return wanted

    def _must_have(self, column: str) -> None:
        if column not in self._stored.names and column not in self._keys:
            hint = f"it has {', '.join([*self._stored.names, *self._keys])}"
            raise DataError(f"{self.file.path} has no column {column!r}", hint=hint)

    def _schema(self) -> pa.Schema:
        """What is delivered: the columns that were asked for, or all."""
        for column in (*(self.wanted.columns or ()), *(self.wanted.where or ())):
            self._must_have(column)
        fields = {field.name: field for field in self._stored}
        if twice := [name for name in self._keys if name in fields]:
            raise DataError(f"{self.file.path} has the column {twice[0]} inside as well as in its path")
        fields |= {name: pa.field(name, _key_type(value)) for name, value in self._keys.items()}
        return pa.schema([fields[name] for name in self.wanted.columns or fields])

    # ── what the file says about itself ─────────────────────────────────────────────────────────

    @cached_property
    def span(self) -> tuple[int, int] | None:
        """The first and the last timestamp (ns) by its statistics; None where it has none, or no rows."""
        spans = [self._bounds(group, self.timestamp) for group in range(self.meta.num_row_groups)]
        known = [span for span in spans if span is not None]
        if not known or len(known) < len(spans):
            return None
        low, high = min(low for low, _ in known), max(high for _, high in known)
        return self._ns(low), self._ns(high)

    def _bounds(self, group: int, column: str) -> tuple[Any, Any] | None:
        """The least and the greatest value of a column of a row group, as stored."""
        found = self.meta.row_group(group).column(self._stored.get_field_index(column))
        statistics = found.statistics if found.is_stats_set else None
        if statistics is None or not statistics.has_min_max:
            return None
        if pa.types.is_timestamp(self._stored.field(column).type):
            return statistics.min_raw, statistics.max_raw
        return statistics.min, statistics.max

    def _ns(self, raw: int) -> int:
        kind = self._stored.field(self.timestamp).type
        return raw * (_TO_NS[kind.unit] if pa.types.is_timestamp(kind) else 1) + self.wanted.after

    def _skipped(self, group: int) -> bool:
        """Whether no row of this row group can be wanted."""
        for column, values in (self.wanted.where or {}).items():
            if column not in self._keys and (bounds := self._bounds(group, column)) is not None:
                low, high = bounds
                try:
                    if not any(low <= value <= high for value in values):
                        return True
                except TypeError:
                    continue
        return False

    # ── rows ────────────────────────────────────────────────────────────────────────────────────

    def chunks(self) -> Iterator[Chunk]:
        """The rows in file order. The file is open while they are read. Raises DataError."""
        for column, value in self._keys.items():
            if self.wanted.where and column in self.wanted.where and value not in self.wanted.where[column]:
                return
        names = list(dict.fromkeys([*self.schema.names, self.timestamp, *(self.wanted.where or ())]))
        names = [name for name in names if name not in self._keys]
        texts = [name for name in names if _is_text(self._stored.field(name).type)]
        first = 0
        try:
            with pq.ParquetFile(self.file.path, metadata=self.meta, read_dictionary=texts) as source:
                for first, groups in self._runs():
                    for rows in source.iter_batches(AT_ONCE, groups, names, use_threads=False):
                        if (chunk := self._chunk(rows, first)) is not None:
                            yield chunk
                        first += rows.num_rows
        except (pa.ArrowException, OSError) as error:
            told = f"{self.file.path} cannot be read from row {first} on: {_told(error)}"
            raise DataError(told) from None

    def _runs(self) -> Iterator[tuple[int, list[int]]]:
        """Row groups to read together, with the number of their first row: what they hold is read at once."""
        first, at, run = 0, 0, list[int]()
        for group in range(self.meta.num_row_groups):
            skipped = self._skipped(group)
            if run and (skipped or at - first >= AT_ONCE):
                yield first, run
                run = []
            if not run:
                first = at
            if not skipped:
                run.append(group)
            at += self.meta.row_group(group).num_rows
        if run:
            yield first, run

    def _chunk(self, rows: pa.RecordBatch, first: int) -> Chunk | None:
        """The wanted rows; None without any."""
        kept = None
        if self.wanted.where:
            mask = self._mask(rows)
            if not mask.all():
                kept = np.flatnonzero(mask)
                rows = rows.filter(pa.array(mask))
        if rows.num_rows == 0:
            return None
        stamps = rows.column(self.timestamp)
        if stamps.null_count:
            n = int(np.flatnonzero(stamps.is_null().to_numpy(zero_copy_only=False))[0])
            row = first + (n if kept is None else int(kept[n]))
            raise DataError(f"{self.file.path}, row {row}: the column {self.timestamp} is null")
        return Chunk(self._times(stamps, first), self._delivered(rows), self.schema, self.origin, first, kept)

    def _mask(self, rows: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.bool_]]:
        mask = np.ones(rows.num_rows, np.bool_)
        for name, values in (self.wanted.where or {}).items():
            if name in self._keys:
                continue
            column = rows.column(name)
            if pa.types.is_dictionary(column.type):
                words = [word in values for word in column.dictionary.to_pylist()]
                codes = column.indices.fill_null(len(words)) if column.null_count else column.indices
                codes = numbers(codes)
                mask &= np.array([*words, None in values], np.bool_)[codes]
            else:
                mask &= _among(column, values)
        return mask

    def _times(self, stamps: pa.Array, first: int) -> Times:
        raw: Times = numbers(stamps).view(np.int64)
        factor = _TO_NS[stamps.type.unit] if pa.types.is_timestamp(stamps.type) else 1
        if factor > 1:
            if raw.size and max(abs(int(raw.min())), abs(int(raw.max()))) > (1 << 63) // factor - 1:
                raise DataError(
                    f"{self.file.path}, after row {first}: a timestamp lies before 1678 or after 2262"
                )
            raw = raw * factor
        times: Times = raw + self.wanted.after if self.wanted.after else raw
        return times

    def _delivered(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        if not self._keys and rows.schema.names == self.schema.names:
            return rows
        columns = [
            pa.repeat(pa.scalar(self._keys[field.name], field.type), rows.num_rows)
            if field.name in self._keys
            else rows.column(field.name)
            for field in self.schema
        ]
        return pa.RecordBatch.from_arrays(columns, names=self.schema.names)


def readers(files: Sequence[File], keys: Mapping[str, Sequence[Any]], wanted: Wanted) -> list[Reader]:
    """One reader for each file that can hold wanted rows. All have to deliver the same columns."""
    found = [
        Reader(file, {name: column[n] for name, column in keys.items()}, wanted, n)
        for n, file in enumerate(files)
    ]
    for one in found:
        if not one.schema.equals(found[0].schema):
            told = f"{one.file.path} has other columns than {found[0].file.path}"
            hint = f"{_differing(found[0].schema, one.schema)}"
            raise DataError(told, hint=hint)
    return found


def _differing(one: pa.Schema, other: pa.Schema) -> str:
    mine, theirs = ({f"{field.name}: {field.type}" for field in schema} for schema in (one, other))
    return f"{', '.join(sorted(theirs - mine)) or 'nothing'} instead of {', '.join(sorted(mine - theirs))}"


def _among(column: pa.Array, values: frozenset[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    from pyarrow import compute  # takes 50 ms to import, and is seldom needed

    found = compute.is_in(column, pa.array(list(values)).cast(column.type))
    return found.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _key_type(value: Any) -> pa.DataType:
    match value:
        case int():
            return pa.int64()
        case float():
            return pa.float64()
        case _:
            return pa.string()


def _told(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
