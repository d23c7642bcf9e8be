"""Keeps what attempts have come to whose steps have a cache, as soon as their success is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openbell.core.events import Exited, Fact
from openbell.core.model import AttemptKey
from openbell.executors.process.cache import keep


class Keepsakes:
    """`folder`: the project's state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cache"
        self._waiting: dict[str, tuple[str, dict[str, Any]]] = {}

    def note(self, key: AttemptKey, record: Mapping[str, Any], fact: Fact) -> None:
        """An attempt has ended. One that was ended after its marker is kept only if its check has passed."""
        digest = record.get("cache_key")
        if not digest or not isinstance(fact, Exited) or not fact.exit.well:
            return
        if fact.exit.ended_after_marker and not fact.exit.verified:
            return
        entry = {
            "attempt": str(key),
            "at": fact.at.timestamp(),
            "result": dict(fact.result),
            "outputs": dict(fact.exit.outputs),
            "verified": fact.exit.verified,
        }
        self._waiting[str(key)] = (str(digest), entry)

    def settle(self, key: AttemptKey) -> None:
        """Its end is recorded."""
        if found := self._waiting.pop(str(key), None):
            keep(str(self._folder), *found)
