"""The replay orchestrator's file: `execution.num_workers`, heap and language under `replay`, a scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Annotated

from pydantic import Field

from openbell.config.dialects import shared
from openbell.config.dialects.pq import Speed
from openbell.config.dialects.shared import (
    DatesShape,
    DeephavenShape,
    Environment,
    TimestampColumnShape,
)
from openbell.config.draft import Draft, partition_axis
from openbell.config.kinds import Flag, FullClock, Shape, Text, choice, number, whole
from openbell.core.matrix import Matrix
from openbell.core.model import Pipeline, Replay, Step, Window

_START = "09:30:00"
_BUFFER_ROWS = 10_000


class ExecutionShape(Shape):
    """What runs, how often, how much at once."""

    worker_script: Text = Field(description="The worker, absolute or relative to this file.")
    num_workers: Annotated[int, whole(1, 1000)] = Field(description="Workers per date.")
    max_concurrent_sessions: Annotated[int, whole(1, 1000)] = Field(50, description="Tasks at once.")
    max_retries: Annotated[int, whole(0)] = Field(3, description="Retries of a failed task.")


class ReplayShape(Shape):
    """How the history is replayed."""

    heap_size_gb: Annotated[float, number(above=0, high=512)] = Field(description="Heap of each worker.")
    script_language: Annotated[str, choice(*shared.LANGUAGES)] = Field(description="Python or Groovy.")
    init_timeout_minutes: Annotated[float, number(above=0)] = Field(
        1.0, description="How long a worker may take to begin, in minutes."
    )
    jvm_profile: Text = Field("Default", description="JVM profile, on Enterprise.")
    server_name: Text = Field("AutoQuery", description="Query server, on Enterprise.")
    replay_time: FullClock | None = Field(None, description="The same as `replay_start`.")
    replay_start: FullClock | None = Field(
        None, description="Time of day at which the replay begins, HH:MM:SS. Default 09:30:00."
    )
    replay_speed: Speed = Field(1.0, description="1 to 100, or `max` where the executor can.")
    sorted_replay: Flag = Field(True, description="Deliver in the order of the timestamps.")
    buffer_rows: Annotated[int, whole(1)] = Field(_BUFFER_ROWS, description="Rows buffered during replay.")
    replay_timestamp_columns: list[TimestampColumnShape] = Field(
        default_factory=list, description="Tables whose timestamp column is not `Timestamp`."
    )


class SchedulerShape(Shape):
    """A daily window: workers start inside it only, and end with it. All five fields, or no scheduler."""

    calendar: Text = Field(description="Business calendar, e.g. USNYSE.")
    start_time: FullClock = Field(description="Begin of the window, HH:MM:SS.")
    stop_time: FullClock = Field(description="End of the window, HH:MM:SS.")
    timezone: Text = Field(description="Zone of these times, e.g. America/New_York.")
    business_days: Flag = Field(description="Business days of the calendar only, or every day.")


class ReplayFileShape(Shape):
    """A file of the replay orchestrator."""

    name: Text = Field(description="Name of the simulation.")
    deephaven: DeephavenShape | None = Field(None, description="The connection.")
    execution: ExecutionShape = Field(description="What runs.")
    replay: ReplayShape = Field(description="How the history is replayed, and in what a worker runs.")
    scheduler: SchedulerShape | None = Field(None, description="When workers may run.")
    dates: DatesShape = Field(description="For which dates.")
    env: Environment


def compile_replay(
    draft: Draft, shape: ReplayFileShape, environ: Mapping[str, str], executor: str
) -> Pipeline:
    """The sweep as a pipeline."""
    here = executor != "deephaven"
    draft.environment(shape.env, ("env",))
    settings = {name: getattr(shape.replay, name) for name in ("jvm_profile", "server_name", "heap_size_gb")}
    settings["language"] = shape.replay.script_language
    return Pipeline(
        name=shared.slug(shape.name),
        title=shape.name,
        steps=(_step(draft, shape, executor, here=here),),
        concurrency=shape.execution.max_concurrent_sessions,
        folder=str(draft.folder),
        source=str(draft.document.path.resolve()),
        settings={
            "deephaven": shared.connection(draft, shape.deephaven, environ, needed=not here) | settings
        },
    )


def _step(draft: Draft, shape: ReplayFileShape, executor: str, *, here: bool) -> Step:
    execution, replay = shape.execution, shape.replay
    script, place = execution.worker_script, ("execution", "worker_script")
    window = _window(draft, shape.scheduler) if shape.scheduler else None
    dates = shared.dates_axis(draft, shape.dates, window.calendar if window else None)
    work, runtime = shared.worker(draft, script, place, replay.script_language, here=here)
    return Step(
        name="worker",
        work=work,
        runtime=runtime,
        matrix=Matrix((dates, partition_axis("worker", execution.num_workers))),
        retry=shared.retries(execution.max_retries),
        start_timeout=shared.minutes(replay.init_timeout_minutes),
        demand=shared.reservation(replay.heap_size_gb, here=here),
        executor=executor,
        heap_gb=replay.heap_size_gb,
        env=shape.env,
        mode=_mode(
            draft, replay, window.tz if window else shared.zone(draft, shape.dates.calendar), here=here
        ),
        window=window,
        query_name=f"replay_{shared.braced(shape.name)}_{{date}}_{{partition}}",
    )


def _mode(draft: Draft, shape: ReplayShape, tz: str, *, here: bool) -> Replay:
    return Replay(
        speed=shared.speed(shape.replay_speed, draft, here=here),
        start=_start(draft, shape),
        sorted=shape.sorted_replay,
        buffer_rows=shape.buffer_rows,
        timestamp_columns=shared.columns(shape.replay_timestamp_columns),
        tz=tz,
    )


def _start(draft: Draft, replay: ReplayShape) -> str:
    """`replay_time` and `replay_start` name one thing."""
    if replay.replay_time and replay.replay_start and replay.replay_time != replay.replay_start:
        told = "`replay_time` and `replay_start` name one thing, and say two"
        draft.fault("OB111", told, ("replay", "replay_time"), "keep one of them", key=True)
    return replay.replay_start or replay.replay_time or _START


def _window(draft: Draft, shape: SchedulerShape) -> Window | None:
    calendar = draft.market(shape.calendar, ("scheduler", "calendar"))
    zone = draft.zone(shape.timezone, ("scheduler", "timezone"))
    if shape.start_time == shape.stop_time and not draft.doubtful(("scheduler",)):
        told = "the window begins and ends at the same time"
        draft.fault("OB115", told, ("scheduler", "stop_time"))
    if calendar is None or zone is None:
        return None
    return Window(
        start=time.fromisoformat(shape.start_time),
        stop=time.fromisoformat(shape.stop_time),
        tz=shape.timezone,
        calendar=shape.calendar,
        business_days=shape.business_days,
    )
