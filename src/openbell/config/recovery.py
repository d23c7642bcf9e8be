"""The parts of `orchestration.yaml` that are about failures, freshness and shares, as keys of steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from openbell.config.dialects.orchestration import OrchestrationShape, RetryEntry
from openbell.config.emit import flow
from openbell.config.findings import nearest

ACTIONS = ("notify", "retry_count", "fallback", "escalation", "partial_recovery", "checkpoint_recovery")

Tell = Callable[[str], None]
"""Keeps a decision about the step at hand."""

_STALE = 24.0  # hours: the monitor's own default
_ESCALATES_AFTER = "30m"


def duration(seconds: float) -> str:
    """`90s`, `1m`, `1h`, `1d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def retry_of(entry: RetryEntry, tries: int | None = None) -> dict[str, Any]:
    """The strategy as `retry`; `max_retries` counts tries."""
    return {
        "attempts": tries or entry.max_retries,
        "delay": duration(entry.initial_delay),
        "backoff": entry.backoff_factor,
        "max_delay": duration(max(entry.max_delay, entry.initial_delay)),
    }


def recovery(shape: OrchestrationShape, name: str, tell: Tell) -> dict[str, Any]:
    """What is done when this pipeline fails: `retry`, `on_failure`, `partial`, `checkpoint`."""
    keys: dict[str, Any] = {}
    reaction: dict[str, Any] = {}
    entry = shape.pipelines.get(name)
    if entry is not None and entry.max_retries is not None:
        keys["retry"] = retry_of(shape.retry_strategy, entry.max_retries)
        tell(f"`max_retries: {entry.max_retries}` counts tries: {entry.max_retries} attempts")
    procedure = shape.recovery_procedures.get(name)
    for _, action, value in procedure.failure_actions if procedure else ():
        match action, value:
            case "retry_count", int() if not isinstance(value, bool) and value >= 0:
                keys["retry"] = retry_of(shape.retry_strategy, value + 1)
                tell(f"`retry_count: {value}` counts retries: {value + 1} attempts")
            case "fallback", str():
                reaction["fallback"] = _fallback(shape, value, tell)
            case "notify", list():
                reaction |= _notify(shape, value, tell)
            case "escalation", str():
                reaction |= _escalation(shape, value, tell)
            case "partial_recovery", bool():
                keys |= {"partial": "ok"} if value else {}
            case "checkpoint_recovery", bool():
                keys |= {"checkpoint": True} if value else {}
            case _ if action in ACTIONS:
                tell(f"`{action}: {value}` is not understood: left out")
            case _:
                near = nearest(action, ACTIONS)
                tell(f"the action `{action}` is not known: left out" + (f" (`{near}`?)" if near else ""))
    return keys | ({"on_failure": reaction} if reaction else {})


def _fallback(shape: OrchestrationShape, wanted: str, tell: Tell) -> str:
    if wanted in shape.names:
        return wanted
    tell(f"the fallback `{wanted}` is what the last success has left: `last_success`")
    return "last_success"


def _notify(shape: OrchestrationShape, wanted: list[Any], tell: Tell) -> dict[str, Any]:
    channels = shape.alerting.channels
    for name in wanted:
        if name not in channels:
            tell(f"`notify: {name}`: `alerting` has no such channel: left out")
    there = [name for name in wanted if channels.get(name, _OFF).get("enabled", True)]
    return {"notify": there} if there else {}


def _escalation(shape: OrchestrationShape, wanted: str, tell: Tell) -> dict[str, Any]:
    channels = shape.alerting.channels
    to = (
        wanted
        if wanted in channels
        else "pagerduty"
        if "page" in wanted and "pagerduty" in channels
        else None
    )
    if to is None:
        tell(f"`escalation: {wanted}` names no channel of `alerting`: left out")
        return {}
    if channels[to].get("enabled") is False:
        tell(f"`escalation: {wanted}` means the channel `{to}`, which is not enabled: left out")
        return {}
    tell(f"`escalation: {wanted}` goes to the channel `{to}`, after {_ESCALATES_AFTER} without an answer")
    return {"escalate": {"to": to, "after": _ESCALATES_AFTER}}


def freshness(shape: OrchestrationShape, name: str, tell: Tell) -> dict[str, Any]:
    """`requires` and `provides`: data sets with how old they may be."""
    entry = shape.pipeline_dependencies.get(name)
    if entry is None:
        return {}
    provided = {one for other in shape.pipeline_dependencies.values() for one in other.provides}
    pipeline = shape.pipelines.get(name)
    hours = (pipeline.max_data_age_hours if pipeline else None) or _STALE
    requires = {}
    for dataset in entry.requires:
        if dataset in provided:
            requires[dataset] = duration(hours * 3600)
        else:
            near = nearest(dataset, provided)
            tell(
                f"nobody provides `{dataset}`: the requirement is left out"
                + (f" (`{near}`?)" if near else "")
            )
    keys: dict[str, Any] = {"requires": requires} if requires else {}
    return keys | ({"provides": list(entry.provides)} if entry.provides else {})


def shares(shape: OrchestrationShape, name: str, written: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """`resources`, and how parallel the pipeline is inside. `written`: the sizes as they are in the file."""
    limits = shape.resource_management
    found: dict[str, Any] = {}
    if name in limits.cpu:
        found["cpu"] = limits.cpu[name]
    if name in limits.memory:
        found["memory"] = written[name]
    workers = limits.parallelism.get(name)
    if limits.db_connections is not None:
        found["db"] = workers or 1
    keys: dict[str, Any] = {"resources": found} if found else {}
    if workers is not None:
        keys["env"] = {"PARALLELISM": workers}
        tell(f"`parallelism: {workers}` is about the inside of the program: it finds it as PARALLELISM")
    return keys


def channels(shape: OrchestrationShape, tell: Tell) -> dict[str, Any]:
    """`alerts` of the project: a file for each channel, until somebody names the program that sends."""
    found: dict[str, Any] = {}
    for name, keys in shape.alerting.channels.items():
        if keys.get("enabled") is False:
            tell(f"the channel `{name}` is not enabled: left out")
            continue
        rest = {key: value for key, value in keys.items() if key != "enabled"}
        tell(
            f"the channel `{name}` writes to a file, until `command` names a program that sends: {flow(rest)}"
        )
        found[name] = {"log": f"alerts-{name}.jsonl"}
    return {"channels": found} if found else {}


def rules(shape: OrchestrationShape, tell: Tell) -> dict[str, Any]:
    """`on_failure` and `deadline` of the pipeline, from the rules that say as much."""
    keys: dict[str, Any] = {}
    for rule in shape.alerting.rules:
        notify = [
            name for name in rule.channels if shape.alerting.channels.get(name, _OFF).get("enabled", True)
        ]
        severity = rule.severity if rule.severity in _SEVERITIES else "high"
        told = {"notify": notify, "severity": severity}
        minutes = _LASTS.fullmatch(rule.condition.strip())
        if _FAILS.fullmatch(rule.condition.strip()) and "on_failure" not in keys:
            keys["on_failure"] = told
            tell(f"the rule `{rule.name}` ({rule.condition}) is `on_failure`")
        elif minutes is not None and "deadline" not in keys:
            keys["deadline"] = {"after": f"{float(minutes[1]):g}m", "alert": severity, "notify": notify}
            tell(f"the rule `{rule.name}` ({rule.condition}) is the `deadline`")
        else:
            whole = flow({"condition": rule.condition, **told})
            tell(f"the rule `{rule.name}` has no counterpart, and is left out: {whole}")
    return keys


_SEVERITIES = ("low", "medium", "high")
_OFF: Mapping[str, Any] = {"enabled": False}
_FAILS = re.compile(r"""pipeline_status\s*==\s*['"]failed['"]""")
_LASTS = re.compile(r"duration_minutes\s*>=?\s*([0-9.]+)")
