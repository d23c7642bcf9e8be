"""The client of Deephaven Enterprise, which may be in another Python than openbell's."""

from __future__ import annotations

from collections.abc import Iterator

from openbell.doctor.verdicts import Place, Verdict, fail, ok
from openbell.executors.deephaven.interpreter import INSTALL, Client

NAME = "deephaven"


def client(place: Place) -> Iterator[Verdict]:
    """The client is there, where something runs on Enterprise."""
    known = _client(place)
    if (python := known.interpreter(place.environ)) is not None:
        yield ok(f"the client of Deephaven Enterprise is in {python}")
    elif _wanted(place):
        yield fail(known.problem(place.environ), INSTALL)


def available(place: Place) -> frozenset[str]:
    """The executor, where its client is there."""
    return frozenset({NAME} if _client(place).interpreter(place.environ) is not None else ())


def _client(place: Place) -> Client:
    settings = place.project.deephaven if place.project is not None else {}
    named = settings.get("python")
    return Client(place.folder, str(named) if named else None)


def _wanted(place: Place) -> bool:
    pipelines = (definition.pipeline for definition in place.catalog.definitions.values())
    steps = any(step.executor == NAME for pipeline in pipelines for step in pipeline)
    return steps or bool(place.project is not None and place.project.deephaven)
