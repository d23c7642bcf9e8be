"""`db`: the store is checked, pruned, exported, brought up to date."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Desk
from tests.store.test_sql import walk

PIPELINE = """
name: s
steps:
  a: {run: [sh, -c, 'echo hello {i}'], matrix: {i: 3}}
  b: {run: 'true', needs: [a], provides: [prices]}
"""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a pipeline has run four times. Nobody changes it."""
    desk = Desk(tmp_path_factory.mktemp("past"))
    desk.write("openbell.yaml", "")
    desk.write("s.yaml", PIPELINE)
    for _ in range(4):
        assert desk.run("run", "s.yaml", "--new").code == 0
    return desk.folder


@pytest.fixture
def ran(past: Path, tmp_path: Path) -> Desk:
    """A copy of it."""
    import shutil

    shutil.copytree(past, tmp_path / "project")
    return Desk(tmp_path / "project")


def runs(desk: Desk) -> list[str]:
    return [one["id"] for one in json.loads(desk.run("runs", "ls", "-o", "json").out)]


def change(desk: Desk, statement: str) -> None:
    with sqlite3.connect(desk.folder / ".openbell/openbell.db") as connection:
        connection.execute(statement)
    connection.close()


def test_a_sound_store_is_sound(ran: Desk) -> None:
    outcome = ran.run("db", "check")
    assert (outcome.code, outcome.out) == (0, "the store is sound: 4 runs, each as its journal tells it\n")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE tasks SET state = 6 WHERE run = 's/2' AND step = 'b'", "s/2: its rows say otherwise"),
        (
            "UPDATE runs SET paused = 'x' WHERE id = 's/1'",
            "s/1: its rows say otherwise than its journal: paused",
        ),
        ("DELETE FROM journal WHERE run = 's/3' AND kind = 'OpenRun'", "s/3: the journal does not tell how"),
        ("DELETE FROM journal WHERE run = 's/3' AND kind = 'Start'", "s/3: its journal cannot be folded"),
        ("INSERT INTO groups (run, step, rest) VALUES ('gone/1', 'a', 0)", "groups: row"),
    ],
)
def test_what_does_not_fit_is_found(ran: Desk, statement: str, told: str) -> None:
    change(ran, statement)
    outcome = ran.run("db", "check")
    assert outcome.code == 1
    assert told in outcome.out
    data = json.loads(ran.run("db", "check", "-o", "json").out)
    assert (data["sound"], told in data["findings"][0]) == (False, True)


def test_a_damaged_file_is_found(ran: Desk) -> None:
    path = ran.folder / ".openbell/openbell.db"
    change(ran, "PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        for page in range(8, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)
    assert ran.run("db", "check").code == 1


def test_pruning_says_what_would_go_and_then_it_goes(ran: Desk) -> None:
    dry = ran.run("db", "prune", "--keep", "2", "--dry-run")
    assert dry.code == 0
    assert "2 runs would go, from s/1 (" in dry.out
    assert runs(ran) == ["s/4", "s/3", "s/2", "s/1"]
    assert ran.run("db", "prune", "--keep", "2", "--reason", "room").code == 0
    assert runs(ran) == ["s/4", "s/3"]
    state = ran.folder / ".openbell"
    assert sorted(path.name for path in (state / "attempts").iterdir()) == ["s%2F3", "s%2F4"]
    assert sorted(path.name for path in (state / "events").glob("*.jsonl")) == [
        "pipeline_s%2F3.jsonl",
        "pipeline_s%2F4.jsonl",
    ]
    assert "for" in (told := ran.run("events").out)
    assert "Let go of 2 runs (runs)" in told
    assert told.rstrip().endswith(": room")
    assert ran.run("db", "check").code == 0
    assert ran.run("runs", "show", "s/1").code == 64
    assert ran.run("data", "ls").out.startswith("prices")
    assert ran.run("run", "s.yaml", "--new").code == 0
    assert runs(ran)[0] == "s/5", "numbers go on"


def test_logs_go_and_the_run_stays(ran: Desk) -> None:
    change(ran, "UPDATE runs SET closed_at = '2020-01-01T00:00:00+00:00' WHERE id <= 's/2'")
    assert "logs of 2 runs" in ran.run("db", "prune", "--logs", "30d", "--keep", "1").out
    assert runs(ran) == ["s/4", "s/3", "s/2", "s/1"]
    assert ran.run("runs", "show", "s/1").code == 0
    gone = ran.run("logs", "s/1/a/0")
    assert (gone.code, gone.out) == (0, "")
    assert ran.run("logs", "s/4/a/0").out == "hello 0\n"
    assert "nothing to let go of" in ran.run("db", "prune", "--logs", "30d", "--keep", "1").out


def test_the_projects_own_retention_counts(ran: Desk) -> None:
    outcome = ran.run("db", "prune")
    assert outcome.code == 64
    assert "nothing says what is to go" in outcome.err
    ran.write("openbell.yaml", "retention: {runs: 90d, keep: 1}\n")
    change(ran, "UPDATE runs SET closed_at = '2020-01-01T00:00:00+00:00' WHERE id <= 's/2'")
    data = json.loads(ran.run("db", "prune", "--dry-run", "-o", "json").out)
    assert data == {"dry_run": True, "runs": ["s/1", "s/2"], "logs": [], "events": []}
    ran.write("openbell.yaml", "retention: {runs: soon}\n")
    assert ran.run("validate").code == 65


def test_a_wrong_age_is_told(ran: Desk) -> None:
    outcome = ran.run("db", "prune", "--runs", "old")
    assert (outcome.code, "--runs takes an age such as 90d" in outcome.err) == (64, True)


def test_pruning_is_asked_of_the_daemon_that_leads(ran: Desk) -> None:
    assert ran.run("start").code == 0
    try:
        assert ran.run("db", "prune", "--keep", "1").code == 0
        ran.until(lambda: runs(ran) == ["s/4"])
        assert ran.run("db", "prune", "--keep", "1", "--compact").code == 4, "while somebody writes"
    finally:
        ran.run("stop")
    assert [path.name for path in (ran.folder / ".openbell/attempts").iterdir()] == ["s%2F4"]
    assert "given back" in ran.run("db", "prune", "--keep", "1", "--compact").out
    assert ran.run("db", "check").code == 0


def test_everything_is_exported(ran: Desk) -> None:
    assert ran.run("db", "export", "out").code == 0
    found = [json.loads(line) for line in (ran.folder / "out/runs.jsonl").read_text().splitlines()]
    assert [run["id"] for run in found] == ["s/1", "s/2", "s/3", "s/4"]
    assert found[0]["definition"]["name"] == "s", "JSON within is JSON"
    attempts = (ran.folder / "out/attempts.jsonl").read_text().splitlines()
    assert len(attempts) == 16
    data = json.loads(ran.run("db", "export", "out", "--format", "parquet", "-o", "json").out)
    assert (data["rows"]["runs"], data["rows"]["attempts"]) == (4, 16)
    table = pl.read_parquet(ran.folder / "out/attempts.parquet")
    assert table["started_at"].dtype == pl.Datetime("us", "UTC")
    assert table.filter(pl.col("ended_at") < pl.col("started_at")).height == 0
    journal = (ran.folder / "out/journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in journal] == pl.read_parquet(
        ran.folder / "out/journal.parquet"
    )["seq"].to_list()


def test_upgrading(ran: Desk) -> None:
    assert "nothing to do: schema 0" in ran.run("db", "upgrade").out
    path = ran.folder / ".openbell/openbell.db"
    for file in path.parent.glob("openbell.db*"):
        file.unlink()
    walk(path, "0010")
    assert "schema 0010 is now 0" in ran.run("db", "upgrade").out
    assert ran.run("db", "check").code == 0


def test_where_nothing_has_run(desk: Desk) -> None:
    for words in (("check",), ("prune", "--keep", "1"), ("export", "out"), ("upgrade",)):
        outcome = desk.run("db", *words)
        assert (outcome.code, "nothing has run in" in outcome.err) == (64, True), words
        assert not (desk.folder / ".openbell").exists()
