"""The pipelines of a project as the daemon knows them: their schedules, and a run for each occasion."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openbell.config.catalog import Catalog, catalog
from openbell.config.digest import digest
from openbell.config.expand import beside
from openbell.config.project import FILE, FOLDER, Project, load_project, overlay_files
from openbell.config.provenance import Inquiry, provenance
from openbell.core.events import Fire
from openbell.core.following import awaited
from openbell.core.requests import Submit
from openbell.core.state import Schedule
from openbell.errors import ConfigError, ExecutorUnavailable, NotFound


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a look at the files has brought. A file in `broken` goes on as it was, if it was before."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    broken: tuple[ConfigError, ...] = ()
    mended: tuple[str, ...] = ()
    """Files that could not be used before."""


@dataclass(slots=True)
class Planning:
    """Reads the project's files, again and again. `executors`: the places where tasks can run."""

    folder: Path
    environ: Mapping[str, str]
    executors: Collection[str]
    project: Project = field(init=False)
    _catalog: Catalog = field(default_factory=Catalog)
    _readable: bool = False
    _inquiry: Inquiry = field(init=False)
    """Git is asked after each plan, and listened to at the next: nobody waits for it."""

    def __post_init__(self) -> None:
        self.project = Project(self.folder)
        self._inquiry = Inquiry(self.folder)

    def reload(self) -> Reloaded:
        """Read all files anew. Whatever is broken keeps its last good version."""
        try:
            self.project = load_project(self.folder, self.environ)
        except ConfigError as error:
            self._readable = False
            return Reloaded(broken=(error,))
        self._readable = True
        before = self._catalog
        self._catalog = catalog(self.project, self.environ, known=before.files)
        self._catalog.keep(before)
        old, new = before.definitions, self._catalog.definitions
        changed = (name for name in new if name in old and not old[name].means(new[name]))
        mended = (path.name for path in before.broken if path not in self._catalog.broken and path.exists())
        return Reloaded(
            added=tuple(name for name in new if name not in old),
            removed=tuple(name for name in old if name not in new),
            changed=tuple(changed),
            broken=tuple(_news(before, self._catalog)),
            mended=tuple(mended),
        )

    @property
    def intact(self) -> bool:
        """Whether every file could be read: then what is not there is gone for good."""
        return self._readable and not self._catalog.broken

    @property
    def broken(self) -> tuple[str, ...]:
        """The files that cannot be used now, by name."""
        project = () if self._readable else (FILE,)
        return (*project, *(path.name for path in self._catalog.broken))

    @property
    def sources(self) -> tuple[str, ...]:
        """Patterns of all files that say what is to run, and when: one that changes is read anew."""
        folder = self.project.folder
        pipelines = folder / FOLDER if (folder / FOLDER).is_dir() else folder
        overlays = (str(beside(folder, text)) for text in overlay_files(folder))
        return (str(folder / FILE), *(f"{pipelines}/*.{ending}" for ending in ("yaml", "yml")), *overlays)

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """The pipelines that have triggers, and those that they come after, by name."""
        found = {name: one.schedule for name, one in self._catalog.definitions.items()}
        needed = awaited(found)
        return {name: one for name, one in found.items() if one.pipeline.triggers or name in needed}

    def plan(self, fire: Fire) -> Submit:
        """The run of an occasion. Raises `OpenbellError` when there can be none."""
        definition = self._catalog.definitions.get(fire.pipeline)
        if definition is None:
            raise NotFound(f"there is no pipeline {fire.pipeline} any more")
        pipeline = definition.bound(fire.session, fire.mode)
        for step in pipeline:
            if step.executor not in self.executors:
                raise ExecutorUnavailable(f"the executor `{step.executor}` is not available")
        known = provenance(pipeline, self._inquiry, patience=0.0)
        self._inquiry = Inquiry(self.folder)
        origin = f"trigger {fire.trigger}"
        return Submit(pipeline, digest(pipeline), origin=origin, key=fire.key, provenance=known)


def _news(before: Catalog, after: Catalog) -> Iterator[ConfigError]:
    """What is wrong now and was not, or not so."""
    for path, error in after.broken.items():
        known = before.broken.get(path)
        if known is None or known.findings != error.findings:
            yield error
