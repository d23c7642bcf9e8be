"""How a project is doing: gathers what the folds of `core.health` are folds of.

It is read without SQLAlchemy, and without the definitions while a daemon leads, which has posted them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from openbell.config.project import FILE, FOLDER, Project
from openbell.core.freshness import Dataset
from openbell.core.health import (
    RECENT,
    Machine,
    Observed,
    ProjectHealth,
    Provided,
    pipeline_health,
    project_health,
)
from openbell.engine.board import Board, Posted, read_board
from openbell.engine.leader import Holder, Role, holder
from openbell.engine.workspace import FLOOR, Workspace
from openbell.errors import ConfigError, StoreError
from openbell.report.machine import free_space, memory
from openbell.store.glance import Glance

if TYPE_CHECKING:
    from openbell.core.state import RunRecord, Schedule, State


@dataclass(frozen=True, slots=True)
class Survey:
    """A project at an instant: who leads it, how it is doing, what is under way, what is to come."""

    at: datetime
    leader: Holder | None
    health: ProjectHealth
    board: Board
    under_way: tuple[RunRecord, ...] = ()
    alerts: int = 0
    """Those that nobody has seen to."""

    @property
    def daemon(self) -> bool:
        """Whether runs open by themselves."""
        return self.leader is not None and self.leader.role is Role.DAEMON


def survey(project: Project, workspace: Workspace, environ: Mapping[str, str], now: datetime) -> Survey:
    """Look at a project. What cannot be read is a finding, and no error."""
    leader = holder(workspace.lock) if workspace.folder.is_dir() else None
    board = read_board(workspace.board) if leader is not None and leader.role is Role.DAEMON else None
    left, total = memory() or (None, None)
    machine = Machine(free=free_space(workspace.folder), floor=FLOOR, memory=left, memory_total=total)
    database = database_of(project, workspace)
    if database is not None and not database.exists():
        board = board or consult(project.folder, environ, now)
        found = [pipeline_health(_new(one), now) for one in board.pipelines]
        return Survey(now, leader, project_health(found, machine, board.broken), board)
    try:
        if database is None:
            raise StoreError(f"{project.store!r} is no URL of a SQLite database")
        glance = Glance(database)
    except StoreError as error:
        machine = replace(machine, trouble=error.message)
        return Survey(now, leader, project_health([], machine), board or Board(now))
    try:
        board = board or consult(project.folder, environ, now, database)
        machine = replace(machine, size=_size(database), schema=glance.schema)
        return _look(glance, leader, board, machine, now)
    finally:
        glance.close()


def database_of(project: Project, workspace: Workspace) -> Path | None:
    """The file of the store; None for a store that is no file."""
    if project.store is None:
        return workspace.database
    _, found, path = project.store.partition("sqlite:///")
    return Path(path) if found and path else None


def _size(database: Path) -> int:
    files = (database, database.with_name(f"{database.name}-wal"))
    return sum(path.stat().st_size for path in files if path.exists())


def _look(glance: Glance, leader: Holder | None, board: Board, machine: Machine, now: datetime) -> Survey:
    under_way = tuple(glance.under_way())
    datasets = glance.datasets()
    stale = board.staleness(datasets, now)
    posted = {one.name: one for one in board.pipelines}
    names = [*posted, *(name for name in glance.names() if name not in posted)]
    found = []
    for name in names:
        own = tuple(record for record in under_way if record.run.pipeline.name == name)
        observed = _observed(glance, name, own, posted.get(name), datasets, stale)
        found.append(pipeline_health(observed, now))
    health = project_health(found, machine, board.broken)
    return Survey(now, leader, health, board, under_way, glance.open_alerts())


def _observed(
    glance: Glance,
    name: str,
    under_way: tuple[RunRecord, ...],
    posted: Posted | None,
    datasets: Mapping[str, Dataset],
    stale: Mapping[str, tuple[str, ...]],
) -> Observed:
    provided = []
    for dataset in posted.provides if posted is not None else ():
        last = datasets.get(dataset)
        session = last.session if last is not None else ""
        provided.append(Provided(dataset, last.at if last else None, session, stale.get(dataset, ())))
    return Observed(
        name=name,
        runs=glance.runs(name, RECENT),
        success=glance.last_success(name),
        under_way=under_way,
        history=glance.durations(name) if any(record.live for record in under_way) else {},
        missed=glance.missed(name),
        provides=provided,
        coming=posted.coming if posted is not None else (),
        title=posted.title if posted is not None else name,
        market=posted.market if posted is not None else "",
        scheduled=posted is not None and posted.scheduled,
    )


def _new(posted: Posted) -> Observed:
    provided = [Provided(name, None) for name in posted.provides]
    return Observed(
        posted.name,
        provides=provided,
        coming=posted.coming,
        title=posted.title,
        market=posted.market,
        scheduled=posted.scheduled,
    )


# ── without a daemon ─────────────────────────────────────────────────────────────────────────────


def consult(folder: Path, environ: Mapping[str, str], now: datetime, database: Path | None = None) -> Board:
    """The board as a daemon would write it now, out of the files. Reading them takes a while."""
    if not _worthwhile(folder):
        return Board(now)
    from openbell.config.catalog import catalog
    from openbell.config.project import load_project
    from openbell.engine.billposter import post

    try:
        project = load_project(folder, environ)
    except ConfigError:
        return Board(now, broken=(FILE,))
    found = catalog(project, environ, starting=False)
    schedules = {name: one.schedule for name, one in found.definitions.items()}
    return post(schedules, _state(database, schedules), now, [path.name for path in found.broken])


def _worthwhile(folder: Path) -> bool:
    """Whether any definition says when it runs, or what it provides."""
    pipelines = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    words = (b"triggers", b"provides")
    files = (path for path in pipelines.glob("*.y*ml") if path.name != FILE and path.is_file())
    return any(word in path.read_bytes() for path in files for word in words)


def _state(database: Path | None, schedules: Mapping[str, Schedule]) -> State:
    """As much of what an engine would know as says when runs open."""
    from openbell.core.state import Limits, State
    from openbell.engine.engine import recall
    from openbell.store.sql import SqlStore

    state = State(Limits(), schedules=schedules)
    if database is None:
        return state
    store = SqlStore(f"sqlite:///{database}")
    try:
        state = store.load(Limits())
        state.schedules = schedules
        recall(state, store)
    finally:
        store.close()
    return state
