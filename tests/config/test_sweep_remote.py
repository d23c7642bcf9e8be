"""What a sweep needs where it runs: the connection on Deephaven, a worker that fits here."""

from __future__ import annotations

import pytest

from openbell.config.findings import Severity
from openbell.core.model import Replay
from tests.config.conftest import Folder, places
from tests.config.texts import LOGIN, PQ, edited


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        (
            "deephaven:\n  connection",
            "▸deephaven:\n  # connection",
            "OB102",
            "missing field `connection_url` in `deephaven`",
        ),
        (
            "deephaven:\n  connection_url:",
            "▸deephaven:\n  #",
            "OB102",
            "missing field `connection_url` in `deephaven`",
        ),
        (
            'url: "https://your-server:8000/iris/connection.json"',
            'url: ▸""',
            "OB104",
            "`connection_url` must not be empty",
        ),
        (
            'auth_method: "password"',
            'auth_method: ▸""',
            "OB105",
            '`auth_method` must be "password" or "private_key", not ""',
        ),
        ('username: "${DH_USERNAME}"', 'username: ▸""', "OB104", "`username` must not be empty"),
        ('password: "${DH_PASSWORD}"', 'password: ▸""', "OB104", "`password` must not be empty"),
        (
            'auth_method: "password"',
            "auth_method: private_key",
            "OB104",
            "`private_key_path` must not be empty",
        ),
    ],
)
def test_on_deephaven_the_connection_is_complete(
    folder: Folder, old: str, new: str, code: str, message: str
) -> None:
    text = edited(PQ, (old, new))
    if "private_key" in new:
        text = edited(text, ('private_key_path: ""', 'private_key_path: ▸""'))
    [finding] = folder.expect(text, code, on=None)
    assert finding.message == message


def test_everything_that_a_connection_lacks(folder: Folder) -> None:
    text = PQ[: PQ.index("  connection_url")] + PQ[PQ.index("execution:") :]
    text = edited(text, ("deephaven:\n", "deephaven: {private_key_path: ''}\n"))
    found = folder.findings(text, on=None)
    assert [f.message for f in found if f.fatal] == [
        f"missing field `{name}` in `deephaven`" for name in ("connection_url", "auth_method", "username")
    ]


def test_without_a_connection_at_all(folder: Folder) -> None:
    text = PQ[: PQ.index("deephaven:")] + PQ[PQ.index("execution:") :]
    [finding] = folder.expect("▸" + text, "OB102", on=None)
    assert finding.message == "missing field `deephaven` in the file"
    folder.load(text, on="process")


def test_the_url_may_come_from_the_environment(folder: Folder) -> None:
    text = edited(PQ, ("connection_url:", "# connection_url:"))
    loaded = folder.load(text, {**LOGIN, "DH_CONNECTION_URL": "https://secret-host/"}, on=None)
    assert loaded.pipeline.settings["deephaven"]["connection_url"] == "${DH_CONNECTION_URL}"


KEY = edited(PQ, ('auth_method: "password"', "auth_method: private_key"))


def test_a_private_key_is_looked_for_beside_the_file(folder: Folder) -> None:
    (folder.path / "key.pem").write_text("k")
    text = edited(KEY, ('private_key_path: ""', "private_key_path: ${KEYS}/key.pem"))
    loaded = folder.load(text, {**LOGIN, "KEYS": "."}, on=None, starting=True)
    assert loaded.pipeline.settings["deephaven"]["private_key_path"] == "${KEYS}/key.pem"


def test_a_plan_does_without_the_private_key(folder: Folder) -> None:
    text = edited(KEY, ('private_key_path: ""', "private_key_path: nope.pem"))
    warnings = folder.load(text, LOGIN, on=None).warnings
    assert ("OB112", 7, 21) in places(warnings, Severity.WARNING)
    assert folder.errors(text, LOGIN, on=None, starting=True) == [("OB112", 7, 21)]
    assert folder.load(text, LOGIN, on="process", starting=True).pipeline.size == 2620


# ── worker ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "code", "message", "help_"),
    [
        ("nope.py", "OB112", "the worker script nope.py does not exist", "looked for "),
        ("wroker.py", "OB112", "the worker script wroker.py does not exist", "did you mean `worker.py`?"),
        (".", "OB112", "the worker script . is not a file", ""),
        (
            "~nobody-of-that-name/x.py",
            "OB112",
            "the worker script ~nobody-of-that-name/x.py does not exist",
            "",
        ),
        ("w" * 300, "OB112", f"the worker script {'w' * 300} cannot be read: file name too long", ""),
        ("worker.py/x.py", "OB112", "the worker script worker.py/x.py does not exist", ""),
        ("broken.py", "OB124", "the worker script broken.py does not parse, line 2: ", ""),
        ("zeros.py", "OB124", "the worker script zeros.py does not parse", ""),
    ],
)
def test_a_worker_that_is_not_there_or_no_python(
    folder: Folder, path: str, code: str, message: str, help_: str
) -> None:
    (folder.path / "broken.py").write_text("x = 1\ny = = 2\n")
    (folder.path / "zeros.py").write_bytes(b"x = 1\0")
    [finding] = folder.expect(edited(PQ, ('"worker.py"', f"▸{path}")), code)
    assert finding.message.startswith(message)
    assert finding.help.startswith(help_)


def test_a_worker_of_deephaven_runs_on_the_embedded_engine(folder: Folder) -> None:
    (folder.path / "worker.py").write_text("print(1)\n")
    assert folder.load(PQ).pipeline.steps[0].runtime == "python"
    (folder.path / "worker.py").write_text("from deephaven.time import dh_today\n")
    [step] = folder.load(PQ).pipeline.steps
    assert (step.runtime, step.heap_gb, step.hosted) == ("deephaven-core", 4.0, True)
    assert folder.load(PQ, LOGIN, on=None).pipeline.size == 2620


def test_groovy_does_not_run_here(folder: Folder) -> None:
    (folder.path / "worker.groovy").write_text("println(1)")
    text = edited(PQ, ('"worker.py"', "worker.groovy"), ('language: "Python"', "language: ▸Groovy"))
    folder.expect(text, "OB124")
    assert (
        folder.load(text.replace("▸", ""), LOGIN, on=None).pipeline.settings["deephaven"]["language"]
        == "Groovy"
    )


def test_top_speed_needs_an_executor_that_can(folder: Folder) -> None:
    text = edited(PQ, ("replay_speed: 100.0", "replay_speed: ▸max"))
    folder.expect(text, "OB104", on=None)
    mode = folder.load(text.replace("▸", "")).pipeline.steps[0].mode
    assert isinstance(mode, Replay)
    assert mode.speed == "max"
