"""The markets of a project: calendars under the project's overlays, with its windows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import timedelta
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

from openbell.config.document import Path as Place
from openbell.config.findings import Severity
from openbell.errors import MarketError
from openbell.market import Market, Overlay
from openbell.market.amended import Amended
from openbell.market.markets import build
from openbell.market.overlay import collect
from openbell.market.snapshot import schedule_of

if TYPE_CHECKING:
    from openbell.config.draft import Draft
    from openbell.config.project_shapes import MarketShape

_LONGEST = timedelta(days=1)


def build_markets(draft: Draft, shapes: Mapping[str, MarketShape]) -> dict[str, Market]:
    """The markets by name. What cannot hold becomes a finding at its place."""
    found: dict[str, Market] = {}
    for name, shape in shapes.items():
        place: Place = ("markets", name)
        if not draft.doubtful(place) and (market := _build(draft, name, shape, place, found)):
            found[name] = market
    return found


def _build(
    draft: Draft, name: str, shape: MarketShape, place: Place, others: Mapping[str, Market]
) -> Market | None:
    for key, window in (("pre_open", shape.pre_open), ("post_close", shape.post_close)):
        if window is not None and (window > _LONGEST or window % timedelta(seconds=1)):
            draft.fault("OB104", f"{key} must be whole seconds, at most 1d", (*place, key))
            return None
    try:
        schedule = schedule_of(shape.calendar or name, {key: one.schedule for key, one in others.items()})
        plain = build(name, schedule, (), shape.pre_open, shape.post_close)
    except MarketError as error:
        draft.fault("OB113", error.message, (*place, "calendar") if shape.calendar else place, error.hint)
        return None
    provided = _provided(draft, shape.provider, schedule.name, (*place, "provider")) if shape.provider else []
    listed = _listed(draft, shape.overlays, schedule.name, (*place, "overlays"))
    if provided is None or listed is None:
        return None
    if not provided and not listed:
        return plain
    inline = isinstance(shape.overlays, list)
    places: list[Place] = [(*place, "provider")] * len(provided)
    places += [(*place, "overlays", n) if inline else (*place, "overlays") for n in range(len(listed))]
    amended = Amended(schedule, [*provided, *listed])
    return Market(name, amended, plain.windows) if _prove(draft, amended, places) else None


def _prove(draft: Draft, amended: Amended, places: Sequence[Place]) -> bool:
    """Whether every overlay can hold. What cannot, and what has no effect, is told at its place."""
    errors = list(amended.prove())
    for number, error in errors:
        draft.fault("OB127", error.message, places[number], error.hint)
    for number, note in amended.notes:
        draft.fault("OB127", note, places[number], severity=Severity.WARNING)
    return not errors


def _listed(draft: Draft, given: list[Overlay] | str, calendar: str, place: Place) -> list[Overlay] | None:
    """The overlays of the file itself, or those of a CSV file beside it."""
    if not isinstance(given, str):
        return given
    path = draft.file(given, place, "the file of overlays")
    return _collected(draft, path, calendar, place) if path else None


def _provided(draft: Draft, provider: str, calendar: str, place: Place) -> list[Overlay] | None:
    """What a function of the project, or of an installed package, says about this calendar.

    What it prints goes to stderr: stdout belongs to the command.
    """
    try:
        with redirect_stdout(sys.stderr):
            return _collected(draft, _function(draft, provider), calendar, place)
    except (Exception, SystemExit) as error:  # whatever the function of somebody else may raise
        told = f"the provider {provider} failed: {type(error).__name__}: {error}"
        draft.fault("OB127", told, place, "`module:function`; the function is given the calendar's name")
        return None


def _function(draft: Draft, provider: str) -> Callable[[str], Any]:
    """The function. A module of the project is read anew, and is nobody else's."""
    name, _, function = provider.partition(":")
    file = draft.folder / f"{name.replace('.', '/')}.py"
    spec = spec_from_file_location(f"_openbell_provider_{name}", file) if file.is_file() else None
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = import_module(name)
    found: Callable[[str], Any] = getattr(module, function)
    return found


def _collected(draft: Draft, given: Any, calendar: str, place: Place) -> list[Overlay] | None:
    try:
        return collect(given, calendar)
    except MarketError as error:
        draft.fault("OB127", error.message, place, error.hint)
        return None
