"""A definition in the making: checks that need more than the shape, each with its place in the file."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from openbell.config.document import Document
from openbell.config.document import Path as Place
from openbell.config.findings import Finding, Severity, nearest
from openbell.core.graph import Cycle, topological
from openbell.core.matrix import Axis
from openbell.core.model import Command, Pipeline, Step
from openbell.core.render import AUTOMATIC, fields
from openbell.errors import OutOfBounds, UnknownMarket
from openbell.market import Closure, Market, market

LONGEST_RANGE = 50 * 366  # days between the ends of a range of dates; more is a typo


@dataclass(slots=True)
class Draft:
    """Collects findings while a file becomes a pipeline."""

    document: Document
    left_out: dict[date, Closure] = field(default_factory=dict)
    """Dates of the ranges that are no values, with the reason."""
    stand_ins: frozenset[Place] = frozenset()
    """Paths whose values are not those of the file: what is wrong there has been said."""

    @property
    def folder(self) -> Path:
        return self.document.path.resolve().parent

    def fault(
        self,
        code: str,
        message: str,
        path: Place,
        help_: str = "",
        *,
        key: bool = False,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Add a finding at this path of the document."""
        if any(path[: len(one)] == one for one in self.stand_ins):
            return
        span = self.document.span(path, key=key)
        self.document.findings.append(Finding(code, message, span, help_, severity, path))

    def doubtful(self, *places: Place) -> bool:
        """Whether a stand-in is at or below one of these places: what it leads to is no news."""
        return any(one[: len(place)] == place for one in self.stand_ins for place in places)

    # ── files ────────────────────────────────────────────────────────────────────────────────

    def file(self, text: str, path: Place, what: str) -> Path | None:
        """A file that must be there and readable, relative to the folder of the document."""
        target = self.folder / Path(text).expanduser()
        problem = ""
        if not target.exists():
            problem = "does not exist"
        elif not target.is_file():
            problem = "is not a file"
        elif not os.access(target, os.R_OK):
            problem = "cannot be read"
        if not problem:
            return Path(os.path.normpath(target))
        near = nearest(target.name, [entry.name for entry in _siblings(target)])
        help_ = f"did you mean `{near}`?" if near else f"looked for {target}"
        self.fault("OB112", f"{what} {text} {problem}", path, help_)
        return None

    def folder_at(self, text: str, path: Place, what: str) -> Path | None:
        """A folder that must be there and readable."""
        target = self.folder / Path(text).expanduser()
        if not target.is_dir():
            problem = "is not a folder" if target.exists() else "does not exist"
            self.fault("OB112", f"{what} {text} {problem}", path, f"looked for {target}")
            return None
        if not os.access(target, os.R_OK | os.X_OK):
            self.fault("OB112", f"{what} {text} cannot be read", path, f"check the permissions of {target}")
            return None
        return Path(os.path.normpath(target))

    def python_script(self, script: Path, path: Place, *, here: bool) -> None:
        """A Python worker: its syntax, and with `here` whether this machine has what it imports."""
        try:
            tree = ast.parse(script.read_bytes(), str(script))
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            said = error.msg if isinstance(error, SyntaxError) else error
            self.fault("OB124", f"the worker script {script.name} does not parse{line}: {said}", path)
            return
        imported = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if here and any(name.split(".")[0].startswith("deephaven") for name in imported):
            self.fault(
                "OB124",
                f"the worker script {script.name} imports deephaven, which needs a Deephaven runtime",
                path,
                "this version of openbell runs plain Python workers only with `--on process`",
            )

    # ── dates ────────────────────────────────────────────────────────────────────────────────

    def market(self, name: str, path: Place) -> Market | None:
        try:
            return market(name)
        except UnknownMarket as error:
            self.fault("OB113", error.message, path, error.hint)
            return None

    def ordered(self, start: date, end: date, places: tuple[Place, Place]) -> bool:
        """Whether the range is one: its start not after its end, and of a sane length."""
        if self.doubtful(*places):
            return False
        if start > end:
            self.fault("OB115", f"the start {start} lies after the end {end}", places[0])
            return False
        if (end - start).days > LONGEST_RANGE:
            self.fault("OB104", f"{start} to {end} is longer than fifty years", places[1])
            return False
        return True

    def sessions(self, calendar: Market, start: date, end: date, places: tuple[Place, Place]) -> list[str]:
        """The sessions of the range as ISO text; the other dates are remembered with their reasons."""
        try:
            found = calendar.dates(start, end)
        except OutOfBounds as error:
            outside = places[0] if start < calendar.valid_from else places[1]
            self.fault("OB123", error.message, outside, error.hint)
            return []
        self.left_out |= {closure.date: closure for closure in calendar.closures(start, end)}
        if not found:
            told = f"{calendar.name} has no session from {start} to {end}"
            reasons = ", ".join(f"{closure.date}: {closure}" for closure in calendar.closures(start, end)[:4])
            self.fault("OB114", told, places[0], reasons)
        return [day.isoformat() for day in found]

    def days(self, start: date, end: date, *, weekdays: bool, place: Place) -> list[str]:
        """Calendar days of the range as ISO text."""
        every = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        found = [day for day in every if not weekdays or day.weekday() < 5]
        self.left_out |= {day: Closure(day, "weekend") for day in every if day not in set(found)}
        if not found:
            self.fault("OB114", f"there is no weekday from {start} to {end}", place)
        return [day.isoformat() for day in found]

    # ── names ────────────────────────────────────────────────────────────────────────────────

    def environment(self, names: Iterable[str], path: Place) -> None:
        """Variables that a file may not set, or that no system takes."""
        for name in names:
            if name in AUTOMATIC or name.startswith("OPENBELL_"):
                self.fault("OB122", f"`{name}` is set by openbell itself", (*path, name), key=True)
            elif "=" in name or "\0" in name:
                self.fault("OB118", f"`{name}` cannot be the name of a variable", (*path, name), key=True)

    def templates(self, step: Step, params: Mapping[str, object], path: Place) -> None:
        """Fields of the command that no task of the step has."""
        if not isinstance(step.work, Command):
            return
        known = {"run", "key", "name", "step", "cell", "partition", *(f"params.{name}" for name in params)}
        known |= {axis.name for axis in step.matrix.axes} | {a.kind for a in step.matrix.axes if a.kind}
        for word in step.work.argv:
            try:
                asked = list(fields(word))
            except ValueError as error:
                self.fault("OB121", str(error), path, "write `{{` and `}}` for braces")
                continue
            for name in asked:
                if name not in known:
                    near = nearest(name, known)
                    help_ = (
                        f"did you mean `{{{near}}}`?" if near else f"known here: {', '.join(sorted(known))}"
                    )
                    self.fault("OB121", f"`{{{name}}}` is not known in this step", path, help_)

    def graph(self, steps: Iterable[Step]) -> None:
        """Needs that lead nowhere or in a circle."""
        steps = list(steps)
        written = self.document.root.find(("steps",)) if self.document.root else None
        names = {step.name for step in steps} | set(written.value if written else ())
        sound = True
        for step in steps:
            for need in step.needs:
                if need.step not in names:
                    sound = False
                    near = nearest(need.step, names - {step.name})
                    help_ = f"did you mean `{near}`?" if near else f"steps: {', '.join(sorted(names))}"
                    place = ("steps", step.name, "needs")
                    self.fault("OB116", f"`{step.name}` needs `{need.step}`, which is no step", place, help_)
        if not sound or names > {step.name for step in steps}:
            return
        try:
            topological(steps)
        except Cycle as error:
            self.fault(
                "OB117", f"these steps wait for each other: {error}", ("steps", error.path[0], "needs")
            )


def partition_axis(name: str, count: int) -> Axis:
    """0 to count-1."""
    return Axis(name, tuple(range(count)), "partition")


def _siblings(target: Path) -> list[Path]:
    try:
        return list(target.parent.iterdir())
    except OSError:
        return []


def narrowed(pipeline: Pipeline, first: date, last: date) -> Pipeline:
    """The pipeline with its date axes cut to `first`..`last`, both included."""

    def cut(axis: Axis) -> Axis:
        if axis.kind != "date":
            return axis
        kept = tuple(value for value in axis.values if first.isoformat() <= str(value) <= last.isoformat())
        return replace(axis, values=kept)

    steps = tuple(
        replace(step, matrix=replace(step.matrix, axes=tuple(map(cut, step.matrix.axes))))
        for step in pipeline
    )
    return replace(pipeline, steps=steps)
