"""The modules of Enterprise that a worker script imports: as much of them as a query needs to end itself."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from openbell.runtimes.deephaven_core.settings import Settings
from openbell.runtimes.deephaven_core.timeline import Leave, Timeline

_NAMES = (
    "deephaven_enterprise",
    "deephaven_enterprise.client",
    "deephaven_enterprise.client.session_manager",
)


class ControllerClient:
    """The controller as a query sees it that ends itself."""

    def __init__(self, settings: Settings, timeline: Timeline) -> None:
        self._settings = settings
        self._timeline = timeline

    def stop_and_wait(self, serial: Any, timeout_seconds: float = 0) -> NoReturn:  # noqa: ARG002
        """End the query of this script. Other queries are out of reach."""
        wanted = [*serial] if isinstance(serial, list | tuple | set) else [serial]
        if [int(one) for one in wanted] != [self._settings.serial]:
            told = f"stop_and_wait({serial!r}): a script on a laptop can end itself only"
            raise ValueError(f"{told}, with __PERSISTENT_QUERY_SERIAL_NUMBER")
        self._timeline.stopped = True
        if self._settings.stopped:
            Path(self._settings.stopped).touch()
        raise Leave(0)

    stop_query = stop_and_wait

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"controller_client.{name} is not there on a laptop: there is no controller")


def install(settings: Settings, timeline: Timeline) -> None:
    """Put the modules where imports find them, in this process only."""

    class SessionManager:
        """The session of a query with its own server. Arguments are taken and not used: nobody logs in."""

        def __init__(self, *_: Any, **__: Any) -> None:
            self.controller_client = ControllerClient(settings, timeline)

        def __enter__(self) -> SessionManager:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def ping(self) -> bool:
            return True

        def close(self) -> None:
            """There is nothing to close."""

    made = [ModuleType(name, __doc__) for name in _NAMES]
    for outer, inner in pairwise(made):
        outer.__path__ = []
        setattr(outer, inner.__name__.rpartition(".")[2], inner)
    made[-1].SessionManager = SessionManager  # type: ignore[attr-defined]
    sys.modules.update({module.__name__: module for module in made})


def uninstall() -> None:
    """Take them away again."""
    for name in _NAMES:
        sys.modules.pop(name, None)
