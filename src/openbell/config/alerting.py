"""Who is told of what, compiled: names of channels are checked, severities and deadlines worked out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from openbell.config.document import Path as Place
from openbell.config.findings import nearest
from openbell.core.alerts import NOBODY, Alerts, Deadline, Escalation, Notice, Severity
from openbell.core.model import Priority

if TYPE_CHECKING:
    from openbell.config.alert_shapes import (
        AlertsShape,
        ChannelShape,
        DeadlineShape,
        EscalateShape,
        NoticeShape,
        OnSuccessShape,
    )
    from openbell.config.draft import Draft

LOG = "log"
"""The channel that is always there."""

_PATIENCE = timedelta(seconds=30)
_FILE = "alerts.jsonl"


@dataclass(frozen=True, slots=True)
class ChannelSetting:
    """A channel of the project: a command, or a file. `env` holds references."""

    command: tuple[str, ...] = ()
    log: str = ""
    timeout: timedelta = _PATIENCE
    env: Mapping[str, str] = field(default_factory=dict)


_ALWAYS = {LOG: ChannelSetting(log=_FILE)}


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where the alerts of a project go."""

    channels: Mapping[str, ChannelSetting] = field(default_factory=lambda: dict(_ALWAYS))
    by_severity: Mapping[Severity, tuple[str, ...]] = field(default_factory=dict)

    def of(self, severity: Severity) -> tuple[str, ...]:
        """The channels of a severity."""
        return self.by_severity.get(severity, (LOG,))


def compile_settings(draft: Draft, shape: AlertsShape) -> AlertSettings:
    """The channels of a project. What is wrong goes into the draft's findings."""
    channels = dict(_ALWAYS)
    for name, channel in shape.channels.items():
        channels[name] = _channel(draft, channel, ("alerts", "channels", name))
    found = AlertSettings(channels)
    draft.alerts = found
    chosen = {severity: getattr(shape, severity.value) for severity in Severity}
    for severity, names in chosen.items():
        _check(draft, names or (), ("alerts", severity.value))
    return AlertSettings(
        channels, {severity: names for severity, names in chosen.items() if names is not None}
    )


def _channel(draft: Draft, shape: ChannelShape, place: Place) -> ChannelSetting:
    if (shape.command is None) == (shape.log is None) and not draft.meant(place, "command", "log"):
        told = "has both `command` and `log`" if shape.log else "has neither `command` nor `log`"
        draft.fault("OB111", f"`{place[-1]}` {told}; exactly one is needed", place, key=True)
    if shape.log is not None and ("/" in shape.log or shape.log in (".", "..")):
        draft.fault("OB112", f"`{shape.log}` must be the name of a file in the state folder", (*place, "log"))
    env = shape.env or {}
    draft.environment(env, (*place, "env"))
    return ChannelSetting(shape.command or (), shape.log or "", shape.timeout or _PATIENCE, env)


def compile_alerts(
    draft: Draft,
    failure: NoticeShape | None,
    success: OnSuccessShape | None,
    priority: Priority,
    place: Place,
) -> Alerts:
    """Who is told of the failure and the success of a step, or of a pipeline (an empty `place`)."""
    told = lost = None
    if failure is not None and (failure.notify or failure.escalate):
        default = Severity.HIGH if priority is Priority.CRITICAL else Severity.MEDIUM
        severity = Severity(failure.severity) if failure.severity else default
        at = (*place, "on_failure")
        _check(draft, failure.notify, (*at, "notify"))
        lost = Notice(failure.notify, severity, _escalation(draft, failure.escalate, (*at, "escalate")))
    if success is not None and success.notify:
        _check(draft, success.notify, (*place, "on_success", "notify"))
        told = Notice(success.notify, Severity.LOW)
    return Alerts(lost, told) if lost or told else NOBODY


def compile_deadline(draft: Draft, shape: DeadlineShape | None, market: str | None) -> Deadline | None:
    """By when runs have to have ended. A point of the day becomes an instant when a session is known."""
    if shape is None:
        return None
    place: Place = ("deadline",)
    if (shape.at is None) == (shape.after is None) and not draft.meant(place, "at", "after"):
        told = (
            "`deadline` has both `at` and `after`" if shape.at else "`deadline` has neither `at` nor `after`"
        )
        draft.fault("OB111", f"{told}; exactly one is needed", place, key=True)
    if shape.at is not None and market is None and not draft.meant((), "market"):
        told = "`deadline: {at: ...}` has no market"
        draft.fault("OB128", told, (*place, "at"), "name one: `market: XNYS`, or say `after: 2h`", key=True)
    severity = Severity(shape.alert)
    _check(draft, shape.notify, (*place, "notify"))
    escalation = _escalation(draft, shape.escalate, (*place, "escalate"))
    draft.due_at = shape.at if market is not None else None
    return Deadline(
        Notice(shape.notify or draft.alerts.of(severity), severity, escalation), after=shape.after
    )


def _escalation(draft: Draft, shape: EscalateShape | None, place: Place) -> Escalation | None:
    if shape is None:
        return None
    _check(draft, shape.to, (*place, "to"))
    return Escalation(shape.to, shape.after)


def _check(draft: Draft, names: tuple[str, ...], place: Place) -> None:
    """Channels that are none."""
    known = draft.alerts.channels
    for position, name in enumerate(names):
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean `{near}`?" if near else f"channels: {', '.join(sorted(known))}"
            root = draft.document.root
            entry = (*place, position)
            at = entry if root is not None and root.find(entry) is not None else place
            draft.fault("OB160", f"there is no channel `{name}`", at, hint)
