"""What a daemon does without."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import openbell.cli.daemon, openbell.engine.daemon, openbell.engine.planning, openbell.store.sql
assert not {"ssl", "_hashlib"} & set(sys.modules), "OpenSSL is loaded"
import asyncio, hashlib, ssl
assert ssl.create_default_context() and asyncio.run(asyncio.sleep(0)) is None
assert hashlib.sha256(b"x").hexdigest().startswith("2d711642") and hashlib.blake2b(b"x").digest_size == 64
"""


def test_openssl_is_not_loaded_by_a_daemon_and_is_there_for_others() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
