"""Watches the disk of the state folder: below the floor nothing new starts."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from openbell.core.events import SpaceChanged
from openbell.engine.workspace import FLOOR as FLOOR

_EVERY = timedelta(seconds=1)
_WHILE_LOW = 5.0  # seconds between looks while nothing may start


class SpaceWatch:
    """`floor`: free bytes below which the disk counts as full."""

    def __init__(self, folder: Path, floor: int) -> None:
        self._folder = folder
        self._floor = floor
        self._low = False
        self._checked: datetime | None = None

    @property
    def patience(self) -> float:
        """Seconds after which to look again without any news."""
        return _WHILE_LOW if self._low else float("inf")

    def check(self, now: datetime) -> SpaceChanged | None:
        """What has changed, looking at most once a second."""
        if self._checked is not None and abs(now - self._checked) < _EVERY:
            return None
        self._checked = now
        free = shutil.disk_usage(self._folder).free
        low = free < self._floor
        if low == self._low:
            return None
        self._low = low
        return SpaceChanged(now, free, low)
