"""Tables, results and the tape of one task: what the methods of its context stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbell.errors import DataError
from openbell.replay.extra import missing
from openbell.replay.layout import Folders

if TYPE_CHECKING:
    import polars as pl

    from openbell.worker.context import Context


def table(ctx: Context, namespace: str, name: str, dates: Any, columns: Sequence[str] | None) -> pl.LazyFrame:
    """See `Context.table`."""
    try:
        from openbell.replay.frames import frame
    except ModuleNotFoundError as error:
        raise missing(error) from None
    return frame(f"{namespace}.{name}", dates, _folders(ctx), columns)


def write(ctx: Context, namespace: str, name: str, frame: Any) -> Path:
    """See `Context.write`."""
    try:
        from openbell.replay import results
    except ModuleNotFoundError as error:
        raise missing(error) from None
    if not ctx.output:
        raise DataError("there is no folder for results", hint="by hand, set OPENBELL_OUTPUT")
    day = ctx.date or ctx.session
    return results.write(
        f"{namespace}.{name}",
        frame,
        ctx.output,
        day=day,
        keys=_keys(ctx.coordinates, ctx.date),
        run=ctx.run,
        step=ctx.step,
    )


def _folders(ctx: Context) -> Folders:
    return Folders(ctx.data, ctx.output)


def _keys(coordinates: Mapping[str, Any], day: date | None) -> dict[str, Any]:
    """The axes but that of the dates."""
    dated = next((name for name, value in coordinates.items() if day and value == day.isoformat()), None)
    return {name: value for name, value in coordinates.items() if name != dated}
