"""What one task is told: the values of its cell, templates filled in, the automatic environment.

`{date}`, `{date:%Y%m%d}`, `{lookback}`, `{params.days}`, `{run}`; `{{` and `}}` stand for braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date

from openbell.core.freshness import oldest_session
from openbell.core.matrix import Scalar, label
from openbell.core.model import AttemptKey, Pipeline, Run, Step, TaskKey, run_name

_FIELD = re.compile(r"\{\{|\}\}|\{(?P<name>[A-Za-z_][\w.+-]*)(?::(?P<format>[^{}]*))?\}|[{}]")

_SESSION = re.compile(r"session(?:[+-]\d{1,3})?")

_WIDEST = 1000  # characters of one field

AUTOMATIC = (
    "SIMULATION_NAME",
    "SIMULATION_DATE",
    "PARTITION_ID",
    "NUM_PARTITIONS",
    "WORKER_ID",
    "NUM_WORKERS",
    "QUERY_NAME",
)
"""Environment variables that every task gets. A definition may not set them (nor OPENBELL_*)."""


def values(run_id: str, pipeline: Pipeline, step: Step, cell: int) -> dict[str, Scalar]:
    """The names that templates of this task may use."""
    coordinates = step.matrix.coordinates(cell)
    found: dict[str, Scalar] = {
        "run": run_id,
        "key": run_name(run_id)[1],
        "name": pipeline.shown,
        "step": step.name,
        "cell": cell,
        "partition": 0,
        **pipeline.sessions,
        **({"mode": pipeline.choice.mode} if pipeline.choice.mode else {}),
        **{f"params.{name}": value for name, value in pipeline.params.items()},
        **coordinates,
    }
    for alias in ("date", "partition"):
        axis = step.matrix.axis(alias)
        if axis is not None:
            found[alias] = coordinates[axis.name]
    return found


def render(template: str, known: Mapping[str, Scalar]) -> str:
    """The template with its fields filled in. KeyError names an unknown field, ValueError a stray brace."""

    def fill(match: re.Match[str]) -> str:
        token = match.group()
        if token in ("{{", "}}"):
            return token[0]
        if match["name"] is None:
            raise ValueError(f"stray {token!r} in {template!r} (write {token * 2} for the character)")
        return _formatted(known[match["name"]], match["format"])

    return _FIELD.sub(fill, template)


def fields(template: str) -> Iterator[str]:
    """Names that the template asks for. ValueError for a stray brace."""
    for match in _FIELD.finditer(template):
        if match["name"]:
            yield match["name"]
        elif match.group() in "{}":
            raise ValueError(f"stray {match.group()!r} in {template!r}")


def sessions_in(step: Step) -> set[str]:
    """The sessions that the templates of a step name: `session`, `session-1`, `session+2`."""
    axes = {axis.name for axis in step.matrix.axes}
    words = step.templates
    if step.files is not None:
        words = (*words, *step.files.templates)
    names = (match["name"] for word in words for match in _FIELD.finditer(word))
    found = {name for name in names if name and name not in axes and _SESSION.fullmatch(name)}
    return found | {oldest_session(one) for one in step.requires if one.sessions is not None}


def _formatted(value: Scalar, form: str | None) -> str:
    if not form:
        return str(value)
    if any(int(number) > _WIDEST for number in re.findall(r"\d+", form)):
        raise ValueError(f"the format {form!r} asks for more than {_WIDEST} characters")
    if "%" in form and isinstance(value, str):
        return date.fromisoformat(value).strftime(form)
    try:
        return format(value, form)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def task_label(pipeline: Pipeline, task: TaskKey) -> str:
    """What people call a task: `date=2024-01-02, partition=3`, with its step where there are several."""
    step = pipeline.step(task.step)
    cell = label(step.matrix.coordinates(task.cell))
    if len(pipeline.steps) == 1 and cell:
        return cell
    return f"{task.step}: {cell}" if cell else task.step


def task_path(pipeline: Pipeline, task: TaskKey) -> str:
    """The task as a target of commands: `momentum/1/backtest/2012-01-03,20`."""
    coordinates = pipeline.step(task.step).matrix.coordinates(task.cell)
    cell = ",".join(str(value) for value in coordinates.values())
    return f"{task.run}/{task.step}/{cell}" if cell else f"{task.run}/{task.step}"


def command(pipeline: Pipeline) -> str:
    """What somebody types to take a run of this definition up again."""
    words = ["openbell run", pipeline.source or pipeline.name]
    if mode := pipeline.choice.mode:
        words += ["--mode", mode]
    if steps := pipeline.choice.steps:
        words += ["--steps", ",".join(steps)]
    if session := pipeline.sessions.get("session"):
        words += ["--date", session]
    return " ".join(words)


def again(pipeline: Pipeline) -> str:
    """The same, for who has just typed it. A session has to be named: tomorrow it is another one."""
    return command(pipeline) if pipeline.sessions else "the same command"


def query_name(run: Run, step: Step, key: AttemptKey) -> str:
    """The name of the task's remote query; later attempts add `_try{n}`."""
    if not step.query_name:
        return str(key)
    base = render(step.query_name, values(run.id, run.pipeline, step, key.cell))
    return base if key.attempt == 1 else f"{base}_try{key.attempt}"


def environment(run: Run, step: Step, key: AttemptKey) -> dict[str, str]:
    """The automatic variables: both generations of the old orchestrators, and openbell's own."""
    known = values(run.id, run.pipeline, step, key.cell)
    axis = step.matrix.axis("partition")
    partitions = len(axis.values) if axis else 1
    return {
        "SIMULATION_NAME": run.pipeline.shown,
        "SIMULATION_DATE": str(known.get("date", "")),
        "PARTITION_ID": str(known["partition"]),
        "NUM_PARTITIONS": str(partitions),
        "WORKER_ID": str(known["partition"]),
        "NUM_WORKERS": str(partitions),
        "QUERY_NAME": query_name(run, step, key),
        "OPENBELL_RUN_ID": run.id,
        "OPENBELL_RUN_MODE": run.pipeline.choice.mode,
        "OPENBELL_SESSION": run.pipeline.sessions.get("session", ""),
        "OPENBELL_ATTEMPT": str(key),
    }
