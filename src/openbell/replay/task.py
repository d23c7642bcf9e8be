"""Tables, results and the tape of one task: what the methods of its context stand for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbell.errors import DataError
from openbell.replay.extra import missing
from openbell.replay.layout import Folders

if TYPE_CHECKING:
    import polars as pl

    from openbell.replay.tape import Tape
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


def tape(ctx: Context, tables: Sequence[str | Sequence[str]], settings: Mapping[str, Any]) -> Tape:
    """See `Context.replay`."""
    try:
        from openbell.replay.tape import Tape
    except ModuleNotFoundError as error:
        raise missing(error) from None
    day = settings.get("date") or ctx.date or ctx.session
    if day is None:
        raise DataError("this task has no date to replay", hint="give its step an axis `date`, or `date=`")
    told = {**_told(ctx.mode), **settings, "date": day}
    listed = [*tables, told.pop("tables", ())]
    names = [name for one in listed for name in ([one] if isinstance(one, str) else one)]
    return Tape(names, data=_folders(ctx), control=_control(), report=_report, **told)


def _folders(ctx: Context) -> Folders:
    return Folders(ctx.data, ctx.output)


def _keys(coordinates: Mapping[str, Any], day: date | None) -> dict[str, Any]:
    """The axes but that of the dates."""
    dated = next((name for name, value in coordinates.items() if day and value == day.isoformat()), None)
    return {name: value for name, value in coordinates.items() if name != dated}


def _told(mode: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the step as arguments of a tape. A step that is no replay does not wait."""
    if mode.get("kind") != "replay":
        return {"speed": "max", "tz": mode.get("tz") or "UTC", "start": "00:00:00"}
    found = {name: mode[name] for name in ("speed", "start", "interval", "sorted", "strict") if name in mode}
    found["tz"] = mode.get("tz") or "UTC"
    if mode.get("buffer_rows"):
        found["buffer_rows"] = mode["buffer_rows"]
    for name in ("timestamp_columns", "available_after"):
        found[name] = {f"{namespace}.{table}": value for namespace, table, value in mode.get(name) or ()}
    return found


def _control() -> int | None:
    """The line to whoever watches this replay in the foreground."""
    text = os.environ.get("OPENBELL_REPLAY_CONTROL")
    return int(text) if text else None


def _report(**figures: Any) -> None:
    from openbell.worker.reports import emit

    emit("metric", "replay", **figures)
