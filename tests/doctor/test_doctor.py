"""Checks of machines and projects, each on the real thing that it is about."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.cli.witness import Log
from openbell.clock import SimClock
from openbell.config.project import Project, load_project
from openbell.core.events import Bounced, Led
from openbell.core.state import Schedule, State
from openbell.doctor import checks, embedded, enterprise, extras, machine, project, state
from openbell.doctor.verdicts import Level, Place, Verdict
from openbell.market import market
from openbell.report.machine import free_space, memory
from openbell.store.sql import SqlStore
from tests.builders import RUN, World, later, pipeline
from tests.cli.conftest import Desk, desk
from tests.store.test_contract import alerted

__all__ = ["desk"]

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SHANGHAI = "name: night\nmarket: XSHG\ntriggers: [session]\nsteps: {a: {run: 'true'}}\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A project with one pipeline, in which nothing has run."""
    (tmp_path / "openbell.yaml").write_text("")
    (tmp_path / "night.yaml").write_text(SHANGHAI)
    return looked_at(tmp_path)


def looked_at(folder: Path, **environ: str) -> Place:
    return Place(NOW, {"PATH": os.environ["PATH"], **environ}, folder, load_project(folder, {}))


def worst(found: list[Verdict]) -> Verdict:
    return max(found, key=lambda verdict: list(Level).index(verdict.level))


def only(check: Callable[[Place], object], place: Place) -> Verdict:
    """The worst that a check finds."""
    return worst(list(check(place)))  # type: ignore[call-overload]


def test_a_project_on_the_embedded_engine_needs_a_python_with_it(tmp_path: Path) -> None:
    java = tmp_path / "jdk/bin/java"
    for program in (tmp_path / "env/bin/python", java):
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o700)
    (tmp_path / "openbell.yaml").write_text("deephaven_core: {python: env/bin/python}\n")
    environ = {"JAVA_HOME": str(tmp_path / "jdk")}
    found = only(embedded.engine, looked_at(tmp_path, **environ))
    assert found.level is Level.FAIL
    assert "env/bin/python has no deephaven-server" in found.found

    (tmp_path / "env/lib/python3.11/site-packages/deephaven_server").mkdir(parents=True)
    assert "it lacks the module jdk.compiler" in only(embedded.engine, looked_at(tmp_path, **environ)).found
    (tmp_path / "jdk/release").write_text('JAVA_VERSION="17.0.1"\nMODULES="java.base jdk.compiler"\n')
    assert only(embedded.engine, looked_at(tmp_path, **environ)).found.endswith("/env/bin/python")


def test_a_project_on_enterprise_needs_the_client(tmp_path: Path) -> None:
    (tmp_path / "openbell.yaml").write_text("executors: {deephaven: {python: /no/such/python}}\n")
    found = only(enterprise.client, looked_at(tmp_path))
    assert (found.level, found.found) == (Level.FAIL, "there is no program /no/such/python")
    assert "pip install deephaven-coreplus-client" in found.advice
    program = tmp_path / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    (tmp_path / "env/lib/python3.11/site-packages/deephaven_enterprise").mkdir(parents=True)
    (tmp_path / "openbell.yaml").write_text("executors: {deephaven: {python: env/bin/python}}\n")
    assert only(enterprise.client, looked_at(tmp_path)).found.endswith("/env/bin/python")
    assert enterprise.available(looked_at(tmp_path)) == {"deephaven"}


def store(place: Place) -> SqlStore:
    place.workspace.create()
    return SqlStore(f"sqlite:///{place.workspace.database}")


# ── the machine ──────────────────────────────────────────────────────────────────────────────────


def test_this_machine_is_fit(tmp_path: Path) -> None:
    found = dict(checks.examine(Place(datetime.now(UTC), os.environ, tmp_path)))
    assert set(found) == {name for name, _ in checks.MACHINE}
    assert not [name for name, verdict in found.items() if verdict.level is Level.FAIL]


def test_memory_and_disk_are_what_the_kernel_says(tmp_path: Path) -> None:
    found = memory()
    assert found is not None
    assert 0 < found[0] <= found[1] <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = free_space(tmp_path / "not" / "there" / "yet")
    assert free is not None
    assert free > 0


def test_a_clock_of_the_past_is_wrong(place: Place) -> None:
    assert only(machine.clock, replace(place, now=datetime(1999, 1, 1, tzinfo=UTC))).level is Level.FAIL
    assert only(machine.clock, place).level is Level.OK


@pytest.mark.parametrize(
    ("modules", "level", "told"),
    [
        ("java.base@17.0.9\njdk.compiler@17.0.9\n", Level.OK, "JDK 17.0.9"),
        ("java.base@17.0.9\njava.sql@17.0.9\n", Level.NOTE, "without the compiler"),
    ],
)
def test_a_runtime_is_no_jdk(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: str, level: Level, told: str
) -> None:
    monkeypatch.setattr(extras, "_there", lambda _: False)
    program = tmp_path / "jdk/bin/java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ntest $1 = --list-modules && printf '{modules}'\n".replace("\n'", "\\n'"))
    program.chmod(0o700)
    found = only(
        extras.java, replace(place, environ={"JAVA_HOME": str(tmp_path / "jdk"), "PATH": "/usr/bin:/bin"})
    )
    assert (found.level, told in found.found) == (level, True), found


def test_no_java_names_the_package(place: Place) -> None:
    found = only(extras.java, replace(place, environ={"PATH": "/nowhere"}))
    assert found.level in (Level.NOTE, Level.WARN)
    assert "openjdk-17-jdk-headless" in found.advice


def test_an_extra_that_is_half_there_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_there", lambda module: module == "polars")
    found = [one for one in extras.extras(place) if one.found.startswith("data:")]
    assert found == [Verdict(Level.WARN, "data: pyarrow, numpy is missing", 'pip install "openbell[data]"')]


def test_a_check_that_breaks_does_not_hide_the_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: Place) -> None:
        raise RuntimeError("what?")

    monkeypatch.setattr(checks, "MACHINE", (("odd", breaks), ("clock", machine.clock)))
    found = list(checks.examine(replace(place, project=None)))
    assert [name for name, _ in found] == ["odd", "clock"]
    assert found[0][1].found == "it could not be checked: RuntimeError: what?"


# ── the project ──────────────────────────────────────────────────────────────────────────────────


def test_a_project_in_order(place: Place) -> None:
    found = only(project.definitions, place)
    assert (found.level, found.found) == (Level.OK, "1 of 1 pipeline can be used, 1 with triggers")
    assert only(project.executors, place).level is Level.OK
    assert only(state.store, place).level is Level.OK
    assert only(state.folder, place).level is Level.OK


def test_files_that_cannot_be_used_fail(place: Place, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nsteps: {a: {rnu: x}}\n")
    found = only(project.definitions, looked_at(tmp_path))
    assert found.level is Level.FAIL
    assert found.found.startswith("bad.yaml: ")
    assert found.advice == "openbell validate bad.yaml"
    trouble = replace(place, project=Project(tmp_path), trouble="openbell.yaml has 1 error")
    assert only(project.definitions, trouble).found == "openbell.yaml has 1 error"


def test_an_executor_that_is_not_there_fails(tmp_path: Path, place: Place) -> None:
    found = only(project.executors, replace(place, executors=frozenset({"ray"})))
    assert (found.level, found.found) == (Level.FAIL, "night runs on `process`, which is not available")


def test_calendars_that_end_are_told_sixty_days_before(place: Place) -> None:
    end = datetime.combine(market("XSHG").valid_until, datetime.min.time(), UTC)
    days = [(61, Level.OK), (60, Level.WARN), (0, Level.WARN), (-1, Level.FAIL)]
    for left, level in days:
        found = only(project.calendars, replace(place, now=end - timedelta(days=left)))
        assert found.level is level, left
    assert found.found == f"the calendar of XSHG has ended on {end.date()}: update openbell"


def test_the_daemon_tells_it_too_and_again_every_week(capsys: pytest.CaptureFixture[str]) -> None:
    shanghai = market("XSHG")
    clock = SimClock(datetime.combine(shanghai.valid_until, datetime.min.time(), UTC) - timedelta(days=70))
    known = State(schedules={"p": Schedule(pipeline(), shanghai)})
    log = Log(clock)
    log.leads(known)
    for _ in range(30 * 24):
        clock.move(clock.now() + timedelta(hours=1))
        log.see([], known)
    told = [line for line in capsys.readouterr().err.splitlines() if "The calendar of XSHG ends on" in line]
    assert len(told) == 3, "on the 60th day before, and a week and two weeks later"
    assert "WARNING" in told[0]


def test_who_is_told_of_failures(place: Place, tmp_path: Path) -> None:
    assert only(project.channels, place).found == "nobody is told when a pipeline fails"
    (tmp_path / "night.yaml").write_text(SHANGHAI + "on_failure: {notify: [log]}\n")
    assert "a file that somebody has to read" in only(project.channels, looked_at(tmp_path)).found
    (tmp_path / "openbell.yaml").write_text("alerts: {channels: {desk: {command: ['true']}}}\n")
    (tmp_path / "night.yaml").write_text(SHANGHAI + "on_failure: {notify: [desk]}\n")
    found = only(project.channels, looked_at(tmp_path))
    assert (found.level, found.found) == (Level.OK, "desk, log; used: desk")


# ── its state ────────────────────────────────────────────────────────────────────────────────────


def test_a_state_folder_that_others_may_read_is_told(place: Place) -> None:
    store(place).close()
    assert only(state.folder, place).level is Level.OK
    place.workspace.folder.chmod(0o755)
    found = only(state.folder, place)
    assert (found.level, found.advice) == (Level.WARN, f"chmod 700 {place.workspace.folder}")


def test_a_supervisor_that_complains_is_heard(place: Place) -> None:
    store(place).close()
    (place.workspace.folder / "supervisor.log").write_text("Traceback\n")
    assert "a supervisor has complained" in [verdict.found for verdict in state.folder(place)]


def test_a_store_is_whole_damaged_older_or_newer(place: Place) -> None:
    store(place).close()
    database = place.workspace.database
    assert only(state.store, place).found.endswith("whole")
    for version, level in (("0010", Level.NOTE), ("9999", Level.FAIL)):
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.close()
        assert only(state.store, place).level is level
    with database.open("r+b") as file:
        file.write(b"nonsense" * 100)
    found = only(state.store, place)
    assert found.level is Level.FAIL
    assert "cannot be read" in found.found


def test_pages_that_are_damaged_are_found(place: Place) -> None:
    made = store(place)
    made.append(made.lead("test", NOW).epoch, 1, [Led(NOW, 1, "x" * 4000, adopt=True)] * 40, World().state)
    made.close()
    database = place.workspace.database
    with database.open("r+b") as file:
        file.seek(database.stat().st_size - 8192)
        file.write(b"\xff" * 4096)
    assert only(state.store, place).level is Level.FAIL


def test_a_clock_that_has_gone_back_is_found(place: Place) -> None:
    made = store(place)
    made.append(made.lead("test", NOW).epoch, 1, [Led(NOW, 1, "x", adopt=True)], World().state)
    made.close()
    assert only(state.store, place).level is Level.OK
    found = only(state.store, replace(place, now=NOW - timedelta(hours=1)))
    assert (found.level, "this clock has gone back" in found.found) == (Level.WARN, True)


def test_letters_that_nobody_got_are_told(place: Place) -> None:
    made = store(place)
    assert only(state.letters, place).found == "all have been delivered"
    ledger = alerted(made)
    world, lost = ledger.world, Bounced(later(9), RUN, "2.0.desk", "desk", 9, "no such channel", final=True)
    world.apply(Bounced(later(7), RUN, "1.0.desk", "desk", 1, "exit code 1"), lost)
    ledger.write()
    made.close()
    assert [verdict.found for verdict in state.letters(place)] == [
        "1 letter given up, the last to desk: no such channel",
        "1 letter bounced, and to be tried again, the last to desk: exit code 1",
    ]


def test_files_of_no_run_are_found(place: Place) -> None:
    store(place).close()
    assert only(state.leftovers, place).level is Level.OK
    log = place.workspace.attempts / "gone%2F1" / "a.0.1" / "log"
    log.parent.mkdir(parents=True)
    log.write_text("x" * 5000)
    found = only(state.leftovers, place)
    assert found.level is Level.WARN
    assert found.found.startswith("1 folder of no run that the store knows, 5 kB")


def test_somebody_has_to_lead_what_opens_by_itself(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = list(state.daemon(place))
    assert [verdict.level for verdict in found] == [Level.WARN, Level.NOTE]
    assert found[0].advice == "openbell start"
    unit = tmp_path / "home/.config/systemd/user/openbell-night.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"ExecStart=python -m openbell.cli.entry start --foreground -C {tmp_path}\n")
    assert list(state.daemon(place))[1].found == f"its unit is {unit}"


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def test_outside_of_a_project_only_the_machine_is_looked_at(desk: Desk) -> None:
    outcome = desk.run("doctor")
    assert outcome.code in (0, 1)
    assert "only the machine was looked at" in outcome.out
    data = json.loads(desk.run("doctor", "-o", "json").out)
    assert data["project"] is None
    assert {one["check"] for one in data["checks"]} == {name for name, _ in checks.MACHINE}
    assert not (desk.folder / ".openbell").exists()


def test_exit_codes_tell_warnings_from_failures(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("a.yaml", "name: a\ntriggers: [{every: 1h}]\nsteps: {a: {run: 'true'}}\n")
    outcome = desk.run("doctor")
    assert outcome.code == 1, "nobody leads"
    assert "warn  daemon" in outcome.out
    desk.write("a.yaml", "name: a\nsteps: nonsense\n")
    assert desk.run("doctor").code == 2
    desk.write("openbell.yaml", "nonsense: 1\n")
    outcome = desk.run("doctor")
    assert outcome.code == 2
    assert "openbell validate openbell.yaml" in outcome.out
    assert "python" in outcome.out
