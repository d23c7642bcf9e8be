"""`markets`, `market why`, `calendars`: in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import Desk

HALF_DAY = "2024-07-03T17:30Z"

PROJECT = """
markets:
  DESK:
    calendar: XNYS
    pre_open: 30m
    overlays:
      - {date: 2024-07-05, closed: true, reason: Offsite}
"""


def test_the_three_that_follow_the_sun(desk: Desk) -> None:
    done = desk.run("markets", "--at", HALF_DAY)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:5] == ["US_EQ", "POST_CLOSE", "session", "Wed", "2024-07-03"]
    assert "in   1:30:00  OVERNIGHT   Wed 2024-07-03 15:00:00 EDT" in lines[1]
    assert "SESSION     Fri 2024-07-05 09:30:00 EDT  session Fri 2024-07-05" in lines[2]
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["US_EQ", "EU_EQ", "ASIA_EQ"]


def test_as_json(desk: Desk) -> None:
    [found] = json.loads(
        desk.run("markets", "XHKG", "--at", "2023-09-01T03:00Z", "--next", "3", "-o", "json").out
    )
    assert (found["state"], found["session"]) == ("HOLIDAY", "2023-08-31")
    assert found["closure"]["reason"] == "Typhoon Saola"
    assert found["closure"]["source"]
    assert [change["state"] for change in found["next"]] == ["OVERNIGHT", "PRE_OPEN", "SESSION"]
    assert found["next"][2]["at"] == "2023-09-04T01:30:00Z"


def test_a_calendar_that_has_ended_does_not_hide_the_others(desk: Desk) -> None:
    done = desk.run("markets", "XNYS", "XSHG", "--at", "2027-01-04T01:00Z")
    assert done.code == 65
    assert done.out.startswith("XNYS")
    assert "XSHG is known from" in done.err
    last = desk.run("market", "why", "XSHG", "2026-12-31T12:00Z")
    assert last.code == 0
    assert "nothing is known after that" in last.out


def test_a_calendar_that_ends_soon_says_so(desk: Desk) -> None:
    assert "XSHG ends on 2026-12-31" in desk.run("markets", "XSHG", "--at", "2026-11-01T12:00Z").err
    assert "ends on" not in desk.run("markets", "XSHG", "--at", "2026-10-31T12:00Z").err


def test_now_is_the_default(desk: Desk) -> None:
    [found] = json.loads(desk.run("markets", "24/7", "-o", "json").out)
    assert found["state"] == "SESSION"
    assert found["at"].startswith(found["session"])


@pytest.mark.parametrize(
    ("name", "at", "told"),
    [
        ("XHKG", "2023-09-01T03:00Z", "Friday 2023-09-01 has no session: Typhoon Saola (ad hoc); source:"),
        ("XNYS", "2024-07-04T15:00Z", "Thursday 2024-07-04 has no session: Independence Day"),
        ("XNYS", "2024-07-06T15:00Z", "Saturday 2024-07-06 has no session: weekend"),
        ("XTKS", "2024-07-02T03:00Z", "the session of 2024-07-02 pauses"),
        ("XNYS", HALF_DAY, "the session of 2024-07-03 closed at Wed 2024-07-03 13:00:00 EDT"),
        ("XNYS", "2024-07-03T13:00Z", "the session of 2024-07-03 opens at Wed 2024-07-03 09:30:00 EDT"),
        ("XNYS", "2024-07-03T15:00Z", "the session of 2024-07-03 is under way"),
        ("XNYS", "2024-07-03T23:00Z", "2024-07-03 is a trading day"),
    ],
)
def test_why(desk: Desk, name: str, at: str, told: str) -> None:
    done = desk.run("market", "why", name, at)
    assert done.code == 0
    assert told in done.out
    assert "09:30 to 13:00 EDT" in done.out or at != HALF_DAY
    assert json.loads(desk.run("market", "why", name, at, "-o", "json").out)["why"][0] in done.out


@pytest.mark.parametrize(
    ("words", "code", "told", "help_"),
    [
        (["XNYX"], 65, "no market or calendar 'XNYX'", "did you mean 'XNYS'?"),
        (["--at", "2024-07-03T17:00"], 64, "has no time zone", "2024-07-03T17:00Z is UTC"),
        (["--at", "noon"], 64, "'noon' is no instant", "for example"),
        (["--at", ""], 64, "'' is no instant", "for example"),
        (["--at", "0001-01-01T00:00+14:00"], 64, "is no instant", "for example"),
        (["--at", "1980-01-01"], 65, "XNYS is known from", "choose an instant inside these bounds"),
        (["all(XNYS, XTKS)"], 65, "has no session at all", "are its members ever open together?"),
    ],
)
def test_bad_questions(desk: Desk, words: list[str], code: int, told: str, help_: str) -> None:
    done = desk.run("markets", *words)
    assert done.code == code
    assert told in done.err
    assert help_ in done.err
    assert done.out == ""


def test_the_markets_of_the_project(desk: Desk) -> None:
    desk.write("openbell.yaml", PROJECT)
    assert desk.run("markets", "--at", "2024-07-05T15:00Z").out.splitlines()[0].endswith("(Offsite)")
    assert "PRE_OPEN" not in desk.run("markets", "DESK", "--at", "2024-07-02T12:59Z").out.splitlines()[0]
    desk.write(
        "p.yaml",
        "name: p\nmarket: DESK\n"
        "steps: {w: {run: 'true', matrix: {date: {from: 2024-07-01, to: 2024-07-08}}}}",
    )
    plan = desk.run("plan", "p.yaml")
    assert "4 tasks" in plan.out
    assert "Offsite (overlay)" in plan.out


def test_it_imports_neither_numpy_nor_pandas(desk: Desk) -> None:
    code = (
        "import sys; sys.argv = ['openbell', 'markets']\n"
        "from openbell.cli.entry import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=desk.folder, capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "pandas", "exchange_calendars", "pydantic", "sqlalchemy", "asyncio", "rich", "ruamel"}
    assert {name for name in heavy if f"'{name}'" in done.stderr} == set()


# ── calendars ────────────────────────────────────────────────────────────────────────────────────


def test_a_list_of_all(desk: Desk) -> None:
    rows = json.loads(desk.run("calendars", "list", "-o", "json").out)
    assert len(rows) >= 66
    tokyo = next(row for row in rows if row["name"] == "XTKS")
    assert tokyo["hours"] == "09:00-15:30, break 11:30-12:30"
    assert "ASIA_EQ" in tokyo["aliases"]
    assert len(desk.run("calendars", "list").out.splitlines()) == len(rows)


def test_a_year(desk: Desk) -> None:
    done = desk.run("calendars", "show", "XNYS", "--year", "2024")
    assert "XNYS 2024: 252 sessions" in done.out
    assert "Fri 2024-03-29  Good Friday" in done.out
    assert "Wed 2024-07-03  09:30-13:00" in done.out
    found = json.loads(desk.run("calendars", "show", "XNYS", "--year", "2024", "-o", "json").out)
    assert len(found["sessions"]) == 252
    assert len(found["closures"]) == 10


def test_export(desk: Desk) -> None:
    span = ("--from", "2024-07-03", "--to", "2024-07-05")
    done = desk.run("calendars", "export", "XNYS", "--format", "csv", *span)
    assert [line.rsplit(",", 1)[0] for line in done.out.splitlines()] == [
        "date,open,close,breaks,closure",
        "2024-07-03,2024-07-03T13:30Z,2024-07-03T17:00Z,,",
        "2024-07-04,,,,holiday",
        "2024-07-05,2024-07-05T13:30Z,2024-07-05T20:00Z,,",
    ]
    wrong = desk.run("calendars", "export", "XNYS", "--format", "deephaven", "--file", "x.xml")
    assert wrong.code == 64
    assert ".calendar" in wrong.err
    assert (
        desk.run("calendars", "export", "XNYS", "--format", "deephaven", "--file", "XNYS.calendar").code == 0
    )
    assert (desk.folder / "XNYS.calendar").read_text().startswith("<calendar>")
    assert desk.run("calendars", "export", "XNYS", "--format", "ics").out.startswith("BEGIN:VCALENDAR")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--from", "soon"], 64),
        (["--from", "2024-07-05", "--to", "2024-07-03"], 64),
        (["--to", "1990-01-01"], 65),
        (["--from", "2090-01-01"], 65),
    ],
)
def test_spans_that_are_none(desk: Desk, words: list[str], code: int) -> None:
    done = desk.run("calendars", "export", "XNYS", "--format", "csv", *words)
    assert done.code == code
    assert done.out == ""


# ── upstream ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_sources_say_what_the_package_says(desk: Desk) -> None:
    for package in ("exchange_calendars", "pandas_market_calendars", "holidays"):
        pytest.importorskip(package, reason=f"{package} is not installed here")
    verified = desk.run("calendars", "verify", "XNYS", "24/7", "--from", "2020-01-01", "--to", "2025-12-31")
    assert (verified.code, verified.out) == (0, "")
    assert "0 disagreements" in verified.err
    differing = desk.run("calendars", "verify", "XHKG", "--from", "2000-01-01", "-o", "json")
    assert differing.code == 1
    assert {"calendar", "date", "what", "said", "shipped"} <= json.loads(differing.out.splitlines()[0]).keys()
    written = desk.run("calendars", "refresh", "XNYS", "--folder", "fresh")
    assert written.code == 0
    assert json.loads((desk.folder / "fresh" / "XNYS.json").read_text())["name"] == "XNYS"
    assert "would change" in desk.run("calendars", "diff", "XNYS").err
