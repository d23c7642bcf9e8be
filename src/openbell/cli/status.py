"""`openbell status`: who leads, how the pipelines are doing, what comes next, and what is under way."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from openbell.cli.health import COLOURS, machine_json, machine_line, pipeline_json, shown, table
from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.words import condition, moment, seconds
from openbell.core.health import Status
from openbell.core.render import command, task_label
from openbell.core.state import RunRecord
from openbell.core.states import RunState
from openbell.core.summary import Summary, not_before, summarize
from openbell.core.words import plural
from openbell.errors import ExitCode, NotFound
from openbell.report.health import Survey, survey

_NOT_RUNNING = 3
_DEGRADED = 1
_LOOK = 1.0  # seconds between looks


@click.command()
@click.option("-w", "--watch", is_flag=True, help="Go on showing it until Ctrl-C.")
@PROJECT
@OUTPUT
def status(watch: bool, project: str, output: str) -> int:
    """Show who leads the project, how its pipelines are doing, what comes next, and what is under way.

    Exit code 0 when an engine leads and all is well, 1 when something needs a look, 3 when no engine leads.
    """
    setting = Setting.of_the_past(Path(project))
    if watch:
        _watch(setting, output)
        return ExitCode.OK
    found = _look(setting)
    if not setting.workspace.exists and setting.project.store is None and not found.health.pipelines:
        raise NotFound(
            f"nothing has run in {setting.project.folder} yet, and nothing is to",
            hint="`openbell run FILE` runs something; `-C FOLDER` names another project",
        )
    for line in _told(found, setting, output):
        click.echo(line)
    return _code(found)


def _look(setting: Setting) -> Survey:
    return survey(setting.project, setting.workspace, os.environ, setting.clock.now())


def _code(found: Survey) -> int:
    if found.health.machine.trouble:
        return ExitCode.ERROR
    if found.leader is None:
        return _NOT_RUNNING
    return _DEGRADED if found.health.status in (Status.DEGRADED, Status.FAILING) else ExitCode.OK


def _told(found: Survey, setting: Setting, output: str) -> Iterator[str]:
    if output == "json":
        yield json.dumps(_as_json(found), ensure_ascii=False)
    else:
        yield from _lines(found, setting)


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


def _lines(found: Survey, setting: Setting) -> Iterator[str]:
    health = found.health
    colour = COLOURS[health.status] if found.leader is not None else "red"
    verdict = health.status.value if found.leader is not None else "not running"
    yield click.style(verdict, fg=colour, bold=True)
    yield f"engine   {found.leader}" if found.leader else "engine   none leads"
    yield f"store    {machine_line(health.machine)}"
    if found.alerts:
        yield f"alerts   {found.alerts:,} open: openbell alerts ls"
    for reason in health.reasons:
        yield click.style(f"  {reason}", fg="yellow")
    if shown(found):
        yield ""
        yield from table(found)
        if not found.daemon:
            yield "  nothing opens by itself: no daemon leads (openbell start)"
        yield ""
    if not found.under_way:
        yield "runs     nothing is under way"
    for record in found.under_way:
        yield from _run(record, found, setting)


def _run(record: RunRecord, found: Survey, setting: Setting) -> Iterator[str]:
    summary = summarize(record)
    led = found.leader is not None
    colour = "yellow" if record.state is RunState.PAUSED else "cyan"
    waits = record.paused or ("" if led else "its engine is gone")
    yield ""
    yield (
        f"{click.style(record.id, bold=True)}  {click.style(record.state.value, fg=colour)}"
        f"{f' ({waits})' if waits else ''}{_session(record)}"
    )
    if record.overdue is not None:
        yield click.style(f"  overdue: it was to have ended by {moment(record.overdue)}", fg="red")
    told = ", ".join(f"{count:,} {state.name.lower()}" for state, count in summary.counts.items() if count)
    yield f"  {plural(summary.total, 'task')}: {told}"
    opens = not_before(record, found.at)
    if opens is not None:
        yield f"  the next step may start at {moment(opens)} (in {seconds(opens - found.at)})"
    elif summary.remaining and record.state is RunState.ACTIVE:
        yield f"  about {seconds(summary.remaining)} left"
    if summary.oldest is not None:
        key, since = summary.oldest
        how = condition(setting.vitals(key))
        name = task_label(record.run.pipeline, key.task)
        yield f"  oldest running: {name}, {seconds(found.at - since)} ({how})"
    if record.paused or not led:
        yield f"  resume: {command(record.run.pipeline)}"


def _session(record: RunRecord) -> str:
    """The session that a run is of, where its name does not tell it."""
    session = record.run.pipeline.sessions.get("session", "")
    return f", session {session}" if session and session not in record.id else ""


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


def _as_json(found: Survey) -> dict[str, Any]:
    leader = found.leader
    return {
        "at": found.at.isoformat(),
        "status": found.health.status.value if leader is not None else "not running",
        "reasons": list(found.health.reasons),
        "leader": (
            {"pid": leader.pid, "command": leader.command, "role": leader.role.value} if leader else None
        ),
        "project": machine_json(found.health.machine),
        "open_alerts": found.alerts,
        "pipelines": [pipeline_json(one, found) for one in found.health.pipelines],
        "runs": [_run_json(record, summarize(record), found) for record in found.under_way],
    }


def _run_json(record: RunRecord, summary: Summary, found: Survey) -> dict[str, Any]:
    opens = not_before(record, found.at)
    remaining = summary.remaining if opens is None else None
    return {
        "run": record.id,
        "state": record.state.value,
        "session": record.run.pipeline.sessions.get("session"),
        "paused": record.paused,
        "overdue": record.overdue.isoformat() if record.overdue else None,
        "tasks": summary.total,
        "counts": {state.name.lower(): count for state, count in summary.counts.items()},
        "not_before": opens.isoformat() if opens is not None else None,
        "seconds_left": remaining.total_seconds() if remaining else None,
    }


# ── watching ─────────────────────────────────────────────────────────────────────────────────────


def _watch(setting: Setting, output: str) -> None:
    """Show it again and again, until somebody has seen enough."""
    gc.enable()  # this may take days
    live = output == "text" and sys.stdout.isatty()
    with contextlib.suppress(KeyboardInterrupt):
        (_redraw if live else _repeat)(lambda: _look(setting), setting, output)


def _redraw(look: Callable[[], Survey], setting: Setting, output: str) -> None:
    """On a terminal: one screen that is drawn anew."""
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, screen=True) as screen:
        while True:
            lines = "\n".join(_told(look(), setting, output))
            screen.update(Text.from_ansi(lines), refresh=True)
            time.sleep(_LOOK)


def _repeat(look: Callable[[], Survey], setting: Setting, output: str) -> None:
    """Elsewhere: all of it whenever something has changed, not only the time."""
    before: Any = None
    while True:
        found = look()
        if (now := _signature(found)) != before:
            before = now
            for line in _told(found, setting, output):
                click.echo(line)
            sys.stdout.flush()
        time.sleep(_LOOK)


def _signature(found: Survey) -> Any:
    """What of it matters: everything but the passing of time."""
    runs = [(r.id, r.state, r.paused, r.overdue, summarize(r).counts) for r in found.under_way]
    pipelines = [
        (one.of.name, one.status, one.last, one.of.coming, len(one.stuck)) for one in found.health.pipelines
    ]
    return (found.leader, found.health.status, found.alerts, found.board.states(found.at), runs, pipelines)
