"""The folder that pipelines live in: `openbell.yaml` if there is one, else the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from openbell.config.alerting import AlertSettings, compile_settings
from openbell.config.document import Document, read
from openbell.config.expand import beside, expand
from openbell.config.findings import Finding, in_order, nearest, reject
from openbell.core.retention import Retention
from openbell.errors import NotFound

if TYPE_CHECKING:
    from openbell.config.draft import Draft
    from openbell.config.project_shapes import EnterpriseShape, ProjectShape, RetentionShape
    from openbell.config.shapes import SharedShape
    from openbell.market import Market

FILE = "openbell.yaml"
FOLDER = "pipelines"
OUTPUT = "output"
_LOG_CAP = 16_000_000  # bytes
_HEARTBEAT = timedelta(seconds=60)
_RECYCLE = 1000  # calls of one warm worker
_ENGINE_RECYCLE = 100  # scripts of one embedded engine


@dataclass(frozen=True, slots=True)
class Project:
    """What the pipelines of a folder share. Paths are absolute."""

    folder: Path
    store: str | None = None
    durability: str = "process"
    state: Path | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    results: Path | None = None
    slots: int | None = None
    log_cap: int = _LOG_CAP
    recycle: int = _RECYCLE
    engine: str | None = None
    """The Python that has the embedded engine, where one is named."""
    engine_recycle: int = _ENGINE_RECYCLE
    engine_heap: float | None = None
    """In GB."""
    deephaven: Mapping[str, str | float | bool] = field(default_factory=dict, repr=False)
    """The deephaven executor: what is set of it, secrets among it."""
    pools: Mapping[str, float] = field(default_factory=dict)
    defaults: SharedShape | None = None
    markets: Mapping[str, Market] = field(default_factory=dict)
    """Those with windows or overlays of the project's own."""
    alerts: AlertSettings = field(default_factory=AlertSettings)
    retention: Retention = field(default_factory=Retention)
    """How long the past is kept."""
    heartbeat: timedelta = _HEARTBEAT
    unset: tuple[Finding, ...] = ()
    """Variables of the file that are not set: warnings, and errors as soon as something starts."""
    warnings: tuple[Finding, ...] = ()
    """What else is said about the file: overlays without effect."""

    @property
    def output(self) -> str:
        """The folder of the tables that workers write."""
        return str(self.results or self.folder / OUTPUT)

    def find(self, wanted: str, here: Path) -> Path:
        """The file of a pipeline, by its path or by its name. Raises `NotFound`."""
        for candidate in (
            here / wanted,
            self.folder / FOLDER / f"{wanted}.yaml",
            self.folder / f"{wanted}.yaml",
        ):
            if candidate.is_file():
                return candidate
        named = {path.stem: path.stem for path in (self.folder / FOLDER).glob("*.yaml")}
        beside = {path.stem: path.name for path in (here / wanted).parent.glob("*.y*ml") if path.name != FILE}
        known = beside | named
        near = nearest(Path(wanted).stem, known)
        hint = (
            f"did you mean `{known[near]}`?"
            if near
            else f"pipelines here: {', '.join(sorted(known.values())) or 'none'}"
        )
        what = "is a folder" if (here / wanted).is_dir() else "is no pipeline and no file"
        raise NotFound(f"{wanted} {what}", hint=hint)


def pipeline_files(project: Project) -> list[Path]:
    """The pipeline files of a project: those in `pipelines/`; without that folder, those beside it.

    There, a file is a pipeline if it has steps, and may be one if it cannot be read at all.
    """
    folder = project.folder / FOLDER
    if folder.is_dir():
        return sorted(path for path in folder.glob("*.y*ml") if path.is_file())
    found = (path for path in project.folder.glob("*.y*ml") if path.name != FILE and path.is_file())
    roots = ((path, read(path).root) for path in found)
    return sorted(path for path, root in roots if root is None or "steps" in root.entries)


def locate(start: Path) -> Path:
    """The project's folder: the nearest one upwards with an `openbell.yaml`, else the start itself."""
    start = start.resolve()
    folder = start if start.is_dir() else start.parent
    return next((above for above in (folder, *folder.parents) if (above / FILE).is_file()), folder)


def load_project(folder: Path, environ: Mapping[str, str]) -> Project:
    """The project of this folder. Raises `ConfigError` with every finding of its file."""
    from openbell.config.draft import Draft
    from openbell.config.native import keeps
    from openbell.config.project_shapes import ProjectShape
    from openbell.config.reading import fit, resolve_references

    document = _document(folder)
    if document is None:
        return Project(folder)
    path = document.path
    unset = resolve_references(document, environ, keeps)
    fitting = fit(document, ProjectShape, unset)
    if fitting is None:
        raise reject(path, in_order(document.findings))
    draft = Draft(document, stand_ins=fitting.stand_ins, unset=unset)
    project = _project(draft, folder, fitting.shape)
    if draft.stand_ins or any(finding.fatal for finding in document.findings):
        raise reject(path, in_order(document.findings))
    return project


def whereabouts(folder: Path, environ: Mapping[str, str]) -> Project:
    """Where the state and the store of this folder's project are, and nothing else.

    What has run can be looked at whatever has become of the file since, and at once: the shapes take
    100 ms to import. Raises as `load_project` does when not even that much is plain.
    """
    document = _document(folder)
    if document is None:
        return Project(folder)
    entries = document.root.entries if document.root is not None else {}
    found = {key: entries[key].value for key in ("state", "store") if key in entries}
    try:
        state, store = (expand(found[key], environ) if key in found else None for key in ("state", "store"))
    except (KeyError, TypeError):
        return load_project(folder, environ)
    if document.root is None:
        return load_project(folder, environ)
    return Project(folder, store=store, state=beside(folder, state) if state else None)


def project_markets(folder: Path, environ: Mapping[str, str]) -> Mapping[str, Market]:
    """The markets of this folder's project; the rest of its file is looked at only when it has some."""
    document = _document(folder)
    if document is None or (document.root is not None and "markets" not in document.root.entries):
        return {}
    return load_project(folder, environ).markets


def overlay_files(folder: Path) -> list[str]:
    """The files of overlays that the project's markets name, as they are written there."""
    document = _document(folder)
    markets = document.root.find(("markets",)) if document is not None and document.root else None
    named = (market.find(("overlays",)) for market in (markets.entries.values() if markets else ()))
    return [node.value for node in named if node is not None and isinstance(node.value, str)]


def _retention(shape: RetentionShape) -> Retention:
    return Retention(shape.runs, shape.keep, shape.logs, shape.events)


def _document(folder: Path) -> Document | None:
    """The project's file as read; None without one."""
    path = folder / FILE
    if not path.is_file():
        return None
    document = read(path)
    if document.root is not None and document.root.value is None:
        document.root.value = {}  # an empty file marks the folder
    return document


def _program(folder: Path, text: str | None) -> str | None:
    """A program by path, or by name on the PATH."""
    return str(beside(folder, text)) if text and "/" in text else text


def _project(draft: Draft, folder: Path, shape: ProjectShape) -> Project:
    from openbell.config.markets import build_markets

    data = {}
    for namespace, text in shape.data.items():
        if found := draft.folder_at(text, ("data", namespace), f"the data folder of {namespace}"):
            data[namespace] = str(found)
    if shape.defaults:
        draft.environment(shape.defaults.env or {}, ("defaults", "env"))
    process = shape.executors.process
    markets = build_markets(draft, shape.markets)
    alerts = compile_settings(draft, shape.alerts)
    told = in_order(draft.document.findings)
    return Project(
        folder=folder,
        store=shape.store,
        durability=shape.durability,
        state=beside(folder, shape.state) if shape.state else None,
        data=data,
        results=beside(folder, shape.output) if shape.output else None,
        slots=process.slots,
        log_cap=process.log_cap or _LOG_CAP,
        recycle=process.recycle or _RECYCLE,
        engine=_program(folder, shape.deephaven_core.python),
        engine_recycle=shape.deephaven_core.recycle_after or _ENGINE_RECYCLE,
        engine_heap=shape.deephaven_core.heap_size_gb,
        deephaven=_enterprise(folder, shape.executors.deephaven),
        pools=shape.resources,
        defaults=shape.defaults,
        markets=markets,
        alerts=alerts,
        retention=_retention(shape.retention),
        heartbeat=shape.heartbeat or _HEARTBEAT,
        unset=tuple(finding for finding in told if finding.code == "OB107"),
        warnings=tuple(finding for finding in told if finding.code != "OB107"),
    )


def _enterprise(folder: Path, shape: EnterpriseShape) -> dict[str, str | float | bool]:
    """What is set of the deephaven executor; paths are absolute."""
    found = shape.model_dump(exclude_none=True)
    return found | {
        name: str(beside(folder, found[name])) for name in ("python", "private_key_path") if name in found
    }
