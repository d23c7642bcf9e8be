"""A run on a terminal: one screen that is drawn anew a few times a second."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.live import Live

from openbell.cli.entry import sheltered
from openbell.cli.lean import asyncio
from openbell.cli.lines import Look, stalled
from openbell.cli.screen import Scene, draw
from openbell.cli.words import seconds
from openbell.clock import SystemClock
from openbell.core.events import Answer, Event, Exited, Lost, Refused, Reported, Stall
from openbell.core.failure import fingerprint
from openbell.core.failures import failure_groups
from openbell.core.model import AttemptKey
from openbell.core.render import again
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.core.summary import summarize
from openbell.core.words import plural
from openbell.engine.leader import Holder
from openbell.store.protocol import Store

_FRAMES = 6  # a second
_RATED = 10 * _FRAMES  # frames over which the rate is taken


class LiveView:
    """Shows the run while it goes."""

    def __init__(self, store: Store, vitals: Look) -> None:
        self._store = store
        self._vitals = vitals
        self._console = Console(stderr=True)
        self._clock = SystemClock()
        self._live: Live | None = None
        self._scene: Scene | None = None
        self._leader = ""
        self._progress: dict[AttemptKey, str] = {}
        self._ended: deque[tuple[float, int]] = deque(maxlen=_RATED)
        self._drawing: asyncio.Task[None] | None = None
        self._leaving = False

    def opened(self, record: RunRecord, answer: Answer) -> None:  # noqa: ARG002
        if self._live is not None and self._scene is not None:  # the lead has come to us
            self._scene.record, self._scene.leader = record, ""
            return
        self._scene = Scene(record, leader=self._leader, progress=self._progress)
        self._recall()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._drawing = asyncio.get_running_loop().create_task(self._draw())

    def follows(self, leader: Holder) -> None:
        self._leader = f"following process {leader.pid}"

    def signalled(self, record: RunRecord, count: int) -> None:
        self._leaving = True
        oldest = summarize(record).oldest
        since = f" (longest {seconds(self._clock.now() - oldest[1])})" if oldest else ""
        self._note(
            {
                1: f"Draining: {record.live} running{since}. Ctrl-C again ends them. "
                f"Resume: {again(record.run.pipeline)}",
                2: f"Ending {plural(record.live, 'task')}. Ctrl-C again kills",
                3: "Killing",
            }[min(count, 3)]
        )

    def look(self, record: RunRecord) -> None:
        if self._scene is not None:
            self._scene.record = record
            self._recall()
        if record.outcome is not None:
            self.close()

    def see(self, events: Sequence[Event], state: State) -> None:
        scene = self._scene
        if scene is None:
            return
        scene.state = state
        scene.record = record = state.runs.get(scene.record.id, scene.record)
        for event in events:
            match event:
                case Exited() | Lost() | Refused() if event.task.run == record.id:
                    self._progress.pop(AttemptKey(*event.task, event.attempt), None)
                    _remember(event, scene)
                case Reported(topic="progress", data=data) if event.task.run == record.id:
                    done, total = data.get("done"), data.get("total")
                    self._progress[AttemptKey(*event.task, event.attempt)] = f"{done}/{total} {event.message}"
                case Stall() if event.task.run == record.id:
                    self._note(stalled(event, record, self._vitals))
        if record.outcome is not None or (self._leaving and record.paused and not record.live):
            self.close()

    def screen(self) -> RenderableType:
        """All that is shown, as of now."""
        assert self._scene is not None
        return draw(self._scene, self._clock.now(), self._console.width, self._console.height)

    def _recall(self) -> None:
        """Take the failures from the store: those of earlier, or of another engine."""
        scene = self._scene
        if scene is None or scene.record.count(TaskState.FAILED) == sum(
            n for n, _ in scene.failures.values()
        ):
            return
        groups = failure_groups(scene.record, self._store.attempts(scene.record.id, last_only=True))
        scene.failures = {
            fingerprint(group.error, group.traceback): (group.count, group.error) for group in groups
        }

    def _note(self, text: str) -> None:
        if self._scene is not None:
            self._scene.note = text

    async def _draw(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while self._live is not None and self._scene is not None:
                self._scene.rate = self._rate(summarize(self._scene.record).final)
                with sheltered():
                    self._live.update(self.screen(), refresh=True)
                await asyncio.sleep(1 / _FRAMES)

    def _rate(self, final: int) -> float:
        """Tasks that have ended per second, of late."""
        now = asyncio.get_running_loop().time()
        self._ended.append((now, final))
        since, before = self._ended[0]
        return (final - before) / (now - since) if now - since >= 1 else 0.0

    def close(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()


def _remember(event: Exited | Lost | Refused, scene: Scene) -> None:
    """Count a failure with its kind."""
    if scene.record.groups[event.task.step].state(event.task.cell) is TaskState.FAILED:
        error = event.exit.error if isinstance(event, Exited) else event.reason
        mark = fingerprint(error, event.exit.traceback if isinstance(event, Exited) else "")
        count, first = scene.failures.get(mark, (0, error))
        scene.failures[mark] = (count + 1, first)
