"""How a project is doing, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from openbell.cli.words import columns, moment, seconds, size
from openbell.core.freshness import span
from openbell.core.health import Coming, Machine, PipelineHealth, Status
from openbell.report.health import Survey

COLOURS = {
    Status.HEALTHY: "green",
    Status.NEW: "cyan",
    Status.DEGRADED: "yellow",
    Status.FAILING: "red",
}
HEADS = ("PIPELINE", "STATUS", "LAST RUN", "ENDED", "FAILED", "TAKES", "MARKET", "NEXT")


def machine_line(machine: Machine) -> str:
    """What the project lives on, in one line."""
    told = [f"does not answer: {machine.trouble}"] if machine.trouble else []
    if machine.size is not None:
        told.append(f"{size(machine.size)}, schema {machine.schema}")
    if machine.free is not None:
        told.append(f"disk: {size(machine.free)} free")
    if machine.memory is not None and machine.memory_total is not None:
        told.append(f"memory: {size(machine.memory)} of {size(machine.memory_total)} available")
    return "; ".join(told)


def shown(survey: Survey) -> list[PipelineHealth]:
    """The pipelines that somebody counts on. What has been run by hand, and has ended, is of the past."""
    return [one for one in survey.health.pipelines if one.of.scheduled or one.of.under_way]


def table(survey: Survey) -> Iterator[str]:
    """A line for each pipeline under the headings, then what is wrong with whom."""
    found = shown(survey)
    rows = [_row(one, survey) for one in found]
    yield from columns(HEADS, rows, "<<<<>><<") if rows else ()
    for one in found:
        for reason in one.reasons:
            yield f"  {one.of.name}: {reason}"


def _row(one: PipelineHealth, survey: Survey) -> tuple[str, ...]:
    last = one.last
    ended = ""
    if last is not None:
        ended = (
            f"{last.state.value} {_ago(last.closed_at, survey.at)}" if last.closed_at else last.state.value
        )
    return (
        one.of.name,
        "never ran" if one.status is Status.NEW else one.status.value,
        last.id.removeprefix(f"{one.of.name}/") if last is not None else "",
        ended,
        f"{one.failed}/{one.ended}" if one.ended else "",
        seconds(one.mean) if one.mean is not None else "",
        _market(one, survey),
        _next(one, survey.at),
    )


def _ago(at: datetime, now: datetime) -> str:
    return f"{span(max(now - at, timedelta(0)))} ago"


def _market(one: PipelineHealth, survey: Survey) -> str:
    hours = survey.board.markets.get(one.of.market)
    known = hours.at(survey.at) if hours is not None else None
    return f"{one.of.market} {known[0]}" if known is not None else one.of.market


def first(one: PipelineHealth) -> Coming | None:
    """What opens the next run: the earliest occasion, else whatever is waited for."""
    known = [(coming.at, coming) for coming in one.of.coming if coming.at is not None]
    return min(known, key=itemgetter(0))[1] if known else next(iter(one.of.coming), None)


def _next(one: PipelineHealth, now: datetime) -> str:
    coming = first(one)
    if coming is None:
        return ""
    if coming.at is None:
        return coming.told
    return f"{moment(coming.at)} (in {span(max(coming.at - now, timedelta(0)))})"


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


def pipeline_json(one: PipelineHealth, survey: Survey) -> dict[str, Any]:
    """Everything that is known of a pipeline."""
    hours = survey.board.markets.get(one.of.market)
    known = hours.at(survey.at) if hours is not None else None
    coming = first(one)
    return {
        "pipeline": one.of.name,
        "status": one.status.value,
        "reasons": list(one.reasons),
        "scheduled": one.of.scheduled,
        "last_run": _brief(one.last),
        "last_success": _brief(one.of.success),
        "runs": one.ended,
        "failed": one.failed,
        "error_rate": one.error_rate,
        "consecutive_failures": one.in_a_row,
        "mean_seconds": one.mean.total_seconds() if one.mean is not None else None,
        "p95_seconds": one.p95.total_seconds() if one.p95 is not None else None,
        "under_way": [record.id for record in one.of.under_way],
        "stuck": [
            {
                "attempt": str(stuck.key),
                "since": _iso(stuck.since),
                "usual_seconds": stuck.usual.total_seconds(),
            }
            for stuck in one.stuck
        ],
        "provides": [
            {
                "dataset": data.name,
                "freshness": "stale" if data.stale else "fresh" if data.at is not None else "unknown",
                "last_success": _iso(data.at),
                "age_seconds": (survey.at - data.at).total_seconds() if data.at is not None else None,
                "session": data.session or None,
                "reasons": list(data.stale),
            }
            for data in one.of.provides
        ],
        "missed": (
            {"key": one.of.missed.key, "reason": one.of.missed.reason, "at": _iso(one.of.missed.at)}
            if one.of.missed is not None
            else None
        ),
        "market": one.of.market or None,
        "market_state": known[0] if known is not None else None,
        "market_session": known[1].isoformat() if known is not None else None,
        "next_at": _iso(coming.at) if coming is not None else None,
        "next": [{"trigger": c.trigger, "at": _iso(c.at), "text": c.told} for c in one.of.coming],
    }


def machine_json(machine: Machine) -> dict[str, Any]:
    """The store, the disk and the memory."""
    return {
        "database": {
            "reachable": not machine.trouble,
            "error": machine.trouble or None,
            "bytes": machine.size,
            "schema": machine.schema or None,
        },
        "disk": {"free_bytes": machine.free, "floor_bytes": machine.floor},
        "memory": {"available_bytes": machine.memory, "total_bytes": machine.memory_total},
    }


def _brief(run: Any) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "run": run.id,
        "state": run.state.value,
        "opened_at": _iso(run.opened_at),
        "closed_at": _iso(run.closed_at),
        "session": run.session or None,
        "seconds": run.took.total_seconds() if run.took is not None else None,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
