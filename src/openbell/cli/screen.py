"""What the live view draws: a run as one screen of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from openbell.cli.heatmap import heat_map
from openbell.cli.words import seconds
from openbell.core.explain import bottlenecks
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.render import task_label
from openbell.core.state import RunRecord, State
from openbell.core.states import RunState, TaskState
from openbell.core.summary import not_before, summarize
from openbell.core.words import plural

_MOST_LIVE = 6
_MOST_FAILURES = 4
_MOST_STEPS = 60
_MOST_MAPS = 4
_REST = 18  # lines that are not heat maps

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

GLYPHS = {
    TaskState.WAITING: "·",
    TaskState.STARTING: "▹",
    TaskState.RUNNING: "▸",
    TaskState.STOPPING: "▪",
    TaskState.SUCCEEDED: "✓",
    TaskState.FAILED: "✗",
    TaskState.CANCELLED: "⊘",
    TaskState.SKIPPED: "↷",
}


@dataclass(slots=True)
class Scene:
    """All that is to be seen. `rate`: tasks that end per second; `failures`: (count, error) by kind."""

    record: RunRecord
    state: State | None = None
    leader: str = ""
    note: str = ""
    rate: float = 0.0
    failures: dict[str, tuple[int, str]] = field(default_factory=dict)
    progress: Mapping[AttemptKey, str] = field(default_factory=dict)


def draw(scene: Scene, now: datetime, width: int, height: int) -> RenderableType:
    """The scene on a terminal of this size."""
    record = scene.record
    parts: list[RenderableType] = [_head(scene, now), _bar(scene, now, width), _counts(record)]
    parts += _maps(record, width - 4, height)
    parts += [_single(record), _running(scene, now), _failed(scene, width), _foot(scene, now)]
    return Padding(Group(*parts), (1, 2))


def _head(scene: Scene, now: datetime) -> Text:
    record = scene.record
    text = Text()
    text.append(record.run.pipeline.shown, style="bold")
    text.append(f"  {record.id}  ", style="bright_black")
    text.append(record.state.value, style="yellow" if record.state is RunState.PAUSED else "cyan")
    text.append(f"  {seconds(now - record.run.opened_at)}", style="bright_black")
    text.append(f"  {scene.leader}", style="bright_black")
    return text


def _bar(scene: Scene, now: datetime, width: int) -> RenderableType:
    summary = summarize(scene.record)
    pace = [f"{scene.rate:.1f} tasks/s"] if scene.rate >= 0.1 else []
    if summary.remaining and not_before(scene.record, now) is None:
        pace.append(f"about {seconds(summary.remaining)} left")
    bar = ProgressBar(
        total=max(1, summary.total),
        completed=summary.final,
        width=max(8, min(40, width - 44)),
        complete_style="cyan",
        finished_style="green",
    )
    table = Table.grid(padding=(0, 1))
    told = Text(", ".join(pace), style="bright_black", no_wrap=True, overflow="ellipsis")
    table.add_row(bar, Text(f"{summary.final:,}/{summary.total:,}", no_wrap=True), told)
    return table


def _counts(record: RunRecord) -> Text:
    text = Text()
    for state in TaskState:
        if count := record.count(state):
            text.append(f"{count:,} {state.name.lower()}  ", style=STYLES[state])
    return text.append("\n")


def _maps(record: RunRecord, width: int, height: int) -> Iterator[Text]:
    """Heat maps of the steps that have a matrix: those that still have something to do first."""
    groups = [group for group in record.groups.values() if group.size > 1]
    shown = sorted(groups, key=lambda group: group.closed)[:_MOST_MAPS]
    for group in shown:
        if len(record.groups) > 1:
            yield Text(group.step.name, style="bold")
        yield heat_map(group, width, max(2, (height - _REST) // len(shown)))
    if left := len(groups) - len(shown):
        yield Text(f"and {plural(left, 'step')} more\n", style="bright_black")


def _single(record: RunRecord) -> Text:
    """Steps of one task, each with the glyph of its state."""
    steps = [group for group in record.groups.values() if group.size == 1]
    text = Text(end="")
    for group in steps[:_MOST_STEPS]:
        state = group.state(0)
        text.append(f"{GLYPHS[state]} {group.step.name}  ", style=STYLES[state])
    if len(steps) > _MOST_STEPS:
        text.append(f"and {len(steps) - _MOST_STEPS:,} more", style="bright_black")
    return text.append("\n\n") if steps else text


def _running(scene: Scene, now: datetime) -> RenderableType:
    record = scene.record
    attempts = (
        (live.since, name, cell, live)
        for name, group in record.groups.items()
        for cell, live in group.live.items()
    )
    table = Table.grid(padding=(0, 2))
    oldest = sorted(attempts) if record.live < 1000 else []
    for since, name, cell, live in oldest[:_MOST_LIVE]:
        task = TaskKey(record.id, name, cell)
        table.add_row(
            Text(GLYPHS[live.state], style=STYLES[live.state]),
            task_label(record.run.pipeline, task),
            Text(seconds(now - since), style="bright_black"),
            Text(f"attempt {live.attempt}" if live.attempt > 1 else "", style="yellow"),
            Text(scene.progress.get(AttemptKey(*task, live.attempt), ""), style="bright_black"),
        )
    if (more := record.live - _MOST_LIVE) > 0:
        table.add_row("", Text(f"and {more:,} more", style="bright_black"))
    return table


def _failed(scene: Scene, width: int) -> Text:
    text = Text(end="")
    for count, error in sorted(scene.failures.values(), reverse=True)[:_MOST_FAILURES]:
        text.append(f"\n✗ {count:>4} x  ", style="red")
        text.append(error[: width - 16])
    return text.append("\n") if scene.failures else text


def _foot(scene: Scene, now: datetime) -> Text:
    """What holds the rest up, and what the user should know."""
    text = Text(style="bright_black")
    if scene.state is not None and scene.record.id in scene.state.runs:
        for name, blocker in islice(bottlenecks(scene.state, scene.record, now), _MOST_FAILURES):
            count = plural(scene.record.groups[name].waiting, "waits", "wait")
            text.append(f"\n{name}: {count} — {blocker.text}")
    if scene.note:
        text.append(f"\n{scene.note}", style="bold yellow")
    return text
