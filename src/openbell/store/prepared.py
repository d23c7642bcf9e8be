"""Statements of every turn: SQLAlchemy writes their text once, and the driver alone executes them.

What `Connection.execute` works out for each execution anew (cache key, binds, context, result) takes longer
than the statement itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]
_NOTHING: Row = {}


class Prepared:
    """A statement whose parameters come from rows, under their names, but for those that it has itself."""

    def __init__(self, statement: sa.ClauseElement) -> None:
        self._statement = statement
        self._texts: dict[str, tuple[str, _Bind]] = {}

    def write(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Execute it with each of the rows. Raises the driver's own errors."""
        text, bind = self._compiled(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(text, [bind(row) for row in rows])
        finally:
            cursor.close()

    def first(self, connection: sa.Connection, row: Row = _NOTHING) -> Any:
        """The first row that it finds, as the driver gives it, or None. Raises the driver's own errors."""
        text, bind = self._compiled(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, bind(row))
            return cursor.fetchone()
        finally:
            cursor.close()

    def _compiled(self, dialect: sa.Dialect) -> tuple[str, _Bind]:
        known = self._texts.get(dialect.name)
        if known is None:
            compiled = self._statement.compile(dialect=dialect)
            assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
            known = self._texts[dialect.name] = (str(compiled), _binder(compiled, dialect))
        return known


_Bind = Callable[[Row], Any]


def _binder(compiled: sa.sql.compiler.SQLCompiler, dialect: sa.Dialect) -> _Bind:
    """How a row becomes what the driver takes: a tuple or a mapping, in its types."""
    found = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
    }
    pairs = [(name, found[name]) for name in compiled.positiontup or found]
    own = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}

    def values(row: Row) -> list[Any]:
        full = {**own, **row} if own else row
        return [to(full[name]) if to is not None else full[name] for name, to in pairs]

    if compiled.positional:
        return values
    return lambda row: dict(zip(found, values(row), strict=True))
