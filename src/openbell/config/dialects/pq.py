"""The persistent query orchestrator's file: `execution.num_partitions`, and `replay` or `batch`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from openbell.config.dialects import shared
from openbell.config.dialects.shared import (
    DatesShape,
    DeephavenShape,
    Environment,
    TimestampColumnShape,
)
from openbell.config.draft import Draft, partition_axis
from openbell.config.kinds import Flag, FullClock, Kind, Shape, Text, choice, number, shown, whole, wrong
from openbell.core.matrix import Matrix
from openbell.core.model import Batch, Pipeline, Replay, Step

_RANGE = number(low=1, high=100)


def _speed(value: Any) -> Any:
    if value == "max":
        return value
    if isinstance(value, str):
        raise wrong("OB103", f'must be a number from 1 to 100 or "max", not {shown(value)}')
    return _RANGE.check(value)


Speed = Annotated[
    float | Literal["max"],
    Kind(_speed, {"anyOf": [{"type": "number", "minimum": 1, "maximum": 100}, {"const": "max"}]}, 1.0),
]


class ExecutionShape(Shape):
    """What runs, how often, how much at once."""

    worker_script: Text = Field(description="The worker, absolute or relative to this file.")
    num_partitions: Annotated[int, whole(1, 1000)] = Field(description="Partitions per date.")
    max_concurrent_sessions: Annotated[int, whole(1, 1000)] = Field(50, description="Tasks at once.")
    heap_size_gb: Annotated[float, number(above=0, high=512)] = Field(description="Heap of each worker.")
    script_language: Annotated[str, choice(*shared.LANGUAGES)] = Field(description="Python or Groovy.")
    jvm_profile: Text = Field("Default", description="JVM profile, on Enterprise.")
    server_name: Text = Field("AutoQuery", description="Query server, on Enterprise.")
    max_retries: Annotated[int, whole(0)] = Field(3, description="Retries of a failed task.")
    max_failures: Annotated[int, whole(0)] = Field(10, description="At so many failures nothing more starts.")
    delete_successful_queries: Flag = Field(True, description="On Enterprise.")
    delete_failed_queries: Flag = Field(False, description="On Enterprise.")


class ReplayShape(Shape):
    """Replay mode."""

    init_timeout_minutes: Annotated[float, number(above=0)] = Field(
        1.0, description="How long a worker may take to begin, in minutes."
    )
    replay_start: FullClock = Field(description="Time of day at which the replay begins, HH:MM:SS.")
    replay_speed: Speed = Field(description="1 to 100, or `max` where the executor can.")
    sorted_replay: Flag = Field(True, description="Deliver in the order of the timestamps.")
    buffer_rows: Annotated[int, whole(1)] | None = Field(None, description="Rows buffered during replay.")
    replay_timestamp_columns: list[TimestampColumnShape] = Field(
        default_factory=list, description="Tables whose timestamp column is not `Timestamp`."
    )


class BatchShape(Shape):
    """Batch mode."""

    timeout_minutes: Annotated[float, number(above=0)] = Field(description="The longest a worker may run.")


class PqShape(Shape):
    """A file of the persistent query orchestrator."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["replay"]}, {"required": ["batch"]}]}
    )

    name: Text = Field(description="Name of the simulation.")
    deephaven: DeephavenShape | None = Field(None, description="The connection.")
    execution: ExecutionShape = Field(description="What runs.")
    replay: ReplayShape | None = Field(None, description="Replay mode; or `batch`.")
    batch: BatchShape | None = Field(None, description="Batch mode; or `replay`.")
    dates: DatesShape = Field(description="For which dates.")
    env: Environment


def compile_pq(draft: Draft, shape: PqShape, environ: Mapping[str, str], executor: str) -> Pipeline:
    """The sweep as a pipeline."""
    here = executor != "deephaven"
    _check_mode(draft, shape)
    draft.environment(shape.env, ("env",))
    execution = shape.execution
    settings = {name: getattr(execution, name) for name in _SETTINGS}
    settings["language"] = execution.script_language
    return Pipeline(
        name=shared.slug(shape.name),
        title=shape.name,
        steps=(_step(draft, shape, executor, here=here),),
        concurrency=execution.max_concurrent_sessions,
        max_failures=execution.max_failures,
        folder=str(draft.folder),
        source=str(draft.document.path.resolve()),
        settings={
            "deephaven": shared.connection(draft, shape.deephaven, environ, needed=not here) | settings
        },
    )


_SETTINGS = (
    "jvm_profile",
    "server_name",
    "heap_size_gb",
    "delete_successful_queries",
    "delete_failed_queries",
)
"""Fields of `execution` that mean something on Enterprise only."""


def _check_mode(draft: Draft, shape: PqShape) -> None:
    """Exactly one of `replay` and `batch`."""
    if (shape.replay is None) != (shape.batch is None) or draft.meant((), "replay", "batch"):
        return
    both = shape.replay is not None
    told = "has both `replay` and `batch`" if both else "has neither `replay` nor `batch`"
    draft.fault("OB111", f"the file {told}; exactly one is needed", ("batch",) if both else (), key=True)


def _step(draft: Draft, shape: PqShape, executor: str, *, here: bool) -> Step:
    execution, mode = shape.execution, "batch" if shape.batch else "replay"
    script, place = execution.worker_script, ("execution", "worker_script")
    dates = shared.dates_axis(draft, shape.dates, None)
    tz = shared.zone(draft, shape.dates.calendar)
    work, runtime = shared.worker(draft, script, place, execution.script_language, here=here)
    return Step(
        name="worker",
        work=work,
        runtime=runtime,
        matrix=Matrix((dates, partition_axis("partition", execution.num_partitions))),
        retry=shared.retries(execution.max_retries),
        timeout=shared.minutes(shape.batch.timeout_minutes) if shape.batch else None,
        start_timeout=shared.minutes(shape.replay.init_timeout_minutes) if shape.replay else None,
        demand=shared.reservation(execution.heap_size_gb, here=here),
        executor=executor,
        heap_gb=execution.heap_size_gb,
        env=shape.env,
        mode=_replay(draft, shape.replay, tz, here=here) if shape.replay else Batch(tz=tz),
        query_name=f"pq_{mode}_{shared.braced(shape.name)}_{{date:%Y%m%d}}_{{partition}}",
    )


def _replay(draft: Draft, shape: ReplayShape, tz: str, *, here: bool) -> Replay:
    return Replay(
        speed=shared.speed(shape.replay_speed, draft, here=here),
        start=shape.replay_start,
        sorted=shape.sorted_replay,
        buffer_rows=shape.buffer_rows,
        timestamp_columns=shared.columns(shape.replay_timestamp_columns),
        tz=tz,
    )
