"""Removes what the attempts of a task have kept for each other, when the task has succeeded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from openbell.core.events import CloseRun, Event, Exited
from openbell.core.model import TaskKey
from openbell.core.state import State
from openbell.core.states import RunState, TaskState
from openbell.executors.process.files import checkpoint_folder


class Checkpoints:
    """`folder`: the project's state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def see(self, events: Sequence[Event], state: State) -> None:
        """What is durable by now."""
        for event in events:
            match event:
                case Exited(task=task) if _state(state, task) is TaskState.SUCCEEDED:
                    self._remove(checkpoint_folder(self._folder, task))
                case CloseRun(run=run, outcome=RunState.SUCCEEDED):
                    self._remove(os.path.dirname(checkpoint_folder(self._folder, TaskKey(run, "", 0))))  # noqa: PTH120

    def _remove(self, path: str) -> None:
        if os.path.isdir(path):  # noqa: PTH112
            shutil.rmtree(path, ignore_errors=True)


def _state(state: State, task: TaskKey) -> TaskState | None:
    record = state.runs.get(task.run)
    return record.groups[task.step].state(task.cell) if record else None
