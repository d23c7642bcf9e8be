"""The rows that a batch of events touches, before any store writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from openbell.core.model import TaskKey
from openbell.core.retention import Prune
from openbell.core.states import FailureKind, TaskState
from openbell.store.post import Post

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A bulk move: every cell of the step in one of `states` that nobody has marked goes to `to`."""

    run: str
    step: str
    states: tuple[TaskState, ...]
    to: TaskState
    at: datetime
    kind: FailureKind | None = None
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Relay:
    """The step has got other cells, all of them waiting and without rows."""

    run: str
    step: str


@dataclass(slots=True)
class Changes:
    """Rows to write, in this order: opened, runs, groups, sweeps, tasks, attempts, requests, inputs."""

    opened: list[Row] = field(default_factory=list)
    groups: list[Row] = field(default_factory=list)
    sweeps: list[Sweep | Relay] = field(default_factory=list)
    runs: dict[str, Row] = field(default_factory=dict)
    tasks: dict[TaskKey, Row] = field(default_factory=dict)
    outdated: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """The cells of each (run, step) that are out of date."""
    outdating: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Whether successes of each (run, step) put others out of date."""
    attempts: dict[tuple[TaskKey, int], Row] = field(default_factory=dict)
    pasts: dict[str, str] = field(default_factory=dict)
    """What earlier runs have left, by run."""
    fallbacks: dict[tuple[str, str], str] = field(default_factory=dict)
    """The run that each (run, step) has fallen back on; empty for none any more."""
    cursors: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """Position of each trigger; None: it is gone."""
    fires: dict[str, str | None] = field(default_factory=dict)
    """Occasions that wait for their run, by its id; None: they wait no more."""
    misses: list[Row] = field(default_factory=list)
    requested: list[Row] = field(default_factory=list)
    answered: list[Row] = field(default_factory=list)
    waits: dict[tuple[str, str], Row] = field(default_factory=dict)
    consumed: list[Row] = field(default_factory=list)
    cleared: list[Row] = field(default_factory=list)
    datasets: dict[str, Row] = field(default_factory=dict)
    post: Post = field(default_factory=Post)
    pruned: list[Prune] = field(default_factory=list)
