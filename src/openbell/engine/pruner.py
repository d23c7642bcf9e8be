"""Lets go of the past as the project's retention says: finds what may go, removes the files of what is gone.

Rows go with the event that records it, in one transaction; the files after that. Whatever dies in between,
the next look finds the files of runs that are recorded as gone.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import quote, unquote

from openbell.core.events import Event, Prune
from openbell.core.requests import PruneRuns
from openbell.core.retention import Aged, Part, Retention, expired, portions
from openbell.core.state import State
from openbell.engine.eventlog import event_file
from openbell.engine.workspace import Workspace
from openbell.store.protocol import Store

PARTS: tuple[Part, ...] = ("runs", "logs", "events")
FOLLOWED = 60
"""Runs that stay of a pipeline that others come after: the labels that these may still wait for."""
_TASKS, _RUNS = 20_000, 200  # of one transaction


class Pruner:
    """What the policy lets go of a project. `followed`: pipelines that others come after."""

    def __init__(self, store: Store, workspace: Workspace, followed: Collection[str] = ()) -> None:
        self._store = store
        self._workspace = workspace
        self._least = [(name, FOLLOWED) for name in followed]

    def candidates(self, policy: Retention, now: datetime) -> dict[Part, list[Aged]]:
        """What may go, by part, oldest first. What goes as a whole is not named twice."""
        if policy.unlimited:
            return {}
        runs, needed = self._store.ages(), self._store.references() | self._evidence()
        found: dict[Part, list[Aged]] = {}
        gone: set[str] = set()
        for part in PARTS:
            chosen = expired(policy, part, runs, needed if part == "runs" else (), now, self._least)
            left = [run for run in chosen if run.id not in gone and self._there(part, run.id)]
            if part == "runs":
                gone = {run.id for run in left}
            found[part] = left
        return {part: left for part, left in found.items() if left}

    def requests(self, policy: Retention, now: datetime, actor: str, reason: str) -> Iterator[PruneRuns]:
        """The same, as requests to the engine that leads."""
        before = now - policy.runs if policy.runs is not None else None
        for part, found in self.candidates(policy, now).items():
            for portion in portions(found, _TASKS, _RUNS):
                ids = tuple(run.id for run in portion)
                yield PruneRuns(ids, (part,), actor, reason, before if part == "runs" else None)

    def _evidence(self) -> set[str]:
        """The last success of every step of every pipeline: what a fallback would take its results from."""
        found: set[str] = set()
        newest = {run.name: run for run in reversed(self._store.ages())}
        for name, run in newest.items():
            definition = self._store.definition(run.id)
            for step in definition.pipeline if definition is not None else ():
                if step.on_failure.last_success:
                    success = self._store.last_success(name, step.name, run.opened_at)
                    found |= {success} if success is not None else set()
        return found

    def _there(self, part: Part, run: str) -> bool:
        if part == "runs":
            return True
        return files_of(self._workspace, run)[part].exists()

    def remove_orphans(self) -> int:
        """Remove files of runs that are recorded as gone, where a kill came before that. How many runs."""
        folder = self._workspace.attempts
        strange = {unquote(path.name) for path in folder.iterdir()} if folder.is_dir() else set()
        strange -= {run.id for run in self._store.ages()} if strange else set()
        if not strange:
            return 0
        gone: set[str] = set()
        after = 0
        while entries := self._store.journal(after, kinds=("Prune",), limit=1000):
            after = entries[-1][0]
            gone |= {run for _, event in entries if isinstance(event, Prune) for run in event.runs}
        for run in strange & gone:
            remove(self._workspace, run, PARTS)
        return len(strange & gone)


def files_of(workspace: Workspace, run: str) -> Mapping[Part, Path]:
    """Where the logs and the events of a run are."""
    return {
        "logs": workspace.attempts / quote(run, safe=""),
        "events": event_file(workspace.events, run),
    }


def remove(workspace: Workspace, run: str, parts: Collection[Part]) -> None:
    """Remove the files of a run that is gone, or those of these parts of it."""
    whole = "runs" in parts
    files = files_of(workspace, run)
    if whole or "logs" in parts:
        shutil.rmtree(files["logs"], ignore_errors=True)
    if whole or "events" in parts:
        files["events"].unlink(missing_ok=True)
    if whole:
        for name in ("checkpoints", "results"):
            shutil.rmtree(workspace.folder / name / quote(run, safe=""), ignore_errors=True)


class Remover:
    """An observer of the engine that removes the files of what is gone, on a thread of its own."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._queue: SimpleQueue[tuple[str, tuple[Part, ...]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def see(self, events: Sequence[Event], state: State) -> None:  # noqa: ARG002
        for event in events:
            if isinstance(event, Prune):
                self._begin()
                for run in event.runs:
                    self._queue.put((run, event.parts))

    def close(self) -> None:
        """Remove what is in hand, and end."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="remover", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (found := self._queue.get()) is not None:
            with contextlib.suppress(OSError):  # it is found again at the next look
                remove(self._workspace, *found)
