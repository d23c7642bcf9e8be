"""The native language: every key of a pipeline file and of `openbell.yaml`, with its kind and its meaning.

`openbell schema`, `openbell explain` and the reference in the documentation are made from these.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from openbell.config.alert_shapes import DeadlineShape, NoticeShape, OnSuccessShape
from openbell.config.flow_shapes import FlowShape
from openbell.config.input_shapes import (
    DYNAMIC,
    FilesAxisShape,
    FromFileShape,
    ResultAxisShape,
    TakingShape,
)
from openbell.config.kinds import (
    Day,
    Duration,
    EnvironmentValue,
    Kind,
    Name,
    PointText,
    PositiveDuration,
    Scalar,
    Shape,
    Size,
    Text,
    Words,
    choice,
    number,
    shown,
    whole,
    wrong,
)
from openbell.config.mode_shapes import Mode
from openbell.config.query_shapes import QueryShape
from openbell.config.replay_shapes import ReplayShape
from openbell.config.trigger_shapes import OVERLAPS, STATES, CatchUp, TriggerShape
from openbell.config.work_shapes import WorkShape
from openbell.core.model import EXECUTORS, RUNTIMES, NeedMode
from openbell.core.states import TRIED, FailureKind


def _when_kind(value: Any) -> str:
    return "between" if isinstance(value, dict) else "states" if isinstance(value, list) else "state"


def _needs(value: Any) -> dict[str, NeedMode]:
    """`[a, b]`, `{a: some}`, or a list that mixes both."""
    found: dict[str, NeedMode] = {}
    entries = value if isinstance(value, list) else [value]
    for position, entry in enumerate(entries):
        at = (position,) if isinstance(value, list) else ()
        if not isinstance(entry, str | dict):
            raise wrong("OB103", f"must be the name of a step, not {shown(entry)}", at=at)
        modes = {entry: "all"} if isinstance(entry, str) else entry
        for step, mode in modes.items():
            if step in found:
                raise wrong("OB109", f"names the step `{step}` twice", at=at)
            found[step] = _need_mode(mode, (*at, step))
    return found


def _need_mode(mode: Any, at: tuple[str | int, ...]) -> NeedMode:
    known = [one.value for one in NeedMode]
    if mode not in known:
        raise wrong("OB105", f"must be {', '.join(known[:-1])} or {known[-1]}, not {shown(mode)}", at=at)
    return NeedMode(mode)


def _amounts(value: Any) -> dict[str, float]:
    """Amounts by pool; `memory` is a size, in bytes."""
    if not isinstance(value, dict):
        raise wrong("OB103", f"must be a mapping, not {shown(value)}")
    found: dict[str, float] = {}
    for name, amount in value.items():
        if name == "memory":
            found[name] = _checked(SIZE, amount, name)
        else:
            found[name] = _checked(_AMOUNT, amount, name)
    return found


_AMOUNT = number(above=0)
SIZE: Kind = get_args(Size)[1]


def _checked(kind: Kind, value: Any, name: str) -> Any:
    """Check one entry; what is wrong is said at its own place."""
    try:
        return kind.check(value)
    except PydanticCustomError as error:
        context = error.context or {}
        raise wrong(context["code"], context["text"], context["help"], (name,)) from None


def _axis_kind(value: Any) -> str:
    if isinstance(value, dict):
        return next((f"of {key}" for key in DYNAMIC if key in value), "dates")
    return "values" if isinstance(value, list) else "count"


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        told = "must be a number of cells, a list of values or a range of dates"
        raise wrong("OB103", f"{told}, not {shown(value)}")
    count: int = _COUNT.check(value)
    return count


_COUNT = whole(1, 1_000_000)


def _switched_on(value: Any) -> bool:
    if value is True or value == {}:
        return True
    raise wrong("OB103", f"must be true, not {shown(value)}")


Amounts = Annotated[
    dict[str, float],
    Kind(
        _amounts,
        {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
        {},
        "amount by pool",
    ),
]
_MODES = {"type": "object", "additionalProperties": {"enum": [mode.value for mode in NeedMode]}}
Needs = Annotated[
    dict[str, NeedMode],
    Kind(
        _needs,
        {
            "anyOf": [
                {"type": "string"},
                _MODES,
                {"type": "array", "items": {"anyOf": [{"type": "string"}, _MODES]}},
            ]
        },
        {},
        "names of steps",
    ),
]
Switch = Annotated[
    bool,
    Kind(_switched_on, {"anyOf": [{"const": True}, {"type": "object", "maxProperties": 0}]}, True, "true"),
]


class DatesShape(Shape):
    """An axis of dates: the sessions of a market, or days."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["sessions", "days"]}})

    sessions: Text | None = Field(None, description="Market or calendar whose sessions are the values.")
    days: Annotated[str, choice("all", "weekdays")] | None = Field(
        None, description="Calendar days instead of sessions: `all`, or `weekdays`."
    )
    start: Day = Field(alias="from", description="First date, YYYY-MM-DD.")
    end: Day = Field(alias="to", description="Last date, included.")


Axis = Annotated[
    Annotated[Annotated[int, Kind(_count, _COUNT.schema, 1)], Tag("count")]
    | Annotated[Annotated[list[Scalar], Field(min_length=1)], Tag("values")]
    | Annotated[DatesShape, Tag("dates")]
    | Annotated[FilesAxisShape, Tag("of files")]
    | Annotated[ResultAxisShape, Tag("of result")]
    | Annotated[FromFileShape, Tag("of from_file")],
    Discriminator(_axis_kind),
]


class BetweenShape(Shape):
    """A time between two points of a session's day."""

    after: PointText = Field(description="From this point on: `close+15m`, `open`, `next open-30m`.")
    until: PointText | None = Field(None, description="Before this point. Default: without an end.")


When = Annotated[
    Annotated[Annotated[str, choice(*STATES)], Tag("state")]
    | Annotated[Annotated[list[Annotated[str, choice(*STATES)]], Field(min_length=1)], Tag("states")]
    | Annotated[BetweenShape, Tag("between")],
    Discriminator(_when_kind),
]


class RetryShape(Shape):
    """When a failed attempt is followed by another one."""

    attempts: Annotated[int, whole(1, 1000)] = Field(1, description="Tries in all, the first one included.")
    delay: Duration | None = Field(None, description="Wait before the second try. Default 1s.")
    backoff: Annotated[float, number(low=1, high=100)] = Field(
        2.0, description="Factor from one wait to the next."
    )
    max_delay: Duration | None = Field(
        None, description="The longest wait. Default 10m, or `delay` where that is longer."
    )
    jitter: Annotated[float, number(low=0, high=1)] = Field(
        0.1, description="Fraction by which waits are spread, the same way at every run."
    )
    on: list[Annotated[str, choice(*[kind.value for kind in FailureKind if kind in TRIED])]] | None = Field(
        None, description="Kinds of failures that are retried. Default: all."
    )


class SharedShape(Shape):
    """Keys that a step and the `defaults` of a pipeline or project share."""

    retry: RetryShape | None = Field(None, description="Tries and waits. Default: one try.")
    timeout: PositiveDuration | None = Field(None, description="The longest an attempt may run.")
    start_timeout: PositiveDuration | None = Field(
        None, description="The longest an attempt may take to begin."
    )
    grace: Duration | None = Field(None, description="Between asking to end and killing. Default 10s.")
    priority: Annotated[str, choice("critical", "standard", "optional")] | None = Field(
        None, description="Who gets a slot first. Default standard."
    )
    resources: Amounts | None = Field(
        None, description="What one task takes: `cpu` (slots), `memory` (enforced), and named pools."
    )
    env: dict[Text, EnvironmentValue] | None = Field(
        None, description="Environment variables of the workers. `${VAR}` stays a reference, never stored."
    )
    executor: Annotated[str, choice(*EXECUTORS)] | None = Field(
        None, description="Where attempts run. Default process."
    )
    runtime: Annotated[str, choice(*RUNTIMES)] | None = Field(
        None,
        description="What a script finds around it: `python` (default), or `deephaven-core`, the embedded "
        "engine of Deephaven with `db`.",
    )
    deephaven: QueryShape | None = Field(
        None, description="How its persistent queries are made, with `executor: deephaven`."
    )
    preload: list[Text] | None = Field(
        None, description="Modules that a warm supervisor imports once for all tasks of the step."
    )


class StepShape(SharedShape, WorkShape, FlowShape, TakingShape):
    """A step: what to run, after what, for which cells."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["run"]}, {"required": ["script"]}, {"required": ["call"]}],
            "not": {"required": ["replay", "batch"]},
        }
    )

    run: Words | None = Field(
        None, description="A command, as text or as a list. No shell. Templates are filled in."
    )
    script: Text | None = Field(None, description="A worker script, run by the pipeline's Python.")
    needs: Needs = Field(
        default_factory=dict,
        description="Steps that come first: `[a]`, `{a: some}`, `{a: done}`, `{a: started}`; cell by cell: "
        "`{a: same}`.",
    )
    matrix: dict[Name, Axis] = Field(default_factory=dict, description="Axes; one task per combination.")
    when: When | None = Field(
        None,
        description="Its time in the day of the run's own session: `post_close`, a list of states, "
        "or `{after: close+15m, until: next open-30m}`.",
    )
    late: Annotated[str, choice("run", "skip", "fail")] | None = Field(
        None, description="When that time has passed: `run` all the same (default), `skip`, or `fail`."
    )
    stop_at: PointText | None = Field(
        None, description="What still runs at this point of the session's day is stopped: `next open-5m`."
    )
    replay: ReplayShape | None = Field(None, description="Run as a replay of history.")
    batch: Switch | None = Field(None, description="Run over the whole history of the date at once.")


class PipelineShape(Shape):
    """A pipeline file."""

    name: Name = Field(description="The name of the pipeline.")
    steps: Annotated[dict[Name, StepShape], Field(min_length=1)] = Field(description="The steps, by name.")
    market: Text | None = Field(None, description="The market whose sessions and zone the pipeline lives in.")
    triggers: list[TriggerShape] = Field(
        default_factory=list, description="What opens runs by itself under `openbell start`."
    )
    catch_up: CatchUp = Field(
        1,
        description="After the engine was down: run the `last` occasion, `none`, `all` or `all(n)` of them; "
        "the others are recorded as missed.",
    )
    overlap: Annotated[str, choice(*OVERLAPS)] | None = Field(
        None,
        description="While the predecessor runs: `forbid` (the occasion is missed), `queue`, `allow`, or "
        "`replace` it. Default: sessions and market points queue, crons and intervals forbid.",
    )
    tz: Text | None = Field(None, description="Time zone. Default: that of the market, or UTC.")
    concurrency: Annotated[int, whole(1, 100_000)] | None = Field(
        None, description="Tasks at once; the executor's slots bound it as well."
    )
    max_failures: Annotated[int, whole(0)] | None = Field(
        None, description="At so many final failures nothing more starts. 0 is read as 1."
    )
    deadline: DeadlineShape | None = Field(
        None, description="By when its runs have to have ended: `{at: next open-30m, alert: high}`."
    )
    on_failure: NoticeShape | None = Field(
        None, description="Who is told when a run has not ended with success."
    )
    on_success: OnSuccessShape | None = Field(None, description="Who is told when a run has succeeded.")
    env: dict[Text, EnvironmentValue] | None = Field(None, description="Environment of every step.")
    params: dict[Name, Scalar] = Field(default_factory=dict, description="Values for templates and workers.")
    modes: dict[Name, Mode] = Field(
        default_factory=dict,
        description="Ways to run it, for `--mode`: `{daily: {steps: [data], params: {days: 1}}, full: all}`.",
    )
    default_mode: Name | None = Field(
        None, description="The mode without `--mode`. Default: `full`, which is all steps unless it is said."
    )
    defaults: SharedShape | None = Field(None, description="Keys for every step that does not set them.")
    python: Text | None = Field(None, description="Interpreter of the workers. Default: openbell's own.")
    executor: Annotated[str, choice(*EXECUTORS)] | None = Field(
        None, description="Where attempts run. Default process."
    )
