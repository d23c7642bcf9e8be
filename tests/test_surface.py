"""The public surface, and the house's own rules that no linter knows."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import openbell

SOURCE = Path(openbell.__file__).parent
FILES = sorted(path for path in SOURCE.rglob("*.py") if "templates" not in path.parts)


def test_the_surface_is_what_is_promised() -> None:
    assert sorted(openbell.__all__) == [
        "ConfigError",
        "Market",
        "MarketError",
        "OpenbellError",
        "Session",
        "__version__",
        "market",
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
    """Supervisors run outside the engine and stamp what they write; everybody else is given the time."""
    outside = {"clock.py", "executors/process/shim.py"}
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
