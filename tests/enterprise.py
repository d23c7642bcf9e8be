"""A simulated controller in a process of its own, for tests with the real Enterprise client."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from openbell.executors.deephaven.interpreter import Client

ROOT = Path(__file__).parents[1]
_PROGRAM = "from openbell.testing.deephaven.__main__ import main; main()"


def client_python() -> str:
    """An interpreter that has the client; without one, the test is skipped with that reason."""
    python = Client(ROOT).interpreter()
    if python is None:
        pytest.skip("no interpreter has the extra `deephaven`: `make enterprise` installs one")
    return python


class Controller:
    """A simulator, and the way to its controls."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [client_python(), "-c", _PROGRAM, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.url, self.user, self.password = told["url"], told["user"], told["password"]
        self.key: str = told["key"]
        self._control: str = told["control"]

    @property
    def settings(self) -> dict[str, Any]:
        """The connection, as a pipeline has it."""
        return {
            "connection_url": self.url,
            "auth_method": "password",
            "username": self.user,
            "password": self.password,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a sweep's file refers to."""
        return {"DH_CONNECTION_URL": self.url, "DH_USERNAME": self.user, "DH_PASSWORD": self.password}

    def look(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._control}/look", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def queries(self, name: str = "") -> list[dict[str, Any]]:
        """Queries whose name begins so."""
        return [query for query in self.look()["queries"] if query["name"].startswith(name)]

    def calls(self, name: str) -> int:
        count: int = self.look()["calls"].get(name, 0)
        return count

    def order(self, do: str, **keys: Any) -> None:
        request = urllib.request.Request(
            f"{self._control}/control",
            json.dumps({"do": do, **keys}).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()

    def close(self) -> None:
        self._process.communicate(timeout=20)
