"""What commands work on: the project, its state folder, its store, its executors."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openbell.clock import SystemClock
from openbell.config.project import Project, load_project, locate, whereabouts
from openbell.engine.workspace import Workspace
from openbell.errors import NotFound

if TYPE_CHECKING:
    from openbell.channels.protocol import Channel
    from openbell.core.model import AttemptKey
    from openbell.core.state import Limits
    from openbell.doorbell import Doorbell
    from openbell.executors.deephaven.interpreter import Client
    from openbell.executors.embedded import Embedded
    from openbell.executors.process.vitals import Vitals
    from openbell.executors.protocol import Executor
    from openbell.sensors.protocol import Sensor
    from openbell.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Setting:
    """The project that a command is about."""

    project: Project
    workspace: Workspace
    clock: SystemClock

    @classmethod
    def of(cls, place: Path) -> Setting:
        """The project of a file or folder."""
        return cls._in(load_project(locate(place), os.environ))

    @classmethod
    def of_the_past(cls, place: Path) -> Setting:
        """The project of a file or folder, for commands that only look at what has run."""
        return cls._in(whereabouts(locate(place), os.environ))

    @classmethod
    def _in(cls, project: Project) -> Setting:
        return cls(project, Workspace(project.state or project.folder / ".openbell"), SystemClock())

    def store(self) -> Store:
        """The project's store; its folder is made when it is not there yet."""
        from openbell.store.sql import SqlStore

        self.workspace.create()
        url = self.project.store or f"sqlite:///{self.workspace.database}"
        return SqlStore(url, durability=self.project.durability)

    def past(self) -> Store:
        """The store of a project in which something has run. Raises `NotFound` where nothing has."""
        if self.project.store is None and not self.workspace.exists:
            raise NotFound(
                f"nothing has run in {self.project.folder} yet",
                hint="`openbell run FILE` runs something; `-C FOLDER` names another project",
            )
        return self.store()

    def executors(self, doorbell: Doorbell) -> Mapping[str, Executor]:
        """The executors of this machine."""
        from openbell.executors.process.executor import ProcessExecutor

        process = ProcessExecutor(
            self.workspace.folder,
            doorbell,
            self.clock,
            slots=self.slots,
            log_cap=self.project.log_cap,
            recycle=self.project.recycle,
            embedded=self.embedded,
            power=self.project.durability == "power",
        )
        found: dict[str, Executor] = {"process": process}
        python = self.client.interpreter()
        if python is not None:
            from openbell.executors.deephaven.executor import DeephavenExecutor

            found["deephaven"] = DeephavenExecutor(
                self.workspace.folder,
                self.clock,
                python,
                slots=self.limits.executors["deephaven"].slots,
                settings=self.enterprise,
            )
        return found

    @property
    def enterprise(self) -> dict[str, str | float | bool]:
        """What is said of Deephaven Enterprise outside of pipelines: in `openbell.yaml`, else around us."""
        around = {name: os.environ[variable] for name, variable in _AROUND.items() if variable in os.environ}
        return around | dict(self.project.deephaven)

    @property
    def client(self) -> Client:
        """Where the client of Deephaven Enterprise is."""
        from openbell.executors.deephaven.interpreter import Client

        named = self.project.deephaven.get("python")
        return Client(self.project.folder, str(named) if named else None)

    @property
    def limits(self) -> Limits:
        """What there is to share out."""
        from openbell.core.state import Capacity, Limits

        enterprise = Capacity(int(self.project.deephaven.get("slots", 1000)), False, True)
        return Limits({"process": Capacity(self.slots), "deephaven": enterprise}, self.pools)

    @property
    def embedded(self) -> Embedded:
        """Where the embedded engine of Deephaven is."""
        from openbell.executors.embedded import Embedded

        known = self.project
        return Embedded(known.folder, known.engine, known.engine_recycle, known.engine_heap)

    def sensor(self) -> Sensor:
        """What watches files on this machine."""
        from openbell.sensors.files import FileSensor

        return FileSensor(self.clock)

    def channels(self) -> Mapping[str, Channel]:
        """Where alerts go."""
        from openbell.engine.channelling import channels

        return channels(self.project.alerts, self.project.folder, self.workspace.folder)

    def vitals(self, key: AttemptKey) -> Vitals:
        """How an attempt is doing that runs on this machine."""
        from openbell.executors.process.vitals import vitals

        return vitals(self.workspace.attempts, key)

    @property
    def slots(self) -> int:
        """Tasks at once on this machine."""
        return self.project.slots or len(os.sched_getaffinity(0))

    @property
    def pools(self) -> dict[str, float]:
        """Sizes of the pools, the machine's memory included."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return {"memory": memory, **self.project.pools}


_AROUND = {"connection_url": "DH_CONNECTION_URL", "username": "DH_USERNAME", "password": "DH_PASSWORD"}


def actor() -> str:
    """Who gives this command."""
    from openbell.config.provenance import user

    return f"{user()}@{socket.gethostname()}"


def origin() -> str:
    """Who gives this command, and which."""
    return f"{actor()}: {Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}"[:300]
