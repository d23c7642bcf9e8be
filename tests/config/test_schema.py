"""The JSON Schema for editors, and the texts about fields: as complete and as strict as the reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from openbell.config.codes import CODES
from openbell.config.document import parse
from openbell.config.schema import SUBJECTS, describe, json_schema
from tests.config.texts import NATIVE, PQ, PQ_BATCH, PQ_LEAST, REPLAY, REPLAY_LEAST, edited

MANY = """\
name: many
market: XNYS
tz: UTC
concurrency: 4
max_failures: 0
env: {A: x, B: 5, C: true}
params: {days: 5, on: true}
defaults: {timeout: 5m, retry: {attempts: 2, on: [exit]}}
executor: process
steps:
  a:
    run: [x, 5, '{date}']
    matrix:
      date: {sessions: XNYS, from: 2024-01-02, to: 2024-01-05}
      partition: 3
      x: [u, 2, true]
    resources: {cpu: 1.5, memory: 8GB}
    replay: {speed: max, start: 09:30, timestamp_columns: {Market.Trade: T}}
  b: {script: worker.py, needs: [a], preload: [json], priority: critical, batch: true}
  c: {run: x, needs: {a: some}, batch: {}, grace: 0s}
  d: {run: x, needs: [a, {b: done}], executor: ray}
  e: {run: x, needs: a}
"""

PROJECT = """\
store: sqlite:///x
durability: power
state: var
data: {Market: data}
executors: {process: {slots: 4, log_cap: 1 MiB}}
resources: {db: 1}
defaults: {grace: 1s}
"""


def errors(subject: str, text: str) -> list[str]:
    root = parse(text, Path("x.yaml")).root
    assert root is not None
    validator = Draft202012Validator(json_schema(subject))
    return [f"{'.'.join(map(str, one.path))}: {one.message}" for one in validator.iter_errors(root.data())]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_it_is_a_schema(subject: str) -> None:
    schema = json_schema(subject)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"openbell {SUBJECTS[subject][1]}"
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("pipeline", NATIVE),
        ("pipeline", MANY),
        ("pq", PQ),
        ("pq", PQ_BATCH),
        ("pq", PQ_LEAST),
        ("replay", REPLAY),
        ("replay", REPLAY_LEAST),
        ("project", PROJECT),
        ("project", "{}"),
    ],
)
def test_good_files_are_valid(subject: str, text: str) -> None:
    assert errors(subject, text) == []


BROKEN: list[tuple[str, str, tuple[str, str]]] = [
    ("pipeline", MANY, ("name: many\n", "")),
    ("pipeline", MANY, ("name: many", "name: a/b")),
    ("pipeline", MANY, ("name: many", "name: 5")),
    ("pipeline", MANY, ("concurrency: 4", "concurrency: 0")),
    ("pipeline", MANY, ("concurrency: 4", "concurrency: true")),
    ("pipeline", MANY, ("concurrency: 4", "concurrency: null")),
    ("pipeline", MANY, ("concurrency: 4", "concurency: 4")),
    ("pipeline", MANY, ("{A: x, B: 5, C: true}", "null")),
    ("pipeline", MANY, ("{A: x, B: 5, C: true}", "[A]")),
    ("pipeline", MANY, ("C: true", "C: null")),
    ("pipeline", MANY, ("C: true", "C: [1]")),
    ("pipeline", MANY, ("executor: process", "executor: Process")),
    ("pipeline", MANY, ("timeout: 5m", "timeout: 5")),
    ("pipeline", MANY, ("on: [exit]", "on: [crash]")),
    ("pipeline", MANY, ("attempts: 2", "attempts: 0")),
    ("pipeline", MANY, ("  b: {", "  b c: {")),
    ("pipeline", MANY, ("partition: 3", "partition: 0")),
    ("pipeline", MANY, ("[u, 2, true]", "[]")),
    ("pipeline", MANY, ("[u, 2, true]", "[u, null]")),
    ("pipeline", MANY, ("from: 2024-01-02", "start: 2024-01-02")),
    ("pipeline", MANY, ("from: 2024-01-02", "from: 2024-1-2")),
    ("pipeline", MANY, ("{a: some}", "{a: most}")),
    ("pipeline", MANY, ("[a, {b: done}]", "[a, 5]")),
    ("pipeline", MANY, ("speed: max", "speed: 0.5")),
    ("pipeline", MANY, ("start: 09:30", "start: 24:30")),
    ("pipeline", MANY, ("batch: {}", "batch: false")),
    ("pipeline", MANY, ("[x, 5, '{date}']", "[]")),
    ("pipeline", MANY, ("priority: critical", "priority: urgent")),
    ("pq", PQ, ("num_partitions: 10", "num_partitions: 1001")),
    ("pq", PQ, ("heap_size_gb: 4.0", "heap_size_gb: 0")),
    ("pq", PQ, ("heap_size_gb: 4.0", "heap_size_gb: 512.1")),
    ("pq", PQ, ("replay_speed: 100.0", "replay_speed: 101")),
    ("pq", PQ, ("replay_speed: 100.0", "replay_speed: fast")),
    ("pq", PQ, ('replay_start: "09:30:00"', "replay_start: 09:30")),
    ("pq", PQ, ('script_language: "Python"', "script_language: Ruby")),
    ("pq", PQ, ('name: "my_simulation"', 'name: " "')),
    ("pq", PQ, ('      column: "EventTime"\n', "")),
    ("pq", PQ, ("sorted_replay: true", "sorted_replay: yes")),
    ("pq", PQ_LEAST, ("env: {}", "env: null")),
    ("pq", PQ_LEAST, ("env: {}", "")),
    ("replay", REPLAY, ("  business_days: true\n", "")),
    ("replay", REPLAY, ("num_workers: 10", "num_workers: 0")),
    ("replay", REPLAY, ('"2024-01-01"', "01/01/2024")),
    ("project", PROJECT, ("durability: power", "durability: disk")),
    ("project", PROJECT, ("slots: 4", "slots: 0")),
    ("project", PROJECT, ("log_cap: 1 MiB", "log_cap: 5")),
    ("project", PROJECT, ("state: var", "state:")),
]


EXCLUSIVE: list[tuple[str, str, tuple[str, str]]] = [
    ("pq", PQ_BATCH, ("batch:", "replay: {replay_start: '09:30:00', replay_speed: 1}\nbatch:")),
    ("pipeline", "name: p\nsteps: {a: {run: x}}\n", ("{run: x}", "{}")),
    ("pipeline", "name: p\nsteps: {a: {run: x}}\n", ("{run: x}", "{run: x, script: y.py}")),
    ("pipeline", "name: p\nsteps: {a: {run: x}}\n", ("run: x", "run: x, replay: {}, batch: true")),
]


@pytest.mark.parametrize(
    ("subject", "text", "change"),
    [
        ("pipeline", MANY, ("concurrency: 4", "concurrency: ${N}")),
        ("pipeline", MANY, ("name: many", "name: ${NAME:-many}")),
        ("pipeline", MANY, ("timeout: 5m", "timeout: '${T}'")),
        ("pipeline", MANY, ("from: 2024-01-02", "from: '${START}'")),
        ("pipeline", MANY, ("priority: critical", "priority: '${P}'")),
        ("pq", PQ, ("num_partitions: 10", "num_partitions: ${N}")),
        ("pq", PQ, ("heap_size_gb: 4.0", "heap_size_gb: ${HEAP}")),
    ],
)
def test_a_reference_may_stand_for_any_value(subject: str, text: str, change: tuple[str, str]) -> None:
    assert errors(subject, edited(text, change)) == []


@pytest.mark.parametrize(("subject", "text", "change"), [*BROKEN, *EXCLUSIVE])
def test_broken_files_are_not(subject: str, text: str, change: tuple[str, str]) -> None:
    assert errors(subject, edited(text, change))


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of every mapping of the schema."""
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items():
            yield f"{path}.{name}", field
        for key, part in schema.items():
            yield from properties(part, f"{path}/{key}")
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part, path)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_field_says_what_it_means(subject: str) -> None:
    found = list(properties(json_schema(subject)))
    assert len(found) > 8
    assert [path for path, field in found if not field.get("description", "").strip()] == []
    assert [field.path for field in describe("", subject) if not field.text] == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_required_field_is_one_without_default(subject: str) -> None:
    required = set(json_schema(subject)["required"]) if "required" in json_schema(subject) else set()
    assert {f.path for f in describe("", subject) if f.required and "." not in f.path} == required


@pytest.mark.parametrize(
    ("wanted", "subject", "kind", "required", "default"),
    [
        ("concurrency", "pipeline", "integer 1 to 100000", False, "none"),
        ("default_mode", "pipeline", "name", False, "none"),
        ("execution", "pq", "mapping", True, ""),
        ("steps.timeout", "pipeline", "duration", False, "none"),
        ("steps.retry.attempts", "pipeline", "integer 1 to 1000", False, "1"),
        ("defaults.retry.backoff", "pipeline", "number 1 to 100", False, "2.0"),
        ("steps.matrix.from", "pipeline", "date", True, ""),
        ("steps.replay.speed", "pipeline", "number, 1 or more or max", False, "1.0"),
        ("steps.batch", "pipeline", "true", False, "none"),
        ("steps.priority", "pipeline", "critical | standard | optional", False, "none"),
        ("heap_size_gb", "pq", "number above 0, at most 512", True, ""),
        ("timeout_minutes", "pq", "number above 0", True, ""),
        ("max_failures", "pq", "integer, 0 or more", False, "10"),
        ("replay_timestamp_columns", "pq", "list", False, "[]"),
        ("env", "pq", "mapping", True, ""),
        ("buffer_rows", "replay", "integer, 1 or more", False, "10000"),
        ("sorted_replay", "replay", "boolean", False, "true"),
        ("scheduler", "replay", "mapping", False, "none"),
        ("durability", "project", "process | power", False, "process"),
    ],
)
def test_what_is_told_about_a_field(
    wanted: str, subject: str, kind: str, required: bool, default: str
) -> None:
    [field] = describe(wanted, subject)
    assert (field.kind, field.required, field.default) == (kind, required, default)
    assert field.name == wanted.rpartition(".")[2]
    assert field.file == SUBJECTS[subject][1]


def test_a_field_is_found_wherever_it_is() -> None:
    assert {field.path for field in describe("attempts")} == {
        "steps.<name>.retry.attempts",
        "defaults.retry.attempts",
    }
    assert describe("no_such_field") == []
    assert describe("tempts") == []


def test_every_code_that_is_given_is_explained() -> None:
    import openbell.config

    given = set()
    for path in Path(openbell.config.__file__).parent.rglob("*.py"):
        if path.stem != "codes":
            text = path.read_text()
            given |= {text[at : at + 5] for at in range(len(text)) if text.startswith("OB1", at)}
    assert given
    assert given <= set(CODES)
    assert all(code.title and code.text.endswith(".") for code in CODES.values())
