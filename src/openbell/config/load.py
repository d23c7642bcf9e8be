"""A file becomes a pipeline: read, detect the dialect, resolve, fit, compile, check. All findings at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from openbell.config.digest import digest
from openbell.config.document import Document, Node, read, resolve
from openbell.config.draft import Draft, narrowed
from openbell.config.findings import Finding, Severity, in_order, reject
from openbell.config.project import Project
from openbell.core.matrix import sample
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
    sample: int | None = None
    values: tuple[tuple[str, str], ...] = ()
    """`--set path=value`, the path with dots."""


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
    document = read(path)
    dialect = detect(document, assume)
    for key, text in overrides.values:
        _set(document, key, text)
    draft = Draft(document)
    pipeline = _compile(draft, dialect, project, environ, overrides)
    if starting:
        document.findings[:] = map(_must_be_set, document.findings)
    if pipeline is not None:
        pipeline = _adjusted(draft, pipeline, project, overrides)
    findings = in_order(document.findings)
    if pipeline is None or draft.stand_ins or any(finding.fatal for finding in findings):
        raise reject(path, findings)
    left_out = dict(sorted(draft.left_out.items()))
    return Loaded(pipeline, digest(pipeline), dialect, document, tuple(findings), left_out)


def detect(document: Document, assume: Dialect = Dialect.NATIVE) -> Dialect:
    """The dialect of a file, by its keys."""
    execution = document.root.find(("execution",)) if document.root else None
    if document.root and document.root.find(("steps",)):
        return Dialect.NATIVE
    if execution is None:
        return assume
    keys = execution.value if isinstance(execution.value, dict) else {}
    if ("num_partitions" in keys) != ("num_workers" in keys):
        return Dialect.PQ if "num_partitions" in keys else Dialect.REPLAY
    assert document.root is not None
    newer = [("execution", "heap_size_gb"), ("execution", "max_failures"), ("batch",)]
    older = [("replay", "heap_size_gb"), ("replay", "replay_time"), ("scheduler",)]
    balance = sum(document.root.find(path) is not None for path in newer)
    balance -= sum(document.root.find(path) is not None for path in older)
    if balance == 0 and assume is not Dialect.NATIVE:
        return assume
    return Dialect.PQ if balance >= 0 else Dialect.REPLAY


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
    draft.stand_ins = fitting.stand_ins
    match fitting.shape:
        case PipelineShape() as native:
            return compile_pipeline(draft, native, project.defaults, overrides.on)
        case PqShape() as pq:
            return compile_pq(draft, pq, environ, overrides.on or "deephaven")
        case ReplayFileShape() as replay:
            return compile_replay(draft, replay, environ, overrides.on or "deephaven")
        case _:
            return None


def _adjusted(draft: Draft, pipeline: Pipeline, project: Project, overrides: Overrides) -> Pipeline:
    """The pipeline after `--dates` and `--sample`, with the project's data."""
    pipeline = replace(pipeline, data=project.data)
    if overrides.dates is not None:
        first, last = overrides.dates
        before = pipeline.size
        pipeline = narrowed(pipeline, first, last)
        draft.left_out = {day: why for day, why in draft.left_out.items() if first <= day <= last}
        if before and not pipeline.size:
            draft.fault("OB114", f"no date of the file lies in {first} to {last}", ())
    if overrides.sample is not None:
        steps = tuple(
            replace(step, matrix=sample(step.matrix, overrides.sample)) if step.matrix.axes else step
            for step in pipeline
        )
        pipeline = replace(pipeline, steps=steps)
    return pipeline


def _must_be_set(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.ERROR) if finding.code == "OB107" else finding


def _set(document: Document, key: str, text: str) -> None:
    """Put a value of the command line into the tree."""
    node = document.root
    *above, last = key.split(".")
    for part in above:
        if node is None or not isinstance(node.value, dict):
            return
        if part not in node.value:
            node.value[part] = Node({}, node.span)
            node.key_spans[part] = node.span
        node = node.value[part]
    if node is not None and isinstance(node.value, dict):
        node.value[last] = Node(resolve(text), node.span, plain=True)
        node.key_spans.setdefault(last, node.span)


def show(findings: Sequence[Finding], document: Document, file: str) -> str:
    """All findings as text, a blank line between them."""
    from openbell.config.findings import render

    return "\n\n".join(render(finding, file, document.lines) for finding in findings)
