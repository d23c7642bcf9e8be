"""All pipelines of a project at once, and what they say about each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openbell.config.definition import Definition
from openbell.config.document import Path as Place
from openbell.config.findings import Finding, in_order, nearest, reject
from openbell.config.load import Overrides, define
from openbell.config.project import Project, pipeline_files
from openbell.core.model import Pipeline
from openbell.core.triggers import AfterTrigger
from openbell.errors import ConfigError


@dataclass(slots=True)
class Catalog:
    """The definitions by name, and the files that cannot be used, with the reasons."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    broken: dict[Path, ConfigError] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """The files that are pipelines."""
        return [*(definition.path for definition in self.definitions.values()), *self.broken]

    def keep(self, before: Catalog) -> None:
        """Go on with the last good version of every file that cannot be used any more."""
        for name, definition in before.definitions.items():
            if definition.path in self.broken and name not in self.definitions:
                self.definitions[name] = definition


def catalog(
    project: Project,
    environ: Mapping[str, str],
    *,
    on: str | None = None,
    starting: bool = True,
    known: Sequence[Path] = (),
) -> Catalog:
    """Read every pipeline of a project. What is wrong with one does not hold back the others.

    `starting`: variables that are not set are errors. `known`: files that were pipelines when they were read
    last: as long as they are there, they are pipelines, and have the first right to their names.
    """
    found = Catalog()
    there = [path for path in known if path.is_file()]
    for path in dict.fromkeys([*there, *pipeline_files(project)]):
        try:
            definition = define(path, project, environ, Overrides(on), starting=starting)
            name = definition.pipeline.name
            if (other := found.definitions.get(name)) is not None:
                told = f"`{name}` is the name of {other.path.name} too"
                raise _rejected(definition, ("name",), "OB130", told)
            found.definitions[name] = definition
        except ConfigError as error:
            found.broken[path] = error
    for name, lost in list(_lost(found)):
        found.broken[found.definitions.pop(name).path] = lost
    return found


def _lost(found: Catalog) -> Iterator[tuple[str, ConfigError]]:
    """Pipelines that come after what they cannot come after."""
    pipelines = {name: definition.pipeline for name, definition in found.definitions.items()}
    doubtful = bool(found.broken)  # the missing one may be in a file that cannot be read
    for name, definition in found.definitions.items():
        for number, trigger in enumerate(definition.pipeline.triggers):
            if not isinstance(trigger, AfterTrigger):
                continue
            if (wrong := _wrong(pipelines, name, trigger, doubtful=doubtful)) is not None:
                yield name, _rejected(definition, ("triggers", number, "after"), *wrong)
                break


def _wrong(
    pipelines: Mapping[str, Pipeline], name: str, trigger: AfterTrigger, *, doubtful: bool
) -> tuple[str, str, str] | None:
    """What is wrong with coming after these: the code, the message, and what helps."""
    for other in trigger.pipelines:
        if other not in pipelines and not doubtful:
            near = nearest(other, pipelines)
            help_ = f"did you mean `{near}`?" if near else f"pipelines: {', '.join(sorted(pipelines))}"
            return "OB131", f"there is no pipeline `{other}`", help_
        if (circle := _circle(pipelines, name, other)) is not None:
            return "OB117", f"these pipelines wait for each other: {' -> '.join(circle)}", ""
    there = [other for other in trigger.pipelines if other in pipelines]
    dated = next((other for other in there if _is_dated(pipelines, other)), None)
    undated = next((other for other in there if not _is_dated(pipelines, other)), None)
    if dated is not None and undated is not None:
        told = f"`{dated}` has a market and `{undated}` has none: their runs have no labels in common"
        return "OB129", told, "give both a market, or come after one of them"
    return None


def _is_dated(pipelines: Mapping[str, Pipeline], name: str) -> bool:
    """Whether its runs are labelled by sessions: its own, or those of what it comes after."""
    above, seen = [name], set()
    while above:
        one = above.pop()
        pipeline = pipelines.get(one)
        if pipeline is None or one in seen:
            continue
        if pipeline.market:
            return True
        seen.add(one)
        above += [
            up
            for trigger in pipeline.triggers
            if isinstance(trigger, AfterTrigger)
            for up in trigger.pipelines
        ]
    return False


def _circle(pipelines: Mapping[str, Pipeline], start: str, first: str) -> list[str] | None:
    """The way from `first` back to `start` along the triggers, or None."""
    ways = [[start, first]]
    seen = {first}
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        pipeline = pipelines.get(way[-1])
        for trigger in pipeline.triggers if pipeline else ():
            for other in trigger.pipelines if isinstance(trigger, AfterTrigger) else ():
                if other == start or other not in seen:
                    seen.add(other)
                    ways.append([*way, other])
    return None


def _rejected(definition: Definition, place: Place, code: str, text: str, help_: str = "") -> ConfigError:
    document = definition.draft.document
    finding = Finding(code, text, document.span(place), help_, path=place)
    return reject(definition.path, in_order([*definition.warnings, finding]))
