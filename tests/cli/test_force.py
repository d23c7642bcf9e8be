"""`run --force`, with real processes."""

from __future__ import annotations

import json

from tests.cli.conftest import Desk, finish, interrupt

CHAIN = """name: chain
steps:
  a: {run: 'false'}
  b: {run: [sh, -c, 'echo b >> ran'], needs: [a]}
"""


def test_a_forced_run_is_recorded_with_user_and_reason(desk: Desk) -> None:
    desk.write("chain.yaml", CHAIN)
    plain = desk.run("run", "chain.yaml")
    assert (plain.code, desk.lines("ran")) == (2, [])
    forced = desk.run("run", "chain.yaml", "--force", "--reason", "the vendor is late")
    assert forced.code == 2
    assert desk.lines("ran") == ["b"]
    assert "WARNING: Forced by " in forced.err
    shown = desk.run("runs", "show", "chain").out
    assert "  forced  by " in shown
    assert ": the vendor is late" in shown
    told = json.loads(desk.run("runs", "show", "chain", "-o", "json").out)["forced"]
    assert (told["reason"], "@" in told["by"]) == ("the vendor is late", True)
    assert desk.run("runs", "ls").out.splitlines()[1].endswith("  forced")
    assert json.loads(desk.run("runs", "ls", "-o", "json").out)[0]["forced"] == told
    new = desk.run("run", "chain.yaml", "--new")
    assert (new.code, desk.lines("ran")) == (2, ["b"]), "the next run knows nothing of it"


def test_one_step_alone(desk: Desk) -> None:
    """As source 002 has it: `run --pipeline metrics_pipeline --force`."""
    desk.write(
        "chain.yaml", CHAIN.replace("run: [sh", "when: {after: next open+9h}, run: [sh") + "market: XNYS\n"
    )
    done = desk.run("run", "--pipeline", "b", "--force")
    assert (done.code, desk.lines("ran")) == (0, ["b"])


def test_a_forced_run_can_be_left(desk: Desk) -> None:
    desk.write(
        "slow.yaml",
        "name: slow\nconcurrency: 1\nsteps: {a: {run: [sh, -c, 'echo x >> ran; sleep 1'], matrix: {i: 9}}}",
    )
    process = desk.begin("run", "slow.yaml", "--force")
    desk.until(lambda: bool(desk.lines("ran")))
    interrupt(process)
    assert finish(process).code == 130
    assert len(desk.lines("ran")) <= 2


def test_a_reason_without_force(desk: Desk) -> None:
    desk.write("chain.yaml", CHAIN)
    done = desk.run("run", "chain.yaml", "--reason", "because")
    assert (done.code, "--reason goes with --force" in done.err) == (64, True)
