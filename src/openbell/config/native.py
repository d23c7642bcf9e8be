"""The native language into the core model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from openbell.config.alerting import compile_alerts, compile_deadline
from openbell.config.axes import compile_matrix, made_of
from openbell.config.datasets import compile_requires
from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.expand import beside
from openbell.config.flow_shapes import OnFailureShape
from openbell.config.inputs import compile_files
from openbell.config.modes import in_mode
from openbell.config.shapes import BetweenShape, DatesShape, PipelineShape, RetryShape, SharedShape, StepShape
from openbell.config.triggering import compile_triggers
from openbell.config.wiring import check_needs, check_pools, check_templates
from openbell.config.work import proof, work
from openbell.core.inputs import Absent
from openbell.core.model import (
    LAST_SUCCESS,
    Batch,
    Demand,
    Late,
    Need,
    OnFailure,
    Overlap,
    Pipeline,
    Priority,
    Replay,
    Retry,
    Step,
)
from openbell.core.states import FailureKind
from openbell.errors import MarketError
from openbell.market import resolve

T = TypeVar("T")


def keeps(path: Place) -> bool:
    """References in the workers' environment are resolved when an attempt starts."""
    match path:
        case ("env", _) | ("defaults", "env", _) | ("steps", _, "env", _):
            return True
        case ("alerts", "channels", _, "env", _):
            return True
        case _:
            return False


def compile_pipeline(
    draft: Draft,
    shape: PipelineShape,
    project: SharedShape | None,
    on: str | None,
    mode: str | None = None,
) -> Pipeline:
    """The pipeline of this file, in the mode that was asked for. What is wrong are findings of the draft."""
    calendar = draft.market(shape.market, ("market",)) if shape.market else None
    if shape.tz:
        draft.zone(shape.tz, ("tz",))
    layers = [layer for layer in (shape.defaults, project) if layer is not None]
    draft.environment(shape.env or {}, ("env",))
    if shape.defaults:
        draft.environment(shape.defaults.env or {}, ("defaults", "env"))
    steps = tuple(
        _step(draft, name, step, shape, layers, on or step.executor or shape.executor)
        for name, step in shape.steps.items()
    )
    check_needs(draft, steps)
    check_pools(draft, steps)
    pipeline = Pipeline(
        name=shape.name,
        steps=steps,
        market=shape.market,
        tz=shape.tz or (str(calendar.tz) if calendar else "UTC"),
        concurrency=shape.concurrency,
        max_failures=shape.max_failures,
        folder=str(draft.folder),
        source=str(draft.document.path.resolve()),
        python=_python(draft, shape.python) if shape.python else None,
        params=shape.params,
        triggers=compile_triggers(draft, shape, shape.tz or (str(calendar.tz) if calendar else None)),
        catch_up=shape.catch_up,
        overlap=Overlap(shape.overlap) if shape.overlap else None,
        alerts=compile_alerts(draft, shape.on_failure, shape.on_success, Priority.STANDARD, ()),
        deadline=compile_deadline(draft, shape.deadline, shape.market),
    )
    pipeline = in_mode(draft, pipeline, shape, mode)
    check_templates(draft, pipeline)
    return pipeline


def _step(
    draft: Draft,
    name: str,
    shape: StepShape,
    pipeline: PipelineShape,
    defaults: list[SharedShape],
    executor: str | None,
) -> Step:
    place: Place = ("steps", name)
    layers: list[SharedShape] = [shape, *defaults]
    executor = executor or _first(layers, "executor") or "process"
    here, ours = executor == "process", pipeline.python is None
    runtime = _runtime(draft, shape, layers, place)
    priority = Priority[(_first(layers, "priority") or "standard").upper()]
    env: dict[str, str] = {}
    for source in (*(layer.env for layer in reversed(defaults)), pipeline.env, shape.env):
        env |= source or {}
    draft.environment(shape.env or {}, (*place, "env"))
    step = Step(
        name=name,
        work=work(draft, shape, place, here=here, ours=ours, env=env, runtime=runtime),
        needs=(*(Need(step, mode) for step, mode in shape.needs.items()), *made_of(shape)),
        matrix=compile_matrix(draft, shape, pipeline.market, place),
        files=compile_files(draft, shape, place),
        requires=compile_requires(draft, shape, pipeline.market, place),
        provides=tuple(shape.provides),
        empty=Absent.FAIL if shape.absent == "fail" else Absent.SKIP,
        sequential=shape.sequential or "",
        retry=_retry(_first(layers, "retry")),
        on_failure=_on_failure(shape.on_failure),
        partial=shape.partial == "ok",
        timeout=_first(layers, "timeout"),
        start_timeout=_first(layers, "start_timeout"),
        grace=_or(_first(layers, "grace"), timedelta(seconds=10)),
        priority=priority,
        alerts=compile_alerts(draft, shape.on_failure, shape.on_success, priority, place),
        demand=_demand(_first(layers, "resources") or {}),
        executor=executor,
        runtime=runtime,
        **_queries(draft, shape, layers, executor, place),
        env=env,
        mode=_mode(draft, shape, place, _zone(draft, pipeline, shape)),
        preload=tuple(_first(layers, "preload") or ()) if shape.script else (),
        late=Late(shape.late or "run"),
        hold=shape.hold,
        **proof(draft, shape, place, sure=here and ours),
    )
    _heed(draft, step, shape, place)
    return step


def _heed(draft: Draft, step: Step, shape: StepShape, place: Place) -> None:
    """What the keys of a step say about each other, and what a session has still to say about it."""
    if shape.when is not None or shape.stop_at is not None:
        draft.timed[step.name] = shape
    _check_times(draft, shape, step, place)
    if shape.preload and (shape.run or shape.call):
        other = "run" if shape.run else "call"
        told = f"`preload` works with `script`, not with `{other}`"
        draft.fault("OB111", told, (*place, "preload"), key=True)


def _runtime(draft: Draft, shape: StepShape, layers: list[SharedShape], place: Place) -> str:
    """What a worker script finds around it; nothing else has a choice."""
    if shape.runtime not in (None, "python"):
        _check_runtime(draft, shape, place)
    return _first(layers, "runtime") or "python" if shape.script else "python"


def _queries(
    draft: Draft, shape: StepShape, layers: list[SharedShape], executor: str, place: Place
) -> dict[str, Any]:
    """How its persistent queries are made. Elsewhere the heap alone means something, on the engine."""
    found: dict[str, Any] = {}
    for layer in reversed(layers):
        found |= layer.deephaven.model_dump(exclude_none=True) if layer.deephaven else {}
    if shape.deephaven and not shape.script and (shape.run or shape.call):
        other = "run" if shape.run else "call"
        told = f"`deephaven` works with `script`, not with `{other}`"
        draft.fault("OB111", told, (*place, "deephaven"), key=True)
    if executor != "deephaven" and found.get("language") == "Groovy":
        told = "Groovy runs on Deephaven Enterprise only"
        draft.fault(
            "OB111", told, (*place, "deephaven"), "`executor: deephaven`, or `--on deephaven`", key=True
        )
    return {"heap_gb": found.get("heap_size_gb"), "settings": found if executor == "deephaven" else {}}


def _check_runtime(draft: Draft, shape: StepShape, place: Place) -> None:
    """The embedded engine runs worker scripts, each of them in a warm host."""
    if not shape.script and (shape.run or shape.call):
        other = "run" if shape.run else "call"
        told = f"`runtime: {shape.runtime}` works with `script`, not with `{other}`"
        draft.fault("OB111", told, (*place, "runtime"), key=True)
    elif shape.preload:
        told = f"`preload` does not work with `runtime: {shape.runtime}`, whose hosts are warm anyway"
        draft.fault("OB111", told, (*place, "preload"), key=True)


def _check_times(draft: Draft, shape: StepShape, step: Step, place: Place) -> None:
    """Only what has an end can be late, and only what ends can hold."""
    endless = isinstance(shape.when, BetweenShape) and shape.when.until is None
    if shape.hold and shape.stop_at is None and (shape.when is None or endless):
        told = "`hold` has no end"
        draft.fault("OB111", told, (*place, "hold"), "it takes a `when` with an end, or `stop_at`", key=True)
    if step.hold and step.files is not None:
        draft.fault("OB111", "a step that takes in files cannot `hold`", (*place, "hold"), key=True)
    if shape.when is None and shape.late is not None:
        draft.fault("OB111", "`late` goes with `when`", (*place, "late"), key=True)
    if shape.late in ("skip", "fail") and endless:
        told = f"`late: {shape.late}` never holds: `when` has no end"
        draft.fault("OB111", told, (*place, "late"), "give `when` an `until`", key=True)


def _first(layers: list[SharedShape], name: str) -> Any:
    """The value of the innermost layer that sets it."""
    return next((value for layer in layers if (value := getattr(layer, name)) is not None), None)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _retry(shape: RetryShape | None) -> Retry:
    if shape is None:
        return Retry()
    plain = Retry()
    delay = _or(shape.delay, plain.delay)
    return Retry(
        attempts=shape.attempts,
        delay=delay,
        backoff=shape.backoff,
        max_delay=_or(shape.max_delay, max(plain.max_delay, delay)),
        jitter=shape.jitter,
        on=frozenset(map(FailureKind, shape.on)) if shape.on is not None else plain.on,
    )


def _on_failure(shape: OnFailureShape | None) -> OnFailure:
    if shape is None:
        return OnFailure()
    last = shape.fallback == LAST_SUCCESS
    return OnFailure(last, "" if last else shape.fallback or "", shape.goes_on)


def _demand(resources: Mapping[str, float]) -> Demand:
    rest = dict(resources)
    return Demand(cpu=rest.pop("cpu", 1.0), memory=int(rest.pop("memory", 0)), pools=rest)


def _zone(draft: Draft, pipeline: PipelineShape, shape: StepShape) -> str:
    """Where a time of day is meant: in the pipeline's zone, its market's, or that of the step's sessions."""
    if pipeline.tz:
        return pipeline.tz
    dates = [axis.sessions for axis in shape.matrix.values() if isinstance(axis, DatesShape)]
    name = pipeline.market or next(filter(None, dates), None)
    try:
        return str(resolve(name, draft.markets).tz) if name else "UTC"
    except MarketError:
        return "UTC"  # there is no such market: that has been said


def _mode(draft: Draft, shape: StepShape, place: Place, zone: str) -> Replay | Batch | None:
    if shape.replay is not None and shape.batch is not None:
        draft.fault("OB111", "`replay` and `batch` exclude each other", (*place, "batch"), key=True)
    if shape.batch:
        return Batch(tz=zone)
    if shape.replay is None:
        return None
    found, at = shape.replay, (*place, "replay")
    return Replay(
        speed=found.speed,
        start=found.start,
        interval=found.interval,
        sorted=found.sorted,
        sleep_factor=found.sleep_factor,
        strict=found.strict,
        buffer_rows=found.buffer_rows,
        timestamp_columns=_by_table(draft, found.timestamp_columns, (*at, "timestamp_columns")),
        available_after=_by_table(draft, found.available_after, (*at, "available_after")),
        tz=zone,
    )


def _by_table(draft: Draft, found: Mapping[str, T], place: Place) -> tuple[tuple[str, str, T], ...]:
    """(namespace, table, value) of a mapping by `namespace.table`."""
    for table in found:
        namespace, dot, name = table.partition(".")
        if not namespace or not dot or not name:
            told = f"`{table}` must be `namespace.table`"
            draft.fault("OB106", told, (*place, table), key=True)
    split = ((table.partition("."), value) for table, value in found.items())
    return tuple((namespace, name, value) for (namespace, _, name), value in split)


def _python(draft: Draft, text: str) -> str | None:
    """An interpreter by path, or by name on the PATH."""
    place: Place = ("python",)
    if place in draft.unset:
        return text
    if "/" not in text:
        found = shutil.which(text)
        if found is None:
            draft.fault("OB112", f"there is no program {text} on the PATH", place)
        return found
    program = beside(draft.folder, text)
    if not shutil.which(program):
        draft.fault("OB112", f"the interpreter {text} does not exist or is not executable", place)
    return str(program)  # not resolved: a virtual environment's python is a link
