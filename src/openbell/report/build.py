"""One run as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from openbell.core.events import Mark
from openbell.core.failures import FailureGroup, failure_groups
from openbell.core.model import TaskKey
from openbell.core.render import task_label
from openbell.core.state import RunRecord
from openbell.core.summary import summarize
from openbell.report import charts
from openbell.report.drawings import drawings
from openbell.report.grid import outcomes
from openbell.report.heat import Wanted, drawn, heats
from openbell.report.parts import amount, note, scrolling, section, span, table
from openbell.report.performance import MEASURES, Performance, performance
from openbell.report.results import Figure, figures
from openbell.store.codec import encode_pipeline
from openbell.store.records import AttemptInfo, RunInfo
from openbell.version import __version__

_MOST_SLOW = 15
_MOST_WAYS = 50
_MOST_FAILED = 25
_LONGEST_DEFINITION = 100_000


def build(
    info: RunInfo,
    record: RunRecord,
    attempts: Sequence[AttemptInfo],
    source: str,
    wanted: Sequence[Wanted] = (),
    marks: Sequence[Mark] = (),
) -> str:
    """The report. `attempts`: the last of each task; `source`: the text of the definition's file.

    `wanted`: the heat maps to draw instead of the usual ones. `marks`: what somebody has said of tasks.
    """
    page = Template(_asset("page.html"))
    script = _asset("page.js")
    curves = performance(record, attempts)
    sections = [
        _performance(curves) if curves else "",
        *_heats(record, attempts, wanted),
        drawings(record, attempts),
        *(outcomes(name, group) for name, group in record.groups.items() if group.size > 1),
        _failures(record, attempts),
        _marks(record, marks),
        _results(figures(record, attempts), several=len(record.groups) > 1),
        _durations(record, attempts),
        _configuration(info, record, source),
    ]
    return page.substitute(
        title=escape(f"{info.id} — openbell"),
        style=_asset("page.css"),
        script=script,
        allowed=base64.b64encode(sha256(script.encode()).digest()).decode(),
        head=_head(info, record),
        body="\n".join(part for part in sections if part),
        version=__version__,
    )


def _asset(name: str) -> str:
    return files("openbell.report").joinpath(name).read_text(encoding="utf-8")


def _head(info: RunInfo, record: RunRecord) -> str:
    summary = summarize(record)
    state = record.state.value
    figures = [(f"{count:,}", s.name.lower()) for s, count in summary.counts.items() if count]
    took = (info.closed_at or record.last_end) - info.opened_at
    figures.append((span(took.total_seconds()), "from start to end"))
    if record.durations.count:
        figures.append((span(record.durations.mean), "mean of an attempt"))
    shown = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in figures)
    opened = f"{info.opened_at:%Y-%m-%d %H:%M} UTC"
    return (
        f'<h1>{escape(record.run.pipeline.shown)} <span class="state {state}">{state}</span></h1>'
        f'<p class="about">run {escape(info.id)}, {opened}, {escape(info.origin)}</p>'
        f'<div class="figures">{shown}</div>'
    )


def _performance(curves: Performance) -> str:
    strokes = charts.strokes(curves)
    rows = []
    for curve in curves.curves:
        sharpe = f"{curve.sharpe:.2f}" if curve.sharpe is not None else "-"
        cells = [len(curve.dates), curves.amount(curve.total), sharpe, curves.amount(curve.drawdown)]
        key = charts.key(strokes[curve.name]) if curve.name in strokes else ""
        rows.append((f"{key}{escape(curve.name)}", cells))
    measure = MEASURES[curves.measure]
    chosen = (
        f"Drawn: the {len(strokes)} combinations with the highest {measure}. "
        if len(strokes) < len(rows)
        else ""
    )
    return section(
        "Performance",
        scrolling(charts.equity(curves))
        + table(("parameters", "dates", measure, "Sharpe", "drawdown"), rows)
        + note(
            f"{chosen}Sharpe: mean over standard deviation of the dates' values, times the root of 252, "
            "without a risk-free rate. Drawdown: the deepest fall from a peak."
        ),
    )


def _heats(record: RunRecord, attempts: Sequence[AttemptInfo], wanted: Sequence[Wanted]) -> list[str]:
    found = [heat for one in wanted or (None,) for heat in heats(record, attempts, one)]
    return [drawn(heat, several=len(record.groups) > 1) for heat in found]


def _failures(record: RunRecord, attempts: Sequence[AttemptInfo]) -> str:
    groups = failure_groups(record, attempts)
    if not groups:
        return ""
    count = sum(group.count for group in groups)
    ways = "1 way" if len(groups) == 1 else f"{len(groups):,} ways"
    title = f"{count:,} {'task' if count == 1 else 'tasks'} failed in {ways}"
    more = len(groups) - _MOST_WAYS
    parts = [_failure(record, group) for group in groups[:_MOST_WAYS]]
    return section(title, "".join(parts) + (note(f"And {more:,} more ways.") if more > 0 else ""))


def _failure(record: RunRecord, group: FailureGroup) -> str:
    names = [escape(task_label(record.run.pipeline, task)) for task in group.tasks[:_MOST_FAILED]]
    tasks = "".join(f"<li>{name}</li>" for name in names)
    more = len(group.tasks) - _MOST_FAILED
    tasks += f"<li>and {more:,} more</li>" if more > 0 else ""
    traceback = f"<pre>{escape(group.traceback)}</pre>" if group.traceback else ""
    head = f"<summary><b>{group.count:,} x</b> {escape(group.error or 'without a word')}</summary>"
    opened = " open" if group.count > 1 else ""
    return f'<details{opened}>{head}{traceback}<ul class="tasks">{tasks}</ul></details>'


def _marks(record: RunRecord, marks: Sequence[Mark]) -> str:
    if not marks:
        return ""
    rows = []
    for one in marks:
        task = TaskKey(one.run, one.step, one.cell) if one.cell is not None else None
        name = task_label(record.run.pipeline, task) if task else f"all of {one.step} that was open"
        cells = (one.to.name.lower(), f"{one.at:%Y-%m-%d %H:%M} UTC", one.actor, one.reason)
        rows.append((escape(name), [escape(cell) for cell in cells]))
    return section("Marked by hand", table(("tasks", "as", "at", "by", "because"), rows))


def _results(found: Sequence[Figure], *, several: bool) -> str:
    if not found:
        return ""
    rows = [
        (
            escape(f"{figure.step}: {figure.name}" if several else figure.name),
            [f"{figure.count:,}", *map(amount, (figure.low, figure.mean, figure.high))],
        )
        for figure in found
    ]
    return section("Results", table(("reported", "tasks", "lowest", "mean", "highest"), rows))


def _durations(record: RunRecord, attempts: Sequence[AttemptInfo]) -> str:
    timed = [(info.exit, info.key) for info in attempts if info.exit is not None]
    if not timed:
        return ""
    timed.sort(key=lambda entry: -entry[0].elapsed)
    rows = [
        (
            escape(task_label(record.run.pipeline, key.task)),
            [span(end.elapsed), span(end.cpu), f"{end.peak_rss / 1e6:,.0f} MB", key.attempt],
        )
        for end, key in timed[:_MOST_SLOW]
    ]
    return section(
        "Durations",
        scrolling(charts.histogram([end.elapsed for end, _ in timed]))
        + table(("slowest tasks", "took", "cpu", "peak memory", "attempt"), rows),
    )


_SECRET = re.compile(r"""(?mi)^(\s*["']?\w*(?:password|secret|token)["']?\s*:\s*)(?!["']?\$\{)\S.*$""")
"""A line that holds a secret itself and not a reference to it."""


def _configuration(info: RunInfo, record: RunRecord, source: str) -> str:
    definition = json.dumps(json.loads(encode_pipeline(record.run.pipeline)), indent=1, ensure_ascii=False)
    if len(definition) > _LONGEST_DEFINITION:
        definition = definition[:_LONGEST_DEFINITION] + "\n..."
    path = escape(record.run.pipeline.source)
    source = _SECRET.sub(r"\1(left out)", source)
    now = f"<details open><summary>{path}, as it is now</summary><pre>{escape(source)}</pre></details>"
    return section(
        "Configuration",
        f'<p class="about">plan {escape(info.digest)}</p>{now if source else ""}'
        f"<details><summary>as this run was compiled</summary><pre>{escape(definition)}</pre></details>",
    )
