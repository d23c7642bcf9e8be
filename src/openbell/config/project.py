"""The folder that pipelines live in: `openbell.yaml` if there is one, else the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openbell.config.document import read
from openbell.config.draft import Draft
from openbell.config.findings import nearest, reject
from openbell.config.native import keeps
from openbell.config.reading import fit, resolve_references
from openbell.config.shapes import ProjectShape, SharedShape
from openbell.errors import NotFound

FILE = "openbell.yaml"
FOLDER = "pipelines"


@dataclass(frozen=True, slots=True)
class Project:
    """What the pipelines of a folder share. Paths are absolute."""

    folder: Path
    store: str | None = None
    durability: str = "process"
    state: Path | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    slots: int | None = None
    log_cap: int = 16_000_000
    pools: Mapping[str, float] = field(default_factory=dict)
    defaults: SharedShape | None = None

    def find(self, wanted: str, here: Path) -> Path:
        """The file of a pipeline, by its path or by its name. Raises `NotFound`."""
        for candidate in (
            here / wanted,
            self.folder / FOLDER / f"{wanted}.yaml",
            self.folder / f"{wanted}.yaml",
        ):
            if candidate.is_file():
                return candidate
        known = sorted(path.stem for path in (self.folder / FOLDER).glob("*.yaml"))
        near = nearest(Path(wanted).stem, known)
        hint = f"did you mean `{near}`?" if near else f"pipelines here: {', '.join(known) or 'none'}"
        raise NotFound(f"there is no pipeline or file {wanted}", hint=hint)


def locate(start: Path) -> Path:
    """The project's folder: the nearest one upwards with an `openbell.yaml`, else the start itself."""
    start = start.resolve()
    folder = start if start.is_dir() else start.parent
    return next((above for above in (folder, *folder.parents) if (above / FILE).is_file()), folder)


def load_project(folder: Path, environ: Mapping[str, str]) -> Project:
    """The project of this folder. Raises `ConfigError` with every finding of its file."""
    path = folder / FILE
    if not path.is_file():
        return Project(folder)
    document = read(path)
    unset = resolve_references(document, environ, keeps)
    fitting = fit(document, ProjectShape, unset)
    draft = Draft(document, stand_ins=fitting.stand_ins if fitting else frozenset())
    shape = fitting.shape if fitting else None
    data = {}
    for namespace, text in (shape.data if shape else {}).items():
        if found := draft.folder_at(text, ("data", namespace), f"the data folder of {namespace}"):
            data[namespace] = str(found)
    if shape is None or draft.stand_ins or any(finding.fatal for finding in document.findings):
        raise reject(path, document.findings)
    return Project(
        folder=folder,
        store=shape.store,
        durability=shape.durability,
        state=folder / shape.state if shape.state else None,
        data=data,
        slots=shape.executors.process.slots,
        log_cap=shape.executors.process.log_cap or 16_000_000,
        pools=shape.resources,
        defaults=shape.defaults,
    )
