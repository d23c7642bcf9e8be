"""History as if live: tables on disk, the tape that replays them, the clock that it sets. Extra `data`.

    from openbell import replay

    tape = replay.Tape(tables=["Market.Quote", "Market.Trade"], date="2012-03-06", speed="max", data=folders)
    for now, batch in tape:
        quotes = batch["Market.Quote"]

Importing it costs nothing: numpy, pyarrow and polars are loaded where they are used. Nothing in here knows
of pipelines, stores or engines; what a task is set to, it is told through its context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openbell.replay.clock import instant, now, today

if TYPE_CHECKING:
    from openbell.errors import DataError
    from openbell.replay.batch import Batch, Slice
    from openbell.replay.frames import frame
    from openbell.replay.layout import Folders
    from openbell.replay.results import write
    from openbell.replay.tape import Tape

__all__ = [
    "Batch",
    "DataError",
    "Folders",
    "Slice",
    "Tape",
    "frame",
    "instant",
    "now",
    "today",
    "write",
]

_HOMES = {
    "Batch": "openbell.replay.batch",
    "DataError": "openbell.errors",
    "Folders": "openbell.replay.layout",
    "Slice": "openbell.replay.batch",
    "Tape": "openbell.replay.tape",
    "frame": "openbell.replay.frames",
    "write": "openbell.replay.results",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'openbell.replay' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("numpy", "polars", "pyarrow"):
            raise
        from openbell.replay.extra import missing

        raise missing(error) from None


def __dir__() -> list[str]:
    return sorted(__all__)
