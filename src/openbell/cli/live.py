"""A run on a terminal: one screen that is drawn anew a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from openbell.cli.heatmap import heat_map
from openbell.cli.words import plural, seconds, task_label
from openbell.clock import SystemClock
from openbell.core.events import Answer, Event, Exited, Lost, Refused, Reported, Stall
from openbell.core.explain import explain
from openbell.core.failure import fingerprint
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.state import RunRecord, State
from openbell.core.states import RunState, TaskState
from openbell.core.summary import summarize
from openbell.engine.leader import Holder

_FRAMES = 6  # a second
_MOST_LIVE = 6
_MOST_FAILURES = 4

STYLES = {
    TaskState.WAITING: "bright_black",
    TaskState.STARTING: "cyan",
    TaskState.RUNNING: "cyan",
    TaskState.STOPPING: "yellow",
    TaskState.SUCCEEDED: "green",
    TaskState.FAILED: "red",
    TaskState.CANCELLED: "yellow",
    TaskState.SKIPPED: "magenta",
}
"""The colour of each state, here and in the heat map."""


class LiveView:
    """Shows the run while it goes."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._clock = SystemClock()
        self._live: Live | None = None
        self._state: State | None = None
        self._record: RunRecord | None = None
        self._leader: Holder | None = None
        self._note = ""
        self._failures: dict[str, tuple[int, str]] = {}
        self._progress: dict[AttemptKey, str] = {}
        self._drawing: asyncio.Task[None] | None = None

    def opened(self, record: RunRecord, answer: Answer) -> None:  # noqa: ARG002
        self._record = record
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._drawing = asyncio.get_running_loop().create_task(self._draw())

    def follows(self, leader: Holder) -> None:
        self._leader = leader

    def signalled(self, record: RunRecord, count: int) -> None:
        longest = summarize(record).oldest
        since = f" (longest {seconds(self._clock.now() - longest[1])})" if longest else ""
        self._note = {
            1: f"Draining: {record.live} running{since}. Ctrl-C again ends them. Resume: the same command",
            2: f"Ending {plural(record.live, 'task')}. Ctrl-C again kills",
            3: "Killing",
        }[min(count, 3)]

    def look(self, record: RunRecord) -> None:
        self._record = record
        if record.outcome is not None:
            self._stop()

    def see(self, events: Sequence[Event], state: State) -> None:
        self._state = state
        record = self._record
        if record is None:
            return
        for event in events:
            match event:
                case Exited() | Lost() | Refused() if event.task.run == record.id:
                    self._progress.pop(AttemptKey(*event.task, event.attempt), None)
                    self._ended(event, record)
                case Reported(topic="progress", data=data) if event.task.run == record.id:
                    done, total = data.get("done"), data.get("total")
                    self._progress[AttemptKey(*event.task, event.attempt)] = f"{done}/{total} {event.message}"
                case Stall() if event.task.run == record.id:
                    name = task_label(record.run.pipeline, event.task)
                    self._note = f"No task has ended for {seconds(event.seconds)}; the oldest is {name}"
        if record.outcome is not None or (record.paused and not record.live):
            self._stop()

    def _ended(self, event: Exited | Lost | Refused, record: RunRecord) -> None:
        if record.groups[event.task.step].state(event.task.cell) is TaskState.FAILED:
            error = event.exit.error if isinstance(event, Exited) else event.reason
            traceback = event.exit.traceback if isinstance(event, Exited) else ""
            mark = fingerprint(error, traceback)
            self._failures[mark] = (self._failures.get(mark, (0, ""))[0] + 1, error)

    # ── drawing ──────────────────────────────────────────────────────────────────────────────

    async def _draw(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while self._live is not None:
                self._live.update(self.screen(), refresh=True)
                await asyncio.sleep(1 / _FRAMES)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._drawing is not None:
            self._drawing.cancel()

    def screen(self) -> RenderableType:
        """All that is shown, as of now."""
        record = self._record
        if record is None:
            return Text("")
        now = self._clock.now()
        parts: list[RenderableType] = [self._head(record, now), _bar(record)]
        wide = self._console.width - 4
        parts += [heat_map(group, wide) for group in record.groups.values() if group.size > 1]
        parts += [self._running(record, now), self._failed(), self._foot(record, now)]
        return Padding(Group(*parts), (1, 2))

    def _head(self, record: RunRecord, now: datetime) -> Text:
        text = Text()
        text.append(record.run.pipeline.shown, style="bold")
        text.append(f"  {record.id}  ", style="bright_black")
        style = "yellow" if record.state is RunState.PAUSED else "cyan"
        text.append(record.state.value, style=style)
        text.append(f"  {seconds(now - record.run.opened_at)}", style="bright_black")
        if self._leader is not None:
            text.append(f"  following process {self._leader.pid}", style="bright_black")
        return text

    def _running(self, record: RunRecord, now: datetime) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        live = (
            sorted(
                (attempt.since, name, cell, attempt)
                for name, group in record.groups.items()
                for cell, attempt in group.live.items()
            )
            if record.live < 1000
            else []
        )
        for since, name, cell, attempt in live[:_MOST_LIVE]:
            task = TaskKey(record.id, name, cell)
            said = self._progress.get(AttemptKey(*task, attempt.attempt), "")
            again = f"attempt {attempt.attempt}" if attempt.attempt > 1 else ""
            table.add_row(
                Text("▸", style=STYLES[attempt.state]),
                task_label(record.run.pipeline, task),
                Text(seconds(now - since), style="bright_black"),
                Text(again, style="yellow"),
                Text(said, style="bright_black"),
            )
        if len(live) > _MOST_LIVE:
            table.add_row("", Text(f"and {len(live) - _MOST_LIVE} more", style="bright_black"))
        return table

    def _failed(self) -> RenderableType:
        if not self._failures:
            return Text("", end="")
        ordered = sorted(self._failures.values(), reverse=True)
        text = Text()
        for count, error in ordered[:_MOST_FAILURES]:
            text.append(f"✗ {count:>4} x  ", style="red")
            text.append(f"{error[: self._console.width - 16]}\n")
        return text

    def _foot(self, record: RunRecord, now: datetime) -> Text:
        """What holds the rest up, and what the user should know."""
        text = Text(style="bright_black")
        if self._state is not None and record.id in self._state.runs:
            for name, group in record.groups.items():
                if group.waiting:
                    cell = next(group.ready(now), None) or min(group.due, default=0)
                    blockers = explain(self._state, TaskKey(record.id, name, cell), now)
                    text.append(f"{name}: {plural(group.waiting, 'waits', 'wait')}")
                    text.append(f" — {blockers[0].text}\n" if blockers else "\n")
        if self._note:
            text.append(f"{self._note}\n", style="bold yellow")
        return text


def _bar(record: RunRecord) -> RenderableType:
    summary = summarize(record)
    table = Table.grid(padding=(0, 1))
    table.add_row(
        ProgressBar(total=max(1, summary.total), completed=summary.final, width=40),
        f"{summary.final:,}/{summary.total:,}",
        Text(f"{seconds(summary.remaining)} left" if summary.remaining else "", style="bright_black"),
    )
    counts = Text()
    for state, count in summary.counts.items():
        if count:
            counts.append(f"{count:,} {state.name.lower()}  ", style=STYLES[state])
    return Group(table, counts)
