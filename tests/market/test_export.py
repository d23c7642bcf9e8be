"""Calendars for other systems, read back by other means."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from openbell.market import market
from openbell.market.export import FORMATS, deephaven_name

WINTER = date(2024, 12, 20), date(2025, 1, 10)
Times = list[tuple[str, str]]


def business_days(name: str, first: date, last: date) -> dict[date, Times]:
    """What Deephaven makes of the file: `default`, unless a weekend, unless listed as a holiday."""
    root = ElementTree.fromstring(FORMATS["deephaven"](market(name), first, last))

    def times(element: ElementTree.Element | None) -> Times:
        assert element is not None
        return [
            (found.findtext("open") or "", found.findtext("close") or "")
            for found in element.findall("businessTime")
        ]

    default = root.find("default")
    assert default is not None
    weekend = {found.text for found in default.findall("weekend")}
    listed = {
        date.fromisoformat(found.findtext("date") or ""): times(found) for found in root.findall("holiday")
    }
    assert root.findtext("timeZone") == market(name).tz.key
    assert (root.findtext("firstValidDate"), root.findtext("lastValidDate")) == (f"{first}", f"{last}")
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return {day: listed.get(day, [] if f"{day:%A}" in weekend else times(default)) for day in days}


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XTKS", "XHKG", "XTAE", "XSAU"])
def test_deephavens_calendar_has_the_sessions(name: str) -> None:
    one = market(name)
    expected = {}
    for session in one.sessions(*WINTER):
        ends = [session.open, *(at for pause in session.breaks for at in pause), session.close]
        walls = [f"{at.astimezone(one.tz):%H:%M}" for at in ends]
        expected[session.date] = list(zip(walls[::2], walls[1::2], strict=True))
    found = business_days(name, *WINTER)
    assert {day: times for day, times in found.items() if times} == expected


def test_a_session_that_begins_the_evening_before_is_cut_at_midnight() -> None:
    days = business_days("FX", date(2024, 7, 1), date(2024, 7, 14))
    end = "23:59:59.999999999"
    assert days[date(2024, 7, 7)] == [("17:00", end)]  # a Sunday
    assert days[date(2024, 7, 8)] == [("00:00", end)]
    assert days[date(2024, 7, 12)] == [("00:00", "17:00")]
    assert days[date(2024, 7, 13)] == []


def test_names_for_deephaven() -> None:
    assert [deephaven_name(name) for name in ("XNYS", "24/7", "any(XLON, XPAR)")] == [
        "XNYS",
        "_24_7",
        "any_XLON_XPAR",
    ]


def test_icalendar() -> None:
    text = FORMATS["ics"](market("XHKG"), *WINTER)
    lines = text.split("\r\n")
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in lines)
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 5  # 3 closed days, 2 half days
    assert len(set(re.findall(r"^UID:(.*)\r$", text, re.MULTILINE))) == 5
    assert "DTSTART;VALUE=DATE:20241225\r\nDTEND;VALUE=DATE:20241226" in text
    assert "DTSTART:20241224T013000Z\r\nDTEND:20241224T040000Z\r\nSUMMARY:XHKG 09:30 to 12:00" in text


def test_long_and_strange_texts_are_folded_and_escaped() -> None:
    reason = "Crisis, third day; see notice \\7: " + "é" * 60
    overlay = {"date": "2024-12-23", "closed": True, "reason": reason}
    text = FORMATS["ics"](market("XNYS", overlays=[overlay]), date(2024, 12, 23), date(2024, 12, 23))
    unfolded = text.replace("\r\n ", "")
    assert r"SUMMARY:XNYS closed: Crisis\, third day\; see notice \\7: " + "é" * 60 in unfolded
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_every_unusual_session_is_told_and_no_usual_one() -> None:
    one = market("XNYS", overlays=[{"date": "2024-07-05", "close": "13:00"}])
    assert "SUMMARY:XNYS 09:30 to 13:00\r\n" in FORMATS["ics"](one, date(2024, 7, 5), date(2024, 7, 5))
    year = FORMATS["ics"](market("XTKS"), date(2005, 1, 1), date(2005, 12, 31))  # lunch was longer then
    assert sum(line.startswith("DTSTART:") for line in year.split("\r\n")) == 2


def test_two_lines_are_one_summary() -> None:
    overlay = {"date": "2024-12-23", "closed": True, "reason": "two\nlines"}
    text = FORMATS["ics"](market("XNYS", overlays=[overlay]), date(2024, 12, 23), date(2024, 12, 23))
    assert r"SUMMARY:XNYS closed: two\nlines" in text


def test_csv_has_every_date() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](market("XTKS"), *WINTER))))
    assert [row["date"] for row in rows] == [
        f"{WINTER[0] + timedelta(days=n)}" for n in range((WINTER[1] - WINTER[0]).days + 1)
    ]
    monday = next(row for row in rows if row["date"] == "2024-12-30")
    assert (monday["open"], monday["close"]) == ("2024-12-30T00:00Z", "2024-12-30T06:30Z")
    assert monday["breaks"] == "2024-12-30T02:30Z/2024-12-30T03:30Z"
    assert {row["closure"] for row in rows if not row["open"]} == {"weekend", "holiday"}
    opens = [datetime.fromisoformat(row["open"]) for row in rows if row["open"]]
    assert all(a < b for a, b in pairwise(opens))
    assert {at.time() for at in opens} == {time(0)}


@pytest.mark.slow
def test_deephaven_itself_loads_the_files(tmp_path: Path) -> None:
    server = pytest.importorskip("deephaven_server", reason="deephaven-server is not installed here")
    server.Server(port=10873, jvm_args=["-Xmx1g"]).start()
    from deephaven.calendar import add_calendar, calendar

    for name in ("XNYS", "XTKS", "CMES", "24/7"):
        one = market(name)
        file = tmp_path / f"{deephaven_name(name)}.calendar"
        file.write_text(FORMATS["deephaven"](one, *WINTER))
        add_calendar(str(file))
        days = calendar(deephaven_name(name))
        assert days.isBusinessDay("2024-12-24")
        assert not days.isBusinessDay("2025-01-01") or name in ("CMES", "24/7")
