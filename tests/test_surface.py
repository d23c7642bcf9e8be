"""The public surface, and the house's own rules that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import openbell

SOURCE = Path(openbell.__file__).parent
DATA = ("api", "market", "replay", "report", "worker")
"""Rooms that may use the extra `data`."""
COMING_ALONG = {"deephaven", "jpy", "pydantic_core"}
"""Modules of packages that a declared one brings along."""
_PLAIN = str.maketrans(".-", "__")
ENTERPRISE = ("executors", "testing")
"""Rooms with parts that run in an interpreter with the extra `deephaven`."""
CLIENT = {
    *("grpc", "google.protobuf.message_factory", "deephaven_enterprise.proto"),
    *("deephaven_enterprise.client.auth", "deephaven_enterprise.client.controller"),
    *("Cryptodome.Hash", "Cryptodome.PublicKey", "Cryptodome.Random.random", "Cryptodome.Signature"),
    "Cryptodome.Util.asn1",
}
FILES = sorted(path for path in SOURCE.rglob("*.py") if "templates" not in path.parts)


def test_the_surface_is_what_is_promised() -> None:
    assert sorted(openbell.__all__) == [
        "ConfigError",
        "Market",
        "MarketError",
        "MarketState",
        "OpenbellError",
        "Overlay",
        "Pipeline",
        "Plan",
        "RunHandle",
        "Session",
        "Step",
        "Transition",
        "__version__",
        "get_all_market_states",
        "get_market_state",
        "get_next_state_transition",
        "load",
        "market",
        "plan",
        "run",
        "runs",
        "worker",
    ]
    for name in openbell.__all__:
        assert getattr(openbell, name) is not None
    with pytest.raises(AttributeError):
        openbell.nothing  # noqa: B018


def test_importing_it_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import openbell; print(sorted(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(ast.literal_eval(found)) <= {"__future__", "openbell", "openbell.version"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_keeps_to_the_house_rules(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert text.count("\n") <= 400, "split it"
    assert path.stem not in ("utils", "util", "common", "helpers", "manager"), "say what it is for"
    assert ast.get_docstring(tree) or not text.strip(), "say what the room is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 50, f"{node.name} has {length} lines"


def test_only_the_clock_asks_for_the_time() -> None:
    """Supervisors and replays run outside the engine; everybody else is given the time."""
    outside = {"clock.py", "executors/process/watch.py", "replay/clock.py"}
    clocks = {"datetime.now", "datetime.utcnow", "date.today", "time.time"}
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in clocks:
                found.add(str(path.relative_to(SOURCE)))
    assert found <= outside | {"refresh/upstream.py"}


def test_nothing_below_the_command_line_prints() -> None:
    for path in FILES:
        if path.relative_to(SOURCE).parts[0] in ("cli", "worker", "refresh"):
            continue
        calls = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert "print" not in calls or path.name == "child.py", path


def test_what_is_imported_is_installed_with_it() -> None:
    """Every library that the code names stands in the dependencies, or in the extra of its room."""
    project = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for path in FILES:
        room = path.relative_to(SOURCE).parts[0]
        extra = {"refresh": "calendars", "runtimes": "deephaven-core"}.get(
            room, "data" if room in DATA else None
        )
        if "deephaven" in path.relative_to(SOURCE).parts and room in ENTERPRISE:
            assert set(_imported(path)) <= CLIENT, f"{path}: the client and what it brings along, or nothing"
            continue
        declared = project["dependencies"] + (extras[extra] if extra else [])
        known = {re.split(r"[ <>=~]", one)[0].lower().translate(_PLAIN) for one in declared}
        for name in _imported(path):
            parts = name.lower().split(".")
            assert {parts[0], "_".join(parts[:2])} & (known | COMING_ALONG), f"{path}: {name}"


def _imported(path: Path) -> set[str]:
    """Modules of others that are imported anywhere in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
    ours = {*sys.stdlib_module_names, "openbell"}
    return {name for name in found if name.split(".")[0] not in ours}


def test_every_code_is_told_somewhere() -> None:
    from openbell.config.codes import CODES

    told = {path: path.read_text() for path in FILES if path.name != "codes.py"}
    assert [code for code in CODES if not any(code in text for text in told.values())] == []
