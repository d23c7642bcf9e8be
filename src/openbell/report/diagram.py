"""The graph of a pipeline as text, Mermaid, Graphviz and SVG: layers, gates, and states where it has run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from openbell.core.graph import layers
from openbell.core.model import NeedMode, Pipeline, Step
from openbell.core.state import Group, RunRecord
from openbell.core.states import TaskState
from openbell.report.times import opening_times

_FILLS = {
    TaskState.SUCCEEDED: "#d1f0e4",
    TaskState.FAILED: "#f8d7c9",
    TaskState.SKIPPED: "#e5e7eb",
    TaskState.CANCELLED: "#e5e7eb",
    TaskState.RUNNING: "#cfe6f7",
}
_STROKES = {
    TaskState.SUCCEEDED: "#009e73",
    TaskState.FAILED: "#d55e00",
    TaskState.SKIPPED: "#6b7280",
    TaskState.CANCELLED: "#6b7280",
    TaskState.RUNNING: "#0072b2",
}
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _EDGE = 190, 54, 28, 56, 16
_ARROWHEAD = (
    '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0 0L8 4L0 8z" fill="#6b7280"/></marker></defs>'
)


class Edge(NamedTuple):
    """What a step waits for, and how, where that is not plain."""

    step: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A step: its lines of text, the first of which is its name, and the state that stands for it."""

    name: str
    lines: tuple[str, ...]
    needs: tuple[Edge, ...]
    state: TaskState | None = None


def nodes(pipeline: Pipeline, record: RunRecord | None = None) -> list[list[Node]]:
    """The steps by layer. With a run, also what has become of them."""
    return [
        [_node(pipeline, pipeline.step(name), record.groups[name] if record else None) for name in layer]
        for layer in layers(pipeline.steps)
    ]


def _node(pipeline: Pipeline, step: Step, group: Group | None) -> Node:
    lines = [step.name]
    if step.openings:
        lines.append(opening_times(pipeline, step))
    if step.hold:
        lines.append("holds its time")
    if step.sequential:
        lines.append(f"in order of {step.sequential}")
    if group is not None:
        tally = ((state.name.lower(), group.count(state)) for state in TaskState)
        lines.append(", ".join(f"{count} {name}" for name, count in tally if count))
    elif len(step.matrix) != 1:
        lines.append(f"{len(step.matrix):,} tasks")
    edges = [Edge(need.step, "" if need.mode is NeedMode.ALL else need.mode.value) for need in step.needs]
    edges += [Edge(other.name, "failed") for other in pipeline if other.on_failure.stand_in == step.name]
    return Node(step.name, tuple(lines), tuple(edges), _telling(group) if group is not None else None)


def _telling(group: Group) -> TaskState | None:
    """The state that people want to see first; None for a step that waits."""
    if group.live:
        return TaskState.RUNNING
    told = (TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED)
    if found := next((state for state in told if group.count(state)), None):
        return found
    return TaskState.SUCCEEDED if group.closed else None


def ascii_(pipeline: Pipeline, record: RunRecord | None = None) -> str:
    """One line a step, layer by layer, with what it needs."""
    told = nodes(pipeline, record)
    width = max(len(node.name) for layer in told for node in layer)
    aside = max(len(", ".join(node.lines[1:])) for layer in told for node in layer)
    lines = []
    for depth, layer in enumerate(told, 1):
        for position, node in enumerate(layer):
            wants = ", ".join(f"{edge.step} ({edge.how})" if edge.how else edge.step for edge in node.needs)
            level = f"{depth:>2}" if not position else "  "
            text = f"{level}  {node.name:<{width}}  {', '.join(node.lines[1:]):<{aside}}"
            lines.append(f"{text}  <- {wants}" if wants else text.rstrip())
    return "\n".join(line.rstrip() for line in lines) + "\n"


def mermaid(pipeline: Pipeline, record: RunRecord | None = None) -> str:
    """A flowchart for Markdown pages that draw Mermaid."""
    told = [node for layer in nodes(pipeline, record) for node in layer]
    ids = {node.name: f"s{n}" for n, node in enumerate(told)}
    lines = ["flowchart TD"]
    for node in told:
        text = "<br/>".join(escape(line).replace('"', "&quot;") for line in node.lines)
        shape = f":::{node.state.name.lower()}" if node.state in _FILLS else ""
        lines.append(f'    {ids[node.name]}["{text}"]{shape}')
    for node in told:
        for need in node.needs:
            arrow = f"-- {need.how} -->" if need.how else "-->"
            lines.append(f"    {ids[need.step]} {arrow} {ids[node.name]}")
    if record is not None:
        for state, fill in _FILLS.items():
            lines.append(f"    classDef {state.name.lower()} fill:{fill},stroke:{_STROKES[state]}")
    return "\n".join(lines) + "\n"


def dot(pipeline: Pipeline, record: RunRecord | None = None) -> str:
    """A digraph for Graphviz."""
    told = [node for layer in nodes(pipeline, record) for node in layer]
    lines = [f"digraph {_quoted(pipeline.shown)} {{", "    node [shape=box, style=filled, fillcolor=white];"]
    for node in told:
        colour = f", fillcolor={_quoted(_FILLS[node.state])}" if node.state in _FILLS else ""
        lines.append(f"    {_quoted(node.name)} [label={_quoted(chr(10).join(node.lines))}{colour}];")
    for node in told:
        for need in node.needs:
            label = f" [label={_quoted(need.how)}]" if need.how else ""
            lines.append(f"    {_quoted(need.step)} -> {_quoted(node.name)}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


# ── SVG ──────────────────────────────────────────────────────────────────────────────────────────


def svg(pipeline: Pipeline, record: RunRecord | None = None) -> str:
    """A picture on its own, without script or font of somebody else."""
    told = _ordered(nodes(pipeline, record))
    widest = max(len(layer) for layer in told)
    width = widest * (_WIDTH + _ACROSS) - _ACROSS + 2 * _EDGE
    height = len(told) * (_HEIGHT + _DOWN) - _DOWN + 2 * _EDGE
    places = dict(_places(told, width))
    drawn = [node for layer in told for node in layer]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        f' width="{width}" height="{height}"><title>{escape(pipeline.shown)}</title>',
        _ARROWHEAD,
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<g font-family="system-ui, sans-serif" font-size="12" fill="#111827">',
        *(_arrow(places[need.step], places[node.name], need) for node in drawn for need in node.needs),
        *(_box(node, *places[node.name]) for node in drawn),
        "</g></svg>\n",
    ]
    return "".join(parts)


def _ordered(told: list[list[Node]]) -> list[list[Node]]:
    """Each layer in the order of the middle of what its steps need, so that few arrows cross."""
    found: list[list[Node]] = []
    middle: dict[str, float] = {}
    for layer in told:
        wanted = {node.name: _middle(node, middle, n) for n, node in enumerate(layer)}
        ordered = sorted(layer, key=lambda node: wanted[node.name])
        for n, node in enumerate(ordered):
            middle[node.name] = (n + 1) / (len(ordered) + 1)
        found.append(ordered)
    return found


def _middle(node: Node, middle: Mapping[str, float], otherwise: int) -> float:
    above = [middle[need.step] for need in node.needs]
    return sum(above) / len(above) if above else float(otherwise)


def _places(told: list[list[Node]], width: int) -> Iterator[tuple[str, tuple[float, float]]]:
    """The upper left corner of each box; layers are centred."""
    for depth, layer in enumerate(told):
        across = len(layer) * (_WIDTH + _ACROSS) - _ACROSS
        for n, node in enumerate(layer):
            x = (width - across) / 2 + n * (_WIDTH + _ACROSS)
            yield node.name, (x, _EDGE + depth * (_HEIGHT + _DOWN))


def _arrow(source: tuple[float, float], target: tuple[float, float], need: Edge) -> str:
    x1, y1 = source[0] + _WIDTH / 2, source[1] + _HEIGHT
    x2, y2 = target[0] + _WIDTH / 2, target[1] - 2
    bend = (y2 - y1) / 2
    path = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
    label = ""
    if need.how:
        label = f'<text x="{(x1 + x2) / 2 + 6:g}" y="{(y1 + y2) / 2:g}" font-size="10">{need.how}</text>'
    return f'<path d="{path}" fill="none" stroke="#6b7280" marker-end="url(#end)"/>{label}'


def _box(node: Node, x: float, y: float) -> str:
    fill, stroke = "#ffffff", "#6b7280"
    if node.state is not None:
        fill, stroke = _FILLS.get(node.state, fill), _STROKES.get(node.state, stroke)
    lines = node.lines[:3]
    top = y + _HEIGHT / 2 + 4 - 7 * (len(lines) - 1)
    text = ""
    for n, line in enumerate(lines):
        weight = "" if n else ' font-weight="600"'
        middle = f'x="{x + _WIDTH / 2:g}" y="{top + 14 * n:g}" text-anchor="middle"'
        text += f"<text {middle}{weight}>{escape(_short(line))}</text>"
    told = escape(", ".join(node.lines))
    return (
        f'<g><title>{told}</title><rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"'
        f' fill="{fill}" stroke="{stroke}"/>{text}</g>'
    )


def _short(line: str) -> str:
    return line if len(line) <= 28 else f"{line[:27]}…"


FORMATS = {"ascii": ascii_, "mermaid": mermaid, "dot": dot, "svg": svg}
