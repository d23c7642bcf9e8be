"""What checks are asked about, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from openbell.config.catalog import Catalog, catalog
from openbell.config.project import Project
from openbell.engine.workspace import Workspace
from openbell.report.health import database_of


class Level(StrEnum):
    """How a check has come out, from well to badly."""

    OK = "ok"
    NOTE = "note"
    """Something is not there that nobody needs so far."""
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check has found. `advice`: what to do, where there is something to do."""

    level: Level
    found: str
    advice: str = ""


def ok(found: str) -> Verdict:
    return Verdict(Level.OK, found)


def note(found: str, advice: str = "") -> Verdict:
    return Verdict(Level.NOTE, found, advice)


def warn(found: str, advice: str = "") -> Verdict:
    return Verdict(Level.WARN, found, advice)


def fail(found: str, advice: str = "") -> Verdict:
    return Verdict(Level.FAIL, found, advice)


@dataclass(frozen=True)
class Place:
    """Where to look. `project` is None where there is none: then only the machine is looked at."""

    now: datetime
    environ: Mapping[str, str]
    folder: Path
    project: Project | None = None
    trouble: str = ""
    """Why the project's file cannot be used; empty when it can."""
    executors: frozenset[str] = field(default=frozenset({"process"}))
    """Those that this openbell has."""

    @property
    def workspace(self) -> Workspace:
        """The state folder of the project, whether it is there or not."""
        state = self.project.state if self.project is not None else None
        return Workspace(state or self.folder / ".openbell")

    @property
    def database(self) -> Path | None:
        """The file of the store; None when it is not there, or no file."""
        found = database_of(self.project, self.workspace) if self.project is not None else None
        return found if found is not None and found.exists() else None

    @cached_property
    def catalog(self) -> Catalog:
        """The definitions of the project, as far as they can be used."""
        if self.project is None or self.trouble:
            return Catalog()
        return catalog(self.project, self.environ, starting=False)


Check = Callable[[Place], Iterator[Verdict]]
