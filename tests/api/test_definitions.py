"""A definition in Python means what its file would mean, and what is wrong with it is told by its keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import openbell as ob
from openbell.config.digest import digest
from openbell.config.findings import Finding
from openbell.core.model import NeedMode, Priority
from tests.config.conftest import MARK, Folder, folder  # noqa: F401

FILE = """\
name: demo
market: XNYS
concurrency: 4
params: {days: 5, deep: true}
modes: {daily: {steps: [ingest], params: {days: 1}}, full: all}
defaults: {retry: {attempts: 3, delay: 90s}}
triggers: [{cron: "0 19 * * *", mode: daily}, session]
steps:
  ingest:
    script: worker.py
    matrix: {date: {sessions: XNYS, from: 2024-07-01, to: 2024-07-05}, k: [1, 2, 3]}
    timeout: 90s
    priority: critical
    resources: {cpu: 2, memory: 1GB}
    replay: {speed: max, start: "10:00:00"}
  book:
    run: [echo, "{params.days}"]
    needs: {ingest: some}
    when: {after: close+15m}
    env: {A: "1"}
"""


def in_python(path: Path) -> ob.Pipeline:
    ingest = ob.Step(
        "ingest",
        script=path / "worker.py",
        matrix={
            "date": {"sessions": "XNYS", "from": date(2024, 7, 1), "to": date(2024, 7, 5)},
            "k": range(1, 4),
        },
        timeout=timedelta(minutes=1.5),
        priority=Priority.CRITICAL,
        resources={"cpu": 2, "memory": "1GB"},
        replay={"speed": "max", "start": time(10)},
        grace=None,
    )
    book = ob.Step(
        name="book",
        run=("echo", "{params.days}"),
        needs={ingest: NeedMode.SOME},
        when={"after": "close+15m"},
        env={"A": "1"},
    )
    return ob.Pipeline(
        name="demo",
        steps=[ingest, book],
        folder=path,
        market="XNYS",
        concurrency=4,
        params={"days": 5, "deep": True},
        modes={"daily": {"steps": [ingest], "params": {"days": 1}}, "full": "all"},
        defaults={"retry": {"attempts": 3, "delay": timedelta(seconds=90)}},
        triggers=[{"cron": "0 19 * * *", "mode": "daily"}, "session"],
    )


def test_it_is_the_model_of_its_file(folder: Folder) -> None:  # noqa: F811
    file = folder.write(FILE)
    for said in ({}, {"mode": "daily"}, {"steps": "book"}, {"dates": "2024-07-02"}):
        written: Any = ob.load(file, folder=folder.path, **said)  # type: ignore[arg-type]
        made: Any = ob.load(in_python(folder.path), **said)  # type: ignore[arg-type]
        assert replace(written, source="") == made, said
        assert digest(written) == digest(made)


@pytest.mark.parametrize(
    ("keys", "code", "path", "help_"),
    [
        ({"rn": "x"}, "OB101", "steps.a.rn", "did you mean `run`?"),
        ({"run": "x", "timeout": timedelta(0)}, "OB104", "steps.a.timeout", ""),
        ({"run": "x", "needs": ["b"]}, "OB116", "steps.a.needs.0", "steps: a"),
        ({"run": "x {nope}"}, "OB121", "steps.a.run", "known here"),
        ({"script": "nowhere.py"}, "OB112", "steps.a.script", ""),
        ({"run": "x", "matrix": {"k": []}}, "OB104", "steps.a.matrix.k", ""),
        (
            {"run": "x", "matrix": {"k": {"from": "2024-07-01", "to": "x"}}},
            "OB106",
            "steps.a.matrix.k.to",
            "",
        ),
    ],
)
def test_findings_are_named_by_key(
    tmp_path: Path, keys: dict[str, Any], code: str, path: str, help_: str
) -> None:
    with pytest.raises(ob.ConfigError) as caught:
        ob.load(ob.Pipeline("p", [ob.Step("a", **keys)], folder=tmp_path))
    [finding] = (one for one in caught.value.findings if isinstance(one, Finding))
    assert (finding.code, ".".join(map(str, finding.path))) == (code, path)
    assert help_ in finding.help
    assert f"\n  {path}: error[{code}]: " in str(caught.value), "all that a traceback shows"


def test_findings_of_a_file_are_named_by_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: p\nsteps:\n  a: {rn: x}\n")
    with pytest.raises(ob.ConfigError) as caught:
        ob.load(tmp_path / "p.yaml")
    assert str(caught.value).splitlines() == [
        "p.yaml: 1 error",
        "  line 3: steps.a.rn: error[OB101]: unknown field `rn` in `a` (did you mean `run`?)",
    ]


def test_values_of_python_and_its_libraries(tmp_path: Path) -> None:
    matrix = {
        "n": np.arange(2),
        "one": [np.int64(7), np.float64(0.5)],
        "s": pl.Series(["u", "v"]),
        "g": (x for x in "ab"),
        "t": (1, 2),
    }
    [step] = ob.load(ob.Pipeline("p", [ob.Step("a", run="x", matrix=matrix)], folder=tmp_path)).steps
    assert {axis.name: axis.values for axis in step.matrix.axes} == {
        "n": (0, 1),
        "one": (7, 0.5),
        "s": ("u", "v"),
        "g": ("a", "b"),
        "t": (1, 2),
    }


def test_what_no_definition_can_hold(tmp_path: Path) -> None:
    with pytest.raises(
        ob.ConfigError, match=r"steps\.a\.env\.X: .*object is nothing that a definition can hold"
    ):
        ob.load(ob.Pipeline("p", [ob.Step("a", run="x", env={"X": object()})], folder=tmp_path))


def test_a_callable_is_named(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text("def book(ctx):\n    return 1\n")

    def book(ctx: object) -> None: ...

    book.__module__, book.__qualname__ = "desk", "book"
    [step] = ob.load(ob.Pipeline("p", [ob.Step("a", call=book)], folder=tmp_path)).steps
    assert step.work.target == "desk:book"  # type: ignore[union-attr]
    book.__module__ = "__main__"
    with pytest.raises(ob.ConfigError, match="`book` stands in the script itself"):
        ob.load(ob.Pipeline("p", [ob.Step("a", call=book)], folder=tmp_path))


def test_two_steps_of_one_name(tmp_path: Path) -> None:
    steps = [ob.Step("a", run="x"), ob.Step("b", run="x"), ob.Step("a", run="y")]
    with pytest.raises(ob.ConfigError, match="two steps are called `a`"):
        ob.load(ob.Pipeline("p", steps, folder=tmp_path))


def test_variables_are_references_as_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ob.Pipeline("p", [ob.Step("a", run="echo ${WHO:-nobody}", env={"T": "${TOKEN}"})], folder=tmp_path)
    [step] = ob.load(made).steps
    assert step.work.argv == ("echo", "nobody")  # type: ignore[union-attr]
    assert step.env == {"T": "${TOKEN}"}
    monkeypatch.setenv("WHO", "ann")
    [step] = ob.load(made).steps
    assert step.work.argv == ("echo", "ann")  # type: ignore[union-attr]


def test_it_shows_what_it_is() -> None:
    made = ob.Pipeline("p", [ob.Step("a", run="x", timeout=None)], folder="/", market="XNYS")
    assert repr(made) == "Pipeline(name='p', market='XNYS', steps=[Step(name='a', run='x')])"


def test_steps_as_a_mapping(tmp_path: Path) -> None:
    steps: dict[str, dict[str, Any]] = {"a": {"run": "x"}, "b": {"run": "y", "needs": ["a"]}}
    made = ob.Pipeline("p", steps, folder=tmp_path)
    assert [step.name for step in ob.load(made)] == ["a", "b"]


def test_the_project_of_its_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "openbell.yaml").write_text("defaults: {timeout: 5m}\n")
    [step] = ob.load(ob.Pipeline("p", [ob.Step("a", run="x")], folder=tmp_path)).steps
    assert step.timeout == timedelta(minutes=5)
