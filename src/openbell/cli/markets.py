"""`markets` and `market why`: what time it is in each market, what comes next, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.clock import SystemClock
from openbell.config.project import locate, project_markets
from openbell.errors import ExitCode, OutOfBounds, UsageError
from openbell.market import Closure, Market, MarketState, Session, Transition, resolve
from openbell.market.horizon import ends_soon
from openbell.market.names import PRIMARY

_COLOURS = {
    MarketState.SESSION: "green",
    MarketState.BREAK: "yellow",
    MarketState.PRE_OPEN: "cyan",
    MarketState.POST_CLOSE: "magenta",
}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--at", metavar="TIME", help="An instant, such as 2024-07-03T17:00Z, instead of now.")
@click.option("--next", "count", type=click.IntRange(1, 1000), default=1, help="So many changes to come.")
@PROJECT
@OUTPUT
def markets(names: tuple[str, ...], at: str | None, count: int, project: str, output: str) -> int:
    """Show the state of markets, the session that they are in, and what comes next.

    Without NAMES: the markets of the project, or New York, London and Tokyo. A name is a calendar
    (`openbell calendars list`), an alias, or `any(XLON, XPAR)`, `all(XNYS, XLON)`.
    """
    own = project_markets(locate(Path(project)), os.environ)
    wanted = [resolve(name, own) for name in names or own or PRIMARY]
    instant = SystemClock().now() if at is None else parse_instant(at)
    known, unknown = _known(wanted, instant)
    if output == "json":
        found = [_as_json(one, instant, count) for one in known]
        found += [{"market": one.name, "error": error.message} for one, error in unknown]
        click.echo(json.dumps(found, ensure_ascii=False))
    width = max(len(one.name) for one in wanted)
    for one in known if output == "text" else ():
        _show(one, instant, count, width)
    for one in known if output == "text" else ():
        for note in notes_of(one, instant.date()):
            click.secho(f"note: {note}", fg="yellow", err=True)
    for _, error in unknown:
        click.secho(f"error: {error.message}\n  help: {error.hint}", fg="red", err=True)
    return ExitCode.CONFIG if unknown else ExitCode.OK


def _known(
    wanted: Sequence[Market], instant: datetime
) -> tuple[list[Market], list[tuple[Market, OutOfBounds]]]:
    """The markets whose calendars cover an instant; one that has ended does not hide the others."""
    known, unknown = [], []
    for one in wanted:
        try:
            one.state(instant)
            known.append(one)
        except OutOfBounds as error:
            unknown.append((one, error))
    return known, unknown


@click.group()
def market_group() -> None:
    """Ask about one market."""


@market_group.command("why")
@click.argument("name")
@click.argument("at", required=False)
@PROJECT
@OUTPUT
def why(name: str, at: str | None, project: str, output: str) -> None:
    """Say why a market is in the state that it is in at an instant (without AT: now)."""
    one = resolve(name, project_markets(locate(Path(project)), os.environ))
    instant = SystemClock().now() if at is None else parse_instant(at)
    if output == "json":
        click.echo(json.dumps(_as_json(one, instant, 1) | {"why": list(_reasons(one, instant))}))
        return
    moment = one.moment(instant)
    click.secho(f"{one.name}: {moment.state}", fg=_COLOURS.get(moment.state), bold=True, nl=False)
    click.echo(f" at {_local(one, instant)} {one.tz.key} ({instant:%Y-%m-%d %H:%M:%S} UTC)")
    for line in _reasons(one, instant):
        click.echo(f"  {line}")


def parse_instant(text: str) -> datetime:
    """An instant with its zone, or a date, which means its midnight in UTC. Raises `UsageError`."""
    text = text.strip()
    try:
        if len(text) == len("2024-07-03"):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no instant", hint="for example 2024-07-03T17:00Z") from None
    raise UsageError(f"{text!r} has no time zone", hint=f"{text}Z is UTC, {text}-04:00 is New York in summer")


def notes_of(one: Market, today: date) -> list[str]:
    """What users of this market should know."""
    return [*one.notes(), *filter(None, [ends_soon(one, today)])]


# ── lines ────────────────────────────────────────────────────────────────────────────────────────


def _show(one: Market, instant: datetime, count: int, width: int) -> None:
    moment = one.moment(instant)
    click.secho(f"{one.name:<{width}}  ", bold=True, nl=False)
    click.secho(f"{moment.state.value:<10}", fg=_COLOURS.get(moment.state), nl=False)
    reason = f"  ({moment.closure})" if moment.closure else ""
    click.echo(f"  session {moment.session:%a %Y-%m-%d}  {_local(one, instant)}{reason}")
    label = moment.session
    change = Transition(instant, moment.state, moment.session)
    for change in islice(one.transitions(instant), count):
        _show_change(one, change, instant, width, label)
        label = change.session
    if moment.state is MarketState.SESSION or change.state is MarketState.SESSION:
        return
    later = (found for found in one.transitions(change.at) if found.state is MarketState.SESSION)
    if (opening := next(later, None)) is not None:
        _show_change(one, opening, instant, width, label)


def _show_change(one: Market, change: Transition, instant: datetime, width: int, label: date) -> None:
    session = f"  session {change.session:%a %Y-%m-%d}" if change.session != label else ""
    click.echo(f"{'':{width}}    in {_countdown(change.at - instant):>9}  ", nl=False)
    click.secho(f"{change.state.value:<10}", fg=_COLOURS.get(change.state), nl=False)
    click.echo(f"  {_local(one, change.at)}{session}")


def _local(one: Market, at: datetime) -> str:
    return f"{at.astimezone(one.tz):%a %Y-%m-%d %H:%M:%S %Z}"


def _countdown(span: timedelta) -> str:
    """`0:45:00`, `2 d 03:30`."""
    seconds = round(span.total_seconds())
    days, rest = divmod(seconds, 86400)
    hours, minutes = rest // 3600, rest // 60 % 60
    return f"{days} d {hours:02}:{minutes:02}" if days else f"{hours}:{minutes:02}:{rest % 60:02}"


# ── reasons ──────────────────────────────────────────────────────────────────────────────────────


def _reasons(one: Market, instant: datetime) -> list[str]:
    moment = one.moment(instant)
    today = instant.astimezone(one.tz).date()
    told = [_of_the_state(one, moment.state, moment.session, today)]
    if (session := one.session_known(moment.session)) is not None:
        told.append(f"it belongs to the session of {moment.session}: {_hours(one, session)}")
    if moment.session != today and (session := one.session_known(today)) is not None:
        told.append(f"{today} has a session: {_hours(one, session)}")
    told.append(f"{moment.state} since {_local(one, moment.since)}, until {_local(one, moment.until)}")
    change = next(one.transitions(instant), None)
    told.append(f"then {change.state}, session {change.session}" if change else "nothing is known after that")
    told.append(f"calendar {one.calendar}, {one.source}, known {one.valid_from} to {one.valid_until}")
    return told


def _of_the_state(one: Market, state: MarketState, label: date, today: date) -> str:
    match state:
        case MarketState.HOLIDAY:
            return _closed(one.closure(today), today)
        case MarketState.OVERNIGHT:
            return f"{today} is a trading day, and all windows of its sessions are closed"
        case MarketState.BREAK:
            return f"the session of {label} pauses"
        case MarketState.PRE_OPEN:
            return f"the session of {label} opens at {_local(one, one.session_of(label).open)}"
        case MarketState.POST_CLOSE:
            return f"the session of {label} closed at {_local(one, one.session_of(label).close)}"
        case _:
            return f"the session of {label} is under way"


def _closed(closure: Closure | None, today: date) -> str:
    if closure is None:
        return f"{today} has no session"
    kind = "" if closure.reason in ("", closure.kind) else f" ({closure.kind})"
    source = f"; source: {closure.source}" if closure.source else ""
    return f"{today:%A} {today} has no session: {closure}{kind}{source}"


def _hours(one: Market, session: Session) -> str:
    opens, closes = (at.astimezone(one.tz) for at in (session.open, session.close))
    day = "" if opens.date() == session.date else f" on {opens.date()}"
    pauses = "".join(
        f", break {begin.astimezone(one.tz):%H:%M} to {end.astimezone(one.tz):%H:%M}"
        for begin, end in session.breaks
    )
    source = f"; source: {session.source}" if session.source else ""
    note = f" ({session.note}{source})" if session.note or source else ""
    return f"{opens:%H:%M}{day} to {closes:%H:%M} {closes:%Z}{pauses}{note}"


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


def _as_json(one: Market, instant: datetime, count: int) -> dict[str, Any]:
    moment = one.moment(instant)
    closure = moment.closure
    return {
        "market": one.name,
        "calendar": one.calendar,
        "zone": one.tz.key,
        "at": _iso(instant),
        "state": moment.state.value,
        "session": f"{moment.session}",
        "since": _iso(moment.since),
        "until": _iso(moment.until),
        "closure": closure and {"kind": closure.kind, "reason": closure.reason, "source": closure.source},
        "next": [
            {"at": _iso(change.at), "state": change.state.value, "session": f"{change.session}"}
            for change in islice(one.transitions(instant), count)
        ],
        "notes": notes_of(one, instant.date()),
        "digest": one.digest,
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
