"""What a worker knows about itself."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from openbell import worker
from openbell.core.events import OpenRun
from openbell.core.evolve import evolve
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import AttemptKey, Command, Pipeline, Replay, Run, Step
from openbell.core.state import State
from openbell.engine.briefing import brief
from tests.builders import NOW

BY_HAND = worker.Context(name="", date=None, partition=0, num_partitions=1, attempt=1, run="", step="")


def test_by_hand_everything_has_a_plain_default() -> None:
    assert worker.context({}) == BY_HAND


def test_variables_that_are_set_but_empty_count_as_missing() -> None:
    names = (
        "SIMULATION_NAME",
        "SIMULATION_DATE",
        "PARTITION_ID",
        "NUM_PARTITIONS",
        "WORKER_ID",
        "NUM_WORKERS",
    )
    ours = ("SESSION", "RUN_ID", "ATTEMPT", "STEP", "PARAMS", "COORDINATES", "MODE", "CHECKPOINT")
    env = dict.fromkeys([*names, *(f"OPENBELL_{name}" for name in ours)], "")
    found = worker.context(env)
    assert found.env == env
    assert found == worker.Context("", None, 0, 1, 1, "", "", env=env)


@pytest.mark.parametrize(
    ("partition", "count"), [("PARTITION_ID", "NUM_PARTITIONS"), ("WORKER_ID", "NUM_WORKERS")]
)
def test_both_generations_of_variables(partition: str, count: str) -> None:
    found = worker.context(
        {"SIMULATION_NAME": "a name", "SIMULATION_DATE": "2024-07-02", partition: "3", count: "8"}
    )
    assert (found.name, found.date) == ("a name", date(2024, 7, 2))
    assert (found.partition, found.num_partitions) == (3, 8)


def test_the_session_of_the_run() -> None:
    assert worker.context({"OPENBELL_SESSION": "2024-07-02"}).session == date(2024, 7, 2)


def test_the_first_partition_is_not_taken_for_a_missing_one() -> None:
    assert worker.context({"PARTITION_ID": "0", "WORKER_ID": "5"}).partition == 0


@pytest.mark.parametrize(("text", "attempt"), [("p/1/a/0#1", 1), ("p#2/1/a/0#12", 12), ("3", 3)])
def test_the_number_of_the_attempt_is_behind_the_last_hash(text: str, attempt: int) -> None:
    assert worker.context({"OPENBELL_ATTEMPT": text}).attempt == attempt


def test_the_real_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATION_NAME", "from outside")
    assert worker.context().name == "from outside"
    assert "PATH" in worker.context().env


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIMULATION_DATE", "02/07/2024"),
        ("PARTITION_ID", "one"),
        ("NUM_WORKERS", "1.5"),
        ("OPENBELL_ATTEMPT", "p/1/a/0#x"),
        ("OPENBELL_PARAMS", "{"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        worker.context({name: value})
    assert repr(value) in str(caught.value)


def test_coordinates_win_over_parameters() -> None:
    env = {"OPENBELL_PARAMS": '{"days": 5, "fee": 0.1}', "OPENBELL_COORDINATES": '{"days": 20}'}
    assert worker.context(env).params == {"days": 20, "fee": 0.1}


def test_what_the_engine_says_is_what_the_worker_understands() -> None:
    """The whole way: from a definition through the engine's brief to the context."""
    axes = (
        Axis("date", ("2024-07-01", "2024-07-02"), "date"),
        Axis("part", (0, 1, 2), "partition"),
        Axis("lookback", (5, 20)),
    )
    step = Step("backtest", Command(("true",)), matrix=Matrix(axes), env={"MINE": "x"}, mode=Replay(speed=10))
    pipeline = Pipeline("demo", (step,), title="A demo", params={"fee": 0.1})
    state = State()
    evolve(state, OpenRun(NOW, Run("demo/4", pipeline, "digest", NOW)))
    cell = step.matrix.cell({"date": "2024-07-02", "part": 2, "lookback": 20})
    env = brief(state.runs["demo/4"], AttemptKey("demo/4", "backtest", cell, 3), {}).env

    found = worker.context(env)
    assert (found.name, found.run, found.step, found.attempt) == ("A demo", "demo/4", "backtest", 3)
    assert (found.date, found.partition, found.num_partitions) == (date(2024, 7, 2), 2, 3)
    assert found.params == {"fee": 0.1, "date": "2024-07-02", "part": 2, "lookback": 20}
    assert (found.mode["kind"], found.mode["speed"]) == ("replay", 10)
    assert found.env["MINE"] == "x"


def test_a_task_without_a_date() -> None:
    state = State()
    evolve(state, OpenRun(NOW, Run("p/1", Pipeline("p", (Step("a", Command(("true",))),)), "digest", NOW)))
    found = worker.context(brief(state.runs["p/1"], AttemptKey("p/1", "a", 0, 1), {}).env)
    assert (found.date, found.partition, found.num_partitions, found.mode) == (None, 0, 1, {})


def test_no_checkpoint_yet(tmp_path: Path) -> None:
    checkpoint = worker.context({"OPENBELL_CHECKPOINT": str(tmp_path / "none")}).checkpoint
    assert (checkpoint.load(), checkpoint.load(0)) == (None, 0)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("spoiled", [b"", b'{"rows": 1', b"\xff\xfe"])
def test_a_spoiled_checkpoint_is_told_and_passed_over(
    spoiled: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.json").write_bytes(spoiled)
    assert worker.context({"OPENBELL_CHECKPOINT": str(tmp_path)}).checkpoint.load(7) == 7
    assert "starts anew" in capsys.readouterr().err


def test_a_checkpoint_is_a_folder(tmp_path: Path) -> None:
    checkpoint = worker.context({"OPENBELL_CHECKPOINT": str(tmp_path / "deep" / "c")}).checkpoint
    (checkpoint / "rows.csv").write_text("a,b")
    assert os.listdir(checkpoint) == ["rows.csv"]
    assert checkpoint.path == tmp_path / "deep" / "c"
    assert checkpoint.path.stat().st_mode & 0o777 == 0o700
    assert checkpoint == worker.Checkpoint(str(tmp_path / "deep" / "c"))
    assert repr(checkpoint) == f"Checkpoint({str(tmp_path / 'deep' / 'c')!r})"


def test_by_hand_there_is_no_folder() -> None:
    checkpoint = worker.context({}).checkpoint
    assert checkpoint.load("nothing") == "nothing"
    with pytest.raises(LookupError, match="OPENBELL_CHECKPOINT"):
        checkpoint / "x"
