"""The embedded engine of Deephaven, which is in another Python than openbell's as a rule, and needs a JDK."""

from __future__ import annotations

from collections.abc import Iterator

from openbell.doctor.verdicts import Place, Verdict, fail, ok
from openbell.errors import ExecutorUnavailable
from openbell.executors.embedded import RUNTIME, Embedded


def engine(place: Place) -> Iterator[Verdict]:
    """The engine is there, where something runs on it."""
    named = place.project.engine if place.project is not None else None
    pipelines = [definition.pipeline for definition in place.catalog.definitions.values()]
    wanted = [one for one in pipelines if any(step.runtime == RUNTIME for step in one)]
    known = Embedded(place.folder, named)
    for python in dict.fromkeys(pipeline.python for pipeline in wanted) or [None]:
        try:
            found = known.interpreter(python, place.environ)
        except ExecutorUnavailable as error:
            if wanted or named:
                yield fail(error.message, error.hint)
        else:
            yield ok(f"the embedded engine of Deephaven is in {found}")
