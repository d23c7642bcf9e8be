"""The keys of `replay:`: how history is played to a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from openbell.config.kinds import (
    Clock,
    Duration,
    Flag,
    Kind,
    PositiveDuration,
    Shape,
    Text,
    number,
    shown,
    whole,
    wrong,
)


def _speed(value: Any) -> Any:
    if value == "max":
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong("OB103", f'must be a number, 1 or more, or "max", not {shown(value)}')
    if not 1 <= value < float("inf"):
        raise wrong("OB104", f'must be a number, 1 or more, or "max", not {value}')
    return float(value)


Speed = Annotated[
    float | Literal["max"],
    Kind(_speed, {"anyOf": [{"type": "number", "minimum": 1}, {"const": "max"}]}, 1.0),
]


class ReplayShape(Shape):
    """History as if live."""

    speed: Speed = Field(1.0, description="Simulated seconds per second, or `max`.")
    start: Clock = Field(
        "09:30:00", description="Time of day, in the pipeline's zone, at which the replay begins."
    )
    interval: PositiveDuration = Field(
        timedelta(seconds=1), description="Simulated time from one batch to the next. Default 1s."
    )
    sorted: Flag = Field(True, description="Repair disorder within `buffer_rows`; false: in file order.")
    strict: Flag = Field(
        False, description="When late, deliver every cycle instead of putting overdue ones together."
    )
    buffer_rows: Annotated[int, whole(1)] | None = Field(
        None, description="Rows within which disorder is repaired. Default 10000."
    )
    timestamp_columns: dict[Text, Text] = Field(
        default_factory=dict, description="`namespace.table: column` where the column is not `Timestamp`."
    )
    available_after: dict[Text, Duration] = Field(
        default_factory=dict,
        description="`namespace.table: 1m` where rows are known only so long after their timestamps: "
        "bars that bear the time of their start.",
    )
    sleep_factor: Annotated[float, number(above=0)] = Field(
        100.0,
        description="On `deephaven-core` at `max`: simulated seconds in a second of `time.sleep`.",
    )
