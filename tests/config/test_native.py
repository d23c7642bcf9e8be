"""The native language: what each key comes to, and where it is wrong."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Any

import pytest

from openbell.config.load import Dialect
from openbell.config.project import Project
from openbell.config.shapes import SharedShape
from openbell.core.matrix import Axis
from openbell.core.model import (
    Batch,
    Command,
    Demand,
    Need,
    NeedMode,
    Priority,
    Replay,
    Retry,
    Script,
    Step,
)
from openbell.core.states import FailureKind
from tests.config.conftest import Folder, one_step
from tests.config.texts import NATIVE, edited


def step_of(folder: Folder, keys: str, top: str = "", **options: Any) -> Step:
    """The step `a` with these keys, one a line."""
    options = {"on": None, **options}
    [step] = folder.load(one_step(keys, top), **options).pipeline.steps
    return step


# ── a file ───────────────────────────────────────────────────────────────────────────────────────


def test_a_small_file(folder: Folder) -> None:
    loaded = folder.load(NATIVE)
    pipeline = loaded.pipeline
    assert loaded.dialect is Dialect.NATIVE
    assert (pipeline.name, pipeline.title, pipeline.shown) == ("desk", "", "desk")
    assert (pipeline.market, pipeline.tz) == ("XNYS", "America/New_York")
    assert (pipeline.concurrency, pipeline.max_failures, pipeline.python) == (None, None, None)
    assert pipeline.folder == str(folder.path.resolve())
    assert pipeline.source == str((folder.path / "c.yaml").resolve())
    ingest, book = pipeline.steps
    assert ingest.work == Command(("python", "ingest.py", "--date", "{date}"))
    assert ingest.matrix.axes == (
        Axis("date", ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"), "date"),
    )
    assert book.work == Script(str(folder.path / "worker.py"))
    assert book.needs == (Need("ingest", NeedMode.ALL),)
    assert pipeline.size == 5


def test_the_design_notes_sweep(folder: Folder) -> None:
    text = """\
name: mm_2012
concurrency: 50
steps:
  worker:
    script: worker.py
    matrix: {date: {sessions: XNYS, from: 2012-01-01,
             to: 2012-12-31}, partition: 10}
    retry: {attempts: 4}
    replay: {speed: max, start: "09:30:00"}
"""
    loaded = folder.load(text)
    [step] = loaded.pipeline.steps
    assert loaded.pipeline.size == 2500  # 250 sessions in 2012: two days of it were a hurricane
    assert loaded.pipeline.concurrency == 50
    assert (step.retry.attempts, step.mode) == (4, Replay(speed="max", tz="America/New_York"))
    assert (
        str(loaded.left_out[next(day for day in loaded.left_out if day.isoformat() == "2012-10-29")])
        != "weekend"
    )


def test_what_a_step_is_without_keys(folder: Folder) -> None:
    step = step_of(folder, "run: echo hi")
    assert step == Step("a", Command(("echo", "hi")))
    assert (step.retry, step.demand, step.priority) == (Retry(), Demand(), Priority.STANDARD)
    assert (step.executor, step.grace) == ("process", timedelta(seconds=10))
    assert step.retry.attempts == 1


@pytest.mark.parametrize(
    ("keys", "name", "value"),
    [
        ("run: ['echo', '{cell}', 5]", "work", Command(("echo", "{cell}", "5"))),
        ("run: echo 'a b' \"c\"", "work", Command(("echo", "a b", "c"))),
        ("run: x\ntimeout: 90m", "timeout", timedelta(minutes=90)),
        ("run: x\nstart_timeout: 1.5s", "start_timeout", timedelta(seconds=1.5)),
        ("run: x\ngrace: 0s", "grace", timedelta(0)),
        ("run: x\npriority: critical", "priority", Priority.CRITICAL),
        ("run: x\npriority: optional", "priority", Priority.OPTIONAL),
        ("run: x\nexecutor: ray", "executor", "ray"),
        ("run: x\nenv: {A: 5, B: true, C: '${D}'}", "env", {"A": "5", "B": "True", "C": "${D}"}),
        (
            "run: x\nresources: {cpu: 4, memory: 8GB, db: 1}",
            "demand",
            Demand(cpu=4.0, memory=8 * 10**9, memory_cap=True, pools={"db": 1.0}),
        ),
        ("script: worker.py\npreload: [json, numpy.linalg]", "preload", ("json", "numpy.linalg")),
        ("run: x\nbatch: true", "mode", Batch()),
        ("run: x\nbatch: {}", "mode", Batch()),
        ("run: x\nreplay: {}", "mode", Replay()),
        ("run: x\nreplay: {speed: 250, start: 08:00}", "mode", Replay(speed=250.0, start="08:00:00")),
        (
            "run: x\nreplay: {sorted: false, buffer_rows: 5, timestamp_columns: {Market.Trade: T}}",
            "mode",
            Replay(sorted=False, buffer_rows=5, timestamp_columns=(("Market", "Trade", "T"),)),
        ),
        (
            "run: x\nreplay: {interval: 10ms, strict: true, available_after: {Market.Bar: 1m}}",
            "mode",
            Replay(
                interval=timedelta(milliseconds=10),
                strict=True,
                available_after=(("Market", "Bar", timedelta(minutes=1)),),
            ),
        ),
        ("run: x\nretry: {attempts: 3}", "retry", Retry(attempts=3)),
        (
            "run: x\nretry: {attempts: 5, delay: 0s, backoff: 1, max_delay: 1h, jitter: 0, on: [exit, lost]}",
            "retry",
            Retry(
                5, timedelta(0), 1.0, timedelta(hours=1), 0.0, frozenset({FailureKind.EXIT, FailureKind.LOST})
            ),
        ),
        ("run: x\nretry: {on: []}", "retry", Retry(on=frozenset())),
        (
            "run: x\nretry: {delay: 1h}",
            "retry",
            Retry(delay=timedelta(hours=1), max_delay=timedelta(hours=1)),
        ),
        ("run: x\nretry: {delay: 1m}", "retry", Retry(delay=timedelta(minutes=1))),
    ],
)
def test_what_a_key_comes_to(folder: Folder, keys: str, name: str, value: Any) -> None:
    assert getattr(step_of(folder, keys), name) == value


@pytest.mark.parametrize(
    ("top", "name", "value"),
    [
        ("concurrency: 4\n", "concurrency", 4),
        ("max_failures: 0\n", "max_failures", 0),
        ("market: EU_EQ\n", "tz", "Europe/London"),
        ("market: EU_EQ\ntz: Asia/Tokyo\n", "tz", "Asia/Tokyo"),
        ("", "tz", "UTC"),
        (
            "params: {days: 5, rate: 0.5, on: true, name: x}\n",
            "params",
            {"days": 5, "rate": 0.5, "on": True, "name": "x"},
        ),
        (f"python: {sys.executable}\n", "python", sys.executable),
    ],
)
def test_what_a_key_of_the_pipeline_comes_to(folder: Folder, top: str, name: str, value: Any) -> None:
    assert getattr(folder.load(f"name: n\n{top}steps: {{a: {{run: x}}}}\n").pipeline, name) == value


def test_an_interpreter_is_not_resolved(folder: Folder) -> None:
    """A virtual environment is a link: where it leads to has none of its packages."""
    (folder.path / "venv").mkdir()
    (folder.path / "venv" / "python").symlink_to(sys.executable)
    pipeline = folder.load("name: n\npython: venv/python\nsteps: {a: {run: x}}\n").pipeline
    assert pipeline.python == str(folder.path / "venv" / "python")


def test_an_interpreter_by_name(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "mypython").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(folder.path) + os.pathsep + os.environ["PATH"])
    pipeline = folder.load("name: n\npython: mypython\nsteps: {a: {run: x}}\n").pipeline
    assert pipeline.python == str(folder.path / "mypython")


# ── defaults ─────────────────────────────────────────────────────────────────────────────────────

PROJECT = SharedShape.model_validate(
    {
        "timeout": "1s",
        "grace": "1s",
        "priority": "optional",
        "env": {"A": "project", "B": "project", "C": "project"},
    }
)


def test_the_innermost_layer_wins(folder: Folder) -> None:
    top = "env: {A: pipeline, D: pipeline}\n"
    top += "defaults: {timeout: 2s, grace: 2s, env: {A: x, B: defaults, D: x}}\n"
    step = step_of(
        folder, "run: x\ntimeout: 3s\nenv: {A: step}", top, project=Project(folder.path, defaults=PROJECT)
    )
    assert (step.timeout, step.grace) == (timedelta(seconds=3), timedelta(seconds=2))
    assert step.priority is Priority.OPTIONAL
    assert step.env == {"A": "step", "B": "defaults", "C": "project", "D": "pipeline"}


@pytest.mark.parametrize(
    ("top", "keys", "on", "executor"),
    [
        ("", "", None, "process"),
        ("defaults: {executor: ray}\n", "", None, "ray"),
        ("defaults: {executor: ray}\nexecutor: deephaven\n", "", None, "deephaven"),
        ("executor: deephaven\n", "\nexecutor: ray", None, "ray"),
        ("executor: deephaven\n", "\nexecutor: ray", "process", "process"),
    ],
)
def test_where_attempts_run(folder: Folder, top: str, keys: str, on: str | None, executor: str) -> None:
    assert step_of(folder, f"run: x{keys}", top, on=on).executor == executor


def test_preload_of_the_defaults_is_for_scripts(folder: Folder) -> None:
    text = "name: n\ndefaults: {preload: [json]}\nsteps:\n  a: {run: x}\n  b: {script: worker.py}\n"
    assert [step.preload for step in folder.load(text).pipeline] == [(), ("json",)]


# ── matrix ───────────────────────────────────────────────────────────────────────────────────────

DATES = ("2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08")


@pytest.mark.parametrize(
    ("matrix", "axis"),
    [
        ("partition: 3", Axis("partition", (0, 1, 2), "partition")),
        ("worker: 2", Axis("worker", (0, 1), "partition")),
        ("fold: 2", Axis("fold", (0, 1), "")),
        ("partition: [a, b]", Axis("partition", ("a", "b"), "partition")),
        ("symbol: [ES, NQ]", Axis("symbol", ("ES", "NQ"), "")),
        ("x: [1, 2.5, true, a]", Axis("x", (1, 2.5, True, "a"), "")),
        ("date: [2024-01-02, 2024-01-03]", Axis("date", ("2024-01-02", "2024-01-03"), "date")),
        ("date: [monday, tuesday]", Axis("date", ("monday", "tuesday"), "")),
        ("date: [20240102]", Axis("date", (20240102,), "")),
        ("date: ['20240102']", Axis("date", ("20240102",), "")),
        ("date: {days: all, from: 2024-01-05, to: 2024-01-08}", Axis("date", DATES, "date")),
        (
            "date: {days: weekdays, from: 2024-01-05, to: 2024-01-08}",
            Axis("date", (DATES[0], DATES[3]), "date"),
        ),
        (
            "date: {sessions: XNYS, from: 2024-01-05, to: 2024-01-08}",
            Axis("date", (DATES[0], DATES[3]), "date"),
        ),
        ("day: {sessions: 24-7, from: 2024-01-05, to: 2024-01-08}", Axis("day", DATES, "date")),
    ],
)
def test_axes(folder: Folder, matrix: str, axis: Axis) -> None:
    assert step_of(folder, f"run: x\nmatrix: {{{matrix}}}").matrix.axes == (axis,)


def test_dates_left_out_have_a_reason(folder: Folder) -> None:
    text = edited(NATIVE, ("2024-01-01", "2023-12-30"))
    left_out = folder.load(text).left_out
    assert [(day.isoformat(), str(why)) for day, why in left_out.items()] == [
        ("2023-12-30", "weekend"),
        ("2023-12-31", "weekend"),
        ("2024-01-01", "New Year's Day"),
    ]
