"""The replay orchestrator's file, where it differs from its successor's: heap, language, scheduler, names."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest

from openbell.config.load import Dialect
from openbell.core.model import AttemptKey, Demand, Replay, Run, Window
from openbell.core.render import environment, query_name
from tests.builders import NOW
from tests.config.conftest import Folder
from tests.config.texts import LOGIN, REPLAY, REPLAY_LEAST, edited


def mode_of(folder: Folder, text: str) -> Replay:
    mode = folder.load(text).pipeline.steps[0].mode
    assert isinstance(mode, Replay)
    return mode


# ── the manual's files ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("on", [None, "deephaven", "process"])
def test_the_manuals_file(folder: Folder, on: str | None) -> None:
    loaded = folder.load(REPLAY, LOGIN, on=on, starting=True)
    pipeline, [step] = loaded.pipeline, loaded.pipeline.steps
    assert loaded.dialect is Dialect.REPLAY
    assert pipeline.size == 2620
    assert (pipeline.concurrency, pipeline.max_failures) == (50, None)
    assert step.executor == (on or "deephaven")
    assert step.matrix.coordinates(12) == {"date": "2024-01-02", "worker": 2}
    assert [axis.kind for axis in step.matrix.axes] == ["date", "partition"]
    assert step.retry.attempts == 4
    assert (step.start_timeout, step.timeout) == (timedelta(minutes=10), None)
    assert step.demand == (Demand(memory=4 * 2**30, memory_cap=False) if on == "process" else Demand())
    assert step.window == Window(time(9, 30), time(16, 0), "America/New_York", "USNYSE", True)
    assert step.mode == Replay(
        speed=1.0,
        start="09:30:00",
        sorted=True,
        buffer_rows=10_000,
        timestamp_columns=(("Market", "Trade", "EventTime"), ("Market", "Quote", "QuoteTimestamp")),
        tz="America/New_York",
    )
    connection = {
        "connection_url": "https://your-server:8000/iris/connection.json",
        "auth_method": "password",
        "username": "${DH_USERNAME}",
        "password": "${DH_PASSWORD}",
    }
    assert pipeline.settings["deephaven"] == (connection if on != "process" else {}) | {
        "jvm_profile": "Default",
        "server_name": "AutoQuery",
        "heap_size_gb": 4.0,
        "language": "Python",
    }


def test_the_simple_worker_has_six_sessions(folder: Folder) -> None:
    """Three dates, two workers each."""
    pipeline = folder.load(REPLAY_LEAST).pipeline
    assert len(pipeline.steps[0].matrix.axes[0].values) == 3
    assert pipeline.size == 6


def test_the_least_that_is_accepted_and_its_defaults(folder: Folder) -> None:
    pipeline = folder.load(REPLAY_LEAST).pipeline
    [step] = pipeline.steps
    assert (pipeline.concurrency, step.retry.attempts) == (50, 4)
    assert step.start_timeout == timedelta(minutes=1)
    assert step.mode == Replay(speed=1.0, sorted=True, buffer_rows=10_000, tz="America/New_York")
    assert step.window is None
    assert pipeline.settings["deephaven"] == {
        "jvm_profile": "Default",
        "server_name": "AutoQuery",
        "heap_size_gb": 4.0,
        "language": "Python",
    }


def test_names_and_variables_of_a_worker(folder: Folder) -> None:
    pipeline = folder.load(edited(REPLAY, ("my_simulation", "my sim"))).pipeline
    run, [step] = Run(f"{pipeline.name}/1", pipeline, "d", NOW), pipeline.steps
    key = AttemptKey(run.id, "worker", 13, 1)
    assert query_name(run, step, key) == "replay_my sim_2024-01-02_3"
    told = environment(run, step, key)
    assert {
        name: told[name] for name in ("SIMULATION_NAME", "SIMULATION_DATE", "WORKER_ID", "NUM_WORKERS")
    } == {
        "SIMULATION_NAME": "my sim",
        "SIMULATION_DATE": "2024-01-02",
        "WORKER_ID": "3",
        "NUM_WORKERS": "10",
    }


# ── begin of the replay ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        ("", "09:30:00"),
        ("  replay_start: 10:00:00\n", "10:00:00"),
        ("  replay_time: 10:00:00\n", "10:00:00"),
        ("  replay_time: 10:00:00\n  replay_start: '10:00:00'\n", "10:00:00"),
    ],
)
def test_two_names_for_the_begin(folder: Folder, lines: str, start: str) -> None:
    assert mode_of(folder, edited(REPLAY_LEAST, ("dates:\n", f"{lines}dates:\n"))).start == start


def test_two_names_that_say_two_things(folder: Folder) -> None:
    text = edited(REPLAY_LEAST, ("dates:\n", "  ▸replay_time: 10:00:00\n  replay_start: 09:30:00\ndates:\n"))
    [finding] = folder.expect(text, "OB111")
    assert finding.help == "keep one of them"


# ── ranges ───────────────────────────────────────────────────────────────────────────────────────

RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("num_workers: 10", [1, 1000], [0, 1001]),
    ("max_concurrent_sessions: 50", [1, 1000], [0, 1001]),
    ("max_retries: 3", [0, 1000000], [-1]),
    ("heap_size_gb: 4.0", [0.001, 512], [0, 512.01]),
    ("init_timeout_minutes: 10", [0.001, 1e300], [0, -1]),
    ("replay_speed: 1.0", [1, 100, "max"], [0.99, 100.01, 1000]),
    ("buffer_rows: 10000", [1], [0]),
]


@pytest.mark.parametrize(("old", "value"), [(old, value) for old, inside, _ in RANGES for value in inside])
def test_inside_a_range(folder: Folder, old: str, value: Any) -> None:
    folder.load(edited(REPLAY, (f"{old}\n", f"{old.partition(':')[0]}: {value}\n")))


@pytest.mark.parametrize(("old", "value"), [(old, value) for old, _, outside in RANGES for value in outside])
def test_outside_of_a_range(folder: Folder, old: str, value: Any) -> None:
    folder.expect(edited(REPLAY, (f"{old}\n", f"{old.partition(':')[0]}: ▸{value}\n")), "OB104")


@pytest.mark.parametrize("old", [case[0] for case in RANGES])
@pytest.mark.parametrize("value", ["true", '"5"'])
def test_numbers_are_numbers(folder: Folder, old: str, value: str) -> None:
    folder.expect(edited(REPLAY, (f"{old}\n", f"{old.partition(':')[0]}: ▸{value}\n")), "OB103")


# ── required, known, unknown ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "section"),
    [
        ("  worker_script: worker.py\n", "execution"),
        ("  num_workers: 2\n", "execution"),
        ("  heap_size_gb: 4\n", "replay"),
        ("  script_language: Python\n", "replay"),
        ("  start: 2024-01-03\n", "dates"),
        ("  end: 2024-01-05\n", "dates"),
    ],
)
def test_what_is_required(folder: Folder, line: str, section: str) -> None:
    text = edited(REPLAY_LEAST, (line, ""), (f"{section}:\n", f"▸{section}:\n"))
    [finding] = folder.expect(text, "OB102")
    assert finding.message == f"missing field `{line.strip().partition(':')[0]}` in `{section}`"


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("replay:\n", "  ▸heap_size_gb: 4\n"),
        ("replay:\n", "  ▸script_language: Python\n"),
        ("replay:\n", "  ▸max_failures: 10\n"),
        ("replay:\n", "  ▸delete_failed_queries: true\n"),
        ("dates:\n", "▸batch: {timeout_minutes: 5}\n"),
        ("env: {}", "▸holidays: skip\n"),
    ],
)
def test_what_the_successor_knows_is_not_known_here(folder: Folder, before: str, line: str) -> None:
    folder.expect(edited(REPLAY_LEAST, (before, line + before)), "OB101")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  num_workers:", "  ▸num_worker:"),
        ("  heap_size_gb:", "  ▸heap_size:"),
        ("\nexecution:", "\n▸exection:"),
        ("\nreplay:", "\n▸reply:"),
        ("\nscheduler:", "\n▸schedular:"),
        ("  business_days:", "  ▸bussiness_days:"),
        ("\ndeephaven:", "\n▸deephavn:"),
    ],
)
def test_a_typo_and_the_missing_field_are_one_finding(folder: Folder, old: str, new: str) -> None:
    [finding] = folder.expect(edited(REPLAY, (old, new)), "OB101", on=None)
    assert finding.help == f"did you mean `{old.strip().rstrip(':')}`?"


# ── scheduler ────────────────────────────────────────────────────────────────────────────────────

FIELDS = ["calendar", "start_time", "stop_time", "timezone", "business_days"]


@pytest.mark.parametrize("missing", FIELDS)
def test_a_scheduler_has_all_five_fields(folder: Folder, missing: str) -> None:
    lines = [line for line in REPLAY.split("\n") if not line.startswith(f"  {missing}:")]
    text = "\n".join(lines).replace("scheduler:", "▸scheduler:")
    [finding] = folder.expect(text, "OB102")
    assert finding.message == f"missing field `{missing}` in `scheduler`"


def test_an_empty_scheduler_lacks_them_all(folder: Folder) -> None:
    text = edited(REPLAY_LEAST, ("dates:\n", "▸scheduler: {}\ndates:\n"))
    [finding] = folder.expect(text, "OB102")
    assert (
        finding.message == "missing fields " + ", ".join(f"`{name}`" for name in FIELDS) + " in `scheduler`"
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('calendar: "USNYSE"', "calendar: ▸NYSEUS", "OB113"),
        ('calendar: "USNYSE"', "calendar: ▸''", "OB104"),
        ('start_time: "09:30:00"', "start_time: ▸09:30", "OB106"),
        ('stop_time: "16:00:00"', "stop_time: ▸4pm", "OB106"),
        ('stop_time: "16:00:00"', "stop_time: ▸09:30:00", "OB115"),
        ('timezone: "America/New_York"', "timezone: ▸America/New_Yrk", "OB105"),
        ('timezone: "America/New_York"', "timezone: ▸../etc", "OB105"),
        ('timezone: "America/New_York"', "timezone: ▸America", "OB105"),
        ("business_days: true", "business_days: ▸yes", "OB103"),
    ],
)
def test_each_field_is_checked(folder: Folder, old: str, new: str, code: str) -> None:
    folder.expect(edited(REPLAY, (old, new)), code)


@pytest.mark.parametrize("value", ["null", "", "5", "[]", "true"])
def test_a_scheduler_is_a_mapping_or_not_there(folder: Folder, value: str) -> None:
    mark = "▸" if value in ("null", "") else ""
    text = f"{mark}scheduler: {'' if mark else '▸'}{value}\n"
    folder.expect(REPLAY[: REPLAY.index("scheduler:")] + text + REPLAY[REPLAY.index("dates:") :], "OB103")


def test_a_zone_with_a_typo_has_a_neighbour(folder: Folder) -> None:
    text = edited(REPLAY, ("America/New_York", "America/New_Yrk"))
    [finding] = [f for f in folder.findings(text) if f.fatal]
    assert finding.help == "did you mean 'America/New_York'?"


def test_calendar_and_zone_are_both_checked(folder: Folder) -> None:
    text = edited(REPLAY, ('"USNYSE"', "▸NOPE"), ('"America/New_York"', "▸Nowhere"))
    folder.expect(text, "OB113", "OB105")


def test_holidays_are_those_of_the_scheduler(folder: Folder) -> None:
    text = edited(
        REPLAY, ('"USNYSE"', "XLON"), ('"2024-01-01"', '"2024-05-06"'), ('"2024-12-31"', '"2024-05-07"')
    )
    [warning] = folder.load(text, LOGIN).warnings
    assert warning.message.startswith("1 of these weekdays is no session of XLON: 2024-05-06 (")


def test_every_day_windows(folder: Folder) -> None:
    window = (
        folder.load(edited(REPLAY, ("business_days: true", "business_days: false"))).pipeline.steps[0].window
    )
    assert window is not None
    assert window.business_days is False


# ── language ─────────────────────────────────────────────────────────────────────────────────────


def test_groovy_does_not_run_here(folder: Folder) -> None:
    folder.expect(edited(REPLAY, ('script_language: "Python"', "script_language: ▸Groovy")), "OB124")


def test_top_speed_needs_an_executor_that_can(folder: Folder) -> None:
    text = edited(REPLAY, ("replay_speed: 1.0", "replay_speed: ▸max"))
    folder.expect(text, "OB104", on=None)
    assert mode_of(folder, text.replace("▸", "")).speed == "max"


def test_independent_mistakes_are_told_together_and_in_order(folder: Folder) -> None:
    text = edited(
        REPLAY,
        ('name: "my_simulation"', "name: ▸''"),
        ('"simple_worker.py"', "▸simple_wroker.py"),
        ("num_workers: 10", "num_workers: ▸0"),
        ("heap_size_gb: 4.0", "heap_size_gb: ▸600"),
        ('script_language: "Python"', "script_language: ▸Ruby"),
        ('"USNYSE"', "▸NOPE"),
        ('"2024-12-31"', "▸2024-12-32"),
        ('  CUSTOM_PARAM: "value"', "  ▸WORKER_ID: 3"),
    )
    folder.expect(text, "OB104", "OB112", "OB104", "OB104", "OB105", "OB113", "OB106", "OB122")
