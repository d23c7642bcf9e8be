"""The protocol of every store. One contract suite runs against all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from openbell.core.events import Answer, Event
from openbell.core.freshness import Dataset
from openbell.core.inputs import InputFile
from openbell.core.model import Run
from openbell.core.requests import Request
from openbell.core.retention import Aged
from openbell.core.state import Limits, RunRecord, State
from openbell.store.records import AlertInfo, AttemptInfo, Lease, LetterInfo, MissInfo, RunInfo, TaskInfo


class Store(Protocol):
    """Where the journal and its projections live."""

    # ── the leader's side ────────────────────────────────────────────────────────────────────

    def lead(self, holder: str, at: datetime) -> Lease:
        """Take the lead: a new epoch. Whoever led before can write no more."""
        ...

    def append(self, epoch: int, first: int, events: Sequence[Event], state: State) -> None:
        """Record the events, numbered from `first`, and the rows they touch, in one transaction.

        `state` is the state after them. Appending the same events again changes nothing, so a caller
        whose commit failed simply tries again. Raises `Fenced` when the epoch is not the current one,
        `StoreError` when the store cannot be written.
        """
        ...

    def load(self, limits: Limits) -> State:
        """The state as of the last append: runs that are not final, requests, positions of triggers."""
        ...

    # ── everybody's side ─────────────────────────────────────────────────────────────────────

    def ask(self, request_id: str, request: Request, at: datetime) -> None:
        """Leave a request for the engine. The same id again changes nothing."""
        ...

    def asked(self) -> list[tuple[str, Request]]:
        """Requests without an answer that no engine has taken up yet, oldest first."""
        ...

    def answer(self, request_id: str) -> Answer | None:
        """The answer to a request, once there is one."""
        ...

    def run(self, run_id: str) -> RunRecord | None:
        """One run with the states of all its tasks, final or not."""
        ...

    def definition(self, run_id: str) -> Run | None:
        """One run as it is defined now, without its tasks."""
        ...

    def newest(self, name: str, digest: str | None = None) -> str | None:
        """Id of the newest run of this pipeline (and digest)."""
        ...

    def next_key(self, name: str) -> int:
        """The number of the next run of this pipeline, from 1."""
        ...

    def runs(self, name: str | None = None, limit: int = 100) -> list[RunInfo]:
        """Runs, newest first."""
        ...

    def info(self, run_id: str) -> RunInfo | None:
        """One run without its tasks."""
        ...

    def last_success(self, name: str, step: str, before: datetime) -> str | None:
        """The newest ended run of this pipeline, opened before, in which every task of the step succeeded."""
        ...

    def misses(self, name: str | None = None, limit: int = 100) -> list[MissInfo]:
        """Occasions that no run answers for, newest first."""
        ...

    def tasks(self, run_id: str) -> Iterator[TaskInfo]:
        """The touched tasks of a run, by step and cell."""
        ...

    def attempts(self, run_id: str, *, last_only: bool = False) -> Iterator[AttemptInfo]:
        """Attempts of a run, by step, cell and number; `last_only`: the newest of each task."""
        ...

    def results(
        self, run_id: str, step: str, cells: Sequence[int] | None = None
    ) -> Iterator[tuple[int, str]]:
        """What the last attempts of a step (of these cells) have reported: (cell, JSON), in order."""
        ...

    def elapsed(self, run_id: str, most: int) -> Iterator[tuple[str, int, float]]:
        """How long the successful attempts of a run took, kept results aside: (step, cell, seconds).

        Of each step the first `most`.
        """
        ...

    def journal(
        self,
        after: int = 0,
        run_id: str | None = None,
        limit: int = 1000,
        kinds: Sequence[str] = (),
        name: str | None = None,
    ) -> list[tuple[int, Event]]:
        """Journal entries with a number above `after`, in order.

        `run_id`, `name`: only about this run, about runs of this pipeline; `kinds`: names of events, all
        for none.
        """
        ...

    def before_last(self, count: int, run_id: str | None = None, name: str | None = None) -> int:
        """The number behind which the last `count` journal entries stand (of this run, of this pipeline)."""
        ...

    def consumed(self, pipeline: str, step: str, keys: Sequence[str]) -> dict[str, str]:
        """Which of these files (by the keys of their contents) a step has consumed: key -> run."""
        ...

    def consumed_files(self, pipeline: str, step: str, limit: int = 20_000) -> list[InputFile]:
        """The files that a step has consumed, the newest first."""
        ...

    def datasets(self) -> list[Dataset]:
        """The last success of each data set, by name."""
        ...

    def alerts(
        self, run_id: str | None = None, *, open_only: bool = False, limit: int = 100
    ) -> list[AlertInfo]:
        """Alerts, newest first (of this run; those that nobody has seen to)."""
        ...

    def letters(self, alert: int | None = None, *, waiting: bool = False) -> list[LetterInfo]:
        """Letters of the outbox, oldest first (of this alert; those that are still to be delivered)."""
        ...

    def ages(self) -> list[Aged]:
        """Every run with its age and the number of its tasks, newest first."""
        ...

    def references(self) -> set[str]:
        """Runs that others refer to, or that something counts on from: they may not go."""
        ...

    def last(self) -> int:
        """Number of the newest journal entry."""
        ...

    def epoch(self) -> int:
        """The current epoch; 0 before anybody led."""
        ...

    def close(self) -> None: ...
