"""Runs that are bound to a session, with real processes."""

from __future__ import annotations

import json

from tests.cli.conftest import Desk, finish, interrupt

NIGHT = """name: night
market: US_EQ
steps:
  ingest: {run: 'echo ingest {session} {session-1}', when: post_close}
  early: {run: 'echo early', when: pre_open, late: skip}
  book: {run: [sh, -c, 'echo book $OPENBELL_SESSION'], needs: [ingest]}
"""


def test_a_late_run_works_on_its_own_session(desk: Desk) -> None:
    desk.write("night.yaml", NIGHT)
    plan = desk.run("plan", "night.yaml", "--date", "2024-07-03")
    assert "session      2024-07-03 of US_EQ" in plan.out
    assert "2024-07-03 17:00:00 to 2024-07-03 19:00:00" in plan.out
    assert (
        json.loads(desk.run("plan", "night.yaml", "--date", "2024-07-03", "-o", "json").out)["session"]
        == "2024-07-03"
    )
    done = desk.run("run", "night.yaml", "--date", "2024-07-03")
    assert done.code == 0
    assert "Skipped, all of early: too late: its time was over at 2024-07-03 13:30:00 UTC" in done.err
    logs = desk.run("logs", "night").out
    assert "ingest 2024-07-03 2024-07-02" in logs
    assert "book 2024-07-03" in logs
    other = desk.run("run", "night.yaml", "--date", "2024-07-02")
    assert "night/2: succeeded" in other.out
    assert "nothing to do" in desk.run("run", "night.yaml", "--date", "2024-07-02").err


def test_a_run_before_its_time_waits_and_says_until_when(desk: Desk) -> None:
    desk.write(
        "night.yaml",
        NIGHT.replace("US_EQ", "FX")
        .replace("post_close", "{after: next open+1h}")
        .replace("pre_open", "session"),
    )
    process = desk.begin("run", "night.yaml")
    desk.until(lambda: "1 waiting" in desk.run("status").out or "2 waiting" in desk.run("status").out)
    why = desk.run("why", "night/1/ingest")
    assert "has not come" in why.out
    assert "(in " in why.out
    interrupt(process)
    assert finish(process).code == 130
    assert "--date 20" in desk.run("status").out, "to resume this session, and not that of tomorrow"
