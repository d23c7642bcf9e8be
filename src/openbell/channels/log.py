"""A file that alerts are appended to, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openbell.errors import ChannelError


class LogChannel:
    """`path`: the file. It is made when the first alert comes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(dict(message), ensure_ascii=False).encode(errors="replace") + b"\n"
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.write(file, line) != len(line):
                    raise ChannelError(f"{self._path.name}: there is no room for it")
            finally:
                os.close(file)
        except OSError as error:
            raise ChannelError(f"{self._path.name}: {(error.strerror or str(error)).lower()}") from error
