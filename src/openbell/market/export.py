"""Calendars for other systems: Deephaven's business calendars, iCalendar for people, CSV for the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from xml.sax.saxutils import escape

from openbell.market.markets import Market
from openbell.market.schedule import DAY, Session

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MIDNIGHT = "23:59:59.999999999"  # Deephaven's last instant of a day, included

Times = tuple[tuple[str, str], ...]
"""Opening and closing wall times of one local date. `24:00` is its end."""


def deephaven(market: Market, first: date, last: date) -> str:
    """The XML of a business calendar, as `deephaven.calendar.add_calendar` reads it.

    Deephaven counts by local date: a session that begins on the evening before is cut at midnight, and
    that evening becomes business time of its own date.
    """
    days = _by_local_date(market, first, last)
    usual = Counter(times for times in days.values() if times).most_common(1)
    default: Times = usual[0][0] if usual else ()
    weekend = {n for n in range(7) if _mostly_closed(days, n)}
    lines = [
        "<calendar>",
        f"    <name>{deephaven_name(market.name)}</name>",
        f"    <description>{escape(market.calendar)} by openbell, from {escape(market.source)}</description>",
        f"    <timeZone>{market.tz.key}</timeZone>",
        f"    <firstValidDate>{first}</firstValidDate>",
        f"    <lastValidDate>{last}</lastValidDate>",
        "    <default>",
        *_business_times(default, 8),
        *(f"        <weekend>{_WEEKDAYS[n]}</weekend>" for n in sorted(weekend)),
        "    </default>",
    ]
    for day, times in days.items():
        if times != (() if day.weekday() in weekend else default):
            lines += [
                "    <holiday>",
                f"        <date>{day}</date>",
                *_business_times(times, 8),
                "    </holiday>",
            ]
    return "\n".join([*lines, "</calendar>", ""])


def deephaven_name(name: str) -> str:
    """A name that Deephaven takes: letters, digits and `_`, no digit in front."""
    plain = re.sub(r"\W+", "_", name).strip("_")
    return f"_{plain}" if plain[:1].isdigit() else plain


def _mostly_closed(days: dict[date, Times], weekday: int) -> bool:
    found = [bool(times) for day, times in days.items() if day.weekday() == weekday]
    return 2 * sum(found) < len(found)


def _by_local_date(market: Market, first: date, last: date) -> dict[date, Times]:
    """When there is trading on each local date, whatever session it belongs to."""
    found: dict[date, list[tuple[str, str]]] = {}
    start, end = max(first - DAY, market.valid_from), min(last + DAY, market.valid_until)
    for session in market.sessions(start, end):
        for begin, finish in session.trading:
            for day, opens, closes in _cut(begin.astimezone(market.tz), finish.astimezone(market.tz)):
                found.setdefault(day, []).append((opens, closes))
    return {
        day: _joined(found.get(day, [])) for day in (first + n * DAY for n in range((last - first).days + 1))
    }


def _cut(begin: datetime, end: datetime) -> Iterator[tuple[date, str, str]]:
    """A stretch in pieces of one local date each, as wall times."""
    opens = f"{begin:%H:%M}"
    for n in range((end.date() - begin.date()).days):
        yield begin.date() + n * DAY, opens, "24:00"
        opens = "00:00"
    if f"{end:%H:%M}" != opens:
        yield end.date(), opens, f"{end:%H:%M}"


def _joined(times: list[tuple[str, str]]) -> Times:
    """In order, and as one where they touch."""
    found: list[tuple[str, str]] = []
    for opens, closes in sorted(times):
        if found and found[-1][1] >= opens:
            found[-1] = (found[-1][0], max(closes, found[-1][1]))
        else:
            found.append((opens, closes))
    return tuple(found)


def _business_times(times: Times, indent: int) -> Iterator[str]:
    for opens, closes in times:
        close = f"<close>{closes}</close>"
        if closes == "24:00":
            close = f"<close>{_MIDNIGHT}</close><includeClose>true</includeClose>"
        yield f"{'':{indent}}<businessTime><open>{opens}</open>{close}</businessTime>"


def ics(market: Market, first: date, last: date) -> str:
    """iCalendar (RFC 5545): closed weekdays as days, sessions of unusual hours as times."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//openbell//calendars//EN",
        f"X-WR-CALNAME:{_escaped(market.name)}",
    ]
    for closure in market.closures(first, last):
        if closure.kind != "weekend":
            span = [
                f"DTSTART;VALUE=DATE:{closure.date:%Y%m%d}",
                f"DTEND;VALUE=DATE:{closure.date + DAY:%Y%m%d}",
            ]
            lines += _event(market, closure.date, f"closed: {closure}", span)
    for session in market.sessions(first, last):
        if not market.is_usual(session):
            span = [f"DTSTART:{session.open:%Y%m%dT%H%M%SZ}", f"DTEND:{session.close:%Y%m%dT%H%M%SZ}"]
            lines += _event(
                market,
                session.date,
                f"{_hours(market, session)}" + (f": {session.note}" if session.note else ""),
                span,
            )
    return "".join(_folded(line) for line in [*lines, "END:VCALENDAR"])


def _event(market: Market, day: date, what: str, span: list[str]) -> list[str]:
    summary = _escaped(f"{market.name} {what}")
    uid = re.sub(r"[^\w-]+", "-", f"{market.name}-{day}") + "@openbell"
    stamp = f"DTSTAMP:{datetime.combine(market.valid_from, datetime.min.time(), UTC):%Y%m%dT%H%M%SZ}"
    return [
        "BEGIN:VEVENT",
        f"UID:{uid}",
        stamp,
        *span,
        f"SUMMARY:{summary}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]


def _escaped(text: str) -> str:
    for sign in "\\,;":
        text = text.replace(sign, "\\" + sign)
    return text.replace("\r", "").replace("\n", "\\n")


def _hours(market: Market, session: Session) -> str:
    opens, closes = session.open.astimezone(market.tz), session.close.astimezone(market.tz)
    return f"{opens:%H:%M} to {closes:%H:%M}"


def _folded(line: str) -> str:
    """At most 75 octets a line, the next ones indented; never inside of a character."""
    pieces, rest = [], line
    while len(rest.encode()) > 74:
        cut = len(rest.encode()[:74].decode(errors="ignore"))
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return "\r\n ".join([*pieces, rest]) + "\r\n"


def csv(market: Market, first: date, last: date) -> str:
    """Every date: its session in UTC, or why there is none."""
    import csv as writing
    import io

    sessions = {session.date: session for session in market.sessions(first, last)}
    closures = {closure.date: closure for closure in market.closures(first, last)}
    text = io.StringIO()
    writer = writing.writer(text, lineterminator="\n")
    writer.writerow(["date", "open", "close", "breaks", "closure", "reason"])
    for n in range((last - first).days + 1):
        day = first + n * DAY
        if session := sessions.get(day):
            breaks = ";".join(f"{_instant(begin)}/{_instant(end)}" for begin, end in session.breaks)
            writer.writerow([day, _instant(session.open), _instant(session.close), breaks, "", session.note])
        else:
            writer.writerow([day, "", "", "", closures[day].kind, closures[day].reason])
    return text.getvalue()


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


FORMATS: dict[str, Callable[[Market, date, date], str]] = {"deephaven": deephaven, "ics": ics, "csv": csv}
