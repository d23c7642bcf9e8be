"""`call: module:function`, judged without importing anything."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from openbell.config.callables import module_file
from openbell.config.findings import Severity
from openbell.core.model import Cache, Call, Command, Marker
from tests.config.conftest import Folder, expect_step, one_step, places

SOURCE = """
import json
from os import path as where
raise SystemExit("imported")

VALUE, (OTHER, *REST) = 1, (2, 3)

def plain(ctx): ...
def more(ctx, days=5, *, fee=0.1): ...
def any_number(*args): ...
def none(): ...
def two(ctx, days): ...
def named(ctx, *, fee): ...
async def waits(ctx): ...

@json.loads
def decorated(): ...

class Job:
    def __init__(self, ctx): ...

try:
    def tried(ctx): ...
except ImportError:
    def excepted(ctx): ...
else:
    if VALUE:
        def nested(ctx): ...
with open("x"):
    inside = plain

def outer():
    def hidden(ctx): ...
"""


@pytest.fixture
def desk(folder: Folder) -> Folder:
    (folder.path / "jobs.py").write_text(SOURCE)
    (folder.path / "desk").mkdir()
    (folder.path / "desk" / "__init__.py").write_text("def top(ctx): ...\n")
    (folder.path / "desk" / "book.py").write_text("def run(ctx): ...\n")
    (folder.path / "loose").mkdir()
    (folder.path / "loose" / "part.py").write_text("def run(ctx): ...\n")
    (folder.path / "open.py").write_text("from json import *\n")
    (folder.path / "lazy.py").write_text("def __getattr__(name): ...\n")
    (folder.path / "broken.py").write_text("def f(:\n")
    return folder


@pytest.mark.parametrize(
    "target",
    [
        *(
            f"jobs:{name}"
            for name in ("plain", "more", "any_number", "decorated", "Job", "tried", "excepted")
        ),
        *(f"jobs:{name}" for name in ("nested", "inside", "VALUE", "OTHER", "REST", "json", "where")),
        "desk:top",
        "desk.book:run",
        "loose.part:run",
        "json:loads",
        "xml.dom.minidom:parseString",
        "'  json:loads '",
    ],
)
def test_what_is_there(desk: Folder, target: str) -> None:
    before = set(sys.modules)
    loaded = desk.load(one_step(f"call: {target}"))
    assert loaded.warnings == ()
    assert loaded.pipeline.step("a").work == Call(target.strip(" '"))
    assert not {"jobs", "desk", "loose"} & (set(sys.modules) - before), "it was imported"


@pytest.mark.parametrize(
    ("target", "told", "help_"),
    [
        ("jobs:plian", "there is no plian in jobs", "did you mean `jobs:plain`?"),
        ("jobs:hidden", "there is no hidden in jobs", "looked into"),
        ("jobs:none", "jobs:none cannot be called with one argument", "def none(ctx)"),
        ("jobs:two", "jobs:two cannot be called with one argument", ""),
        ("jobs:named", "jobs:named cannot be called with one argument", ""),
        ("jobs:waits", "jobs:waits is a coroutine function", "plain function"),
        ("desk.nothing:run", "there is no module desk.nothing", "looked for it in"),
        ("no_such_package.part:run", "there is no module no_such_package.part", ""),
        ("json.nothing:run", "there is no module json.nothing", ""),
        ("broken:f", "broken.py does not parse, line 1: ", ""),
        ("loose:run", "there is no module loose", ""),
    ],
)
def test_what_is_not(desk: Folder, target: str, told: str, help_: str) -> None:
    [finding] = expect_step(desk, f"call: ▸{target}", "OB124")
    assert finding.message.startswith(told)
    assert help_ in finding.help


@pytest.mark.parametrize("target", ["open:dumps", "lazy:anything", "_socket:socket", "math:floor"])
def test_what_shows_when_it_is_called(desk: Folder, target: str) -> None:
    [warning] = desk.load(one_step(f"call: {target}")).warnings
    assert (warning.code, warning.severity) == ("OB124", Severity.WARNING)
    assert "shows when it is called" in warning.message


@pytest.mark.parametrize(
    "top", [f"python: {sys.executable}\n", "env: {PYTHONPATH: /elsewhere}\n", "executor: ray\n"]
)
def test_elsewhere_there_may_be_other_modules(desk: Folder, top: str) -> None:
    loaded = desk.load(one_step("call: elsewhere:run", top), on=None)
    assert [code for code, _, _ in places(loaded.warnings, Severity.WARNING)] == ["OB124"]
    assert desk.errors(one_step("call: jobs:plian", top), on=None), "what is here is sure"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("▸jobs", "OB106"),
        ("▸'jobs:'", "OB106"),
        ("▸':run'", "OB106"),
        ("▸jobs.py:run", "OB124"),
        ("▸'a b:run'", "OB106"),
        ("▸jobs:Job.run", "OB106"),
        ("▸'jobs..x:run'", "OB106"),
        ("▸5", "OB103"),
        ("▸[jobs, run]", "OB103"),
    ],
)
def test_what_is_no_target(desk: Folder, text: str, code: str) -> None:
    expect_step(desk, f"call: {text}", code)


def test_one_of_three(desk: Folder) -> None:
    [finding] = desk.expect("name: n\nsteps:\n  ▸a:\n    run: x\n    call: jobs:plain\n", "OB111")
    assert "both `run` and `call`" in finding.message
    [finding] = desk.expect("name: n\nsteps:\n  a:\n    call: jobs:plain\n    ▸preload: [json]\n", "OB111")
    assert "not with `call`" in finding.message


def test_the_content_of_the_module_is_part_of_the_plan(desk: Folder) -> None:
    text = one_step("call: desk.book:run")
    before = desk.load(text).digest
    assert desk.load(one_step("call: json:loads")).digest != before
    (desk.path / "desk" / "book.py").write_text("def run(ctx): return 1\n")
    assert desk.load(text).digest != before


def test_the_folder_comes_first(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("")
    assert module_file("json", tmp_path) == tmp_path / "json.py"
    assert module_file("json.decoder", tmp_path) is None


# ── what has to hold afterwards ──────────────────────────────────────────────────────────────


def test_outputs_checks_and_markers(desk: Folder) -> None:
    keys = (
        "run: x\noutputs: ['data/{params.day}.csv', b]\nverify: python check.py {params.day} 'two words'\n"
        "done_when: {output: '[SUCCESS]', linger: 3s}\n"
    )
    step = desk.load(one_step(keys, "params: {day: 5}\n")).pipeline.step("a")
    assert step.outputs == ("data/{params.day}.csv", "b")
    assert step.verify == Command(("python", "check.py", "{params.day}", "two words"))
    assert step.done_when == Marker("[SUCCESS]", timedelta(seconds=3))
    plain = desk.load(one_step("run: x\ndone_when: {output: x}\n")).pipeline.step("a")
    assert (plain.outputs, plain.verify, plain.done_when) == ((), None, Marker("x", timedelta(seconds=10)))


@pytest.mark.parametrize(
    ("verify", "expected"),
    [
        ("jobs:plain", Call("jobs:plain")),
        ("[jobs:plain]", Command(("jobs:plain",))),
        ("desk.book:run", Call("desk.book:run")),
        ("./check", Command(("./check",))),
        ("[sh, -c, 'a b']", Command(("sh", "-c", "a b"))),
    ],
)
def test_a_check_is_a_command_or_a_callable(desk: Folder, verify: str, expected: Command | Call) -> None:
    assert desk.load(one_step(f"run: x\nverify: {verify}")).pipeline.step("a").verify == expected


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ("verify: ▸jobs:plian", "OB124"),
        ("verify: ▸5", "OB103"),
        ("verify: ▸''", "OB104"),
        ("verify: python check.py ▸{nothing}", "OB121"),
        ("verify: [python, ▸'{nothing}']", "OB121"),
        ("outputs: [a, ▸'{nothing}']", "OB121"),
        ("outputs: [▸'']", "OB104"),
        ("outputs: ▸x.csv", "OB103"),
        ("▸done_when: {linger: 5s}", "OB102"),
        ("done_when: {output: ▸''}", "OB104"),
        ("done_when: ▸x", "OB103"),
        ("done_when: {output: x, ▸files: y}", "OB101"),
    ],
)
def test_what_is_wrong_with_them(desk: Folder, keys: str, code: str) -> None:
    keys = keys.replace("python check.py ▸", "▸python check.py ")
    expect_step(desk, f"run: x\n{keys}", code)


def test_what_is_kept(desk: Folder) -> None:
    def cache(text: str) -> Cache | None:
        return desk.load(one_step(f"run: x\ncache: {text}", "params: {day: 5}\n")).pipeline.step("a").cache

    assert desk.load(one_step("run: x")).pipeline.step("a").cache is None
    assert cache("{}") == Cache()
    assert cache("{key: []}") == Cache(())
    assert cache("{key: [code], max_age: 24h}") == Cache(("code",), (), timedelta(hours=24))
    assert cache("{inputs: ['data/{params.day}/*']}") == Cache(inputs=("data/{params.day}/*",))
    for text, code in (
        ("{key: [▸colour]}", "OB105"),
        ("{key: ▸code}", "OB103"),
        ("{max_age: ▸0s}", "OB104"),
        ("{inputs: [▸'{nothing}']}", "OB121"),
        ("▸true", "OB103"),
    ):
        expect_step(desk, f"run: x\ncache: {text}", code)


def test_results_that_are_kept_can_be_passed_over(desk: Folder) -> None:
    from openbell.config.load import Overrides

    plain = desk.load(one_step("run: x\ncache: {}"))
    loaded = desk.load(one_step("run: x\ncache: {}"), overrides=Overrides(no_cache=True))
    assert loaded.pipeline.step("a").cache == Cache(use=False)
    assert loaded.digest == plain.digest, "it is the same plan"


def test_sessions_in_outputs_and_checks_bind_the_run(desk: Folder) -> None:
    from openbell.config.load import Overrides

    day = (date(2024, 7, 2), date(2024, 7, 2))
    for keys in ("outputs: ['{session-1}.csv']", "verify: check {session}"):
        text = one_step(f"run: x\n{keys}", "market: XNYS\n")
        loaded = desk.load(text, overrides=Overrides(dates=day))
        assert loaded.pipeline.sessions["session"] == "2024-07-02"


def test_checkpoints(desk: Folder) -> None:
    assert desk.load(one_step("run: x\ncheckpoint: true")).pipeline.step("a").checkpoint
    assert not desk.load(one_step("run: x")).pipeline.step("a").checkpoint
    expect_step(desk, "run: x\ncheckpoint: ▸1", "OB103")


def test_what_is_asked_of_a_success_is_no_part_of_the_plan(desk: Folder) -> None:
    plain = desk.load(one_step("run: x")).digest
    assert desk.load(one_step("run: x\nverify: jobs:plain\noutputs: [x]")).digest == plain
