"""`calendars`: what the package knows, in what words, and how it is made and checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import click

from openbell.cli.markets import notes_of
from openbell.cli.options import OUTPUT, PROJECT
from openbell.clock import SystemClock
from openbell.config.project import locate, project_markets
from openbell.core.words import plural
from openbell.errors import ExitCode, OpenbellError, UsageError
from openbell.market import Market, Session, resolve
from openbell.market import calendars as known
from openbell.market.export import FORMATS
from openbell.market.names import ALIASES

_FROM = click.option("--from", "first", metavar="DATE", help="First date. Default: the first known.")
_TO = click.option("--to", "last", metavar="DATE", help="Last date, included. Default: the last known.")


@click.group()
def calendars() -> None:
    """Look at the calendars, export them, compare them with their sources."""


@calendars.command("list")
@OUTPUT
def list_(output: str) -> None:
    """List every calendar: zone, usual hours, last date, other names."""
    from openbell.market import market

    rows = [_row(market(name)) for name in known()]
    if output == "json":
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        others = f"  {', '.join(row['aliases'])}" if row["aliases"] else ""
        click.echo(f"{row['name']:<11} {row['zone']:<20} {row['hours']:<34} until {row['until']}{others}")


def _row(one: Market) -> dict[str, Any]:
    return {
        "name": one.calendar,
        "market": one.name,
        "zone": one.tz.key,
        "hours": _hours(one, one.schedule.usual(one.valid_until)),
        "from": f"{one.valid_from}",
        "until": f"{one.valid_until}",
        "aliases": [alias for alias, name in ALIASES.items() if name == one.calendar.replace("/", "-")],
        "source": one.source,
        "digest": one.digest,
    }


@calendars.command("show")
@click.argument("name")
@click.option("--year", type=click.IntRange(1990, 2100), help="Default: this one.")
@PROJECT
@OUTPUT
def show(name: str, year: int | None, project: str, output: str) -> None:
    """Show a year of a calendar: closures with their reasons, sessions of unusual hours."""
    one = resolve(name, project_markets(locate(Path(project)), os.environ))
    today = SystemClock().now().date()
    first, last = _span(one, date(year or today.year, 1, 1), date(year or today.year, 12, 31))
    sessions = one.sessions(first, last)
    closures = [closure for closure in one.closures(first, last) if closure.kind != "weekend"]
    if output == "json":
        told = _row(one) | {"sessions": [_session(session) for session in sessions]}
        told["closures"] = [asdict(closure) | {"date": f"{closure.date}"} for closure in closures]
        click.echo(json.dumps(told | {"notes": notes_of(one, today)}, ensure_ascii=False))
        return
    click.secho(f"{one.name} {first.year}: {plural(len(sessions), 'session')}", bold=True)
    click.echo(f"  calendar  {one.calendar}, {one.source}, digest {one.digest}")
    click.echo(f"  known     {one.valid_from} to {one.valid_until}")
    click.echo(f"  hours     {_hours(one, one.schedule.usual(last))} {one.tz.key}")
    click.echo("\n  closed")
    for closure in closures:
        kind = "" if closure.kind == "holiday" else f" ({closure.kind})"
        source = f"; {closure.source}" if closure.source else ""
        click.echo(f"    {closure.date:%a %Y-%m-%d}  {closure.reason or 'no reason known'}{kind}{source}")
    unusual = [session for session in sessions if not one.is_usual(session)]
    click.echo("\n  other hours" if unusual else "\n  no other hours")
    for session in unusual:
        click.echo(f"    {session.date:%a %Y-%m-%d}  {_hours(one, session)}  {session.note}")
    for note in notes_of(one, today):
        click.secho(f"note: {note}", fg="yellow", err=True)


@calendars.command("export")
@click.argument("name")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True)
@click.option("--file", type=click.Path(dir_okay=False), help="Write to this file instead of stdout.")
@_FROM
@_TO
@PROJECT
def export(name: str, form: str, file: str | None, first: str | None, last: str | None, project: str) -> None:
    """Write a calendar for another system.

    \b
    deephaven   XML for deephaven.calendar.add_calendar; its file has to be called *.calendar
    ics         iCalendar: closed weekdays and sessions of unusual hours
    csv         every date with its session in UTC, or the reason why it has none
    """
    one = resolve(name, project_markets(locate(Path(project)), os.environ))
    text = FORMATS[form](one, *_span(one, _date(first, one.valid_from), _date(last, one.valid_until)))
    if file is None:
        click.echo(text, nl=False)
        return
    if form == "deephaven" and not file.endswith(".calendar"):
        raise UsageError(f"Deephaven would not load {file}", hint="its name has to end with .calendar")
    try:
        Path(file).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise OpenbellError(f"cannot write {file}: {error.strerror}") from None
    click.echo(file)


# ── upstream ─────────────────────────────────────────────────────────────────────────────────────


@calendars.command("refresh")
@click.argument("names", nargs=-1)
@click.option("--folder", type=click.Path(file_okay=False), help="Default: the calendars of the package.")
@OUTPUT
def refresh(names: tuple[str, ...], folder: str | None, output: str) -> None:
    """Make the calendars anew from their sources (extra `calendars`)."""
    from openbell.market.names import FOLDER
    from openbell.refresh import snapshot

    target = Path(folder) if folder else Path(str(FOLDER))
    try:
        target.mkdir(parents=True, exist_ok=True)
        chosen = _chosen(names, snapshot.names())
        snapshot.write(chosen, target, lambda text: click.echo(text, err=True))
        if output == "json":
            click.echo(json.dumps({"folder": str(target.resolve()), "calendars": chosen}))
    except OSError as error:
        raise OpenbellError(
            f"cannot write the calendars: {error}", hint="`--folder DIR` writes them elsewhere"
        ) from None


@calendars.command("diff")
@click.argument("names", nargs=-1)
@OUTPUT
def diff(names: tuple[str, ...], output: str) -> int:
    """Show what `refresh` would change (extra `calendars`). Exit code 1 when it would change something."""
    from openbell.market.snapshot import load
    from openbell.refresh import snapshot
    from openbell.refresh.diff import diff as changes

    changed = 0
    for name in _chosen(names, snapshot.names()):
        lines = changes(load(name), snapshot.build(name)) if name in known() else ["a new calendar"]
        changed += bool(lines)
        for line in lines:
            told = json.dumps({"calendar": name, "change": str(line)}, ensure_ascii=False)
            click.echo(told if output == "json" else f"{name}: {line}")
    click.echo(f"{plural(changed, 'calendar')} would change", err=True)
    return 1 if changed else ExitCode.OK


@calendars.command("verify")
@click.argument("names", nargs=-1)
@_FROM
@_TO
@OUTPUT
def verify(names: tuple[str, ...], first: str | None, last: str | None, output: str) -> int:
    """Compare the calendars with three independent sources (extra `calendars`).

    exchange_calendars, pandas_market_calendars and holidays. Exit code 1 when they disagree somewhere.
    """
    from openbell.market import market
    from openbell.refresh.verify import verify as disagreements

    count = 0
    for name in _chosen(names, known()):
        one = market(name)
        span = _span(one, _date(first, one.valid_from), _date(last, one.valid_until))
        for told in disagreements(name, *span):
            count += 1
            entry = {"calendar": name, "date": f"{told.date}", "what": told.what, "shipped": told.shipped}
            if output == "json":
                click.echo(json.dumps(entry | {"said": dict(told.said)}, ensure_ascii=False))
            else:
                click.echo(f"{name}: {told}")
    click.echo(plural(count, "disagreement"), err=True)
    return 1 if count else ExitCode.OK


def _chosen(names: Iterable[str], all_of_them: list[str]) -> list[str]:
    from openbell.market.names import canonical

    chosen = [name if name in all_of_them else canonical(name) for name in names]
    return chosen or all_of_them


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def _span(one: Market, first: date, last: date) -> tuple[date, date]:
    """The part of a range that the calendar knows. A range outside of it is left as it is, to be refused."""
    if first > one.valid_until or last < one.valid_from:
        one.closure(first if first > one.valid_until else last)  # raises, with the bounds
    if first > last:
        raise UsageError(f"{first} lies after {last}")
    return max(first, one.valid_from), min(last, one.valid_until)


def _date(text: str | None, otherwise: date) -> date:
    try:
        return date.fromisoformat(text) if text else otherwise
    except ValueError:
        raise UsageError(f"{text!r} is no date", hint="for example 2024-07-03") from None


def _hours(one: Market, session: Session) -> str:
    opens, closes = session.open.astimezone(one.tz), session.close.astimezone(one.tz)
    before = "-1" if opens.date() < session.date else ""
    after = "+1" if closes.date() > session.date else ""
    local = ([at.astimezone(one.tz) for at in pause] for pause in session.breaks)
    pauses = "".join(f", break {begin:%H:%M}-{end:%H:%M}" for begin, end in local)
    return f"{opens:%H:%M}{before}-{closes:%H:%M}{after}{pauses}"


def _session(session: Session) -> dict[str, Any]:
    return {
        "date": f"{session.date}",
        "open": session.open.isoformat(),
        "close": session.close.isoformat(),
        "breaks": [[begin.isoformat(), end.isoformat()] for begin, end in session.breaks],
        "note": session.note,
    }
