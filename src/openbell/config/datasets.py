"""Data sets: what steps require of them, and who provides them in a project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from openbell.config.document import Path as Place
from openbell.config.document import read
from openbell.config.draft import Draft
from openbell.config.findings import nearest
from openbell.config.project import Project, pipeline_files
from openbell.config.shapes import StepShape
from openbell.core.freshness import Required
from openbell.core.model import Pipeline, Step


def compile_requires(
    draft: Draft, shape: StepShape, market: str | None, place: Place
) -> tuple[Required, ...]:
    """What the step requires."""
    found = []
    for name, fresh in shape.requires.items():
        if isinstance(fresh, timedelta):
            found.append(Required(name, age=fresh))
            continue
        found.append(Required(name, sessions=fresh))
        if market is None and not draft.meant((), "market"):
            told = f"the sessions of `{name}` have no market"
            draft.fault("OB128", told, (*place, "requires", name), "name one: `market: XNYS`")
    return tuple(found)


def with_providers(draft: Draft, pipeline: Pipeline, project: Project) -> Pipeline:
    """The pipeline with who provides what it requires. What nobody provides is a finding."""
    if not any(step.requires for step in pipeline):
        return pipeline
    known, complete = _known(pipeline, project)
    return replace(pipeline, steps=tuple(_told(draft, step, known, complete=complete) for step in pipeline))


def _told(draft: Draft, step: Step, known: dict[str, list[str]], *, complete: bool) -> Step:
    requires = []
    for required in step.requires:
        providers = known.get(required.dataset, [])
        if not providers and complete:
            near = nearest(required.dataset, known)
            help_ = (
                f"did you mean `{near}`?" if near else f"provided: {', '.join(sorted(known)) or 'nothing'}"
            )
            told = f"no step of this project provides `{required.dataset}`"
            draft.fault("OB151", told, _place(draft, step.name, required.dataset), help_)
        requires.append(replace(required, providers=tuple(providers)))
    return replace(step, requires=tuple(requires))


def _place(draft: Draft, step: str, dataset: str) -> Place:
    """Where the name of the data set stands: as a key, or in a list."""
    place: Place = ("steps", step, "requires")
    node = draft.document.root.find(place) if draft.document.root else None
    for path, below in node.walk() if node else ():
        if below.value == dataset:
            return (*place, *path)
    return (*place, dataset) if node is not None and dataset in node.entries else place


def _known(pipeline: Pipeline, project: Project) -> tuple[dict[str, list[str]], bool]:
    """Who provides what, as `pipeline/step`; and whether every file of the project could be read."""
    found: dict[str, list[str]] = {}
    for step in pipeline:
        for name in step.provides:
            found.setdefault(name, []).append(f"{pipeline.name}/{step.name}")
    complete = True
    for path in pipeline_files(project):
        if str(path.resolve()) == pipeline.source:
            continue
        complete = complete and read(path).root is not None
        for name, who in _provided(path):
            found.setdefault(name, []).append(who)
    return found, complete


def _provided(path: Path) -> Iterator[tuple[str, str]]:
    """(data set, `pipeline/step`) for everything that a file provides, as far as it can be read."""
    root = read(path).root
    steps = root.find(("steps",)) if root is not None else None
    title = root.find(("name",)) if root is not None else None
    for step, node in steps.entries.items() if steps is not None else ():
        provided = node.find(("provides",))
        for _, one in provided.walk() if provided is not None else ():
            if isinstance(one.value, str):
                yield one.value, f"{title.value if title is not None else path.stem}/{step}"
