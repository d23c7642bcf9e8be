"""Any program as a channel: the alert is JSON on its standard input, exit status 0 means that it was told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from openbell.errors import ChannelError

_GRACE = 2.0  # seconds between asking to end and killing
_TAIL = 2_000  # bytes of what it said that are looked at


class CommandChannel:
    """`argv`: the program and its arguments; `environ`: its environment, worked out when it is started."""

    def __init__(
        self, argv: Sequence[str], folder: Path, environ: Callable[[], Mapping[str, str]], timeout: timedelta
    ) -> None:
        self._argv = list(argv)
        self._folder = folder
        self._environ = environ
        self._timeout = timeout.total_seconds()

    def send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(dict(message), ensure_ascii=False).encode(errors="replace") + b"\n"
        try:
            environ = dict(self._environ())
        except KeyError as error:
            raise ChannelError(f"the environment variable {error.args[0]} is not set") from None
        with TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    self._argv,
                    cwd=self._folder,
                    env=environ,
                    stdin=subprocess.PIPE,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            except OSError as error:
                raise ChannelError(f"{self._argv[0]}: {(error.strerror or str(error)).lower()}") from error
            code = self._finish(process, data)
            if code:
                raise ChannelError(_told(code) + _last_line(said))

    def _finish(self, process: subprocess.Popen[bytes], data: bytes) -> int:
        """Its exit status. Raises `ChannelError` when it takes too long; then all of it is ended."""
        try:
            process.communicate(data, timeout=self._timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise ChannelError(f"it took longer than {self._timeout:g} s") from None
        return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_GRACE)
            return


def _told(code: int) -> str:
    return f"exit code {code}" if code > 0 else signal.Signals(-code).name


def _last_line(said: Any) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _TAIL))
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][:300]}" if lines else ""
