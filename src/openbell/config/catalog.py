"""All pipelines of a project at once, and what they say about each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openbell.config.definition import Definition
from openbell.config.document import Path as Place
from openbell.config.document import read
from openbell.config.findings import Finding, in_order, nearest, reject
from openbell.config.load import Overrides, define
from openbell.config.project import FILE, FOLDER, Project
from openbell.core.model import Pipeline
from openbell.core.triggers import AfterTrigger
from openbell.errors import ConfigError


@dataclass(slots=True)
class Catalog:
    """The definitions by name, and the files that cannot be used, with the reasons."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    broken: dict[Path, ConfigError] = field(default_factory=dict)

    def keep(self, before: Catalog) -> None:
        """Go on with the last good version of every file that cannot be used any more."""
        for name, definition in before.definitions.items():
            if definition.path in self.broken and name not in self.definitions:
                self.definitions[name] = definition


def files(project: Project) -> list[Path]:
    """The pipeline files of a project: those in `pipelines/`; without that folder, those beside it."""
    folder = project.folder / FOLDER
    if folder.is_dir():
        return sorted(path for path in folder.glob("*.y*ml") if path.is_file())
    found = (path for path in project.folder.glob("*.y*ml") if path.name != FILE and path.is_file())
    return sorted(path for path in found if (root := read(path).root) and "steps" in root.entries)


def catalog(project: Project, environ: Mapping[str, str], *, on: str | None = None) -> Catalog:
    """Read every pipeline of a project. What is wrong with one does not hold back the others."""
    found = Catalog()
    for path in files(project):
        try:
            definition = define(path, project, environ, Overrides(on))
            name = definition.pipeline.name
            if (other := found.definitions.get(name)) is not None:
                raise _rejected(
                    definition, ("name",), "OB130", f"`{name}` is the name of {other.path.name} too"
                )
            found.definitions[name] = definition
        except ConfigError as error:
            found.broken[path] = error
    for name, lost in list(_lost(found)):
        found.broken[found.definitions.pop(name).path] = lost
    return found


def _lost(found: Catalog) -> Iterator[tuple[str, ConfigError]]:
    """Pipelines that come after one that is not there, or after themselves in a circle."""
    pipelines = {name: definition.pipeline for name, definition in found.definitions.items()}
    doubtful = bool(found.broken)  # the missing one may be in a file that cannot be read
    for name, definition in list(found.definitions.items()):
        for number, trigger in enumerate(definition.pipeline.triggers):
            for other in trigger.pipelines if isinstance(trigger, AfterTrigger) else ():
                place = ("triggers", number, "after")
                if other not in pipelines and not doubtful:
                    near = nearest(other, pipelines)
                    help_ = (
                        f"did you mean `{near}`?" if near else f"pipelines: {', '.join(sorted(pipelines))}"
                    )
                    yield (
                        name,
                        _rejected(definition, place, "OB131", f"there is no pipeline `{other}`", help_),
                    )
                    break
                if (circle := _circle(pipelines, name, other)) is not None:
                    told = f"these pipelines wait for each other: {' -> '.join(circle)}"
                    yield name, _rejected(definition, place, "OB117", told)
                    break


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
