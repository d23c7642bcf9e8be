"""A project: its definitions, what they need, the calendars that they live by, who is told."""

from __future__ import annotations

from collections.abc import Iterator

from openbell.core.model import Pipeline
from openbell.core.words import plural
from openbell.doctor import enterprise
from openbell.doctor.verdicts import Place, Verdict, fail, note, ok, warn
from openbell.market import Market
from openbell.market.horizon import ends_soon


def definitions(place: Place) -> Iterator[Verdict]:
    """Every file of it can be used."""
    assert place.project is not None
    if place.trouble:
        yield fail(place.trouble, "openbell validate openbell.yaml")
        return
    for path, error in place.catalog.broken.items():
        yield fail(f"{path.name}: {error.message}", f"openbell validate {path.name}")
    for finding in place.project.unset:
        yield warn(f"openbell.yaml: {finding.message}", "set it where the daemon is started")
    for name, definition in place.catalog.definitions.items():
        for finding in definition.warnings:
            yield warn(f"{name}: {finding.message}", finding.help)
    count, broken = len(place.catalog.definitions), len(place.catalog.broken)
    scheduled = sum(bool(one.triggers) for one in _pipelines(place))
    yield ok(f"{count} of {plural(count + broken, 'pipeline')} can be used, {scheduled} with triggers")


def executors(place: Place) -> Iterator[Verdict]:
    """What the steps run on is there."""
    wanted = {step.executor: pipeline.name for pipeline in _pipelines(place) for step in pipeline}
    there = place.executors | enterprise.available(place)
    for name in sorted(wanted.keys() - there):
        told = f"{wanted[name]} runs on `{name}`, which is not available"
        yield fail(told, "`--on process`, or `executor: process`, runs it on this machine")
    if wanted and wanted.keys() <= there:
        yield ok(", ".join(sorted(wanted)))


def calendars(place: Place) -> Iterator[Verdict]:
    """The calendars reach far enough."""
    markets = markets_of(place)
    for market in markets.values():
        if told := ends_soon(market, place.now.date()):
            over = market.valid_until < place.now.date()
            yield (fail if over else warn)(told, "update openbell, or add the sessions as overlays")
        yield from (warn(f"{market.name}: {text}") for text in market.notes())
    if markets:
        nearest = min(markets.values(), key=lambda market: market.valid_until)
        yield ok(
            f"{', '.join(sorted(markets))}; the first to end is {nearest.name}, on {nearest.valid_until}"
        )


def markets_of(place: Place) -> dict[str, Market]:
    """The markets that the project uses, by name."""
    found = dict(place.project.markets) if place.project is not None else {}
    for definition in place.catalog.definitions.values():
        if definition.market is not None:
            found.setdefault(definition.market.name, definition.market)
    return found


def channels(place: Place) -> Iterator[Verdict]:
    """Somebody is told of what goes wrong."""
    assert place.project is not None
    known = sorted(place.project.alerts.channels)
    used = {
        name
        for pipeline in _pipelines(place)
        for alerts in (pipeline.alerts, *(step.alerts for step in pipeline))
        for notice in (alerts.failure, alerts.success)
        if notice is not None
        for name in notice.notify
    }
    if used - {"log"}:
        yield ok(f"{', '.join(known)}; used: {', '.join(sorted(used))}")
    elif used:
        yield note(
            "alerts go to the channel `log` only: a file that somebody has to read", "see docs/alerts.md"
        )
    elif any(pipeline.triggers for pipeline in _pipelines(place)):
        yield note("nobody is told when a pipeline fails", "`on_failure: {notify: [...]}` in it")
    else:
        yield ok(", ".join(known) or "none, and nothing opens by itself")


def _pipelines(place: Place) -> list[Pipeline]:
    return [definition.pipeline for definition in place.catalog.definitions.values()]
