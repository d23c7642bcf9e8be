"""Files as inputs of real runs: they come late, are fought for, replaced, and survive a kill."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from openbell.store.sql import SqlStore
from tests.cli.conftest import Desk, finish

EACH = """
name: p
steps:
  a:
    run: [sh, -c, 'echo "$0 $OPENBELL_FILES" >> took; {work}', "{{file}}"]
    matrix: {{file: {{files: in/*.csv}}}}
    settle: 0s
    {keys}
"""

ALL = """
name: p
steps:
  a:
    run: [sh, -c, 'echo "$OPENBELL_FILES" >> took; {work}']
    files: in/*.csv
    settle: {settle}
    {keys}
"""


def each(desk: Desk, work: str = "true", keys: str = "absent: skip") -> None:
    desk.write("p.yaml", EACH.format(work=work, keys=keys))


def every(desk: Desk, work: str = "true", keys: str = "absent: skip", settle: str = "0s") -> None:
    desk.write("p.yaml", ALL.format(work=work, keys=keys, settle=settle))


def files(desk: Desk, folder: str = "in") -> dict[str, str]:
    root = desk.folder / folder
    return {str(p.relative_to(root)): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}


def store(desk: Desk) -> SqlStore:
    return SqlStore(f"sqlite:///{desk.folder}/.openbell/openbell.db")


def test_a_task_for_each_file_and_each_file_once(desk: Desk) -> None:
    each(desk)
    desk.write("in/x.csv", "1")
    desk.write("in/y.csv", "2")
    first = desk.run("run", "p.yaml")
    assert (first.code, sorted(desk.lines("took"))) == (
        0,
        ['in/x.csv ["in/x.csv"]', 'in/y.csv ["in/y.csv"]'],
    )
    assert desk.run("run", "p.yaml").code == 0
    assert len(desk.lines("took")) == 2
    desk.write("in/z.csv", "3")
    desk.write("in/again.csv", "1")  # this content has been taken
    third = desk.run("run", "p.yaml")
    assert desk.lines("took")[2:] == ['in/z.csv ["in/z.csv"]']
    assert "p/3: succeeded" in third.out


def test_files_come_while_a_run_waits(desk: Desk) -> None:
    every(desk, keys="absent: wait")
    process = desk.begin("run", "p.yaml")
    desk.until(lambda: (desk.folder / ".openbell/openbell.db").exists() and bool(store(desk).runs()))

    def told() -> str:
        return desk.run("why", "p/1/a").out

    desk.until(lambda: "no file that is ready matches in/*.csv" in told())
    desk.write("in/x.csv", "1")
    assert finish(process).code == 0
    assert desk.lines("took") == ['["in/x.csv"]']


def test_a_file_that_is_written_slowly_is_taken_whole(desk: Desk) -> None:
    every(desk, work="cat in/x.csv >> seen", keys="absent: wait", settle="700ms")
    process = desk.begin("run", "p.yaml")
    (desk.folder / "in").mkdir()
    with (desk.folder / "in/x.csv").open("w") as file:
        for number in range(8):
            file.write(f"{number}\n")
            file.flush()
            time.sleep(0.25)
    assert finish(process).code == 0
    assert desk.lines("seen") == [str(number) for number in range(8)]


def test_a_file_that_is_deleted_while_it_is_waited_for(desk: Desk) -> None:
    every(desk, keys="absent: wait", settle="6s")
    path = desk.write("in/x.csv", "1")
    process = desk.begin("run", "p.yaml")
    desk.until(lambda: (desk.folder / ".openbell/openbell.db").exists() and bool(store(desk).runs()))
    desk.until(lambda: "1 still being written" in desk.run("why", "p/1/a").out)
    path.unlink()
    desk.write("in/y.csv", "2")
    assert finish(process).code == 0
    assert desk.lines("took") == ['["in/y.csv"]']


def test_archive_and_delete_come_after_success_only(desk: Desk) -> None:
    for consume in ("archive", "delete"):
        each(desk, work="test $0 != in/bad.csv", keys=f"consume: {consume}")
        desk.write("in/good.csv", f"good {consume}")
        desk.write("in/bad.csv", f"bad {consume}")
        assert desk.run("run", "p.yaml", "--new").code == 2
        assert files(desk).pop("bad.csv") == f"bad {consume}"
        assert "good.csv" not in files(desk)
    assert files(desk)["archive/good.csv"] == "good archive"


def test_a_file_that_is_replaced_while_it_is_worked_on_is_an_input_of_its_own(desk: Desk) -> None:
    each(desk, work="test -e replaced || {{ echo new > in/x.csv; touch replaced; }}", keys="consume: delete")
    desk.write("in/x.csv", "old\n")
    assert desk.run("run", "p.yaml").code == 0
    assert files(desk) == {"x.csv": "new\n"}
    assert desk.run("run", "p.yaml").code == 0
    assert files(desk) == {}
    assert len(desk.lines("took")) == 2


def test_a_file_that_is_renamed_after_it_was_consumed_does_not_come_again(desk: Desk) -> None:
    every(desk)
    path = desk.write("in/x.csv", "1")
    assert desk.run("run", "p.yaml").code == 0
    path.rename(desk.folder / "in/y.csv")
    assert desk.run("run", "p.yaml").code == 0
    assert desk.lines("took") == ['["in/x.csv"]']


def test_two_runs_do_not_take_one_file(desk: Desk) -> None:
    every(desk, work="test -e slow || {{ touch slow; sleep 6; }}", keys="absent: wait")
    desk.write("in/x.csv", "1")
    first = desk.begin("run", "p.yaml")
    desk.until(lambda: len(desk.lines("took")) == 1)
    second = desk.begin("run", "p.yaml", "--new")
    desk.until(lambda: store(desk).info("p/2") is not None)
    desk.until(lambda: "1 bound by p/1" in desk.run("why", "p/2/a").out)
    desk.until(lambda: store(desk).info("p/1").closed_at is not None)  # type: ignore[union-attr]
    desk.write("in/y.csv", "2")
    assert finish(first).code == 0
    assert finish(second).code == 0
    assert desk.lines("took") == ['["in/x.csv"]', '["in/y.csv"]']


@pytest.mark.parametrize("point", ["before-clear:1", "before-clear:3", "after-commit:6", "before-commit:6"])
def test_kill_9_between_success_and_archive(desk: Desk, point: str) -> None:
    each(desk, keys="consume: archive")
    for number in range(4):
        desk.write(f"in/{number}.csv", f"{number}")
    desk.env["OPENBELL_KILL_AT"] = point
    killed = desk.run("run", "p.yaml")
    assert killed.code == -signal.SIGKILL or "commit" in point, killed.err  # who is quick has fewer commits
    del desk.env["OPENBELL_KILL_AT"]
    again = desk.run("run", "p.yaml")
    assert again.code == 0, again.err
    assert files(desk) == {f"archive/{number}.csv": str(number) for number in range(4)}
    assert sorted(desk.lines("took")) == [f'in/{n}.csv ["in/{n}.csv"]' for n in range(4)]
    consumed = store(desk).consumed_files("p", "a")
    assert len(consumed) == 4


def test_what_cannot_be_put_away_is_told_and_tried_again(desk: Desk) -> None:
    each(desk, keys="consume: archive")
    desk.write("in/x.csv", "1")
    blocking = desk.write("in/archive", "not a folder")
    first = desk.run("run", "p.yaml")
    assert first.code == 0
    assert f"Could not be put away: {desk.folder}/in/x.csv: File exists" in first.err
    assert "x.csv" in files(desk)
    blocking.unlink()
    desk.write("in/y.csv", "2")
    assert desk.run("run", "p.yaml").code == 0
    assert files(desk) == {"archive/x.csv": "1", "archive/y.csv": "2"}
    assert len(desk.lines("took")) == 2


def test_without_files_a_step_fails_and_says_why(desk: Desk) -> None:
    every(desk, keys="absent: fail")
    done = desk.run("run", "p.yaml")
    assert done.code == 1
    assert "Failed without a try, all of a: no file that is ready matches in/*.csv" in done.err
    assert "no file that is ready" in done.out  # among the failures of the summary
    assert "no file that is ready matches in/*.csv" in desk.run("why", "p/1/a").out
    desk.write("in/x.csv", "1")
    assert desk.run("retry", "p/1").code == 0


def test_a_writer_with_signals(desk: Desk) -> None:
    keys = "absent: wait, signal: {complete: in/logs/done_*.json, progress: in/logs/progress_*.json}"
    every(desk, keys=keys.replace(", signal", "\n    signal"))
    process = desk.begin("run", "p.yaml")
    desk.write("in/x.csv", "1")
    desk.write("in/logs/progress_1.json", json.dumps({"records": 100000}))
    desk.until(lambda: (desk.folder / ".openbell/openbell.db").exists() and bool(store(desk).runs()))
    desk.until(lambda: "told progress (records=100000)" in desk.run("why", "p/1/a").out)
    assert desk.lines("took") == []
    time.sleep(0.05)
    desk.write("in/logs/done_1.json", "{}")
    assert finish(process).code == 0
    assert desk.lines("took") == ['["in/x.csv"]']


def test_an_axis_of_results_and_one_out_of_a_file(desk: Desk) -> None:
    desk.write("universe.csv", "Name,Sym\nA,ES\nB,NQ\n")
    desk.write("choose.py", "from openbell import worker\nworker.result(symbols=['X', 'Y'])\n")
    desk.write(
        "q.yaml",
        "name: q\nsteps:\n"
        "  u: {script: choose.py}\n"
        "  a: {run: [sh, -c, 'echo $0 $1 >> took', '{sym}', '{own}'],\n"
        "      matrix: {sym: {result: u.symbols}, own: {from_file: universe.csv, column: Sym}}}\n"
        "  last: {run: [sh, -c, 'echo last >> took'], needs: {a: done}}\n",
    )
    plan = desk.run("plan", "q.yaml")
    assert "what u.symbols holds" in plan.out
    done = desk.run("run", "q.yaml")
    assert done.code == 0, done.err
    assert sorted(desk.lines("took")[:4]) == ["X ES", "X NQ", "Y ES", "Y NQ"]
    assert desk.lines("took")[4] == "last"
    assert desk.run("run", "q.yaml").out.strip() != ""
    assert len(desk.lines("took")) == 5


def test_a_plan_tells_what_is_waited_for(desk: Desk) -> None:
    each(desk, keys="absent: skip\n    consume: archive")
    out = desk.run("plan", "p.yaml").out
    assert "in/*.csv, as soon as they are there" in out
    assert "archived in archive" in out
    assert os.path.exists(desk.folder / ".openbell") is False


@pytest.mark.parametrize("verify", ["", "verify: 'true'"])
def test_what_lingers_after_its_marker_keeps_its_inputs_unless_verified(desk: Desk, verify: str) -> None:
    keys = f"consume: delete\n    done_when: {{output: DONE, linger: 200ms}}\n    {verify}"
    each(desk, work="echo DONE; sleep 60", keys=keys)
    desk.write("in/x.csv", "1")
    done = desk.run("run", "p.yaml")
    assert done.code == 0, done.err
    assert files(desk) == ({} if verify else {"x.csv": "1"})
    assert len(store(desk).consumed_files("p", "a")) == (1 if verify else 0)
