"""The simulated controller, as the unmodified client sees it."""

from __future__ import annotations

import json
import subprocess
import urllib.error
from pathlib import Path

import pytest

from tests.enterprise import Controller, client_python

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("client.py")


def test_what_a_program_of_a_user_does_with_it() -> None:
    controller = Controller("--step", "0.005")
    try:
        words = [controller.url, controller.user, controller.password, controller.key]
        done = subprocess.run(
            [client_python(), str(PROGRAM), *words], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        with pytest.raises(urllib.error.HTTPError):
            controller.order("nothing of the kind")
    finally:
        controller.close()
    assert told["logins"] == ["refused", "refused", "the token is not known, or has been used"]
    order = "UNINITIALIZED FINDING_DISPATCHER CONNECTING AUTHENTICATING ACQUIRING_WORKER INITIALIZING"
    assert told["lives"] == {
        "order": [*order.split(), "EXECUTING", "COMPLETED"],
        "waits": "PQS_UNINITIALIZED",
        "version": 2,
        "twice": "a query 'later' already exists",
        "error": "ValueError: lot 7",
    }
    assert told["filtered"] == ["two"]
