"""What steps say about each other and about their cells: needs, circles, templates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.findings import Severity, nearest
from openbell.core.graph import Cycle, topological
from openbell.core.inputs import Files
from openbell.core.links import unlike
from openbell.core.matrix import Axis, Matrix, Scalar
from openbell.core.model import LAST_SUCCESS, Command, Need, NeedMode, Pipeline, Step
from openbell.core.render import fields, render, sessions_in, values
from openbell.core.selection import within


def check_needs(draft: Draft, steps: Sequence[Step]) -> None:
    """Needs that lead nowhere or in a circle."""
    written = draft.document.root.find(("steps",)) if draft.document.root else None
    names = {step.name for step in steps} | set(written.entries if written else ())
    for step in steps:
        for need in step.needs:
            if need.step not in names:
                near = nearest(need.step, names - {step.name})
                help_ = f"did you mean `{near}`?" if near else f"steps: {', '.join(sorted(names))}"
                told = f"`{step.name}` needs `{need.step}`, which is no step"
                place, key = _place(draft, step, need)
                draft.fault("OB116", told, place, help_, key=key)
        _check_stand_in(draft, step, names)
    _check_circles(draft, steps)


def _check_stand_in(draft: Draft, step: Step, names: set[str]) -> None:
    """A fallback is a step, or the last success."""
    wanted = step.on_failure.stand_in
    if wanted and wanted not in names:
        near = nearest(wanted, (names | {LAST_SUCCESS}) - {step.name})
        help_ = (
            f"did you mean `{near}`?" if near else f"`{LAST_SUCCESS}`, or a step: {', '.join(sorted(names))}"
        )
        told = f"`{step.name}` falls back on `{wanted}`, which is no step"
        draft.fault("OB116", told, ("steps", step.name, "on_failure", "fallback"), help_)


def _place(draft: Draft, step: Step, need: Need) -> tuple[Place, bool]:
    """Where the need is written: as an entry of a list, as the value itself, or as a key of a mapping."""
    place: Place = ("steps", step.name, "needs")
    node = draft.document.root.find(place) if draft.document.root else None
    for path, below in node.walk() if node else ():
        if below.value == need.step and (not path or isinstance(path[-1], int)):
            return (*place, *path), False
        if need.step in below.entries:
            return (*place, *path, need.step), True
    for axis in step.matrix.axes:
        if axis.source.rpartition(".")[0] == need.step:
            return ("steps", step.name, "matrix", axis.name, "result"), False
    return place, False


def _check_circles(draft: Draft, steps: Sequence[Step]) -> None:
    """Every circle that has no step in common with one before it."""
    while True:
        names = {step.name for step in steps}
        known = [within(step, names) for step in steps]
        try:
            topological(known)
        except Cycle as error:
            first = min(error.path, key=[step.name for step in steps].index)
            told = " -> ".join((*_from(first, error.path[:-1]), first))
            step = next(step for step in steps if step.name == first)
            key = "needs" if step.needs or not step.on_failure.stand_in else "on_failure"
            what = f"these steps wait for each other: {told}"
            if len(set(error.path)) == 1:
                what = f"`{first}` {'needs' if key == 'needs' else 'falls back on'} itself"
            draft.fault("OB117", what, ("steps", first, key))
            steps = [step for step in steps if step.name not in error.path]
        else:
            return


def check_pools(draft: Draft, steps: Sequence[Step]) -> None:
    """Pools that nobody has sized bound nothing: a typo would go unnoticed."""
    root = draft.document.root
    for step in steps:
        for name in step.demand.pools:
            places: list[Place] = [("steps", step.name, "resources", name), ("defaults", "resources", name)]
            at = next((one for one in places if root is not None and root.find(one) is not None), None)
            if name not in draft.pools and at is not None:
                near = nearest(name, draft.pools)
                help_ = f"did you mean `{near}`?" if near else f"`resources: {{{name}: 4}}` in openbell.yaml"
                told = f"no pool `{name}` has a size: it bounds nothing"
                draft.fault("OB152", told, at, help_, key=True, severity=Severity.WARNING)


def _from(first: str, circle: tuple[str, ...]) -> tuple[str, ...]:
    """The circle, told from the step that comes first in the file."""
    start = circle.index(first)
    return circle[start:] + circle[:start]


def check_cells(draft: Draft, steps: Sequence[Step]) -> None:
    """Needs of cells that have no like, and orders along axes that do not exist."""
    known = {step.name: step for step in steps}
    for step in steps:
        for need in step.needs:
            if need.mode is NeedMode.SAME and need.step in known:
                _check_same(draft, step, need, known[need.step])
        axes = [axis.name for axis in step.matrix.axes]
        if step.sequential and step.sequential not in axes:
            near = nearest(step.sequential, axes)
            help_ = f"did you mean `{near}`?" if near else f"its axes: {', '.join(axes) or 'none'}"
            told = f"`{step.name}` has no axis `{step.sequential}`"
            draft.fault("OB140", told, ("steps", step.name, "sequential"), help_)


def _check_same(draft: Draft, step: Step, need: Need, upstream: Step) -> None:
    """Every cell of the step has its like in the step that it needs."""
    if draft.doubtful(("steps", step.name, "matrix"), ("steps", need.step, "matrix")):
        return
    taking = step if step.files and step.files.axis else upstream
    if taking.files is not None and taking.files.axis:
        problem = f"the files of `{taking.name}` are known when it is ready, and not before"
    else:
        problem = unlike(step.matrix, upstream.matrix)
    if problem:
        place, key = _place(draft, step, need)
        told = f"`{step.name}` needs the same cell of `{need.step}`, but {problem}"
        draft.fault("OB140", told, place, key=key)


def check_templates(draft: Draft, pipeline: Pipeline) -> None:
    """Fields of commands that no task of the step has, and formats that their values do not take."""
    for step in pipeline:
        place: Place = ("steps", step.name)
        doubtful = draft.doubtful((*place, "matrix"), ("params",))
        known = [] if doubtful else list(_examples(pipeline, step))
        if step.files is not None:
            _check_globs(draft, step, step.files, known[:1])
        for below, word in _written(step):
            at = (*place, *below)
            if draft.document.root is None or draft.document.root.find(at) is None:
                at = at[:-1]
            if at not in draft.unset:
                _check_word(draft, word, known, at)


def _check_globs(draft: Draft, step: Step, files: Files, known: list[dict[str, Scalar]]) -> None:
    """Fields of patterns: they are those of the run, for a step looks for its files once for all cells."""
    axes = {axis.name for axis in step.matrix.axes}
    of_run = [{name: v for name, v in one.items() if name not in axes | _OF_CELLS} for one in known]
    place: Place = ("steps", step.name)
    at = (*place, "matrix", files.axis, "files") if files.axis else (*place, "files")
    for word in files.templates:
        _check_word(draft, word, of_run, at)


_OF_CELLS = {"cell", "partition", "date"}


def _written(step: Step) -> Iterator[tuple[Place, str]]:
    """Its templates, each with its place in the step."""
    for key, work in (("run", step.work), ("verify", step.verify)):
        if isinstance(work, Command):
            yield from (((key, position), word) for position, word in enumerate(work.argv))
    yield from ((("outputs", position), name) for position, name in enumerate(step.outputs))
    kept = step.cache.inputs if step.cache else ()
    yield from ((("cache", "inputs", position), glob) for position, glob in enumerate(kept))


def _examples(pipeline: Pipeline, step: Step) -> Iterator[dict[str, Scalar]]:
    """What templates may use in the first cell, and in cells with other kinds of values."""
    axes = tuple(axis if axis.values else replace(axis, values=("2024-01-02",)) for axis in step.matrix.axes)
    first = values("x/1", pipeline, replace(step, matrix=Matrix(axes)), 0)
    if pipeline.market is not None:  # which session it will be, is not known yet
        first |= dict.fromkeys(sessions_in(step), "2024-01-02")
    yield first
    for axis in axes:
        yield from ({**first, axis.name: value} for value in _kinds(axis))


def _kinds(axis: Axis) -> list[Scalar]:
    """One value of each type."""
    return list({type(value): value for value in axis.values}.values())


def _check_word(draft: Draft, word: str, known: Sequence[dict[str, Scalar]], place: Place) -> None:
    """`known`: examples of what the word may use; without any, only its braces are checked."""
    try:
        asked = list(fields(word))
    except ValueError as error:
        draft.fault("OB121", str(error), place, "write `{{` and `}}` for braces")
        return
    unknown = [name for name in asked if known and name not in known[0]]
    for name in unknown:
        near = nearest(name, known[0])
        told = f"`{{{name}}}` is not known in this step"
        if mode := known[0].get("mode"):
            told += f" in the mode `{mode}`"
        help_ = f"did you mean `{{{near}}}`?" if near else f"known here: {', '.join(sorted(known[0]))}"
        if name.startswith("session") and "session" not in known[0]:
            help_ = "the pipeline lives in no sessions: give it a `market`"
        draft.fault("OB121", told, place, help_)
    if unknown:
        return
    try:
        for example in known:
            render(word, example)
    except ValueError as error:
        draft.fault("OB121", f"`{word}` cannot be filled in: {error}", place)
