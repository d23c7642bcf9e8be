"""A file becomes a pipeline: read, detect the dialect, resolve, fit, compile, check. All findings at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from openbell.config.binding import bind
from openbell.config.definition import Definition
from openbell.config.digest import digest
from openbell.config.document import Document, Node, no_text, read, resolve
from openbell.config.draft import Draft
from openbell.config.findings import Finding, Severity, in_order, nearest, reject
from openbell.config.modes import with_steps
from openbell.config.project import FILE, Project
from openbell.config.wiring import check_cells
from openbell.core.links import sampled
from openbell.core.matrix import Axis
from openbell.core.model import Pipeline
from openbell.market import Closure

if TYPE_CHECKING:
    from openbell.config.kinds import Shape
    from openbell.config.reading import Keeps


class Dialect(StrEnum):
    """Whose language a file speaks."""

    NATIVE = "native"
    PQ = "pq"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says over the file."""

    on: str | None = None
    dates: tuple[date, date] | None = None
    now: datetime | None = None
    """When this is asked: without `dates`, a pipeline that lives in sessions is bound to that of now."""
    sample: int | None = None
    values: tuple[tuple[str, str], ...] = ()
    """`--set path=value`, the path with dots."""
    mode: str | None = None
    """One of the file's `modes`; without it, its default one."""
    steps: tuple[str, ...] = ()
    """Only these: `book`, `+book` with all that it needs, `book+` with all that needs it."""
    catching_up: bool = False
    """Days after the session nothing is too late: `late` and `stop_at` do not hold."""
    no_cache: bool = False
    """Kept results are not looked at, only written anew."""

    def told(self) -> dict[str, str]:
        """What was said, by option, for the records."""
        first, last = self.dates or ("", "")
        said = {
            "on": self.on or "",
            "dates": f"{first}:{last}" if self.dates else "",
            "sample": str(self.sample or ""),
            "mode": self.mode or "",
            "steps": ",".join(self.steps),
            "no-cache": "yes" if self.no_cache else "",
        }
        said |= {f"set {key}": text for key, text in self.values}
        return {name: text for name, text in said.items() if text}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that can be used."""

    pipeline: Pipeline
    digest: str
    dialect: Dialect
    document: Document
    warnings: tuple[Finding, ...] = ()
    left_out: Mapping[date, Closure] = field(default_factory=dict)
    """Dates of the file's ranges that have no task, with the reason."""

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that the file names."""
        found = self.document.root.find(("modes",)) if self.document.root else None
        return tuple(found.entries) if found else ()


def load(
    path: Path,
    project: Project,
    environ: Mapping[str, str],
    overrides: Overrides = Overrides(),
    *,
    starting: bool = False,
    assume: Dialect = Dialect.NATIVE,
) -> Loaded:
    """Load a pipeline. `starting`: it is about to run, so unset variables are errors.

    `assume`: the dialect of a file that does not show its own.

    Raises `ConfigError` with every finding.
    """
    return load_document(read(path), project, environ, overrides, starting=starting, assume=assume)


def load_document(
    document: Document,
    project: Project,
    environ: Mapping[str, str],
    overrides: Overrides = Overrides(),
    *,
    starting: bool = False,
    assume: Dialect = Dialect.NATIVE,
) -> Loaded:
    """Load what has been read, or written in Python. Raises `ConfigError` with every finding."""
    if starting and project.unset:
        raise reject(project.folder / FILE, list(map(_must_be_set, project.unset)))
    dialect = detect(document, assume)
    for key, text in overrides.values:
        _set(document, key, text)
    draft = Draft(
        document, starting=starting, markets=project.markets, alerts=project.alerts, pools=project.pools
    )
    pipeline = _compile(draft, dialect, project, environ, overrides)
    if pipeline is not None:
        pipeline = _adjusted(draft, pipeline, project, overrides)
    pipeline, findings = _checked(draft, pipeline, overrides)
    left_out = dict(sorted(draft.left_out.items()))
    return Loaded(pipeline, digest(pipeline), dialect, document, findings, left_out)


def define(
    path: Path,
    project: Project,
    environ: Mapping[str, str],
    overrides: Overrides = Overrides(),
    *,
    starting: bool = True,
) -> Definition:
    """Load a pipeline that its triggers will open runs of. Raises `ConfigError` with every finding."""
    document = read(path)
    draft = Draft(
        document, starting=starting, markets=project.markets, alerts=project.alerts, pools=project.pools
    )
    pipeline = _compile(draft, detect(document), project, environ, overrides)
    pipeline, findings = _checked(draft, pipeline, overrides)
    wanted = {trigger.mode for trigger in pipeline.triggers} - {"", overrides.mode}
    modes = {}
    if overrides.mode is None:
        for mode in wanted:
            moded = replace(overrides, mode=mode)
            modes[mode] = define(path, project, environ, moded, starting=starting)
    return Definition(
        path, replace(pipeline, data=project.data, output=project.output), draft, findings, modes
    )


def _checked(
    draft: Draft, pipeline: Pipeline | None, overrides: Overrides
) -> tuple[Pipeline, tuple[Finding, ...]]:
    """The pipeline with its warnings. Raises `ConfigError` when something in its file is wrong."""
    document = draft.document
    if draft.starting:
        document.findings[:] = map(_must_be_set, document.findings)
    findings = [_traced(finding, overrides) for finding in in_order(document.findings)]
    if pipeline is None or draft.stand_ins or any(finding.fatal for finding in findings):
        raise reject(document.path, findings)
    return pipeline, tuple(findings)


def detect(document: Document, assume: Dialect = Dialect.NATIVE) -> Dialect:
    """The dialect of a file, by its keys."""
    root = document.root
    if root is not None and root.find(("steps",)) is not None:
        return Dialect.NATIVE
    execution = _execution(root) if root is not None else None
    if root is None or (execution is None and assume is not Dialect.NATIVE):
        return assume
    if execution is None:
        return _without_execution(root)
    keys = execution.entries
    if ("num_partitions" in keys) != ("num_workers" in keys):
        return Dialect.PQ if "num_partitions" in keys else Dialect.REPLAY
    balance = sum(key in keys for key in ("heap_size_gb", "script_language", "max_failures"))
    balance += root.find(("batch",)) is not None
    older = [("replay", "heap_size_gb"), ("replay", "script_language"), ("replay", "replay_time")]
    balance -= sum(root.find(path) is not None for path in [*older, ("scheduler",)])
    if balance == 0 and assume is not Dialect.NATIVE:
        return assume
    return Dialect.PQ if balance >= 0 else Dialect.REPLAY


def _without_execution(root: Node) -> Dialect:
    """The section that tells most is missing: a sweep shows itself by the others."""
    if not {"dates", "deephaven"} & root.entries.keys():
        return Dialect.NATIVE
    return Dialect.REPLAY if "scheduler" in root.entries else Dialect.PQ


def _execution(root: Node) -> Node | None:
    """The section that both dialects have, even if its name has a typo."""
    if (found := root.find(("execution",))) is not None:
        return found
    sections = {key: node for key, node in root.entries.items() if isinstance(node.value, dict)}
    near = nearest("execution", sections)
    return sections[near] if near else None


def shape_of(dialect: Dialect) -> tuple[type[Shape], Keeps]:
    """The shape of a dialect, and which references it keeps."""
    from openbell.config.dialects import shared

    match dialect:
        case Dialect.PQ:
            from openbell.config.dialects.pq import PqShape

            return PqShape, shared.keeps
        case Dialect.REPLAY:
            from openbell.config.dialects.replay import ReplayFileShape

            return ReplayFileShape, shared.keeps
        case Dialect.NATIVE:
            from openbell.config import native
            from openbell.config.shapes import PipelineShape

            return PipelineShape, native.keeps


def _compile(
    draft: Draft, dialect: Dialect, project: Project, environ: Mapping[str, str], overrides: Overrides
) -> Pipeline | None:
    from openbell.config.datasets import with_providers
    from openbell.config.dialects.pq import PqShape, compile_pq
    from openbell.config.dialects.replay import ReplayFileShape, compile_replay
    from openbell.config.native import compile_pipeline
    from openbell.config.reading import fit, resolve_references
    from openbell.config.shapes import PipelineShape

    shape, keeps = shape_of(dialect)
    unset = resolve_references(draft.document, environ, keeps)
    fitting = fit(draft.document, shape, unset)
    if fitting is None:
        return None
    draft.stand_ins, draft.unset = fitting.stand_ins, unset
    if overrides.mode is not None and dialect is not Dialect.NATIVE:
        draft.fault("OB125", f"there is no mode `{overrides.mode}`: a sweep file has no modes", ())
    match fitting.shape:
        case PipelineShape() as native:
            made = compile_pipeline(draft, native, project.defaults, overrides.on, overrides.mode)
            return with_providers(draft, made, project)
        case PqShape() as pq:
            return compile_pq(draft, pq, environ, overrides.on or "deephaven")
        case ReplayFileShape() as replay:
            return compile_replay(draft, replay, environ, overrides.on or "deephaven")
        case _:
            return None


def _adjusted(draft: Draft, pipeline: Pipeline, project: Project, overrides: Overrides) -> Pipeline:
    """The pipeline after `--steps`, `--dates` and `--sample`, with the project's data and calendars."""
    if overrides.steps:
        pipeline = with_steps(draft, pipeline, overrides.steps)
    draft.timed = {step.name: draft.timed[step.name] for step in pipeline if step.name in draft.timed}
    bound = bind(draft, pipeline, overrides.dates, overrides.now, catching_up=overrides.catching_up)
    pipeline = replace(
        bound or pipeline, data=project.data, output=project.output, calendars=dict(draft.calendars)
    )
    if overrides.dates is not None and bound is None:
        pipeline = _narrowed(draft, pipeline, *overrides.dates)
    check_cells(draft, pipeline.steps)
    sound = not draft.stand_ins and not any(finding.fatal for finding in draft.document.findings)
    if overrides.no_cache:
        steps = (replace(one, cache=one.cache and replace(one.cache, use=False)) for one in pipeline)
        pipeline = replace(pipeline, steps=tuple(steps))
    if overrides.sample is not None and sound:
        pipeline = replace(pipeline, steps=sampled(pipeline.steps, overrides.sample))
    return pipeline


def _narrowed(draft: Draft, pipeline: Pipeline, first: date, last: date) -> Pipeline:
    """The pipeline with its axes of dates cut to `first`..`last`, both included."""
    axes = [axis for step in pipeline for axis in step.matrix.axes if axis.kind == "date"]
    kept = [axis for axis in axes if _cut(axis, first, last).values]
    if not axes and not draft.stand_ins:
        draft.fault("OB114", "`--dates` has nothing to choose from: no step has an axis of dates", ())
    elif any(axis.values and axis not in kept for axis in axes):
        inside = [str(why) for day, why in sorted(draft.left_out.items()) if first <= day <= last]
        draft.fault("OB114", f"no date of the file lies in {first} to {last}", (), "; ".join(inside[:4]))
    draft.left_out = {day: why for day, why in draft.left_out.items() if first <= day <= last}
    steps = []
    for step in pipeline:
        cut = tuple(_cut(axis, first, last) for axis in step.matrix.axes)
        steps.append(replace(step, matrix=replace(step.matrix, axes=cut)))
    return replace(pipeline, steps=tuple(steps))


def _cut(axis: Axis, first: date, last: date) -> Axis:
    if axis.kind != "date":
        return axis
    kept = tuple(value for value in axis.values if first.isoformat() <= str(value) <= last.isoformat())
    return replace(axis, values=kept)


def _must_be_set(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.ERROR) if finding.code == "OB107" else finding


def _set(document: Document, key: str, text: str) -> None:
    """Put a value of the command line into the tree, at the place of the one that it replaces."""
    node = document.root
    path = tuple(key.split("."))
    if (character := no_text(key + text)) is not None:
        document.findings.append(Finding("OB103", f"`--set {key}` holds what is no text ({character})"))
        return
    for depth, part in enumerate(path):
        if node is None:
            return  # the file could not be parsed
        if not isinstance(node.value, dict):
            told = f"`{key}` cannot be set: `{'.'.join(path[:depth])}` is no mapping"
            document.findings.append(Finding("OB103", told, node.span, path=path[:depth]))
            return
        last = depth == len(path) - 1
        node.key_spans.setdefault(part, node.span)
        if last or part not in node.value:
            span = node.value[part].span if part in node.value else node.span
            node.value[part] = Node(resolve(text), span, plain=True) if last else Node({}, span)
        node = node.value[part]


def _traced(finding: Finding, overrides: Overrides) -> Finding:
    """A finding about a value of the command line says so: the line of the file shows another one."""
    for key, text in overrides.values:
        path = tuple(key.split("."))
        made = finding.code == "OB101" and path[: len(finding.path)] == finding.path
        if made or finding.path[: len(path)] == path:
            help_ = "; ".join(filter(None, (f"the value is that of `--set {key}={text}`", finding.help)))
            return replace(finding, help=help_)
    return finding
