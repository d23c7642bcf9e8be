"""`openbell.yaml`: every key with its kind and its meaning. See shapes.py for those of a pipeline."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import Discriminator, Field, Tag

from openbell.config.alert_shapes import AlertsShape
from openbell.config.kinds import (
    Duration,
    Kind,
    Name,
    PositiveDuration,
    Shape,
    Text,
    choice,
    number,
    whole,
    wrong,
)
from openbell.config.query_shapes import QueryShape
from openbell.config.shapes import SIZE, Amounts, SharedShape
from openbell.errors import OverlayError
from openbell.market.overlay import Overlay, parse


def _log_cap(value: Any) -> int:
    size: int = SIZE.check(value)
    if size < _LEAST_LOG:
        raise wrong("OB104", f'must be 64KB or more, not "{value}"')
    return size


_LEAST_LOG = 64_000  # bytes


def _heartbeat(value: Any) -> timedelta:
    every: timedelta = _DURATION.check(value)
    if every < timedelta(seconds=1):
        raise wrong("OB104", f'must be 1s or more, not "{value}"')
    return every


_DURATION: Kind = get_args(Duration)[1]


def _overlay(value: Any) -> Overlay:
    try:
        return parse(value, "it")
    except OverlayError as error:
        raise wrong("OB127", f"is no overlay: {error.message.removeprefix('it: ')}", error.hint) from None


def _overlays_kind(value: Any) -> str:
    return "file" if isinstance(value, str) else "list"


_A_TIME = r"^([01]?\d|2[0-3]):[0-5]\d([+-]1)?$"
_OVERLAY_SCHEMA = {
    "type": "object",
    "required": ["date"],
    "additionalProperties": False,
    "properties": {
        "date": {"type": "string", "description": "A date, or a range of them: 2024-07-05:2024-07-09."},
        "closed": {"type": "boolean", "description": "No session."},
        "extra": {"type": "boolean", "description": "A session on a date that has none."},
        "open": {"type": "string", "pattern": _A_TIME, "description": "Local time, such as 09:30."},
        "close": {
            "type": "string",
            "pattern": _A_TIME,
            "description": "Local time; `+1` is the day after.",
        },
        "breaks": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}},
            "description": "Pairs of local times; `[]` takes the breaks away.",
        },
        "reason": {"type": "string", "description": "Why."},
        "source": {"type": "string", "description": "Where that is stated."},
        "known_at": {"type": "string", "description": "When it was announced."},
        "kind": {"enum": ["holiday", "ad hoc"], "description": "What the closure is called."},
    },
}

Overlays = Annotated[
    Annotated[list[Annotated[Overlay, Kind(_overlay, _OVERLAY_SCHEMA, called="overlay")]], Tag("list")]
    | Annotated[Text, Tag("file")],
    Discriminator(_overlays_kind),
]


class MarketShape(Shape):
    """A market of the project."""

    calendar: Text | None = Field(
        None, description="Its calendar: `XNYS`, `any(XLON, XPAR)`, `all(...)`. Default: its name."
    )
    pre_open: Duration | None = Field(None, description="PRE_OPEN before the open. Default 60m.")
    post_close: Duration | None = Field(None, description="POST_CLOSE after the close. Default 120m.")
    overlays: Overlays = Field(
        default_factory=list, description="Corrections of the calendar: a list, or a CSV file."
    )
    provider: Text | None = Field(
        None,
        description="`module:function`, given the calendar's name, gives overlays that come first.",
    )


class ProcessShape(Shape):
    """The process executor."""

    slots: Annotated[int, whole(1, 10_000)] | None = Field(
        None, description="Tasks at once. Default: the cores."
    )
    log_cap: Annotated[int, Kind(_log_cap, SIZE.schema, "64KB", "size")] | None = Field(
        None, description="What is kept of a task's log, 64KB or more. Default 16MB."
    )
    recycle: Annotated[int, whole(1, 1_000_000)] | None = Field(
        None, description="Calls after which a warm worker is replaced; 1: each has its own. Default 1000."
    )


class EmbeddedShape(Shape):
    """The embedded engine of Deephaven."""

    python: Text | None = Field(
        None,
        description="The Python that has deephaven-server. Default: OPENBELL_DEEPHAVEN_PYTHON, openbell's "
        "own, or that in `.venv-deephaven-core`.",
    )
    heap_size_gb: Annotated[float, number(above=0, high=512)] | None = Field(
        None, description="Heap of each virtual machine, in GB, where a file does not say it. Default 2."
    )
    recycle_after: Annotated[int, whole(1, 1_000_000)] | None = Field(
        None, description="Scripts after which a warm host is replaced; 1: each has its own. Default 100."
    )


class EnterpriseShape(QueryShape):
    """The deephaven executor, for steps and files that do not say it themselves."""

    python: Text | None = Field(
        None,
        description="The Python that has the Enterprise client. Default: OPENBELL_ENTERPRISE_PYTHON, "
        "openbell's own, or that in `.venv-deephaven`.",
    )
    slots: Annotated[int, whole(1, 10_000)] | None = Field(
        None, description="Persistent queries at once. Default 1000."
    )
    connection_url: Text | None = Field(None, description="Address of connection.json.")
    auth_method: Annotated[str, choice("password", "private_key")] | None = Field(
        None, description="How to log in. Default: by password."
    )
    username: Text | None = Field(None, description="Who logs in.")
    password: Text | None = Field(None, description="A reference: `${DH_PASSWORD}`.")
    private_key_path: Text | None = Field(None, description="Private key file.")


class ExecutorsShape(Shape):
    """The executors of a project."""

    process: ProcessShape = Field(ProcessShape.model_construct(), description="Local processes.")
    deephaven: EnterpriseShape = Field(
        EnterpriseShape.model_construct(), description="Persistent queries of Deephaven Enterprise."
    )


class RetentionShape(Shape):
    """How long the past is kept. Without a key, what it is about is kept for ever."""

    runs: PositiveDuration | None = Field(
        None, description="Ended runs that are older go, with all that is known of them."
    )
    keep: Annotated[int, whole(1, 1_000_000)] | None = Field(
        None, description="So many newest runs of each pipeline stay whatever their age. Default 10."
    )
    logs: PositiveDuration | None = Field(None, description="Logs of runs that ended longer ago go.")
    events: PositiveDuration | None = Field(
        None, description="Event files of runs that ended longer ago go; the journal stays."
    )


class ProjectShape(Shape):
    """`openbell.yaml`: what the pipelines of a folder share."""

    store: Text | None = Field(None, description="Database URL. Default: SQLite in the state folder.")
    durability: Annotated[str, choice("process", "power")] = Field(
        "process", description="What a commit survives: a crash of ours, or of the machine."
    )
    state: Text | None = Field(None, description="The state folder. Default: `.openbell` beside this file.")
    data: dict[Name, Text] = Field(default_factory=dict, description="Folder of each data namespace.")
    output: Text | None = Field(
        None, description="Folder of the tables that workers write. Default: `output` beside this file."
    )
    executors: ExecutorsShape = Field(ExecutorsShape.model_construct(), description="Their sizes.")
    deephaven_core: EmbeddedShape = Field(
        EmbeddedShape.model_construct(), description="The runtime `deephaven-core`."
    )
    markets: dict[Text, MarketShape] = Field(
        default_factory=dict, description="Markets with windows or overlays of their own, by name."
    )
    alerts: AlertsShape = Field(AlertsShape.model_construct(), description="Where alerts go.")
    retention: RetentionShape = Field(
        RetentionShape.model_construct(), description="How long runs, logs and event files are kept."
    )
    heartbeat: Annotated[timedelta, Kind(_heartbeat, _DURATION.schema, "1m", "duration")] | None = Field(
        None, description="From one sign of life of a task, in the event files, to the next. Default 60s."
    )
    resources: Amounts = Field(default_factory=dict, description="Sizes of pools, e.g. `db: 4`.")
    defaults: SharedShape | None = Field(None, description="Keys for every step that does not set them.")
