"""A run that can be looked at: its tasks, what they reported, why some failed, what they printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from openbell.cli.setting import Setting
from openbell.core.failures import failure_groups
from openbell.core.matrix import Axis, Scalar, label
from openbell.core.model import Pipeline, TaskKey
from openbell.core.state import RunRecord
from openbell.core.states import RunState, TaskState
from openbell.core.summary import exit_code
from openbell.errors import NotFound, OpenbellError
from openbell.store.records import AttemptInfo, RunInfo

if TYPE_CHECKING:
    import polars as pl

    from openbell.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a run, as it was when it was asked for."""

    run: str
    step: str
    cell: int
    coordinates: dict[str, Scalar]
    state: str
    """`waiting`, `succeeded`, `failed` ..."""
    attempts: int

    def __str__(self) -> str:
        return f"{self.step}: {label(self.coordinates)}" if self.coordinates else self.step


@dataclass(frozen=True, slots=True)
class Failure:
    """Tasks that failed in the same way."""

    error: str
    traceback: str
    tasks: tuple[Task, ...]

    @property
    def count(self) -> int:
        return len(self.tasks)


class RunHandle:
    """A run. Every look at it is a new one: it may go on elsewhere."""

    def __init__(self, setting: Setting, run_id: str) -> None:
        self._setting = setting
        self.id = run_id

    def __repr__(self) -> str:
        return f"<run {self.id}: {self.state}>"

    @property
    def info(self) -> RunInfo:
        """When, by whom, in which mode and session: the run without its tasks."""
        with _Open(self._setting) as store:
            info = store.info(self.id)
        if info is None:
            raise NotFound(f"there is no run {self.id}")
        return info

    @property
    def state(self) -> str:
        """`active`, `paused`, `succeeded`, `partial`, `failed` or `cancelled`."""
        return self.info.state.value

    @property
    def ok(self) -> bool:
        """Every task has succeeded, or was skipped by its own rules."""
        return self.info.state is RunState.SUCCEEDED

    @property
    def exit_code(self) -> int:
        """What `openbell run` would have left with."""
        return int(exit_code(self._record()))

    @property
    def pipeline(self) -> Pipeline:
        """The definition that it ran with."""
        return self._record().run.pipeline

    def tasks(self, step: str | None = None) -> list[Task]:
        """All tasks, or those of one step."""
        return list(_tasks(self._record(), step))

    def results(self, step: str | None = None) -> list[dict[str, Any]]:
        """What workers have reported with `worker.result`, with the coordinates of each task."""
        return [{**row.place, **row.result} for row in self._rows(step) if row.result]

    def cells(self, step: str | None = None) -> Cells:
        """One row for each task: where it is, what became of it, what it reported."""
        return Cells([row.data() for row in self._rows(step)])

    def failures(self) -> list[Failure]:
        """Failed tasks by what went wrong, the largest group first."""
        with _Open(self._setting) as store:
            record = _record(store, self.id)
            groups = failure_groups(record, store.attempts(self.id, last_only=True))
        return [
            Failure(one.error, one.traceback, tuple(_task(record, key) for key in one.tasks))
            for one in groups
        ]

    def log(self, task: Task | str, attempt: int | None = None) -> str:
        """What a task has printed. `task`: one of `tasks()`, or `"step"`, `"step/2012-01-03,20"`."""
        from openbell.cli.targets import find
        from openbell.executors.process.files import AttemptFiles

        name = f"{task.step}/{task.cell}" if isinstance(task, Task) else task
        with _Open(self._setting) as store:
            if isinstance(task, Task):
                key: TaskKey | None = TaskKey(self.id, task.step, task.cell)
            else:
                key = find(store, f"{self.id}/{task}").task
            if key is None:
                raise NotFound(f"{name} has many tasks", hint="name one, such as `handle.tasks()[0]`")
            tried = [info.key for info in store.attempts(self.id) if info.key.task == key]
        chosen = [one for one in tried if attempt in (None, one.attempt)]
        if not chosen:
            raise NotFound(
                f"{name} has not started" if attempt is None else f"{name} has no attempt {attempt}"
            )
        pieces = AttemptFiles(self._setting.workspace.attempts, chosen[-1]).log_pieces
        return "".join(piece.read_text(errors="replace") for piece in pieces if piece.exists())

    def _record(self) -> RunRecord:
        with _Open(self._setting) as store:
            return _record(store, self.id)

    def _rows(self, step: str | None) -> list[_Row]:
        with _Open(self._setting) as store:
            record = _record(store, self.id)
            last = {info.key.task: info for info in store.attempts(self.id, last_only=True)}
        return [_Row(task, _place(record, task), last.get(_key(task))) for task in _tasks(record, step)]


class Runs(list[RunHandle]):
    """Runs, newest first."""

    def last(self) -> RunHandle:
        """The newest one. Raises `NotFound` when there is none."""
        if not self:
            raise NotFound("there is no such run yet", hint="`ob.runs()` has those of every pipeline")
        return self[0]


class Cells(list[dict[str, Any]]):
    """Rows: `step`, `cell`, `state`, `attempts`, `seconds`, `error`, the coordinates, the results.

    Dates of an axis of dates are dates. A coordinate or a result that is called like another column is
    `axis.NAME` or `result.NAME`.
    """

    def to_polars(self) -> pl.DataFrame:
        """As a data frame. Raises `OpenbellError` where polars is not installed."""
        frame: pl.DataFrame = _polars().DataFrame(list(self), infer_schema_length=None, strict=False)
        return frame

    def lazy(self) -> pl.LazyFrame:
        """As a lazy frame."""
        return self.to_polars().lazy()


def _polars() -> Any:
    try:
        import polars
    except ImportError:
        raise OpenbellError("polars is not installed", hint="pip install 'openbell[data]'") from None
    return polars


@dataclass(frozen=True, slots=True)
class _Row:
    task: Task
    place: dict[str, Any]
    last: AttemptInfo | None

    @property
    def result(self) -> dict[str, Any]:
        return dict(self.last.result) if self.last is not None else {}

    def data(self) -> dict[str, Any]:
        end = self.last.exit if self.last is not None else None
        row: dict[str, Any] = {
            "step": self.task.step,
            "cell": self.task.cell,
            "state": self.task.state,
            "attempts": self.task.attempts,
            "started_at": self.last.started_at if self.last is not None else None,
            "seconds": end.elapsed if end is not None else None,
            "error": self.last.error if self.last is not None else "",
        }
        for prefix, values in (("axis", self.place), ("result", self.result)):
            for name, value in values.items():
                row[f"{prefix}.{name}" if name in row else name] = value
        return row


@dataclass(slots=True)
class _Open:
    """The store of a project, for the time of one look: any thread may look."""

    setting: Setting
    store: Store | None = field(default=None, init=False)

    def __enter__(self) -> Store:
        self.store = self.setting.past()
        return self.store

    def __exit__(self, *_: object) -> None:
        if self.store is not None:
            self.store.close()


def _record(store: Store, run_id: str) -> RunRecord:
    record = store.run(run_id)
    if record is None:
        raise NotFound(f"there is no run {run_id}")
    return record


def _tasks(record: RunRecord, step: str | None) -> Iterator[Task]:
    if step is not None and step not in record.groups:
        raise NotFound(f"{record.id} has no step {step!r}", hint=f"steps: {', '.join(record.groups)}")
    for name, group in record.groups.items():
        if step in (None, name):
            yield from (_task(record, TaskKey(record.id, name, cell)) for cell in range(group.size))


def _task(record: RunRecord, key: TaskKey) -> Task:
    group = record.groups[key.step]
    state: TaskState = group.state(key.cell)
    coordinates = group.step.matrix.coordinates(key.cell)
    return Task(*key, coordinates, state.name.lower(), group.tries[key.cell])


def _key(task: Task) -> TaskKey:
    return TaskKey(task.run, task.step, task.cell)


def _place(record: RunRecord, task: Task) -> dict[str, Any]:
    """The coordinates, dates as dates."""
    axes = {axis.name: axis for axis in record.groups[task.step].step.matrix.axes}
    return {name: _value(axes[name], value) for name, value in task.coordinates.items()}


def _value(axis: Axis, value: Scalar) -> Any:
    return date.fromisoformat(str(value)) if axis.kind == "date" else value
