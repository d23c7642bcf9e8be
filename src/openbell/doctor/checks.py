"""The table of checks, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator

from openbell.doctor import embedded, enterprise, extras, machine, project, state
from openbell.doctor.verdicts import Check, Place, Verdict, fail

MACHINE: tuple[tuple[str, Check], ...] = (
    ("python", machine.python),
    ("platform", machine.platform),
    ("sqlite", machine.sqlite),
    ("clock", machine.clock),
    ("memory", machine.memory),
    ("limits", machine.limits),
    ("inotify", machine.inotify),
    ("extras", extras.extras),
    ("java", extras.java),
)
"""Checks that make sense anywhere."""

PROJECT: tuple[tuple[str, Check], ...] = (
    ("definitions", project.definitions),
    ("executors", project.executors),
    ("enterprise", enterprise.client),
    ("engine", embedded.engine),
    ("calendars", project.calendars),
    ("channels", project.channels),
    ("state folder", state.folder),
    ("disk", state.disk),
    ("store", state.store),
    ("leftovers", state.leftovers),
    ("daemon", state.daemon),
    ("letters", state.letters),
)
"""Checks of a project."""


def examine(place: Place) -> Iterator[tuple[str, Verdict]]:
    """Every check in its turn: its name, and each of its verdicts. One that breaks says so."""
    for name, check in (*MACHINE, *(PROJECT if place.project is not None else ())):
        try:
            for verdict in check(place):
                yield name, verdict
        except Exception as error:  # the others are to be heard all the same
            yield name, fail(f"it could not be checked: {type(error).__name__}: {error}")
