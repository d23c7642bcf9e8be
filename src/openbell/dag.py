"""A market's day as a graph of jobs that can be asked: which may run now, and what has become of them.

    dag = build_market_dag("US_EQ", date(2025, 12, 2))
    dag.get_runnable_jobs({"ingest_prices"}, set(), MarketState.POST_CLOSE)
    load_job_executions(dag.dag_id)

For programs that run their jobs themselves, and for those that look at what the engine has run. It decides
nothing: what may run is what the core would start, what has run is what the store has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from openbell.api.definitions import Pipeline as Definition
from openbell.api.running import load_definition
from openbell.cli.setting import Setting
from openbell.clock import SystemClock
from openbell.config.document import Document, read
from openbell.config.project import pipeline_files
from openbell.core.decide import decide
from openbell.core.events import Event, Exit, Exited, OpenRun, Start, Started
from openbell.core.evolve import evolve
from openbell.core.graph import ancestors, dependants, layers
from openbell.core.matrix import Scalar
from openbell.core.model import Pipeline, Priority, Retry, Run, Step, TaskKey
from openbell.core.state import Capacity, Limits, RunRecord, State
from openbell.core.states import TaskState
from openbell.errors import NotFound, UsageError
from openbell.market import Market, MarketState, resolve
from openbell.market.markets import state_of
from openbell.market.names import ALIASES
from openbell.market.points import stretches
from openbell.store.protocol import Store
from openbell.store.records import AttemptInfo, RunInfo

__all__ = [
    "DAG",
    "JobExecution",
    "JobMetadata",
    "JobPriority",
    "JobStatus",
    "build_market_dag",
    "load_job_executions",
]

JobPriority = Priority
"""CRITICAL, STANDARD, OPTIONAL."""

_MOST_RUNS = 100_000


class JobStatus(StrEnum):
    """What has become of a job."""

    PENDING = "PENDING"
    """It waits, for the first time or between two tries."""
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


_STATUSES = {
    TaskState.WAITING: JobStatus.PENDING,
    TaskState.SUCCEEDED: JobStatus.SUCCESS,
    TaskState.FAILED: JobStatus.FAILED,
    TaskState.SKIPPED: JobStatus.SKIPPED,
    TaskState.CANCELLED: JobStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class JobMetadata:
    """A job: a step of the day's pipeline. Times in seconds."""

    job_id: str
    job_type: str
    market_id: str
    dependencies: tuple[str, ...]
    required_states: tuple[MarketState, ...]
    """The states that `when` names; empty for a job without, or with a time between two points."""
    priority: Priority
    max_retries: int
    retry_delay_seconds: float
    timeout_seconds: float | None


@dataclass(frozen=True, slots=True)
class JobExecution:
    """A job as the engine has run it. A job with a matrix has one for each of its cells."""

    dag_id: str
    run_id: str
    job_id: str
    job_type: str
    market_id: str
    as_of_date: date
    coordinates: Mapping[str, Scalar]
    status: JobStatus
    attempt_number: int
    """Tries so far; 0 before the first."""
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str


@dataclass(frozen=True, slots=True)
class DAG:
    """The jobs of one market for one session."""

    dag_id: str
    market_id: str
    as_of_date: date
    """The session: the date that was asked for, or the last session before it."""
    jobs: Mapping[str, JobMetadata]
    """By id, in the order in which they can run."""
    pipeline: Pipeline = field(repr=False)
    """What the jobs are, bound to the session."""
    market: Market = field(repr=False)

    def get_runnable_jobs(
        self,
        completed_jobs: Collection[str],
        running_jobs: Collection[str],
        current_market_state: MarketState,
        *,
        failed_jobs: Collection[str] = (),
        at: datetime | None = None,
    ) -> list[JobMetadata]:
        """The jobs that may start, the most urgent first, then by id.

        A time in the session's day is one that *has come*: a job for POST_CLOSE may still run overnight,
        unless its `late` says otherwise. `at`: the instant; without it, that of now when the market is in
        this state now, else the first of the session's day in it (OVERNIGHT and HOLIDAY: after it).

        Raises `NotFound` for a job that is none.
        """
        now = at or self._instant(current_market_state, SystemClock().now())
        state = self._state(now, completed_jobs, running_jobs, failed_jobs)
        names = {action.task.step for action in decide(state, now).actions if isinstance(action, Start)}
        found = [self.jobs[name] for name in names]
        return sorted(found, key=lambda job: (job.priority, job.job_id))

    def layers(self) -> list[list[str]]:
        """Ids by depth: every job below all that it depends on."""
        return layers(self.pipeline.steps)

    def upstream(self, job_id: str) -> list[str]:
        """All jobs that this one waits for, directly or through others."""
        return ancestors(self.pipeline.steps, self._known(job_id))

    def downstream(self, job_id: str) -> list[str]:
        """All jobs that wait for this one, directly or through others."""
        return dependants(self.pipeline.steps, self._known(job_id))

    def _known(self, job_id: str) -> str:
        if job_id not in self.jobs:
            raise NotFound(f"{self.dag_id} has no job {job_id!r}", hint=f"jobs: {', '.join(self.jobs)}")
        return job_id

    def _instant(self, state: MarketState, now: datetime) -> datetime:
        """When the market is in this state, in the day of the session."""
        if self.as_of_date >= self.market.session(now) and self.market.state(now) is state:
            return now
        found = stretches(self.market, self.as_of_date, state)
        if found:
            return found[0][0]
        session = self.market.session_of(self.as_of_date)
        match state:
            case MarketState.OVERNIGHT | MarketState.HOLIDAY:
                return self.market.window(self.as_of_date, MarketState.POST_CLOSE)[1]
            case MarketState.POST_CLOSE:
                return session.close
            case _:  # a market without pre-open, a session without a break
                return session.open

    def _state(
        self, now: datetime, completed: Collection[str], running: Collection[str], failed: Collection[str]
    ) -> State:
        """A run of the day in which this has happened, on a machine where there is room for everything."""
        endless = {step.executor: Capacity(10**9) for step in self.pipeline}
        once = tuple(replace(step, retry=Retry()) for step in self.pipeline)
        pipeline = replace(self.pipeline, steps=once, concurrency=None, max_failures=None)
        state = State(Limits(endless))
        evolve(state, OpenRun(now, Run(self.dag_id, pipeline, "", now)))
        for names, code in ((completed, 0), (failed, 1), (running, None)):
            for name in names:
                for event in self._story(pipeline.step(self._known(name)), now, code):
                    evolve(state, event)
        return state

    def _story(self, step: Step, now: datetime, code: int | None) -> Iterator[Event]:
        for cell in range(len(step.matrix)):
            task = TaskKey(self.dag_id, step.name, cell)
            yield Start(now, task, 1)
            yield Started(now, task, 1)
            if code is not None:
                yield Exited(now, task, 1, Exit(code))


def build_market_dag(
    market_id: str,
    as_of_date: date,
    *,
    pipeline: str | Path | Definition | None = None,
    folder: str | Path = ".",
) -> DAG:
    """The jobs of a market for a session.

    They are those of `pipeline` (a file, a name, a definition); without it, of the pipeline of the project in
    `folder` that lives in this market; without one, the nine of `STANDARD_DAY`. On a date without a session
    it is the session before, whose work goes on until the next one.

    Raises `ConfigError` for a pipeline that is wrong (a circle, an unknown dependency), `MarketError` for a
    market or a date that does not exist.
    """
    setting = Setting.of(Path(folder))
    market = resolve(market_id, setting.project.markets)
    session = as_of_date if market.is_session(as_of_date) else market.prev_session(as_of_date).date
    chosen = pipeline if pipeline is not None else _of_market(setting, market_id)
    if chosen is None:
        chosen = _standard(market_id, market, session, setting)
    loaded = load_definition(chosen, dates=session, folder=folder)
    found = loaded.pipeline
    if found.market is None or not _same(found.market, market_id):
        told = f"{found.shown} lives in {found.market or 'no market'}, not in {market_id}"
        raise UsageError(told, hint=f"give it `market: {market_id}`")
    order = [name for layer in layers(found.steps) for name in layer]
    return DAG(
        dag_id=f"{found.name}_{session}",
        market_id=market_id,
        as_of_date=session,
        jobs={name: _job(found.step(name), market_id, loaded.document) for name in order},
        pipeline=found,
        market=market,
    )


def load_job_executions(dag_id: str, *, folder: str | Path = ".") -> list[JobExecution]:
    """What has become of the jobs of a day, in the order in which they can run; empty until its run is there.

    `dag_id`: that of a `DAG`, or the id of a run.
    """
    try:
        store = Setting.of_the_past(Path(folder)).past()
    except NotFound:  # nothing has run here yet
        return []
    try:
        info = store.info(dag_id) if "/" in dag_id else _of_day(store, dag_id)
        record = store.run(info.id) if info is not None else None
        if info is None or record is None:
            return []
        last = {one.key.task: one for one in store.attempts(info.id, last_only=True)}
    finally:
        store.close()
    return list(_executions(dag_id, info, record, last))


def _of_day(store: Store, dag_id: str) -> RunInfo | None:
    """The newest run of the pipeline and the session that the id names."""
    name = dag_id[: -len("_2025-12-02")]
    found = store.runs(name, _MOST_RUNS)
    return next((info for info in found if f"{info.name}_{info.session}" == dag_id), None)


def _executions(
    dag_id: str, info: RunInfo, record: RunRecord, last: Mapping[TaskKey, AttemptInfo]
) -> Iterator[JobExecution]:
    pipeline = record.run.pipeline
    day = date.fromisoformat(info.session) if info.session else info.opened_at.date()
    for name, group in record.groups.items():
        for cell in range(group.size):
            attempt = last.get(TaskKey(record.id, name, cell))
            yield JobExecution(
                dag_id=dag_id,
                run_id=record.id,
                job_id=name,
                job_type=name,
                market_id=pipeline.market or "",
                as_of_date=day,
                coordinates=group.step.matrix.coordinates(cell),
                status=_STATUSES.get(group.state(cell), JobStatus.RUNNING),
                attempt_number=group.tries[cell],
                started_at=attempt.started_at if attempt else None,
                completed_at=attempt.ended_at if attempt else None,
                error_message=attempt.error if attempt else "",
            )


def _job(step: Step, market_id: str, document: Document) -> JobMetadata:
    written = document.root.find(("steps", step.name, "when")) if document.root else None
    when = written.data() if written is not None else []
    states = [when] if isinstance(when, str) else when if isinstance(when, list) else []
    return JobMetadata(
        job_id=step.name,
        job_type=step.name,
        market_id=market_id,
        dependencies=tuple(need.step for need in step.needs),
        required_states=tuple(state_of(state) for state in states),
        priority=step.priority,
        max_retries=step.retry.attempts - 1,
        retry_delay_seconds=step.retry.delay.total_seconds(),
        timeout_seconds=step.timeout.total_seconds() if step.timeout else None,
    )


def _of_market(setting: Setting, market_id: str) -> Path | None:
    """The pipeline of the project that lives in this market. Raises `UsageError` when there are several."""
    found = []
    for path in pipeline_files(setting.project):
        root = read(path).root
        home = root.find(("market",)) if root is not None else None
        if home is not None and isinstance(home.value, str) and _same(home.value, market_id):
            found.append(path)
    called = [path for path in found if path.stem.lower() == market_id.lower()]
    if len(found) > 1 and len(called) != 1:
        names = ", ".join(path.stem for path in found)
        raise UsageError(f"several pipelines live in {market_id}: {names}", hint="name one: pipeline=...")
    return next(iter(called or found), None)


def _same(*names: str) -> bool:
    """Whether these are names of one market, such as ASIA_EQ and XTKS."""
    return len({ALIASES.get(name, name) for name in names}) == 1


_NO_WORK = ["sh", "-c", "echo 'a job of the standard day has no program: give {step} one' >&2; exit 64"]

STANDARD_DAY: Mapping[str, Mapping[str, object]] = {
    "ingest_prices": {"when": "post_close", "priority": "critical"},
    "ingest_factors": {"when": "post_close"},
    "compute_returns": {"needs": ["ingest_prices"]},
    "compute_volatility": {"needs": ["ingest_prices"]},
    "build_numeric_windows": {"needs": ["compute_returns", "compute_volatility"]},
    "update_profiles": {"when": "post_close", "needs": ["ingest_factors", "compute_returns"]},
    "run_signals": {"needs": ["build_numeric_windows", "update_profiles"]},
    "run_universes": {"needs": ["run_signals"]},
    "run_books": {"needs": ["run_universes"], "priority": "critical"},
}
"""Nine jobs: ingestion, features, profiles, engines. For programs that run them themselves."""


def _standard(market_id: str, market: Market, session: date, setting: Setting) -> Definition:
    """The standard day; in a market without POST_CLOSE, what waits for it waits for the close."""
    closes = bool(stretches(market, session, MarketState.POST_CLOSE))
    timed = {} if closes else {"when": {"after": "close"}}
    retry = {"attempts": 4, "delay": timedelta(minutes=1)}
    steps = {
        name: {"run": _NO_WORK, "retry": retry, **keys, **(timed if "when" in keys else {})}
        for name, keys in STANDARD_DAY.items()
    }
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", market_id).strip("_")
    return Definition(name, steps, market=market_id, folder=setting.project.folder)
