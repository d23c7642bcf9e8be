"""`data`: the data sets of the project, how fresh they are, and who renews them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.words import moment
from openbell.config.catalog import catalog
from openbell.config.definition import Definition
from openbell.core.freshness import Dataset, Required, span, stale
from openbell.core.words import plural
from openbell.errors import ExitCode, MarketError, NotFound
from openbell.market import Market

STALE = 1
"""Exit code of `data check` when something that is required is not fresh."""


@dataclass(slots=True)
class Row:
    """One data set: who provides it, its last success, and whether it is fresh enough for everybody."""

    name: str
    providers: list[str] = field(default_factory=list)
    last: Dataset | None = None
    behind: int | None = None
    """Sessions that have begun since the one that it is of."""
    required: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        if self.reasons:
            return "stale" if self.last is not None else "missing"
        return "fresh" if self.required else "unused"


@click.group()
def data() -> None:
    """Look at the data sets that steps provide and require."""


@data.command("ls")
@PROJECT
@OUTPUT
def ls(project: str, output: str) -> None:
    """List the data sets: who provides each, its last success, its age, and whether it is fresh."""
    setting = Setting.of(Path(project))
    _show(setting, list(_rows(setting, setting.clock.now())), output)


@data.command("check")
@PROJECT
@OUTPUT
def check(project: str, output: str) -> int:
    """Say which data sets are not fresh enough for what requires them; exit code 1 when there is one."""
    setting = Setting.of(Path(project))
    wrong = [row for row in _rows(setting, setting.clock.now()) if row.reasons]
    if output == "json":
        click.echo(json.dumps([_as_json(row, setting.clock.now()) for row in wrong], ensure_ascii=False))
    for row in wrong if output == "text" else ():
        for who, reason in zip(row.required, row.reasons, strict=False):
            click.echo(f"{reason} (required by {who})")
    if not wrong and output == "text":
        click.echo("everything that is required is fresh")
    return STALE if wrong else ExitCode.OK


def _rows(setting: Setting, now: datetime) -> Iterator[Row]:
    """Every data set that the project names, or has ever provided."""
    definitions = catalog(setting.project, os.environ).definitions
    try:
        known = {one.name: one for one in setting.past().datasets()}
    except NotFound:
        known = {}
    rows = {name: Row(name, last=last) for name, last in known.items()}
    for pipeline, definition in definitions.items():
        for step in definition.pipeline:
            for name in step.provides:
                row = rows.setdefault(name, Row(name))
                row.providers.append(f"{pipeline}/{step.name}")
                row.behind = _behind(definition.market, row.last, now)
            for required in step.requires:
                row = rows.setdefault(required.dataset, Row(required.dataset))
                reason = stale(required, row.last, _earliest(definition, required, now), now)
                who = f"{pipeline}/{step.name}, {required}"
                if reason:  # those that are not met come first, beside their reasons
                    row.required.insert(len(row.reasons), who)
                    row.reasons.append(reason)
                else:
                    row.required.append(who)
    yield from (rows[name] for name in sorted(rows))


def _earliest(definition: Definition, required: Required, now: datetime) -> str | None:
    """The first session that would do for a run of now."""
    market = definition.market
    if market is None or required.sessions is None:
        return None
    try:
        session = market.session(now)
        for _ in range(required.sessions):
            session = market.prev_session(session).date
        return session.isoformat()
    except MarketError:
        return None


def _behind(market: Market | None, last: Dataset | None, now: datetime) -> int | None:
    if market is None or last is None or not last.session:
        return None
    try:
        return len(market.dates(date.fromisoformat(last.session), market.session(now))) - 1
    except MarketError:
        return None


def _show(setting: Setting, rows: list[Row], output: str) -> None:
    now = setting.clock.now()
    if output == "json":
        click.echo(json.dumps([_as_json(row, now) for row in rows], ensure_ascii=False))
        return
    if not rows:
        click.echo("no step of this project provides or requires a data set")
    for row in rows:
        click.secho(f"{row.name:<24} ", bold=True, nl=False)
        click.secho(f"{row.state:<8}", fg=_COLOURS[row.state], nl=False)
        last = row.last
        when = f"{moment(last.at)}, {span(now - last.at)} ago by {last.run}" if last else "never"
        of = f", session {last.session}" if last and last.session else ""
        late = f", {plural(row.behind, 'session')} behind" if row.behind else ""
        click.echo(f" {when}{of}{late}")
        click.echo(f"  provided by  {', '.join(row.providers) or 'nobody'}")
        for who in row.required:
            click.echo(f"  required by  {who}")


_COLOURS = {"fresh": "green", "stale": "red", "missing": "red", "unused": None}


def _as_json(row: Row, now: datetime) -> dict[str, object]:
    last = row.last
    return {
        "dataset": row.name,
        "state": row.state,
        "providers": row.providers,
        "last_success": last.at.isoformat() if last else None,
        "age_seconds": (now - last.at).total_seconds() if last else None,
        "session": last.session or None if last else None,
        "sessions_behind": row.behind,
        "run": last.run if last else None,
        "required_by": row.required,
        "reasons": row.reasons,
    }
