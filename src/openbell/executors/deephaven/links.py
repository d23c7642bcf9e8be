"""The logins that are in use, by what they log in with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from openbell.core.matrix import Scalar
from openbell.executors.deephaven.link import LOGIN, Link, News


class Links:
    """One link per login. `folder`, `python`, `news`: as for a link."""

    def __init__(self, folder: Path, python: str, news: News) -> None:
        self._folder, self._python, self._news = folder, python, news
        self._links: dict[str, Link] = {}

    def of(self, settings: Mapping[str, Scalar]) -> Link:
        """The link of this login, opened."""
        ident = json.dumps([settings.get(name) for name in LOGIN])
        if ident not in self._links:
            self._links[ident] = Link(settings, self._folder, self._python, self._news)
        self._links[ident].open()
        return self._links[ident]

    def drop(self, link: Link, needed: Callable[[], bool]) -> None:
        """Log out, unless somebody needs this login again."""
        if needed() or link.doomed:
            return
        for ident in [ident for ident, one in self._links.items() if one is link]:
            del self._links[ident]
            link.leave()

    def leave(self) -> None:
        """Log out everywhere; what has been asked for is finished behind our back."""
        for link in self._links.values():
            link.leave()

    @property
    def all(self) -> list[Link]:
        return list(self._links.values())
