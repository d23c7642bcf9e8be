"""Triggers in files: what they become, and what is said of those that are wrong, with line and column."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from openbell.config.catalog import Catalog, catalog
from openbell.config.findings import Finding
from openbell.config.project import Project, pipeline_files
from openbell.config.schema import json_schema
from openbell.core.inputs import Signal
from openbell.core.model import Overlap
from openbell.core.triggers import (
    AfterTrigger,
    AnchorTrigger,
    CronTrigger,
    FilesTrigger,
    IntervalTrigger,
    SessionTrigger,
    Trigger,
)
from tests.config.conftest import Folder, marked, places

STEPS = "steps: {a: {run: x}}\n"
US = "name: n\nmarket: XNYS\n"


def text(trigger: str, head: str = US) -> str:
    return f"{head}triggers: [{trigger}]\n{STEPS}"


# ── what they become ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("session", SessionTrigger()),
        ("{session: session}", SessionTrigger()),
        ('{cron: "0 19 * * *"}', CronTrigger("0 19 * * *", "America/New_York")),
        ('{cron: " 0  19 * * mon-fri "}', CronTrigger("0 19 * * mon-fri", "America/New_York")),
        ('{cron: "0 9 * * *", tz: Asia/Tokyo}', CronTrigger("0 9 * * *", "Asia/Tokyo")),
        (
            '{cron: "*/5 * * * *", during: [session, break]}',
            CronTrigger("*/5 * * * *", "America/New_York", ("session", "break")),
        ),
        ("{every: 15m}", IntervalTrigger(timedelta(minutes=15), "America/New_York")),
        ("{every: 1s}", IntervalTrigger(timedelta(seconds=1), "America/New_York")),
        (
            "{every: 4h, during: overnight}",
            IntervalTrigger(timedelta(hours=4), "America/New_York", ("overnight",)),
        ),
        ("{market: close+30m}", AnchorTrigger("close+30m")),
        ("{market: close + 90s}", AnchorTrigger("close+90s")),
        ("{market: last session of month close+1h}", AnchorTrigger("last session of month close+60m")),
        ("{market: first session of the week}", AnchorTrigger("first session of week open")),
        ("{after: a}", AfterTrigger(("a",))),
        ("{after: [a, b]}", AfterTrigger(("a", "b"))),
        (
            "{after: {any: [a, b]}, mismatch: skip}",
            AfterTrigger(("a", "b"), every_one=False, mismatch="skip"),
        ),
        ("{files: data/*.csv}", FilesTrigger(("data/*.csv",), timedelta(seconds=5))),
        ("{files: [a, b], settle: 1m}", FilesTrigger(("a", "b"), timedelta(minutes=1))),
        (
            "{files: a, signal: {complete: done.json, start: on.json}, stalled: 5m, timeout: 60m}",
            FilesTrigger(
                ("a",),
                timedelta(seconds=5),
                signal=Signal("done.json", "on.json"),
                stalled=timedelta(minutes=5),
                timeout=timedelta(hours=1),
            ),
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_a_trigger_becomes(folder: Folder, given: str, expected: Trigger) -> None:
    assert folder.load(text(given)).pipeline.triggers == (expected,)


def test_the_zone_is_that_of_the_cron_the_pipeline_the_market(folder: Folder) -> None:
    cron = '{cron: "0 1 * * *"}'

    def zones(head: str, given: str = cron) -> list[str]:
        triggers = folder.load(text(given, head)).pipeline.triggers
        return [one.tz for one in triggers if isinstance(one, CronTrigger | IntervalTrigger)]

    assert zones(US) == ["America/New_York"]
    assert zones(US + "tz: Europe/Paris\n") == ["Europe/Paris"]
    assert zones("name: n\ntz: Europe/Paris\n") == ["Europe/Paris"]
    assert zones(US, '{cron: "0 1 * * *", tz: UTC}') == ["UTC"]
    assert zones("name: n\n", "{every: 4h}") == ["UTC"]


@pytest.mark.parametrize(
    ("given", "count"), [("none", 0), ("last", 1), ("all(3)", 3), ("all", 9999), ("all(9999)", 9999)]
)
def test_catch_up(folder: Folder, given: str, count: int) -> None:
    assert folder.load(f"{US}catch_up: {given}\n{STEPS}").pipeline.catch_up == count


@pytest.mark.parametrize("overlap", list(Overlap))
def test_overlap(folder: Folder, overlap: Overlap) -> None:
    assert folder.load(f"{US}overlap: {overlap.value}\n{STEPS}").pipeline.overlap is overlap


def test_what_is_not_said(folder: Folder) -> None:
    pipeline = folder.load(US + STEPS).pipeline
    assert (pipeline.triggers, pipeline.catch_up, pipeline.overlap) == ((), 1, None)


# ── what is wrong ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        # words
        ("▸sesion", ["OB103"]),
        ("▸5", ["OB103"]),
        ("▸null", ["OB103"]),
        ("▸[session]", ["OB103"]),
        ("{▸corn: '0 1 * * *'}", ["OB101"]),
        ("{▸evry: 15m}", ["OB101"]),
        ("{▸marktet: close}", ["OB101"]),
        ('{cron: "0 1 * * *", ▸timezone: UTC}', ["OB101"]),
        ("{every: 15m, ▸tz: UTC}", ["OB101"]),
        ("{every: 15m, ▸durng: session}", ["OB101"]),
        ("{session: ▸5}", ["OB103"]),
        ("{after: a, ▸mismach: skip}", ["OB101"]),
        # crons
        ('{cron: ▸"0 19 * *"}', ["OB106"]),
        ('{cron: ▸"0 25 * * *"}', ["OB106"]),
        ('{cron: ▸"0 0 30 2 *"}', ["OB106"]),
        ('{cron: ▸"0 0 0 19 * *"}', ["OB106"]),
        ('{cron: ▸"@daily"}', ["OB106"]),
        ("{cron: ▸''}", ["OB106"]),
        ("{cron: ▸19}", ["OB103"]),
        ('{cron: "0 1 * * *", tz: ▸Mars/Base}', ["OB105"]),
        ('{cron: "0 1 * * *", during: ▸sesion}', ["OB105"]),
        ('{cron: "0 1 * * *", during: [session, ▸open]}', ["OB105"]),
        ('{cron: "0 1 * * *", during: ▸[]}', ["OB104"]),
        ('{cron: "0 1 * * *", during: ▸holiday}', ["OB105"]),
        # intervals
        ("{every: ▸15}", ["OB106"]),
        ("{every: ▸0m}", ["OB104"]),
        ("{every: ▸500ms}", ["OB104"]),
        ("{every: ▸-5m}", ["OB106"]),
        ("{every: ▸fortnight}", ["OB106"]),
        # points
        ("{market: ▸noon}", ["OB106"]),
        ("{market: ▸close+1d}", ["OB106"]),
        ("{market: ▸last session of decade}", ["OB106"]),
        ("{market: ▸5}", ["OB106"]),
        # after
        ("{after: ▸n}", ["OB117"]),
        ("{after: ▸[a, n]}", ["OB117"]),
        ("{after: ▸[]}", ["OB109"]),
        ("{after: ▸[a, a]}", ["OB109"]),
        ("{after: ▸a/b}", ["OB118"]),
        ("{after: ▸{all: [a]}}", ["OB103"]),
        ("{after: a, mismatch: ▸ignore}", ["OB105"]),
        # files
        ("{files: ▸[]}", ["OB103"]),
        ("{files: ▸5}", ["OB103"]),
        ("{files: a, settle: ▸soon}", ["OB106"]),
        # twice
        ("session, ▸session", ["OB109"]),
        ('{cron: "0 1 * * *"}, ▸{cron: " 0 1 * * *"}', ["OB109"]),
        # modes
        ("{session: session, mode: ▸a/b}", ["OB118"]),
    ],
)
def test_what_is_wrong_with_a_trigger(folder: Folder, given: str, codes: list[str]) -> None:
    folder.expect(text(given), *codes)


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (text('{cron: ▸"0 19 * * *"}', "name: n\n"), ["OB129"]),
        (text("▸session", "name: n\n"), ["OB129"]),
        (text("▸{session: session}", "name: n\n"), ["OB129"]),
        (text("{market: ▸close}", "name: n\n"), ["OB129"]),
        (text("{every: 15m, during: ▸session}", "name: n\n"), ["OB129"]),
        (text('{cron: "0 1 * * *", tz: UTC, during: ▸session}', "name: n\n"), ["OB129"]),
        (f"{US}catch_up: ▸some\n{STEPS}", ["OB105"]),
        (f"{US}catch_up: ▸3\n{STEPS}", ["OB105"]),
        (f"{US}catch_up: ▸all(-1)\n{STEPS}", ["OB105"]),
        (f"{US}catch_up: ▸all(10000)\n{STEPS}", ["OB105"]),
        (f"{US}overlap: ▸skip\n{STEPS}", ["OB105"]),
        (f"{US}triggers: ▸session\n{STEPS}", ["OB103"]),
        (f"{US}▸trigger: [session]\n{STEPS}", ["OB101"]),
        (f"{US}▸on: [session]\n{STEPS}", ["OB101"]),
        # a market that is wrong is said once
        (text("session, {market: close}", "name: n\nmarket: ▸XNYZ\n"), ["OB113"]),
        (text('{cron: "0 1 * * *"}', "name: n\nmarket: ▸XNYZ\n"), ["OB113"]),
        (text('{cron: "0 1 * * *"}', "name: n\ntz: ▸Mars/Base\n"), ["OB105"]),
    ],
)
def test_what_is_wrong_around_triggers(folder: Folder, content: str, codes: list[str]) -> None:
    folder.expect(content, *codes)


def test_several_findings_at_once(folder: Folder) -> None:
    folder.expect(
        'name: n\ntriggers:\n  - ▸session\n  - {cron: ▸"0 19 * *"}\n  - {every: ▸0s}\n'
        '  - {cron: "0 1 * * *", tz: UTC, ▸tzz: UTC}\ncatch_up: ▸never\n' + STEPS,
        *("OB129", "OB106", "OB104", "OB101", "OB105"),
    )


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("{evry: 15m}", "every"),
        ("{corn: '0 1 * * *'}", "cron"),
        ("{after: a, mismach: skip}", "mismatch"),
        ("{every: 15m, durng: session}", "during"),
        ('{cron: "0 19 * *"}', "minute hour day month weekday"),
        ("{market: noon}", "close+30m"),
    ],
)
def test_the_nearest_name_or_an_example_is_given(folder: Folder, given: str, hint: str) -> None:
    plain, _ = marked(text(given))
    assert any(hint in found.help for found in folder.findings(plain))


def test_a_cron_without_a_zone_says_how_to_give_one(folder: Folder) -> None:
    [found] = folder.findings(text('{cron: "0 19 * * *"}', "name: n\n"))
    assert found.message == "`0 19 * * *` has no time zone"
    assert "tz: America/New_York" in found.help


def test_the_schema_knows_them_too() -> None:
    schema = json_schema("pipeline")
    good = {
        "name": "n",
        "market": "XNYS",
        "catch_up": "all(3)",
        "overlap": "queue",
        "steps": {"a": {"run": "x"}},
    }
    for trigger in (
        "session",
        {"session": "session", "mode": "m"},
        {"cron": "0 1 * * *", "tz": "UTC", "during": ["session"]},
        {"every": "15m"},
        {"market": "close+30m"},
        {"after": {"any": ["a", "b"]}},
        {"files": ["a"], "settle": "5s"},
    ):
        jsonschema.validate(good | {"triggers": [trigger]}, schema)
    for bad in (
        {"triggers": ["daily"]},
        {"triggers": [{"every": "15m", "tz": "UTC"}]},
        {"triggers": [{"cron": 5}]},
        {"catch_up": "some"},
        {"overlap": "both"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(good | bad, schema)


# ── what pipelines say about each other ──────────────────────────────────────────────────────


class Pipelines:
    """A project with the folder `pipelines/`, or without."""

    def __init__(self, folder: Path, *, apart: bool = True) -> None:
        self.folder = folder
        self.place = folder / "pipelines" if apart else folder
        self.place.mkdir(exist_ok=True)
        self.marks: dict[str, list[tuple[int, int]]] = {}

    def write(self, name: str, content: str) -> None:
        plain, self.marks[name] = marked(content)
        (self.place / f"{name}.yaml").write_text(plain)

    def add(self, name: str, trigger: str = "", head: str = "") -> None:
        """A pipeline of that name with one trigger."""
        triggers = f"triggers: [{trigger}]\n" if trigger else ""
        self.write(name, f"name: {name}\n{head}{triggers}{STEPS}")

    def catalog(self) -> Catalog:
        return catalog(Project(self.folder), {})

    def expect(self, **codes: str) -> dict[str, Finding]:
        """These files are wrong, each at its mark, and no others."""
        found = self.catalog()
        told: dict[str, Finding] = {}
        for path, error in found.broken.items():
            findings = tuple(one for one in error.findings if isinstance(one, Finding))
            [mark] = self.marks[path.stem]
            assert places(findings) == [(codes.get(path.stem, "?"), *mark)], error
            told[path.stem] = findings[0]
        assert set(told) == set(codes)
        assert not set(told) & set(found.definitions)
        return told


@pytest.fixture
def pipelines(tmp_path: Path) -> Pipelines:
    return Pipelines(tmp_path)


def test_a_pipeline_that_is_not_there(pipelines: Pipelines) -> None:
    pipelines.add("prices")
    pipelines.add("book", "session, {after: ▸[prices, prises]}", "market: XNYS\n")
    found = pipelines.expect(book="OB131")
    assert found["book"].message == "there is no pipeline `prises`"
    assert found["book"].help == "did you mean `prices`?"


def test_two_of_one_name(pipelines: Pipelines) -> None:
    pipelines.add("a")
    pipelines.write("b", "name: ▸a\n" + STEPS)
    assert "a.yaml" in pipelines.expect(b="OB130")["b"].message


def test_circles(pipelines: Pipelines) -> None:
    pipelines.add("a", "{after: ▸b}")
    pipelines.add("b", "{after: ▸c}")
    pipelines.add("c", "{after: ▸{any: [a, d]}}")
    pipelines.add("d")
    pipelines.add("e", "{after: d}")
    found = pipelines.expect(a="OB117", b="OB117", c="OB117")
    assert found["a"].message == "these pipelines wait for each other: a -> b -> c -> a"


def test_runs_that_cannot_be_matched(pipelines: Pipelines) -> None:
    pipelines.add("us", head="market: XNYS\n")
    pipelines.add("eu", head="market: XLON\n")
    pipelines.add("feed", '{cron: "0 1 * * *", tz: UTC}')
    pipelines.add("good", "{after: [us, eu]}")
    pipelines.add("one", "{after: feed}", "market: XNYS\n")
    pipelines.add("globe", "{after: [us, eu]}")
    pipelines.add("report", "{after: [globe, us]}")
    pipelines.add("all", "{after: ▸[us, feed]}")
    pipelines.add("any", "{after: ▸{any: [feed, us]}}")
    found = pipelines.expect(all="OB129", any="OB129")
    assert "`us` has a market and `feed` has none" in found["all"].message


def test_one_broken_file_does_not_hold_back_the_others(pipelines: Pipelines) -> None:
    pipelines.add("good", "session", "market: XNYS\n")
    pipelines.write("bad", "name: bad\n▸stepz: {}\n" + STEPS)
    pipelines.add("after", "{after: bad}")  # it may be in the file that cannot be read
    pipelines.expect(bad="OB101")


def test_the_last_good_version_stays(pipelines: Pipelines) -> None:
    pipelines.add("a", "{every: 15m}")
    before = pipelines.catalog()
    pipelines.write("a", "name: a\n▸stepz: {}\n" + STEPS)
    now = pipelines.catalog()
    now.keep(before)
    assert now.definitions["a"] is before.definitions["a"]


@pytest.mark.parametrize(
    "broken", ["name: [a\n", "name: a\nstepz: {a: {run: x}}\n", "\t- x: : y\nsteps:", ""]
)
def test_also_where_the_files_lie_beside_the_project(tmp_path: Path, broken: str) -> None:
    pipelines = Pipelines(tmp_path, apart=False)
    (tmp_path / "openbell.yaml").write_text("")
    (tmp_path / "other.yaml").write_text("just: data\n")
    pipelines.add("a", "{every: 15m}")
    before = pipelines.catalog()
    assert list(before.definitions) == ["a"]
    (tmp_path / "a.yaml").write_text(broken)
    now = catalog(Project(tmp_path), {}, known=before.files)
    now.keep(before)
    assert list(now.broken) == [tmp_path / "a.yaml"]
    assert now.definitions["a"] is before.definitions["a"]
    (tmp_path / "a.yaml").unlink()
    assert catalog(Project(tmp_path), {}, known=before.files).definitions == {}


def test_a_file_that_takes_anothers_name_does_not_take_its_place(pipelines: Pipelines) -> None:
    pipelines.add("b", "{every: 15m}")
    before = pipelines.catalog()
    pipelines.write("a", "name: ▸b\n" + STEPS)
    now = catalog(Project(pipelines.folder), {}, known=before.files)
    assert [path.name for path in now.broken] == ["a.yaml"]
    assert now.definitions["b"].path.name == "b.yaml"


def test_files_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "openbell.yaml").write_text("")
    for name in ("b.yaml", "a.yml"):
        (tmp_path / name).write_text(f"name: {name[0]}\n{STEPS}")
    (tmp_path / "data.yaml").write_text("x: 1\n")
    (tmp_path / "torn.yaml").write_text("x: [1\n")
    assert [path.name for path in pipeline_files(Project(tmp_path))] == ["a.yml", "b.yaml", "torn.yaml"]
    (tmp_path / "pipelines").mkdir()
    assert pipeline_files(Project(tmp_path)) == []


def test_variables_that_are_not_set_stop_what_starts_and_nothing_else(pipelines: Pipelines) -> None:
    pipelines.write(
        "a", 'name: a\nenv: {X: "${NOT_SET_ANYWHERE}"}\nparams: {y: ▸"${NOT_SET_EITHER}"}\n' + STEPS
    )
    starting = pipelines.catalog()
    assert list(starting.broken) == [pipelines.place / "a.yaml"]
    looking = catalog(Project(pipelines.folder), {}, starting=False)
    assert list(looking.definitions) == ["a"]
    assert json.dumps([one.message for one in looking.definitions["a"].warnings])
