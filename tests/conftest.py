"""What all tests share."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("openbell", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("openbell")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on variables of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("OPENBELL_", "DH_", "SIMULATION_")):
            monkeypatch.delenv(name)


def pytest_configure() -> None:
    """A shell that starts this in the background has it ignore Ctrl-C, and so would every command tested."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
