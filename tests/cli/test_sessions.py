"""Runs that are bound to a session, with real processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

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
    assert "13:00 to 15:00 EDT" in plan.out
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


def test_a_late_run_of_a_step_that_must_not_be_late_fails(desk: Desk) -> None:
    desk.write("night.yaml", NIGHT.replace("late: skip", "late: fail"))
    done = desk.run("run", "night.yaml", "--date", "2024-07-03")
    assert done.code == 1, "it could not be started"
    told = "too late: its time was over at 2024-07-03 13:30:00 UTC"
    assert f"Failed without a try, all of early: {told}" in done.err
    assert f"1 x  {told}" in done.out
    assert told in desk.run("why", "night/1/early").out
    assert "else failed" in desk.run("plan", "night.yaml", "--date", "2024-07-03").out
    assert desk.run("report", "night").code == 0
    assert "too late" in (desk.folder / "night-1.html").read_text()


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
    outcome = finish(process)
    assert outcome.code == 130
    for told in (outcome.out, desk.run("status").out):
        assert "night.yaml --date 20" in told, "to resume this session, and not that of tomorrow"


def test_what_still_runs_at_its_end_is_stopped(desk: Desk) -> None:
    """A market that opens anew at each midnight: the point is some seconds from now, whenever that is."""
    now = datetime.now(UTC)
    seconds = (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).seconds + 3
    desk.write(
        "long.yaml",
        "name: long\nmarket: 24/7\nsteps:\n"
        f"  slow: {{run: [sleep, '60'], stop_at: open+{seconds}s}}\n"
        "  after: {run: 'true', needs: {slow: done}}\n",
    )
    done = desk.run("run", "long.yaml")
    assert "1 succeeded, 1 cancelled" in done.out
    assert desk.run("runs", "show", "long/1/slow").out.count("window") >= 1


# ── backfill ─────────────────────────────────────────────────────────────────────────────────────

CARRY = """name: carry
market: XNYS
steps:
  book: {run: [sh, -c, 'echo {session-1} {session} >> ran; test {session} != 2024-07-03 || test -e fixed']}
"""


def test_a_backfill_runs_each_session_in_order_and_again_only_what_is_missing(desk: Desk) -> None:
    desk.write("carry.yaml", CARRY)
    first = desk.run("backfill", "carry.yaml", "2024-07-01:2024-07-08")
    assert first.code == 2, "one of them has failed, and the others have run"
    assert [line.split()[1] for line in desk.lines("ran")] == [
        "2024-07-01",
        "2024-07-02",
        "2024-07-03",
        "2024-07-05",
        "2024-07-08",
    ]
    assert desk.lines("ran")[3] == "2024-07-03 2024-07-05", "the session before is the one before the holiday"
    assert [line.split()[2] for line in first.out.splitlines()[:5]] == [
        "succeeded",
        "succeeded",
        "failed",
        "succeeded",
        "succeeded",
    ]
    desk.write("fixed", "")
    again = desk.run("backfill", "carry.yaml", "2024-07-01:2024-07-08", "-o", "json")
    assert again.code == 0
    assert [json.loads(line)["state"] for line in again.out.splitlines()] == ["succeeded"] * 5
    assert len(desk.lines("ran")) == 6
    head, newest, *_ = desk.run("runs", "ls").out.splitlines()
    assert (head.split()[-1], newest.split()[-1]) == ("SESSION", "2024-07-08")
    shown = desk.run("runs", "show", "carry/5").out
    assert "session 2024-07-08 of XNYS" in shown
    assert "calendar of XNYS: " in shown


def test_a_preview_of_a_backfill(desk: Desk) -> None:
    desk.write("carry.yaml", CARRY)
    shown = desk.run("backfill", "carry.yaml", "2024-07-01:2024-07-08", "--dry-run")
    assert "carry: 5 sessions of XNYS, 2024-07-01 to 2024-07-08, 5 tasks" in shown.out
    assert "2024-07-04  Independence Day" in shown.out
    told = json.loads(
        desk.run("backfill", "carry.yaml", "2024-07-01:2024-07-08", "--dry-run", "-o", "json").out
    )
    assert (len(told["sessions"]), len(told["left_out"])) == (5, 3)
    assert not (desk.folder / ".openbell").exists()


def test_a_signal_ends_a_backfill_after_what_runs(desk: Desk) -> None:
    desk.write("slow.yaml", CARRY.replace("echo", "sleep 1; echo").replace("carry", "slow"))
    process = desk.begin("backfill", "slow.yaml", "2024-07-01:2024-07-08")
    desk.until(lambda: len(desk.lines("ran")) == 1)
    interrupt(process)
    outcome = finish(process)
    assert outcome.code == 130
    assert "left: the same command goes on with 2024-07-0" in outcome.err
    assert len(desk.lines("ran")) <= 2


def test_nothing_is_too_late_for_a_backfill(desk: Desk) -> None:
    desk.write("night.yaml", NIGHT.replace("post_close}", "post_close, stop_at: next open-5m}"))
    done = desk.run("backfill", "night.yaml", "2024-07-01:2024-07-03", "-o", "json")
    assert [json.loads(line)["counts"] for line in done.out.splitlines()] == [{"succeeded": 3}] * 3


def test_a_session_whose_time_has_not_come_is_left_for_later(desk: Desk) -> None:
    desk.write("p.yaml", "name: p\nmarket: 24/7\nsteps: {a: {run: 'true', when: {after: close+1h}}}")
    now = datetime.now(UTC).date()
    done = desk.run("backfill", "p.yaml", f"{now - timedelta(days=2)}:{now}", timeout=30)
    assert "is left for later: its time comes at" in done.err
    assert done.code == 0


def test_sessions_that_have_not_begun_are_left_for_later(desk: Desk) -> None:
    desk.write("carry.yaml", CARRY.replace("XNYS", "24/7"))
    done = desk.run("backfill", "carry.yaml", "2026-11-20:2027-12-31", "--dry-run", "-o", "json")
    assert json.loads(done.out)["sessions"][-1] < "2027-12-31"


def test_a_market_is_enough_for_a_backfill(desk: Desk) -> None:
    """Workers that ask for `ctx.session` need neither `when` nor `{session}` in a command."""
    desk.write(
        "p.yaml", "name: p\nmarket: XNYS\nsteps: {a: {run: [sh, -c, 'echo $OPENBELL_SESSION >> ran']}}"
    )
    assert desk.run("backfill", "p.yaml", "2024-07-03:2024-07-08").code == 0
    assert desk.lines("ran") == ["2024-07-03", "2024-07-05", "2024-07-08"]


def test_what_cannot_be_backfilled(desk: Desk) -> None:
    desk.write("carry.yaml", CARRY)
    desk.write("sweep.yaml", "name: s\nsteps: {w: {run: 'true'}}")
    axis = "{date: {from: 2024-07-01, to: 2024-07-08}}"
    desk.write("dates.yaml", f"name: d\nmarket: XNYS\nsteps: {{w: {{run: 'true', matrix: {axis}}}}}")
    cases = {
        ("sweep.yaml", "2024-07-01:2024-07-08"): "does not live in sessions: it has no `market`",
        ("dates.yaml", "2024-07-01:2024-07-08"): "does not live in sessions: its dates are an axis",
        ("carry.yaml", "2024-07-04"): "has no session from 2024-07-04 to 2024-07-04 (Independence Day)",
        ("carry.yaml", "2027-07-01:2027-07-08"): "is the latest that has begun",
        ("carry.yaml", "soon"): "takes A:B",
    }
    for words, told in cases.items():
        done = desk.run("backfill", *words)
        assert done.code == 64, words
        assert told in done.err


# ── graph ────────────────────────────────────────────────────────────────────────────────────────


def test_a_pipeline_and_a_run_are_drawn(desk: Desk) -> None:
    desk.write("night.yaml", NIGHT)
    drawn = desk.run("graph", "night.yaml", "--date", "2024-07-03")
    assert drawn.out.splitlines()[0].split() == ["1", "ingest", "13:00", "to", "15:00", "EDT"]
    assert "<- ingest" in drawn.out
    assert desk.run("graph", "night.yaml", "--format", "svg", "--file", "g.svg").out == "g.svg\n"
    assert (desk.folder / "g.svg").read_text().startswith("<svg")
    desk.run("run", "night.yaml", "--date", "2024-07-03")
    assert "1 succeeded" in desk.run("graph", "night/1").out
    missing = desk.run("graph", "nihgt.yaml")
    assert (missing.code, "did you mean `night.yaml`?" in missing.err) == (64, True)
