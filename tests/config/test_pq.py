"""The persistent query orchestrator's file: every field, range and default of its manual."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from openbell.config.dialects.shared import slug
from openbell.config.load import Dialect
from openbell.core.model import AttemptKey, Batch, Demand, Pipeline, Replay, Run, Script
from openbell.core.render import query_name
from tests.builders import NOW
from tests.config.conftest import Folder
from tests.config.texts import LOGIN, PQ, PQ_BATCH, PQ_LEAST, edited


def name_of(pipeline: Pipeline, cell: int, attempt: int = 1) -> str:
    run = Run(f"{pipeline.name}/1", pipeline, "d", NOW)
    step = pipeline.step("worker")
    return query_name(run, step, AttemptKey(run.id, "worker", cell, attempt))


# ── the manual's files ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("on", [None, "deephaven", "process"])
def test_the_manuals_replay_file(folder: Folder, on: str | None) -> None:
    loaded = folder.load(PQ, LOGIN, on=on, starting=True)
    pipeline, [step] = loaded.pipeline, loaded.pipeline.steps
    assert loaded.dialect is Dialect.PQ
    assert pipeline.size == 2620  # 262 weekdays of 2024, ten partitions each
    assert (pipeline.name, pipeline.title) == ("my_simulation", "my_simulation")
    assert (pipeline.concurrency, pipeline.max_failures) == (50, 10)
    assert step.executor == (on or "deephaven")
    assert step.work == Script(str(folder.path / "worker.py"))
    assert step.matrix.coordinates(12) == {"date": "2024-01-02", "partition": 2}
    assert step.matrix.coordinates(2619) == {"date": "2024-12-31", "partition": 9}
    assert [axis.kind for axis in step.matrix.axes] == ["date", "partition"]
    assert step.retry.attempts == 4
    assert (step.start_timeout, step.timeout) == (timedelta(minutes=10), None)
    assert step.demand == (Demand(memory=4 * 2**30, memory_cap=False) if on == "process" else Demand())
    assert step.env == {"OUTPUT_TABLE": "results", "CUSTOM_PARAM": "value"}
    assert step.window is None
    assert step.mode == Replay(
        speed=100.0,
        start="09:30:00",
        sorted=True,
        buffer_rows=10000,
        timestamp_columns=(("Market", "Trade", "EventTime"),),
        tz="America/New_York",
    )


def test_the_connection_and_its_settings_are_kept(folder: Folder) -> None:
    assert folder.load(PQ, LOGIN, on=None).pipeline.settings == {
        "deephaven": {
            "connection_url": "https://your-server:8000/iris/connection.json",
            "auth_method": "password",
            "username": "${DH_USERNAME}",
            "password": "${DH_PASSWORD}",
            "jvm_profile": "Default",
            "server_name": "AutoQuery",
            "heap_size_gb": 4.0,
            "delete_successful_queries": True,
            "delete_failed_queries": False,
            "language": "Python",
        }
    }


def test_the_manuals_batch_file(folder: Folder) -> None:
    [step] = folder.load(PQ_BATCH, LOGIN, on=None).pipeline.steps
    assert step.mode == Batch(tz="America/New_York")
    assert (step.timeout, step.start_timeout) == (timedelta(hours=1), None)
    assert len(step.matrix) == 2620


def test_the_simple_workers_have_ten_sessions(folder: Folder) -> None:
    """Five weekdays, two partitions each."""
    simple = edited(PQ, ("num_partitions: 10", "num_partitions: 2"), ('"2024-12-31"', '"2024-01-07"'))
    assert folder.load(simple).pipeline.size == 10


def test_the_least_that_is_accepted_and_its_defaults(folder: Folder) -> None:
    pipeline = folder.load(PQ_LEAST).pipeline
    [step] = pipeline.steps
    assert (pipeline.concurrency, pipeline.max_failures) == (50, 10)
    assert step.retry.attempts == 4
    assert step.start_timeout == timedelta(minutes=1)
    assert step.mode == Replay(speed=1.0, sorted=True, buffer_rows=None, tz="America/New_York")
    assert pipeline.settings["deephaven"]["jvm_profile"] == "Default"
    assert pipeline.settings["deephaven"]["server_name"] == "AutoQuery"
    assert pipeline.settings["deephaven"]["delete_successful_queries"] is True
    assert pipeline.settings["deephaven"]["delete_failed_queries"] is False
    assert pipeline.size == 4
    assert step.env == {}


def test_weekends_stay_in_unless_said_otherwise(folder: Folder) -> None:
    text = edited(PQ_LEAST, ("end: 2024-01-03", "end: 2024-01-08"))
    loaded = folder.load(text)
    assert len(loaded.pipeline.steps[0].matrix.axes[0].values) == 7
    assert (loaded.warnings, loaded.left_out) == ((), {})


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "name"), [(PQ, "pq_replay_mysim_20240101_3"), (PQ_BATCH, "pq_batch_mysim_20240101_3")]
)
def test_queries_are_called_as_they_were(folder: Folder, text: str, name: str) -> None:
    pipeline = folder.load(edited(text, ("my_simulation", "mysim"))).pipeline
    assert name_of(pipeline, 3) == name
    assert name_of(pipeline, 3, attempt=2) == f"{name}_try2"


def test_a_name_with_anything_in_it(folder: Folder) -> None:
    pipeline = folder.load(edited(PQ, ("my_simulation", "FX/EUR^2 {date} ${NAME}")), {"NAME": "Ä"}).pipeline
    assert pipeline.title == pipeline.shown == "FX/EUR^2 {date} Ä"
    assert name_of(pipeline, 0) == "pq_replay_FX/EUR^2 {date} Ä_20240101_0"
    assert pipeline.name == slug("FX/EUR^2 {date} Ä")


# ── ranges ───────────────────────────────────────────────────────────────────────────────────────

EXECUTION = "  worker_script: worker.py"

RANGES: list[tuple[str, str, list[Any], list[Any]]] = [
    ("num_partitions: 10", "num_partitions", [1, 1000], [0, -1, 1001]),
    ("max_concurrent_sessions: 50", "max_concurrent_sessions", [1, 1000], [0, 1001]),
    ("heap_size_gb: 4.0", "heap_size_gb", [0.001, 1, 512, 512.0], [0, 0.0, -1, 512.01, ".inf", ".nan"]),
    ("max_retries: 3 ", "max_retries", [0, 1, 1000000], [-1]),
    ("max_failures: 10", "max_failures", [0, 1, 1000000], [-1]),
    ("init_timeout_minutes: 10", "init_timeout_minutes", [0.001, 1, 1e15, 1e300], [0, -0.5, ".inf"]),
    (
        "replay_speed: 100.0",
        "replay_speed",
        [1, 1.0, 99.99, 100, '"max"', "max"],
        [0.99, 0, 100.01, 1000, ".nan"],
    ),
    ("buffer_rows: 10000", "buffer_rows", [1, 10**9], [0, -1]),
]


@pytest.mark.parametrize(
    ("old", "field", "value"), [(old, field, value) for old, field, inside, _ in RANGES for value in inside]
)
def test_inside_a_range(folder: Folder, old: str, field: str, value: Any) -> None:
    folder.load(edited(PQ, (old, f"{field}: {value} ")))


@pytest.mark.parametrize(
    ("old", "field", "value"), [(old, field, value) for old, field, _, outside in RANGES for value in outside]
)
def test_outside_of_a_range(folder: Folder, old: str, field: str, value: Any) -> None:
    folder.expect(edited(PQ, (old, f"{field}: ▸{value} ")), "OB104")


@pytest.mark.parametrize("value", [0.001, 60, 1e300])
def test_any_timeout_above_nothing(folder: Folder, value: float) -> None:
    timeout = folder.load(edited(PQ_BATCH, ("minutes: 60", f"minutes: {value}"))).pipeline.steps[0].timeout
    assert timeout == timedelta(minutes=min(value, 3650 * 24 * 60))


@pytest.mark.parametrize(
    ("value", "code"), [("0", "OB104"), ("-1", "OB104"), ("true", "OB103"), ('"60"', "OB103")]
)
def test_no_timeout_without_length(folder: Folder, value: str, code: str) -> None:
    folder.expect(edited(PQ_BATCH, ("timeout_minutes: 60", f"timeout_minutes: ▸{value}")), code)


@pytest.mark.parametrize("old", [case[0] for case in RANGES])
@pytest.mark.parametrize("value", ["true", "false", '"5"', "[5]", "{a: 5}", "5 GB"])
def test_numbers_are_numbers(folder: Folder, old: str, value: str) -> None:
    field = old.partition(":")[0]
    folder.expect(edited(PQ, (old, f"{field}: ▸{value} ")), "OB103")


@pytest.mark.parametrize("field", ["num_partitions: 10", "max_retries: 3 ", "buffer_rows: 10000"])
def test_whole_numbers_are_whole(folder: Folder, field: str) -> None:
    folder.expect(edited(PQ, (field, f"{field.partition(':')[0]}: ▸2.5 ")), "OB103")


TEXTS = [
    'name: "my_simulation"',
    'worker_script: "worker.py"',
    'jvm_profile: "Default"',
    'server_name: "AutoQuery"',
    'namespace: "Market"',
    'table: "Trade"',
    'column: "EventTime"',
]


@pytest.mark.parametrize("old", TEXTS)
@pytest.mark.parametrize(
    ("value", "code"), [('""', "OB104"), ('"  "', "OB104"), ("5", "OB103"), ("[a]", "OB103")]
)
def test_texts_are_not_empty(folder: Folder, old: str, value: str, code: str) -> None:
    folder.expect(edited(PQ, (old, f"{old.partition(':')[0]}: ▸{value}")), code)


FLAGS = [
    "delete_successful_queries: true",
    "delete_failed_queries: false",
    "sorted_replay: true",
    "weekdays_only: true",
]


@pytest.mark.parametrize("old", FLAGS)
@pytest.mark.parametrize("value", ["yes", "1", '"true"', "[]"])
def test_flags_are_true_or_false(folder: Folder, old: str, value: str) -> None:
    folder.expect(edited(PQ, (old, f"{old.partition(':')[0]}: ▸{value}")), "OB103")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('script_language: "Python"', "script_language: ▸python", "OB105"),
        ('script_language: "Python"', "script_language: ▸5", "OB103"),
        ('auth_method: "password"', "auth_method: ▸token", "OB105"),
        ('replay_start: "09:30:00"', 'replay_start: ▸"9:30:00"', "OB106"),
        ('replay_start: "09:30:00"', "replay_start: ▸09:30", "OB106"),
        ('replay_start: "09:30:00"', "replay_start: ▸24:00:00", "OB106"),
        ('replay_start: "09:30:00"', "replay_start: ▸93000", "OB106"),
        ('start: "2024-01-01"', "start: ▸2024-13-01", "OB106"),
        ('start: "2024-01-01"', "start: ▸01/02/2024", "OB106"),
        ('end: "2024-12-31"', "end: ▸2024-02-30", "OB106"),
        ('end: "2024-12-31"', "end: ▸20241231", "OB106"),
        ("replay_speed: 100.0", "replay_speed: ▸fast", "OB103"),
    ],
)
def test_words_and_formats(folder: Folder, old: str, new: str, code: str) -> None:
    folder.expect(edited(PQ, (old, new)), code)


# ── required ─────────────────────────────────────────────────────────────────────────────────────

REQUIRED = [
    ("name: least\n", "▸execution:\n", "`name` in the file"),
    ("  worker_script: worker.py\n", "execution:\n", "`worker_script` in `execution`"),
    ("  heap_size_gb: 4\n", "execution:\n", "`heap_size_gb` in `execution`"),
    ("  script_language: Python\n", "execution:\n", "`script_language` in `execution`"),
    ("  num_partitions: 2\n", "execution:\n", "`num_partitions` in `execution`"),
    ("  replay_start: 09:30:00\n", "replay:\n", "`replay_start` in `replay`"),
    ("  replay_speed: 1\n", "replay:\n", "`replay_speed` in `replay`"),
    ("  start: 2024-01-02\n", "dates:\n", "`start` in `dates`"),
    ("  end: 2024-01-03\n", "dates:\n", "`end` in `dates`"),
]


@pytest.mark.parametrize(("line", "at", "what"), REQUIRED)
def test_what_is_required(folder: Folder, line: str, at: str, what: str) -> None:
    text = edited(PQ_LEAST, (line, ""))
    text = text.replace(at.replace("▸", ""), f"▸{at.replace('▸', '')}")
    [finding] = folder.expect(text, "OB102")
    assert finding.message == f"missing field {what}"


def test_env_is_required_too(folder: Folder) -> None:
    [finding] = folder.expect("▸" + edited(PQ_LEAST, ("env: {}\n", "")), "OB102")
    assert finding.message == "missing field `env` in the file"


def test_a_whole_section_is_required(folder: Folder) -> None:
    text = PQ_LEAST[: PQ_LEAST.index("dates:")] + "env: {}\n"
    [finding] = folder.expect("▸" + text, "OB102")
    assert finding.message == "missing field `dates` in the file"


@pytest.mark.parametrize("missing", ["namespace", "table", "column"])
def test_a_timestamp_column_is_complete(folder: Folder, missing: str) -> None:
    entry = {"namespace": "Market", "table": "Trade", "column": "EventTime"}
    kept = ", ".join(f"{key}: {value}" for key, value in entry.items() if key != missing)
    text = PQ[: PQ.index("    - namespace")] + f"    - ▸{{{kept}}}\n" + PQ[PQ.index("dates:") :]
    [finding] = folder.expect(text, "OB102")
    assert finding.message == f"missing field `{missing}` in this entry"


# ── what belongs together ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (edited(PQ, ("dates:\n", "▸batch: {timeout_minutes: 5}\ndates:\n")), ["OB111"]),
        ("▸" + edited(PQ_BATCH, ("batch:\n  timeout_minutes: 60\n", "")), ["OB111"]),
        (edited(PQ_BATCH, ("batch:\n  timeout_minutes: 60\n", "▸batch: {}\n")), ["OB102"]),
        (edited(PQ, ("dates:\n", "▸scheduler: {calendar: USNYSE}\ndates:\n")), ["OB101"]),
        (edited(PQ, ("  replay_start:", "  ▸replay_time: 09:30:00\n  replay_start:")), ["OB101"]),
        (edited(PQ, ('start: "2024-01-01"', 'start: ▸"2025-01-01"')), ["OB115"]),
        (edited(PQ, ('"2024-01-01"', '▸"2024-01-06"'), ('"2024-12-31"', '"2024-01-07"')), ["OB114"]),
        (edited(PQ, ('"2024-01-01"', '"1950-01-01"'), ('"2024-12-31"', '▸"2024-01-07"')), ["OB104"]),
        (edited(PQ, ("weekdays_only: true", "calendar: ▸XNYZ")), ["OB113"]),
        (
            edited(
                PQ,
                ('"2024-01-01"', '▸"2024-01-06"'),
                ('"2024-12-31"', '"2024-01-07"'),
                ("weekdays_only: true", "calendar: XNYS"),
            ),
            ["OB114"],
        ),
        (edited(PQ, ('"2024-12-31"', '▸"2040-12-31"'), ("weekdays_only: true", "calendar: XNYS")), ["OB123"]),
        (
            edited(
                PQ,
                ('"2024-01-01"', '▸"2039-01-01"'),
                ('"2024-12-31"', '"2040-12-31"'),
                ("weekdays_only: true", "calendar: XNYS"),
            ),
            ["OB123"],
        ),
    ],
)
def test_what_excludes_or_contradicts_itself(folder: Folder, text: str, codes: list[str]) -> None:
    folder.expect(text, *codes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  num_partitions:", "  ▸num_partitons:"),
        ("  worker_script:", "  ▸worker_scrip:"),
        ("  replay_start:", "  ▸replay_strat:"),
        ("\nexecution:", "\n▸excution:"),
        ("\nreplay:", "\n▸repaly:"),
        ("\ndates:", "\n▸date:"),
        ("\nenv:", "\n▸evn:"),
        ("\ndeephaven:", "\n▸deephaevn:"),
        ("  connection_url:", "  ▸conection_url:"),
        ("  auth_method:", "  ▸auth_metod:"),
        ("  username:", "  ▸user_name:"),
        ("  password:", "  ▸pasword:"),
        ("  weekdays_only:", "  ▸weekday_only:"),
        ("  max_failures:", "  ▸max_failiures:"),
        ("      table:", "      ▸tabel:"),
    ],
)
def test_a_typo_and_the_missing_field_are_one_finding(folder: Folder, old: str, new: str) -> None:
    [finding] = folder.expect(edited(PQ, (old, new)), "OB101", on=None)
    assert finding.help == f"did you mean `{old.strip().rstrip(':')}`?"


def test_a_typo_in_batch(folder: Folder) -> None:
    [finding] = folder.expect(edited(PQ_BATCH, ("\nbatch:", "\n▸bacth:")), "OB101")
    assert finding.help == "did you mean `batch`?"


# ── all at once ──────────────────────────────────────────────────────────────────────────────────


def test_independent_mistakes_are_told_together_and_in_order(folder: Folder) -> None:
    text = edited(
        PQ,
        ('"worker.py"', '▸"nope.py"'),
        ("num_partitions: 10", "num_partitions: ▸0"),
        ("heap_size_gb: 4.0", "heap_size_gb: ▸true"),
        ("  max_retries", "  ▸max_retry"),
        ("replay_speed: 100.0", "replay_speed: ▸1000"),
        ('      column: "EventTime"\n', ""),
        ("    - namespace", "    - ▸namespace"),
        ('"2024-01-01"', '▸"2025-01-01"'),
        ('  OUTPUT_TABLE: "results"', "  OUTPUT_TABLE: ▸[results]\n  ▸PARTITION_ID: 3"),
    )
    folder.expect(text, "OB112", "OB104", "OB103", "OB101", "OB104", "OB102", "OB115", "OB103", "OB122")


def test_an_empty_section_is_told_once(folder: Folder) -> None:
    text = PQ[: PQ.index("replay:")] + "▸replay:\n" + PQ[PQ.index("dates:") :]
    folder.expect(text, "OB103")


@pytest.mark.parametrize("section", ["execution", "dates", "env", "deephaven", "replay"])
@pytest.mark.parametrize("value", ["5", "text", "[a]", "true"])
def test_a_section_is_a_mapping(folder: Folder, section: str, value: str) -> None:
    lines = PQ.split("\n")
    start = lines.index(f"{section}:")
    end = next((n for n in range(start + 1, len(lines)) if lines[n][:1] not in (" ", "")), len(lines))
    text = "\n".join([*lines[:start], f"{section}: ▸{value}", *lines[end:]])
    folder.expect(text, "OB103", on=None)
