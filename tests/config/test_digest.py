"""What makes two plans the same, and what does not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from openbell.config.load import Overrides
from openbell.config.project import Project
from tests.config.conftest import Folder
from tests.config.texts import LOGIN, NATIVE, PQ, REPLAY, edited

Change = tuple[str, str]

PLAN = """\
name: n
market: XNYS
concurrency: 4
max_failures: 3
params: {days: 5, rate: 1}
env: {A: x, B: '${TOKEN}'}
steps:
  a:
    run: python x.py {date}
    matrix:
      date: {from: 2024-01-02, to: 2024-01-05}
      x: [u, v]
    timeout: 5m
    retry: {attempts: 2, delay: 1s}
    resources: {cpu: 1, memory: 1GB}
    priority: standard
    replay: {speed: 10}
  b:
    script: worker.py
    needs: [a]
"""


def test_it_is_sixteen_hex_digits(folder: Folder) -> None:
    assert re.fullmatch("[0-9a-f]{16}", folder.load(PLAN).digest)


SAME: list[tuple[str, list[Change]]] = [
    (PLAN, [("concurrency: 4", "concurrency: 8")]),
    (PLAN, [("max_failures: 3", "max_failures: 30")]),
    (PLAN, [("    timeout: 5m\n", "")]),
    (PLAN, [("timeout: 5m", "timeout: 2h\n    start_timeout: 1m\n    grace: 1s")]),
    (PLAN, [("{attempts: 2, delay: 1s}", "{attempts: 9, delay: 5s, backoff: 3, jitter: 0, on: [exit]}")]),
    (PLAN, [("{cpu: 1, memory: 1GB}", "{cpu: 8, memory: 9GB, db: 1}")]),
    (PLAN, [("priority: standard", "priority: critical")]),
    (PLAN, [("    script: worker.py\n", "    script: worker.py\n    preload: [json]\n")]),
    (PLAN, [("name: n\n", "name: n\nexecutor: ray\n")]),
    (PLAN, [("name: n\n", "# a comment\nname: n\n")]),
    (PLAN, [("{days: 5, rate: 1}", "{rate: 1, days: 5}")]),
    (PLAN, [("{A: x, B: '${TOKEN}'}", "{B: '${TOKEN}', A: x}")]),
    (PLAN, [("run: python x.py {date}", "run: [python, x.py, '{date}']")]),
    (PLAN, [("{speed: 10}", "{speed: 10, sorted: true}")]),
    (PLAN, [("{from: 2024-01-02, to: 2024-01-05}", "{sessions: XNYS, from: 2023-12-30, to: 2024-01-05}")]),
    (PLAN, [("needs: [a]", "needs: {a: all}")]),
    (PLAN, [("script: worker.py", "script: ./worker.py")]),
    (PQ, [("max_retries: 3 ", "max_retries: 0 ")]),
    (PQ, [("max_concurrent_sessions: 50", "max_concurrent_sessions: 5")]),
    (PQ, [("max_failures: 10", "max_failures: 1")]),
    (PQ, [("heap_size_gb: 4.0", "heap_size_gb: 8")]),
    (PQ, [("init_timeout_minutes: 10", "init_timeout_minutes: 1")]),
    (PQ, [("username:", "# username:")]),
    (PQ, [("delete_failed_queries: false", "delete_failed_queries: true")]),
    (REPLAY, [('stop_time: "16:00:00"', 'stop_time: "17:00:00"')]),
]


@pytest.mark.parametrize(("text", "changes"), SAME)
def test_what_only_operates_the_plan_keeps_it(folder: Folder, text: str, changes: list[Change]) -> None:
    assert folder.load(edited(text, *changes), LOGIN).digest == folder.load(text, LOGIN).digest


OTHER: list[tuple[str, list[Change]]] = [
    (PLAN, [("name: n\n", "name: m\n")]),
    (PLAN, [("days: 5", "days: 6")]),
    (PLAN, [("rate: 1", "rate: 1.0")]),
    (PLAN, [("rate: 1", "rate: true")]),
    (PLAN, [("rate: 1", "rate: '1'")]),
    (PLAN, [("A: x", "A: y")]),
    (PLAN, [("A: x", "A: x, C: x")]),
    (PLAN, [("${TOKEN}", "${OTHER_TOKEN}")]),
    (PLAN, [("x.py {date}", "x.py {date} -v")]),
    (PLAN, [("to: 2024-01-05", "to: 2024-01-08")]),
    (PLAN, [("[u, v]", "[v, u]")]),
    (PLAN, [("[u, v]", "[u, v, w]")]),
    (PLAN, [("      x: [u", "      y: [u")]),
    (PLAN, [("speed: 10", "speed: 11")]),
    (PLAN, [("replay: {speed: 10}", "batch: true")]),
    (PLAN, [("needs: [a]", "needs: {a: some}")]),
    (PLAN, [("    needs: [a]\n", "")]),
    (PLAN, [("script: worker.py", "script: simple_worker.py")]),
    (PLAN, [("  b:\n", "  c:\n")]),
    (PQ, [("num_partitions: 10", "num_partitions: 11")]),
    (PQ, [("replay_speed: 100.0", "replay_speed: 99")]),
    (PQ, [("weekdays_only: true", "weekdays_only: false")]),
    (PQ, [("my_simulation", "my simulation")]),
    (PQ, [('CUSTOM_PARAM: "value"', 'CUSTOM_PARAM: "Value"')]),
    (PQ, [("buffer_rows: 10000", "buffer_rows: 1")]),
    (REPLAY, [("num_workers: 10", "num_workers: 9")]),
]


@pytest.mark.parametrize(("text", "changes"), OTHER)
def test_what_changes_the_results_is_another_plan(folder: Folder, text: str, changes: list[Change]) -> None:
    assert folder.load(edited(text, *changes), LOGIN).digest != folder.load(text, LOGIN).digest


def test_another_worker_is_another_plan(folder: Folder) -> None:
    before = folder.load(PLAN).digest
    (folder.path / "worker.py").write_text("print('better')\n")
    after = folder.load(PLAN).digest
    (folder.path / "worker.py").write_text("print('done')\n")
    assert after != before
    assert folder.load(PLAN).digest == before


def test_another_place_for_the_same_files_is_no_other_plan(folder: Folder, tmp_path: Path) -> None:
    before = folder.load(PLAN).digest
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert Folder(tmp_path / "copy").load(PLAN).digest == before


def test_other_data_are_another_plan(folder: Folder) -> None:
    projects = [Project(folder.path, data=data) for data in ({}, {"M": "/a"}, {"M": "/b"})]
    found = {folder.load(NATIVE, project=project).digest for project in projects}
    assert len(found) == 3


def test_a_sample_is_another_plan(folder: Folder) -> None:
    found = {folder.load(NATIVE, overrides=Overrides(sample=count)).digest for count in (1, 2, 99)}
    assert len(found) == 3


def test_where_it_runs_does_not_matter(folder: Folder) -> None:
    assert folder.load(PQ, LOGIN, on=None).digest == folder.load(PQ, LOGIN, on="process").digest


@pytest.mark.parametrize(
    ("run", "counts"),
    [
        ("python w.py --out result.csv", True),
        ("python3.12 -u w.py", True),
        ("./w.py", True),
        ("bash w.py", True),
        ("python -m w", False),
        ("cat w.py", False),
        ("python {name}.py", False),
    ],
)
def test_the_script_that_a_command_runs_is_part_of_the_plan(folder: Folder, run: str, counts: bool) -> None:
    text = f"name: p\nsteps: {{a: {{run: {run!r}}}}}\n"
    (folder.path / "w.py").write_text("1")
    (folder.path / "result.csv").write_text("1")
    first = folder.load(text).digest
    (folder.path / "result.csv").write_text("2")
    assert folder.load(text).digest == first, "an output makes another plan"
    (folder.path / "w.py").write_text("2")
    assert (folder.load(text).digest != first) is counts
