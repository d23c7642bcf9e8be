"""An exit record and a log, put into words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from openbell.core.events import Exit, Exited, Lost, Refused
from openbell.core.failure import Complaint, complaint
from openbell.core.model import AttemptKey, Step
from openbell.core.states import StopReason
from openbell.executors.process.events import read_result
from openbell.executors.process.files import AttemptFiles

NO_ROOM = 5.0
"""Seconds to wait when the machine cannot fork."""


def ended(
    key: AttemptKey, step: Step, files: AttemptFiles, record: dict[str, Any], now: datetime
) -> Exited | Refused | Lost:
    """What an exit record comes to. One that makes no sense is no outcome."""
    try:
        at = datetime.fromtimestamp(record["at"], UTC)
        if reason := record.get("refused"):
            return Refused(at, key.task, key.attempt, str(reason), counted=False, retry_after=NO_ROOM)
        if record.get("stopped") == "terminated":
            return Lost(at, key.task, key.attempt, "somebody else ended its supervisor (SIGTERM)")
        return exited(key, step, files, record)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return Lost(now, key.task, key.attempt, "its exit record cannot be read")


def exited(key: AttemptKey, step: Step, files: AttemptFiles, record: dict[str, Any]) -> Exited:
    """The end of an attempt as a fact."""
    stopped = StopReason(record["stopped"]) if record.get("stopped") else None
    ended = bool(record.get("ended_after_marker"))
    done = stopped is StopReason.END or (stopped is None and (record["code"] == 0 or ended))
    well = done and record.get("started", True) and not record.get("check")
    said = complaint("" if well else files.tail())
    end = Exit(
        code=record["code"],
        signal=record.get("signal", ""),
        elapsed=record.get("elapsed", 0.0),
        started=record.get("started", True),
        stopped=stopped,
        error="" if well else _reason(record, step, stopped, said),
        traceback=said.traceback,
        peak_rss=record.get("peak_rss", 0),
        cpu=record.get("cpu", 0.0),
        stragglers=record.get("stragglers", 0),
        log_bytes=record["log_bytes"],
        log_dropped=record["log_dropped"],
        check=record.get("check", ""),
        verified=bool(record.get("verified")),
        outputs=dict(record.get("outputs", {})),
        cached=str(record.get("cached", "")),
        ended_after_marker=ended,
    )
    at = datetime.fromtimestamp(record["at"], UTC)
    result = read_result(files.events) | dict(record.get("result") or {})
    return Exited(at, key.task, key.attempt, end, result)


def _reason(record: dict[str, Any], step: Step, stopped: StopReason | None, said: Complaint) -> str:
    """One line: what ended it, and what it said last."""
    peak = f"peak memory {record.get('peak_rss', 0) / 1e6:.0f} MB"
    match record:
        case {"started": False, "error": error}:
            return f"it could not be started: {error}"
        case {"check": "outputs", "error": str(error)}:
            return error
        case {"error": str(error)} if stopped is None:
            return _with(error, said.line)
        case _ if stopped is StopReason.TIMEOUT:
            seconds = step.timeout.total_seconds() if step.timeout else record["elapsed"]
            return _with(f"timed out after {seconds:g} s", said.line)
        case _ if stopped is StopReason.MEMORY:
            return _with(f"passed its memory cap of {step.demand.memory / 1e6:.0f} MB", said.line)
        case _ if stopped is not None:
            return f"stopped: {stopped.value}"
        case {"oom": True}:
            return _with(f"killed by SIGKILL, probably out of memory ({peak})", said.line)
        case {"signal": str(name)} if name:
            return _with(f"killed by {name} ({peak})", said.line)
        case _:
            return said.line if said.traceback else _with(f"exit code {record['code']}", said.line)


def _with(what: str, said: str) -> str:
    return f"{what}; last output: {said}" if said else what
