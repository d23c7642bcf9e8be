"""The folder that pipelines live in, and its `openbell.yaml`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openbell.config.findings import Finding, Severity
from openbell.config.project import Project, load_project, locate
from openbell.errors import ConfigError, NotFound
from tests.config.conftest import Place, marked, places


def project(folder: Path, text: str, environ: dict[str, str] | None = None) -> Project:
    (folder / "openbell.yaml").write_text(text)
    return load_project(folder, environ or {})


def rejected(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[Place]:
    with pytest.raises(ConfigError) as caught:
        project(folder, text, environ)
    assert caught.value.path == folder / "openbell.yaml"
    return places(tuple(f for f in caught.value.findings if isinstance(f, Finding)))


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    found = load_project(tmp_path, {})
    assert found == Project(tmp_path)
    assert (found.store, found.durability, found.slots, found.log_cap) == (None, "process", None, 16_000_000)
    assert (found.data, found.pools, found.defaults, found.unset) == ({}, {}, None, ())


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("{}", "durability", "process"),
        ("", "durability", "process"),
        ("# only a mark\n", "slots", None),
        ("store: postgresql://host/db", "store", "postgresql://host/db"),
        ("store: ${DB}", "store", "sqlite:///x.db"),
        ("durability: power", "durability", "power"),
        ("executors: {process: {slots: 4}}", "slots", 4),
        ("executors: {process: {}}", "slots", None),
        ("executors: {}", "log_cap", 16_000_000),
        ("executors: {process: {log_cap: 1MB}}", "log_cap", 1_000_000),
        ("executors: {process: {log_cap: 64KB}}", "log_cap", 64_000),
        ("", "heartbeat", timedelta(minutes=1)),
        ("heartbeat: 1s", "heartbeat", timedelta(seconds=1)),
        ("resources: {db: 4, memory: 2GB}", "pools", {"db": 4.0, "memory": 2 * 10**9}),
    ],
)
def test_what_a_key_comes_to(tmp_path: Path, text: str, name: str, value: Any) -> None:
    assert getattr(project(tmp_path, text, {"DB": "sqlite:///x.db"}), name) == value


def test_paths_are_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data" / "market").mkdir(parents=True)
    found = project(tmp_path, f"state: var/state\ndata: {{M: data/../data/market, N: {tmp_path}}}\n")
    assert found.state == tmp_path / "var" / "state"
    assert found.data == {"M": str(tmp_path / "data" / "market"), "N": str(tmp_path)}


def test_defaults_of_steps(tmp_path: Path) -> None:
    defaults = project(tmp_path, "defaults: {timeout: 5m, retry: {attempts: 3}, env: {A: '${B}'}}").defaults
    assert defaults is not None
    assert (defaults.timeout, defaults.env) == (timedelta(minutes=5), {"A": "${B}"})
    assert defaults.retry is not None
    assert defaults.retry.attempts == 3


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("▸[]\n", ["OB108"]),
        ("a: b: c\n".replace("b:", "b▸:"), ["OB108"]),
        ("▸stoer: x\n", ["OB101"]),
        ("store: ▸''\n", ["OB104"]),
        ("▸store:\n", ["OB103"]),
        ("durability: ▸disk\n", ["OB105"]),
        ("executors: {process: {slots: ▸0}}\n", ["OB104"]),
        ("executors: {process: {slots: ▸10001}}\n", ["OB104"]),
        ("executors: {process: {slots: ▸true}}\n", ["OB103"]),
        ("executors: {process: {log_cap: ▸0MB}}\n", ["OB104"]),
        ("heartbeat: ▸999ms\n", ["OB104"]),
        ("heartbeat: ▸60\n", ["OB106"]),
        ("executors: {▸proces: {slots: 1}}\n", ["OB101"]),
        ("resources: {db: ▸0}\n", ["OB104"]),
        ("resources: {memory: ▸4}\n", ["OB106"]),
        ("data: {M: ▸nope}\n", ["OB112"]),
        ("data: {M: ▸openbell.yaml}\n", ["OB112"]),
        ("data: {▸a b: .}\n", ["OB118"]),
        ("data: ▸[.]\n", ["OB103"]),
        ("defaults: {env: {▸SIMULATION_DATE: x}}\n", ["OB122"]),
        ("defaults: {▸run: x}\n", ["OB101"]),
        ("data: {M: ▸nope}\nstate: ▸5\n▸zzz: 1\n", ["OB112", "OB103", "OB101"]),
    ],
)
def test_what_is_wrong_and_where(tmp_path: Path, text: str, codes: list[str]) -> None:
    plain, marks = marked(text)
    assert rejected(tmp_path, plain) == [(code, *mark) for code, mark in zip(codes, marks, strict=True)]


def test_a_data_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert rejected(tmp_path, "data: {M: .}") == [("OB112", 1, 11)]


def test_a_variable_that_is_not_set_waits_for_the_start(tmp_path: Path) -> None:
    found = project(tmp_path, "store: ${DB}\ndata: {M: '${DATA}/m'}\ndefaults: {env: {A: '${TOKEN}'}}\n")
    assert places(found.unset, Severity.WARNING) == [("OB107", 1, 8), ("OB107", 2, 11), ("OB107", 3, 21)]
    assert found.data == {}


def test_a_number_that_cannot_be_known_is_an_error(tmp_path: Path) -> None:
    assert rejected(tmp_path, "executors:\n  process:\n    slots: ${SLOTS}\n") == [("OB107", 3, 12)]


# ── finding things ───────────────────────────────────────────────────────────────────────────────


def test_the_nearest_file_upwards_makes_the_project(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "c.yaml").write_text("")
    assert locate(deep / "c.yaml") == deep
    (tmp_path / "openbell.yaml").write_text("{}")
    assert locate(deep / "c.yaml") == tmp_path
    (tmp_path / "a" / "openbell.yaml").write_text("{}")
    assert locate(deep) == tmp_path / "a"


def test_a_pipeline_by_path_or_by_name(tmp_path: Path) -> None:
    found = Project(tmp_path)
    here = tmp_path / "elsewhere"
    for path in (tmp_path / "pipelines" / "book.yaml", tmp_path / "ingest.yaml", here / "x.yaml"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert found.find("x.yaml", here) == here / "x.yaml"
    assert found.find("book", here) == tmp_path / "pipelines" / "book.yaml"
    assert found.find("ingest", here) == tmp_path / "ingest.yaml"
    assert found.find(str(here / "x.yaml"), tmp_path) == here / "x.yaml"


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [("bok", "did you mean `book`?"), ("bok.yaml", "did you mean `book`?"), ("zzz", "pipelines here: book")],
)
def test_a_pipeline_that_is_not_there(tmp_path: Path, wanted: str, hint: str) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "book.yaml").write_text("")
    with pytest.raises(NotFound) as caught:
        Project(tmp_path).find(wanted, tmp_path)
    assert caught.value.hint == hint


def test_no_pipelines_at_all(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        Project(tmp_path).find("x", tmp_path)
    assert caught.value.hint == "pipelines here: none"
