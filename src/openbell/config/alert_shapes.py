"""Who is told of what: the keys of steps, of pipelines, and of `openbell.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import ConfigDict, Field

from openbell.config.kinds import (
    EnvironmentValue,
    Kind,
    Name,
    PointText,
    PositiveDuration,
    Shape,
    Text,
    Words,
    choice,
    shown,
    wrong,
)
from openbell.core.alerts import Severity

_NAME: Kind = get_args(Name)[1]


def _names(value: Any) -> tuple[str, ...]:
    """One name, or a list of them."""
    if isinstance(value, str):
        return (_NAME.check(value),)
    if not isinstance(value, list):
        raise wrong("OB103", f"must be the name of a channel, or a list of names, not {shown(value)}")
    return tuple(dict.fromkeys(_NAME.check(name) for name in value))


Names = Annotated[
    tuple[str, ...],
    Kind(
        _names,
        {"anyOf": [_NAME.schema, {"type": "array", "items": _NAME.schema}]},
        (),
        "names of channels",
    ),
]
_SEVERITIES = [severity.value for severity in Severity]


class EscalateShape(Shape):
    """Who is told when nobody has seen to an alert."""

    to: Names = Field(description="Channels.")
    after: PositiveDuration = Field(description="How long it may wait: `30m`.")


class NoticeShape(Shape):
    """Who is told."""

    notify: Names = Field((), description="Channels of `openbell.yaml`, and `log`: they are told at once.")
    severity: Annotated[str, choice(*_SEVERITIES)] | None = Field(
        None, description="How much it matters. Default: `high` for `priority: critical`, else `medium`."
    )
    escalate: EscalateShape | None = Field(
        None, description="Who is told when nobody has acknowledged it, nor tried again, for so long."
    )


class OnSuccessShape(Shape):
    """Who is told of a success."""

    notify: Names = Field(description="Channels of `openbell.yaml`, and `log`.")


class DeadlineShape(Shape):
    """By when a run has to have ended."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["at"]}, {"required": ["after"]}]})

    at: PointText | None = Field(None, description="A point of its session's day: `next open-30m`.")
    after: PositiveDuration | None = Field(None, description="So long after its opening: `2h`.")
    alert: Annotated[str, choice(*_SEVERITIES)] = Field(
        "high", description="How much it matters. It goes to the channels that `alerts` names for this."
    )
    notify: Names = Field((), description="Channels, instead of those.")
    escalate: EscalateShape | None = Field(None, description="Who is told when nobody has seen to it.")


class ChannelShape(Shape):
    """Where alerts go."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["command"]}, {"required": ["log"]}]})

    command: Words | None = Field(
        None, description="A program and its arguments. The alert is JSON on its standard input. No shell."
    )
    log: Text | None = Field(None, description="A file in the state folder: a line of JSON for each alert.")
    timeout: PositiveDuration | None = Field(
        None, description="The longest that the program may take. Default 30s."
    )
    env: dict[Text, EnvironmentValue] | None = Field(
        None, description="Its environment. `${VAR}` stays a reference, resolved when it is started."
    )


class AlertsShape(Shape):
    """Where alerts go. The channel `log` is always there: `.openbell/alerts.jsonl`."""

    channels: dict[Name, ChannelShape] = Field(default_factory=dict, description="Channels by name.")
    low: Names | None = Field(None, description="Where alerts of this severity go. Default: `log`.")
    medium: Names | None = Field(None, description="Where alerts of this severity go. Default: `log`.")
    high: Names | None = Field(None, description="Where alerts of this severity go. Default: `log`.")
