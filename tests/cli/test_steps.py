"""How steps and their cells wait for each other, with real processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.conftest import Desk

CARRY = """name: carry
steps:
  prices:
    run: [sh, -c, 'test {date} != 2012-01-04 || test -e fixed']
    matrix: {date: {days: all, from: 2012-01-03, to: 2012-01-06}}
  positions:
    run: [sh, -c, 'echo {date} {book} >> ran']
    needs: {prices: same}
    sequential: date
    priority: critical
    matrix: {date: {days: all, from: 2012-01-03, to: 2012-01-06}, book: [a, b]}
"""


def test_cells_go_in_order_and_wait_for_their_own(desk: Desk) -> None:
    desk.write("carry.yaml", CARRY)
    done = desk.run("run", "carry.yaml")
    assert done.code == 2
    assert "Skipped: positions: date=2012-01-04, book=a and 1 more: needs the same cell of prices" in done.err
    assert sorted(desk.lines("ran")) == ["2012-01-03 a", "2012-01-03 b"]
    why = desk.run("why", "carry/1/positions/2012-01-05,b").out
    assert "comes after date=2012-01-04, book=b, which was skipped" in why
    desk.write("fixed", "")
    assert desk.run("retry", "carry").code == 0
    for book in "ab":
        days = [line.split()[0] for line in desk.lines("ran") if line.endswith(book)]
        assert days == ["2012-01-03", "2012-01-04", "2012-01-05", "2012-01-06"]


def test_why_names_the_cell_with_and_without_an_engine(desk: Desk) -> None:
    slow = CARRY.replace("test {date} != 2012-01-04 || test -e fixed", "test {date} = 2012-01-03 || sleep 30")
    desk.write("carry.yaml", slow)
    process = desk.begin("run", "carry.yaml")
    desk.until(lambda: len(desk.lines("ran")) == 2)
    (why,) = json.loads(desk.run("why", "carry/1/positions/2012-01-05,a", "-o", "json").out)
    found = {blocker["gate"]: blocker["text"] for blocker in why["blockers"]}
    assert found["needs"].startswith("waits for prices: date=2012-01-05")
    assert found["sequential"].startswith("waits for positions: date=2012-01-04, book=a (waiting)")
    process.kill()
    process.communicate()
    assert "waits for prices: date=2012-01-04" in desk.run("why", "carry/1/positions/2012-01-04,a").out


def test_the_plan_tells_the_order(desk: Desk) -> None:
    desk.write("carry.yaml", CARRY)
    plan = desk.run("plan", "carry.yaml").out
    assert "prices (same)" in plan
    assert "of date, each after the one before it has succeeded" in plan
    assert "in order of date, 8 tasks  <- prices (same)" in desk.run("graph", "carry.yaml").out


FAILING = """name: falling
steps:
  vendor: {run: [sh, -c, 'test -e good'], on_failure: {fallback: last_success}}
  feed: {run: 'false', on_failure: {fallback: cache}}
  cache: {run: 'true'}
  nice: {run: 'false', on_failure: {continue: true}}
  many: {run: [sh, -c, 'test {i} != 1'], matrix: {i: 3}, partial: ok}
  use: {run: [sh, -c, 'echo $OPENBELL_NEEDS > needs'], needs: [vendor, feed, nice, many]}
"""


def test_failures_that_hold_nobody_up(desk: Desk) -> None:
    desk.write("falling.yaml", FAILING)
    first = desk.run("run", "falling.yaml")
    assert "Skipped, all of use: needs all cells of vendor, which ended with 1 failed" in first.err
    desk.write("good", "")
    assert "falling/2: partial" in desk.run("run", "falling.yaml", "--new").out
    (desk.folder / "good").unlink()
    third = desk.run("run", "falling.yaml", "--new")
    assert third.code == 2
    assert "vendor has failed: its results of falling/2 stand for it" in third.err
    for told in (third.out, desk.run("runs", "show", "falling/3").out):
        assert "vendor has failed; its results of falling/2 stand for it" in told
        assert "feed has failed; cache stands in for it" in told
        assert "nice has failed; the run goes on without it" in told
        assert "1 of 3 tasks of many have failed; the others are enough" in told
    needs = json.loads(desk.lines("needs")[0])
    assert all(Path(one.pop("path")).name.startswith(one["step"]) for one in needs.values())
    assert needs == {
        "vendor": {"run": "falling/2", "step": "vendor"},
        "feed": {"run": "falling/3", "step": "cache"},
        "nice": {"run": "falling/3", "step": "nice"},
        "many": {"run": "falling/3", "step": "many"},
    }
    shown = json.loads(desk.run("runs", "show", "falling/3", "-o", "json").out)
    assert shown["fallbacks"] == {"vendor": "falling/2"}
    assert len(shown["concessions"]) == 4


def test_the_plan_tells_what_failures_mean(desk: Desk) -> None:
    desk.write("falling.yaml", FAILING)
    plan = desk.run("plan", "falling.yaml").out
    for told in ("go on with its last success", "cache runs in its place", "goes on without it", "some that"):
        assert told in plan
    assert "<- feed (failed)" in desk.run("graph", "falling.yaml").out
    assert "`feed` has no fallback" in desk.run("plan", "falling.yaml", "--steps", "feed").err


def test_a_step_holds_its_time(desk: Desk) -> None:
    """A market that opens anew at each midnight: the end is some seconds from now, whenever that is."""
    now = datetime.now(UTC)
    seconds = (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).seconds + 8
    desk.write(
        "gateway.yaml",
        "name: gateway\nmarket: 24/7\nsteps:\n"
        "  gateway:\n"
        "    run: [sh, -c, 'echo up >> ups; test $(wc -l < ups) -gt 2 && exec sleep 60; sleep 0.3; exit 1']\n"
        f"    hold: true\n    stop_at: open+{seconds}s\n    retry: {{delay: 200ms, backoff: 1}}\n"
        "  orders: {run: [sh, -c, 'wc -l < ups > seen'], needs: {gateway: started}}\n"
        "  tidy: {run: 'true', needs: [gateway]}\n",
    )
    done = desk.run("run", "gateway.yaml")
    assert done.code == 0, done.err
    assert "3 succeeded" in done.out
    assert len(desk.lines("ups")) == 3
    assert desk.lines("seen")[0].strip() in ("1", "2", "3")
    shown = desk.run("runs", "show", "gateway/1/gateway").out
    assert shown.count("attempt ") == 3
    assert "stopped at its end" in shown
    assert "holds" in desk.run("plan", "gateway.yaml").out
