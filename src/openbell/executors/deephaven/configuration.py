"""The configuration of an attempt's query: every field as the orchestrators of old wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from openbell.core.matrix import Scalar
from openbell.core.model import Replay, Window
from openbell.core.render import AUTOMATIC
from openbell.executors.protocol import Brief

ASSIGN = -(2**63)
"""The serial that asks the controller for one."""

_ADMINISTRATORS = 1  # RU_ADMIN: who may restart it
_FASTEST = 10  # milliseconds: no update cycle is shorter
_OURS = ("OPENBELL_ATTEMPT", "OPENBELL_RUN_ID", "OPENBELL_SESSION", "OPENBELL_STEP", "OPENBELL_COORDINATES")
_LIMIT = timedelta(days=1)  # of a batch without a timeout
_SCHEDULERS = "com.illumon.iris.controller.IrisQueryScheduler"


def configuration(
    brief: Brief, name: str, owner: str, script: str, now: datetime, settings: Mapping[str, Scalar]
) -> dict[str, Any]:
    """The fields of the message, by name. `settings`: those of the executor, secrets not among them."""
    replay = brief.step.mode if isinstance(brief.step.mode, Replay) else None
    limit = (brief.step.start_timeout if replay else brief.step.timeout) or _LIMIT
    found: dict[str, Any] = {
        "serial": ASSIGN,
        "version": 1,
        "name": name,
        "owner": owner,
        "enabled": True,
        "serverName": str(settings.get("server_name", "AutoQuery")),
        "heapSizeGb": float(settings.get("heap_size_gb") or 4.0),
        "bufferPoolToHeapRatio": 0.25,
        "detailedGCLoggingEnabled": True,
        "scriptLanguage": str(settings.get("language", "Python")),
        "jvmProfile": str(settings.get("jvm_profile", "Default")),
        "workerKind": "DeephavenCommunity",
        "restartUsers": _ADMINISTRATORS,
        "timeoutNanos": int(limit.total_seconds() * 1e9),
        "scriptCode": script,
        "extraEnvironmentVariables": _environment(brief, name),
        "configurationType": "ReplayScript" if replay else "RunAndDone",
    }
    if replay:
        found["typeSpecificFieldsJson"] = json.dumps(_fields(replay, brief))
        found["extraJvmArguments"] = jvm_arguments(replay)
    if brief.step.window is not None:
        found["scheduling"] = _daily(brief.step.window)
    else:
        found["scheduling"] = _continuous() if replay else _range(now, now + limit)
    return found


def _fields(replay: Replay, brief: Brief) -> dict[str, dict[str, Any]]:
    speed = float(replay.speed) if replay.speed != "max" else 100.0
    return {
        "ReplaySorted": {"type": "boolean", "value": replay.sorted},
        "ReplayStart": {"type": "string", "value": replay.start},
        "ReplayDate": {"type": "string", "value": brief.env.get("SIMULATION_DATE", "")},
        "ReplaySpeed": {"type": "string", "value": str(speed)},
    }


def jvm_arguments(replay: Replay) -> list[str]:
    """What a replay sets of its JVM: rows buffered, the length of an update cycle, timestamp columns."""
    speed = 100.0 if replay.speed == "max" else float(replay.speed)
    found = []
    if replay.buffer_rows is not None:
        found.append(f"-DReplayDatabase.BufferSize={replay.buffer_rows}")
    if speed > 1:
        cycle = max(_FASTEST, int(1000 / speed))
        found.append(f"-DPeriodicUpdateGraph.targetCycleDurationMillis={cycle}")
    for namespace, table, column in replay.timestamp_columns:
        found.append(f"-DReplayDatabase.TimestampColumn.{namespace}.{table}={column}")
    return found


def _environment(brief: Brief, name: str) -> list[str]:
    """Name, value, name, value: what is automatic, what the file declares, and what we find it again by."""
    pairs = [(key, brief.env[key]) for key in AUTOMATIC if key in brief.env]
    pairs = [(key, name if key == "QUERY_NAME" else value) for key, value in pairs]
    pairs += [(key, brief.env[key]) for key in brief.step.env if key in brief.env]
    pairs += [(key, brief.env[key]) for key in _OURS if brief.env.get(key)]
    pairs.append(("OPENBELL_RUN_UID", brief.uid))
    return [word for pair in pairs for word in pair]


def _standard(kind: str, start: str | None, stop: str | None, tz: str, calendar: str | None) -> list[str]:
    """The lines that all schedulers begin with."""
    return [
        f"SchedulerType={_SCHEDULERS}{kind}",
        *([f"StartTime={start}"] if start else []),
        *([f"StopTime={stop}"] if stop else []),
        f"TimeZone={tz}",
        *([f"Calendar={calendar}"] if calendar else []),
        "SkipIfUnsuccessful=false",
        f"StopTimeDisabled={'false' if kind == 'Daily' else 'true'}",
        "Overnight=false",
        "RepeatEnabled=false",
        "RestartErrorCount=0",
        "RestartErrorDelay=0",
        "RestartWhenRunning=Yes",
        "SchedulingDisabled=false",
    ]


def _continuous() -> list[str]:
    """At once, until it is stopped."""
    return [*_standard("Continuous", "00:00:00", None, "UTC", None), "DailyRestart=false"]


def _range(start: datetime, stop: datetime) -> list[str]:
    """At once, and no later than its timeout."""
    return [
        *_standard("Range", f"{start:%H:%M:%S}", f"{stop:%H:%M:%S}", "UTC", None),
        f"StartDate={start:%Y-%m-%d}",
        "UseStartDateTime=true",
        f"StopDate={stop:%Y-%m-%d}",
        "UseStopDateTime=true",
    ]


def _daily(window: Window) -> list[str]:
    """In a window of each day, as the controller keeps it."""
    start, stop = f"{window.start:%H:%M:%S}", f"{window.stop:%H:%M:%S}"
    lines = _standard("Daily", start, stop, window.tz, window.calendar)
    if window.stop < window.start:
        lines[lines.index("Overnight=false")] = "Overnight=true"
    days = "=".join(["true"] * 7)
    return [*lines, f"BusinessDays={'true' if window.business_days else 'false'}", f"Days={days}"]
