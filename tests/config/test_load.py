"""From a file to a plan: whose language it is, what the command line changes, what is not known yet."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from openbell.config.document import parse
from openbell.config.findings import Finding, Severity
from openbell.config.load import Dialect, Overrides, detect
from openbell.config.project import Project
from openbell.core.model import Command
from openbell.errors import ConfigError, ExitCode
from openbell.store.codec import decode_pipeline, encode_pipeline
from tests.config.conftest import Folder, places
from tests.config.texts import LOGIN, NATIVE, PQ, PQ_BATCH, PQ_LEAST, REPLAY, REPLAY_LEAST, edited

# ── whose language ───────────────────────────────────────────────────────────────────────────────

N, P, R = Dialect.NATIVE, Dialect.PQ, Dialect.REPLAY


@pytest.mark.parametrize(
    ("text", "assume", "dialect"),
    [
        (PQ, N, P),
        (PQ, R, P),
        (PQ_BATCH, R, P),
        (REPLAY, N, R),
        (REPLAY, P, R),
        (NATIVE, P, N),
        ("execution: {num_partitions: 1}", R, P),
        ("execution: {num_workers: 1}", P, R),
        ("execution: {}", N, P),
        ("execution: {}", R, R),
        ("execution: {heap_size_gb: 4}", R, P),
        ("execution: {}\nreplay: {heap_size_gb: 4}", P, R),
        ("execution: {}\nscheduler: {}", P, R),
        ("execution: {}\nbatch: {}", R, P),
        ("execution: {num_partitions: 1, num_workers: 1, heap_size_gb: 4}", R, P),
        ("execution:", R, R),
        ("execution: 5", R, R),
        ("exection: {num_workers: 1}", P, R),
        ("exection: {num_workers: 1}", N, R),
        ("executor: process", N, N),
        ("steps: {}\nexecution: {num_workers: 1}", P, N),
        ("name: x", P, P),
        ("name: x", N, N),
        ("[]", R, R),
        ("", P, P),
        ("a: [", P, P),
    ],
)
def test_the_dialect_shows(text: str, assume: Dialect, dialect: Dialect) -> None:
    assert detect(parse(text, Path("x.yaml")), assume) is dialect


def test_a_mistyped_count_is_still_one_finding(folder: Folder) -> None:
    folder.expect(edited(PQ, ("  num_partitions:", "  ▸num_partition:")), "OB101")
    folder.expect(edited(REPLAY, ("  num_workers:", "  ▸num_worker:")), "OB101")


# ── files ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", ("OB108", 1, 1)),
        ("# nothing\n", ("OB108", 1, 1)),
        ("---\n", ("OB108", 2, 1)),
        ("- a\n- b\n", ("OB108", 1, 1)),
        ("text", ("OB108", 1, 1)),
        ("null", ("OB108", 1, 1)),
        (b"name: \xff", ("OB108", 1, 7)),
        ("name: n\nsteps: [", ("OB108", 2, 9)),
        ("a: &a [*a]", ("OB110", 1, 8)),
        ("a: 1\n---\nb: 1\n", ("OB108", 2, 1)),
    ],
)
def test_files_that_say_nothing(folder: Folder, text: str | bytes, place: tuple[str, int, int]) -> None:
    assert folder.errors(text) == [place]


def test_no_file(folder: Folder) -> None:
    from openbell.config.load import load

    with pytest.raises(ConfigError) as caught:
        load(folder.path / "nope.yaml", Project(folder.path), {})
    assert caught.value.exit_code == ExitCode.CONFIG
    assert [f.code for f in caught.value.findings if isinstance(f, Finding)] == ["OB112"]


def test_line_ends_and_marks_of_other_systems(folder: Folder) -> None:
    assert folder.load(b"\xef\xbb\xbf" + NATIVE.replace("\n", "\r\n").encode()).pipeline.size == 5
    broken = edited(NATIVE, ("market: XNYS", "market: NOPE")).replace("\n", "\r\n")
    assert folder.errors(broken.encode()) == [("OB113", 2, 9)]


def test_yaml_mistakes_and_others_are_told_together(folder: Folder) -> None:
    text = edited(PQ, ("num_partitions: 10", "num_partitions: ▸0"), ('name: "my', '▸name: a\nname: "my'))
    text = text.replace("▸name: a\nname:", "name: a\n▸name:").replace("env:\n", "env:\n  A: ▸!x 5\n")
    folder.expect(text, "OB109", "OB104", "OB110")


def test_a_plan_survives_the_store(folder: Folder) -> None:
    for text in (PQ, PQ_BATCH, REPLAY, NATIVE):
        pipeline = folder.load(text, LOGIN).pipeline
        assert decode_pipeline(encode_pipeline(pipeline)) == pipeline


# ── the command line over the file ───────────────────────────────────────────────────────────────


def options(**keys: Any) -> Overrides:
    return Overrides(on="process", **keys)


def setting(*pairs: tuple[str, str]) -> Overrides:
    return options(values=pairs)


@pytest.mark.parametrize(
    ("pairs", "size", "concurrency"),
    [
        ([("execution.num_partitions", "3")], 6, 50),
        ([("execution.max_concurrent_sessions", "7")], 4, 7),
        ([("dates.end", "2024-01-02")], 2, 50),
        ([("dates.end", "2024-01-08"), ("dates.calendar", "XNYS")], 10, 50),
        ([("execution.num_partitions", "9"), ("execution.num_partitions", "1")], 2, 50),
        ([("execution.num_partitions", "${N}")], 10, 50),
    ],
)
def test_set_replaces_and_adds(
    folder: Folder, pairs: list[tuple[str, str]], size: int, concurrency: int
) -> None:
    pipeline = folder.load(PQ_LEAST, {"N": "5"}, overrides=setting(*pairs)).pipeline
    assert (pipeline.size, pipeline.concurrency) == (size, concurrency)


def test_set_makes_sections_that_are_not_there(folder: Folder) -> None:
    pipeline = folder.load(
        NATIVE, overrides=setting(("params.days", "5"), ("defaults.retry.attempts", "3"))
    ).pipeline
    assert pipeline.params == {"days": 5}
    assert [step.retry.attempts for step in pipeline] == [3, 3]


def test_set_touches_what_it_names_and_no_alias_of_it(folder: Folder) -> None:
    text = "name: n\nsteps:\n  a: &a {run: x, timeout: 1s}\n  b: *a\n"
    pipeline = folder.load(text, overrides=setting(("steps.b.timeout", "2s"))).pipeline
    assert [str(step.timeout) for step in pipeline] == ["0:00:01", "0:00:02"]


@pytest.mark.parametrize(
    ("key", "value", "place", "part"),
    [
        ("execution.num_partitions", "0", ("OB104", 4, 19), "`num_partitions` must be"),
        ("execution.num_partitions", "x", ("OB103", 4, 19), "`num_partitions` must be"),
        ("execution.num_partitons", "3", ("OB101", 3, 3), "unknown field `num_partitons`"),
        ("concurrency", "3", ("OB101", 1, 1), "unknown field `concurrency`"),
        ("nope.deeper", "3", ("OB101", 1, 1), "unknown field `nope`"),
        ("name.x", "3", ("OB103", 1, 7), "`name.x` cannot be set: `name` is no mapping"),
        ("env", "", ("OB103", 13, 1), "`env` must not be null"),
        ("execution", "3", ("OB103", 3, 3), "`execution` must be a mapping"),
        ("dates.start", "2025-01-01", ("OB115", 11, 10), "lies after"),
    ],
)
def test_set_can_be_wrong(
    folder: Folder, key: str, value: str, place: tuple[str, int, int], part: str
) -> None:
    found = folder.findings(PQ_LEAST, overrides=setting((key, value)))
    assert places(found) == [place]
    assert part in found[0].message
    if found[0].code != "OB103" or "cannot be set" not in found[0].message:
        assert found[0].help.startswith(f"the value is that of `--set {key}={value}`")


def test_set_takes_text_only(folder: Folder) -> None:
    assert folder.errors(PQ_LEAST, overrides=setting(("name", "a\udc80"))) == [("OB103", 1, 1)]


@pytest.mark.parametrize("text", ["", "[]", "a: ["])
def test_set_on_a_file_that_is_none(folder: Folder, text: str) -> None:
    assert folder.errors(text, overrides=setting(("name", "x")))


FIRST_WEEK = (date(2024, 1, 1), date(2024, 1, 7))


def test_dates_cut_the_axes_of_dates(folder: Folder) -> None:
    loaded = folder.load(PQ, LOGIN, overrides=options(dates=FIRST_WEEK))
    assert loaded.pipeline.size == 50
    assert [day.isoformat() for day in loaded.left_out] == ["2024-01-06", "2024-01-07"]
    assert loaded.digest != folder.load(PQ, LOGIN).digest


def test_both_ends_of_the_dates_are_in(folder: Folder) -> None:
    overrides = options(dates=(date(2024, 1, 3), date(2024, 1, 4)))
    assert folder.load(NATIVE, overrides=overrides).pipeline.steps[0].matrix.axes[0].values == (
        "2024-01-03",
        "2024-01-04",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PQ, "no date of the file lies in 2025-01-01 to 2025-01-31"),
        (NATIVE, "no date of the file lies in 2025-01-01 to 2025-01-31"),
        (
            "name: n\nsteps: {a: {run: x, matrix: {partition: 3}}}\n",
            "`--dates` has nothing to choose from: no step has an axis of dates",
        ),
    ],
)
def test_dates_that_leave_nothing(folder: Folder, text: str, message: str) -> None:
    found = folder.findings(text, LOGIN, overrides=options(dates=(date(2025, 1, 1), date(2025, 1, 31))))
    assert [(f.code, f.message) for f in found if f.fatal] == [("OB114", message)]


def test_dates_add_nothing_to_a_file_that_is_wrong(folder: Folder) -> None:
    text = edited(PQ_LEAST, ("start: 2024-01-02", "start: ▸2024-01-99"))
    folder.expect(text, "OB106", overrides=options(dates=(date(2025, 1, 1), date(2025, 1, 31))))


@pytest.mark.parametrize(("count", "cells"), [(1, 1), (3, 3), (5, 5), (10**9, 2620)])
def test_a_sample_is_spread(folder: Folder, count: int, cells: int) -> None:
    [step] = folder.load(PQ, LOGIN, overrides=options(sample=count)).pipeline.steps
    assert len(step.matrix) == cells
    assert step.matrix.coordinates(0) == {"date": "2024-01-01", "partition": 0}
    if cells > 1:
        assert step.matrix.coordinates(cells - 1) == {"date": "2024-12-31", "partition": 9}


def test_a_sample_of_the_dates(folder: Folder) -> None:
    loaded = folder.load(PQ, LOGIN, overrides=options(dates=FIRST_WEEK, sample=4))
    assert [loaded.pipeline.steps[0].matrix.coordinates(n)["date"] for n in range(4)] == [
        "2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05",
    ]  # fmt: skip


# ── variables that are not set ───────────────────────────────────────────────────────────────────


def test_a_plan_needs_no_secrets(folder: Folder) -> None:
    loaded = folder.load(PQ, on=None)
    warnings = places(loaded.warnings, Severity.WARNING)
    assert warnings == [("OB107", 5, 13), ("OB107", 6, 13), ("OB119", 33, 18)]
    assert loaded.pipeline.size == 2620


@pytest.mark.parametrize("text", [PQ, PQ_BATCH, REPLAY])
def test_what_runs_here_needs_no_connection(folder: Folder, text: str) -> None:
    loaded = folder.load(text, on="process", starting=True)
    assert [warning.code for warning in loaded.warnings] == ["OB119"]
    text = edited(text, ('CUSTOM_PARAM: "value"', "CUSTOM_PARAM: ${NO}"))
    assert [code for code, *_ in folder.errors(text, on="process", starting=True)] == ["OB107"]


def test_a_start_needs_them(folder: Folder) -> None:
    assert folder.errors(PQ, on=None, starting=True) == [("OB107", 5, 13), ("OB107", 6, 13)]
    assert folder.load(PQ, LOGIN, on=None, starting=True).pipeline.size == 2620


SCRIPT = "name: n\nsteps:\n  a:\n    script: ${DIR}/worker.py\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (edited(PQ_LEAST, ("worker_script: worker.py", "worker_script: ${DIR}/worker.py")), (3, 18)),
        (SCRIPT, (4, 13)),
        ("name: n\npython: ${VENV}/bin/python\nsteps: {a: {run: x}}\n", (2, 9)),
        ("name: n\nsteps: {a: {run: 'x ${FLAG} {cell}'}}\n", (2, 18)),
        ("name: n\nsteps: {a: {run: [x, '${FLAG}']}}\n", (2, 22)),
        ("name: n\nparams: {x: '${X}'}\nsteps: {a: {run: 'x {params.x}'}}\n", (2, 13)),
        ("name: n\nenv: {A: '${X}'}\nsteps: {a: {run: x}}\n", (2, 10)),
        (edited(PQ_LEAST, ("name: least", "name: ${NAME}")), (1, 7)),
    ],
)
def test_what_only_a_task_needs_is_a_warning_until_it_starts(
    folder: Folder, text: str, place: tuple[int, int]
) -> None:
    assert places(folder.load(text).warnings, Severity.WARNING) == [("OB107", *place)]
    assert folder.errors(text, starting=True) == [("OB107", *place)]


@pytest.mark.parametrize(
    "text",
    [
        edited(PQ_LEAST, ("num_partitions: 2", "num_partitions: ▸${N}")),
        edited(PQ_LEAST, ("start: 2024-01-02", "start: ▸${START}")),
        edited(PQ_LEAST, ("heap_size_gb: 4", "heap_size_gb: ▸${HEAP}")),
        edited(PQ_LEAST, ("env: {}", "env: ▸${ENV}")),
        edited(PQ_LEAST, ("end: 2024-01-03", "end: 2024-01-03\n  calendar: ▸${CAL}")),
        edited(REPLAY, ('timezone: "America/New_York"', "timezone: ▸${ZONE}")),
        edited(NATIVE, ("name: desk", "name: ▸${NAME}")),
        edited(NATIVE, ("market: XNYS", "market: ▸${MARKET}")),
        edited(NATIVE, ("needs: [ingest]", "needs: [▸'${STEP}']")),
        edited(NATIVE, ("from: 2024-01-01", "from: ▸'${FROM}'")),
    ],
)
def test_what_the_plan_depends_on_is_one_error(folder: Folder, text: str) -> None:
    environ = LOGIN
    for starting in (False, True):
        [finding] = folder.expect(text, "OB107", environ=environ, starting=starting)
        assert "is not set" in finding.message


def test_a_set_variable_is_as_if_it_were_written(folder: Folder) -> None:
    text = edited(
        PQ_LEAST,
        ("worker_script: worker.py", "worker_script: ${DIR}/worker.py"),
        ("num_partitions: 2", "num_partitions: ${N}"),
        ("start: 2024-01-02", "start: ${START}"),
        ("replay_speed: 1", "replay_speed: ${SPEED:-max}"),
    )
    environ = {"DIR": ".", "N": "2", "START": "2024-01-02"}
    found, plain = (
        folder.load(text, environ, starting=True),
        folder.load(edited(PQ_LEAST, ("speed: 1", "speed: max"))),
    )
    assert found.pipeline == plain.pipeline
    assert found.digest == plain.digest


def test_a_quoted_number_is_text(folder: Folder) -> None:
    text = edited(PQ_LEAST, ("num_partitions: 2", "num_partitions: ▸'${N}'"))
    folder.expect(text, "OB103", environ={"N": "2"})


def test_a_step_that_is_called_env_is_a_step(folder: Folder) -> None:
    text = (
        "name: n\nsteps:\n  env:\n    run: echo ${A}\n    matrix: {env: ['${A}', b]}\n    env: {A: '${A}'}\n"
    )
    [step] = folder.load(text, {"A": "1"}).pipeline.steps
    assert step.work == Command(("echo", "1"))
    assert step.matrix.axes[0].values == ("1", "b")
    assert step.env == {"A": "${A}"}


# ── the project ──────────────────────────────────────────────────────────────────────────────────


def test_the_projects_data_comes_along(folder: Folder) -> None:
    project = Project(folder.path, data={"Market": str(folder.path)})
    assert folder.load(NATIVE, project=project).pipeline.data == {"Market": str(folder.path)}


def test_a_variable_of_the_project_has_to_be_set_when_something_starts(folder: Folder) -> None:
    missing = Finding("OB107", "the environment variable DB is not set", severity=Severity.WARNING)
    project = Project(folder.path, unset=(missing,))
    assert folder.load(NATIVE, project=project).pipeline.size == 5
    folder.write(NATIVE)
    from openbell.config.load import load

    with pytest.raises(ConfigError) as caught:
        load(folder.path / "c.yaml", project, {}, starting=True)
    assert caught.value.path == folder.path / "openbell.yaml"
    [finding] = caught.value.findings
    assert isinstance(finding, Finding)
    assert finding.fatal


def test_the_default_place_is_that_of_the_dialect(folder: Folder) -> None:
    assert folder.load(REPLAY, LOGIN, on=None).pipeline.steps[0].executor == "deephaven"
    assert folder.load(NATIVE, on=None).pipeline.steps[0].executor == "process"
    assert folder.load(REPLAY_LEAST, on="ray").pipeline.steps[0].executor == "ray"
