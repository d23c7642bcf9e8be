"""A worker script, judged without running it."""

from __future__ import annotations

import sys
import warnings

import pytest

from openbell.config.findings import Severity
from tests.config.conftest import Folder, places

TEXT = "name: n\nsteps:\n  a:\n    script: w.py\n"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import json\nfrom os import path\n",
        "from . import deephaven_helpers\n",
        "text = 'import deephaven'\n",
        "# -*- coding: latin-1 -*-\nx = 'é'\n",
        "import re\nre.compile('\\d')\n",  # a SyntaxWarning is the script's own affair
    ],
)
def test_a_script_that_runs_here(folder: Folder, source: str) -> None:
    (folder.path / "w.py").write_bytes(source.encode("latin-1" if "coding" in source else "utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder.load(TEXT).warnings == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"def f(:\n", "the worker script w.py does not parse, line 1: "),
        (b"x = 1\n\ny = (\n", "the worker script w.py does not parse, line 3: "),
        (b"x = 1\0", "the worker script w.py does not parse"),
        (b"\xff\xfe", "the worker script w.py does not parse"),
        (b"x = " + b"-" * 100_000 + b"1", "the worker script w.py does not parse"),
        (b"x = " + b"(" * 5000, "the worker script w.py does not parse"),
        (b"import deephaven\n", "the worker script w.py imports deephaven"),
        (b"from deephaven.time import dh_today\n", "the worker script w.py imports deephaven"),
        (b"def f():\n    import deephaven_enterprise.x as y\n", "the worker script w.py imports deephaven"),
    ],
)
def test_a_script_that_does_not(folder: Folder, source: bytes, message: str) -> None:
    (folder.path / "w.py").write_bytes(source)
    [finding] = folder.findings(TEXT)
    assert (finding.code, finding.span.line, finding.span.column) == ("OB124", 4, 13)
    assert finding.message.startswith(message)


def test_a_script_of_deephaven_with_its_runtime(folder: Folder) -> None:
    (folder.path / "w.py").write_text("import deephaven\n")
    text = TEXT + "    runtime: deephaven-core\n"
    [step] = folder.load(text).pipeline.steps
    assert (step.runtime, step.hosted) == ("deephaven-core", True)
    shared = "name: n\ndefaults: {runtime: deephaven-core}\nsteps:\n  a:\n    script: w.py\n  b: {run: ls}\n"
    assert [step.runtime for step in folder.load(shared).pipeline] == ["deephaven-core", "python"]


@pytest.mark.parametrize(
    ("step", "code", "said"),
    [
        ("run: ls\n    ▸runtime: deephaven-core", "OB111", "works with `script`, not with `run`"),
        ("script: w.py\n    ▸preload: [json]\n    runtime: deephaven-core", "OB111", "hosts are warm anyway"),
        (
            "script: ▸w.groovy\n    runtime: deephaven-core",
            "OB124",
            "Groovy workers run on Deephaven Enterprise",
        ),
        ("script: w.py\n    runtime: ▸deephaven", "OB105", 'must be "python" or "deephaven-core"'),
    ],
)
def test_what_the_embedded_engine_does_not_run(folder: Folder, step: str, code: str, said: str) -> None:
    (folder.path / "w.py").write_text("")
    (folder.path / "w.groovy").write_text("println(1)")
    [finding] = folder.expect(f"name: n\nsteps:\n  a:\n    {step}\n", code)
    assert said in finding.message


def test_another_interpreter_may_know_more_syntax(folder: Folder) -> None:
    (folder.path / "w.py").write_text("def f(:\n")
    loaded = folder.load(f"name: n\npython: {sys.executable}\nsteps:\n  a:\n    script: w.py\n")
    assert places(loaded.warnings, Severity.WARNING) == [("OB124", 5, 13)]


@pytest.mark.parametrize("executor", ["ray", "deephaven"])
def test_elsewhere_there_may_be_a_deephaven(folder: Folder, executor: str) -> None:
    (folder.path / "w.py").write_text("import deephaven\n")
    assert folder.load(TEXT, on=executor).warnings == ()


def test_a_script_that_may_not_be_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "w.py").write_text("")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    [finding] = folder.findings(TEXT)
    assert finding.message == "the worker script w.py cannot be read: check its permissions"
