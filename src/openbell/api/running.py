"""`ob.load`, `ob.plan`, `ob.run`, `ob.runs`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from openbell.api.definitions import Pipeline as Definition
from openbell.api.foreground import Unseen, carry_out
from openbell.api.handle import RunHandle, Runs
from openbell.cli.choosing import check_executors, parse_dates, parse_steps
from openbell.cli.setting import Setting, actor
from openbell.config.digest import digest
from openbell.config.load import Loaded, Overrides, load_document
from openbell.config.load import load as load_file
from openbell.config.provenance import Inquiry, provenance
from openbell.core.model import Forced, Pipeline
from openbell.core.requests import Only, Submit
from openbell.core.selection import dropped_needs
from openbell.errors import OpenbellError, UsageError

if TYPE_CHECKING:
    from openbell.engine.conduct import View

What = str | Path | Definition | Pipeline
"""A file, the name of a pipeline of the project, a definition, or one that is compiled already."""

Dates = str | date | tuple[date | str, date | str]


class Said(TypedDict, total=False):
    """What is said over the definition, as on the command line."""

    mode: str
    """One of its modes."""
    steps: str | Iterable[str]
    """Only these: `"book"`, `"+book"`, `"book+"`, with commas or as a list."""
    dates: Dates
    """A date, a pair of them, or `"A:B"`: the session of a pipeline that lives in sessions, else a range."""
    sample: int
    """At most so many tasks of each step."""
    on: str
    """The executor."""
    values: Mapping[str, Any]
    """Keys of the definition, with dots: `{"concurrency": 4}`."""
    folder: str | Path
    """Where the project is looked for. Default: the folder of the file, or the working directory."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would run. As text, what `openbell plan` prints."""

    pipeline: Pipeline
    digest: str
    left_out: Mapping[date, str]
    """Dates of its ranges that have no task, with the reason."""
    notes: tuple[str, ...]
    """Needs that are not waited for, since a mode or `steps` leaves out what they name."""
    warnings: tuple[str, ...]
    text: str

    @property
    def tasks(self) -> int:
        """Number of tasks of one run."""
        return self.pipeline.size

    def __str__(self) -> str:
        return self.text


def load(what: What, **said: Unpack[Said]) -> Pipeline:
    """The frozen model that a definition comes to. Raises `ConfigError` with every finding."""
    if isinstance(what, Pipeline):
        return _as_it_is(what, said)
    return _loaded(_setting(what, said), what, said, starting=False).pipeline


def load_definition(what: str | Path | Definition, **said: Unpack[Said]) -> Loaded:
    """The model with what was read. Raises `ConfigError` with every finding."""
    return _loaded(_setting(what, said), what, said, starting=False)


def plan(what: str | Path | Definition, **said: Unpack[Said]) -> Plan:
    """What `run` would do. Nothing is started. Raises `ConfigError` with every finding."""
    from openbell.cli.plan import plan_lines

    setting = _setting(what, said)
    loaded = _loaded(setting, what, said, starting=False)
    return Plan(
        pipeline=loaded.pipeline,
        digest=loaded.digest,
        left_out={day: str(closure) for day, closure in loaded.left_out.items()},
        notes=tuple(dropped_needs(loaded.pipeline)),
        warnings=tuple(map(str, loaded.warnings)),
        text="\n".join(plan_lines(setting, loaded)),
    )


def run(
    what: What,
    *,
    new: bool = False,
    only: str = "missing",
    force: bool | str = False,
    show: bool = False,
    **said: Unpack[Said],
) -> RunHandle:
    """Run a definition to its end, in the foreground, and give what came out.

    The same definition again runs only what is missing; `new` opens another run; `only="failed"` leaves
    cancelled tasks alone. `force`: wait for room only; a text is the reason. `show`: a line on stderr for
    each change. A run that fails is no exception: its handle tells. Ctrl-C drains and is raised afterwards.

    Raises `ConfigError` for a definition that is wrong, `OpenbellError` when the run is not accepted.
    """
    setting = _setting(what, said)
    if isinstance(what, Pipeline):
        pipeline = _as_it_is(what, said)
    else:
        pipeline = _loaded(setting, what, said, starting=True).pipeline
    check_executors(setting, pipeline)
    request = Submit(
        pipeline=pipeline,
        digest=digest(pipeline),
        origin=f"{actor()}: Python",
        new=new,
        only=_only(only),
        forced=Forced(actor(), force if isinstance(force, str) else "") if force else None,
        provenance=provenance(pipeline, Inquiry(setting.project.folder), _overrides(setting, said).told()),
    )
    ending = carry_out(setting, request, _view(setting) if show else Unseen())
    if ending.answer is not None and not ending.answer.accepted:
        raise OpenbellError(ending.answer.message)
    if ending.record is None:
        raise OpenbellError("left before an engine had taken it up: it will not run")
    return RunHandle(setting, ending.record.id)


def runs(name: str | None = None, *, folder: str | Path = ".", limit: int = 1000) -> Runs:
    """The runs of a project, or of one of its pipelines, newest first."""
    setting = Setting.of_the_past(Path(folder))
    store = setting.past()
    try:
        return Runs(RunHandle(setting, info.id) for info in store.runs(name, limit))
    finally:
        store.close()


def _setting(what: What, said: Said) -> Setting:
    match what:
        case Definition():
            place = what.folder
        case Pipeline():
            place = Path(what.folder)
        case _:
            place = Path(what) if Path(what).exists() else Path.cwd()
    return Setting.of(Path(said.get("folder", place)))


def _loaded(setting: Setting, what: str | Path | Definition, said: Said, *, starting: bool) -> Loaded:
    overrides = _overrides(setting, said)
    if isinstance(what, Definition):
        loaded = load_document(what.document(), setting.project, os.environ, overrides, starting=starting)
        return _without_file(loaded)
    here = Path(said.get("folder", Path.cwd()))
    path = setting.project.find(str(what), here)
    return load_file(path, setting.project, os.environ, overrides, starting=starting)


def _without_file(loaded: Loaded) -> Loaded:
    return replace(loaded, pipeline=replace(loaded.pipeline, source=""))


def _as_it_is(pipeline: Pipeline, said: Said) -> Pipeline:
    if over := said.keys() - {"folder"}:
        told = f"a compiled pipeline takes no {', '.join(sorted(over))}"
        raise UsageError(told, hint="say it to `load`, or run the definition")
    return pipeline


def _overrides(setting: Setting, said: Said) -> Overrides:
    steps = said.get("steps", ())
    words = (steps,) if isinstance(steps, str) else tuple(steps)
    return Overrides(
        on=said.get("on"),
        dates=_dates(said.get("dates")),
        now=setting.clock.now(),
        sample=said.get("sample"),
        values=tuple((key, str(value)) for key, value in said.get("values", {}).items()),
        mode=said.get("mode"),
        steps=parse_steps(words) if words else (),
    )


def _dates(given: Dates | None) -> tuple[date, date] | None:
    match given:
        case None | str():
            return parse_dates(given)
        case date():
            return (given, given)
        case (first, last):
            return parse_dates(f"{first}:{last}")


def _only(text: str) -> Only:
    if text not in [only.value for only in Only]:
        raise UsageError(f"`only` is failed or missing, not {text!r}")
    return Only(text)


def _view(setting: Setting) -> View:
    from openbell.cli.lines import Lines

    return Lines(setting.vitals)
