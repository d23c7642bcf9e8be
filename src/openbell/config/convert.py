"""`orchestration.yaml` into an openbell project: the same work, and every decision that this took.

Its pipelines become the steps of one pipeline, since they depend on each other; its schedules become
triggers of modes; what it kept in scripts (the modes and their arguments) is taken from there.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from openbell.config.dialects.orchestration import ModeEntry, OrchestrationShape
from openbell.config.dialects.shared import slug
from openbell.config.document import Document, read
from openbell.config.document import Path as Place
from openbell.config.emit import flow, to_yaml
from openbell.config.findings import Finding, Severity, in_order, nearest, reject
from openbell.config.known import without_unknown
from openbell.config.project import FILE, FOLDER
from openbell.config.project_shapes import ProjectShape
from openbell.config.reading import fit
from openbell.config.recovery import channels, duration, freshness, recovery, retry_of, rules, shares
from openbell.config.shapes import PipelineShape
from openbell.core.graph import Cycle, topological
from openbell.core.model import Command, Need, Step

LATER = (
    "alerts", "cache", "checkpoint", "continue", "escalate", "fallback", "notify", "on_failure", "partial",
    "provides", "requires",
)  # fmt: skip
"""Keys that are written as soon as this version knows them; before that they stand in a comment."""

_ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "daily": {"data_pipeline": "--mode daily"},
    "weekly": {
        "data_pipeline": "--mode daily",
        "scenarios_pipeline": "--type all",
        "metrics_pipeline": "--scenario all",
        "assessment_pipeline": "--strategies all",
    },
    "full": {
        "data_pipeline": "--mode backfill --days 30",
        "scenarios_pipeline": "--type all",
        "metrics_pipeline": "--scenario all --force",
        "assessment_pipeline": "--strategies all",
    },
    "backfill": {"data_pipeline": "--mode backfill --start-date 2020-01-01 --end-date $(date +%F)"},
}
"""What orchestrator.sh gives each pipeline in each mode."""

_CALL_MAIN = (
    "import importlib, json, os; "
    'importlib.import_module("MODULE").main(json.loads(os.environ["PIPELINE_CONFIG"]))'
)


@dataclass(frozen=True, slots=True)
class Converted:
    """The project. `texts`: the content of its files, by path; `decisions`: what had to be decided."""

    name: str
    texts: Mapping[str, str]
    decisions: tuple[str, ...]
    warnings: tuple[Finding, ...]
    document: Document


def convert(path: Path, tz: str, name: str | None = None) -> Converted:
    """The project that a file comes to. `tz`: the zone of its schedules, which have none.

    Raises `ConfigError` with every finding. Keys that are not known are warnings, and left out.
    """
    document = read(path)
    fitting = fit(document, OrchestrationShape)
    if fitting is not None:
        _check(document, fitting.shape)
    findings = [_left_out(finding) for finding in in_order(document.findings)]
    if fitting is None or any(finding.fatal for finding in findings):
        raise reject(path, findings)
    called = slug(name or fitting.shape.name or _stem(path))
    return _Conversion(document, fitting.shape, called, tz).result(findings)


def _left_out(finding: Finding) -> Finding:
    if finding.code != "OB101":
        return finding
    help_ = f"it is left out; {finding.help}" if finding.help else "it is left out"
    return Finding(finding.code, finding.message, finding.span, help_, Severity.WARNING, finding.path)


def _stem(path: Path) -> str:
    return path.stem if path.stem != "orchestration" else path.resolve().parent.name or path.stem


def _check(document: Document, shape: OrchestrationShape) -> None:
    """Names that lead nowhere or in a circle."""
    fault = partial(_fault, document)
    if not shape.names:
        told = "no section defines a pipeline: neither `pipelines` nor `pipeline_dependencies`"
        fault("OB102", told, ())
    for place, name in _named(shape):
        if name not in shape.names:
            near = nearest(name, shape.names)
            help_ = f"did you mean `{near}`?" if near else f"pipelines: {', '.join(shape.names)}"
            fault("OB116", f"`{place[1]}` names `{name}`, which is no pipeline", place, help_)
    try:
        _order(shape)
    except Cycle as error:
        fault("OB117", f"these pipelines wait for each other: {error}", ("pipeline_dependencies",))


def _named(shape: OrchestrationShape) -> Iterator[tuple[Place, str]]:
    """Every pipeline that another one, or a mode, names, and where."""
    for one, entry in shape.pipelines.items():
        yield from (
            (("pipelines", one, "dependencies", n), name) for n, name in enumerate(entry.dependencies)
        )
    for one, needs in shape.pipeline_dependencies.items():
        place = ("pipeline_dependencies", one, "depends_on")
        yield from (((*place, n), name) for n, name in enumerate(needs.depends_on))
    for mode, found in shape.modes.items():
        inside = ("pipelines",) if isinstance(found, ModeEntry) else ()
        yield from ((("modes", mode, *inside, n), name) for n, name in enumerate(_members(found)))


def _fault(document: Document, code: str, message: str, place: Place, help_: str = "") -> None:
    document.findings.append(Finding(code, message, document.span(place), help_, path=place))


def _members(entry: ModeEntry | list[str]) -> list[str]:
    return entry.pipelines if isinstance(entry, ModeEntry) else entry


def _needs(shape: OrchestrationShape, name: str) -> list[str]:
    one, other = shape.pipelines.get(name), shape.pipeline_dependencies.get(name)
    found = [*(one.dependencies if one else ()), *(other.depends_on if other else ())]
    return list(dict.fromkeys(found))


def _order(shape: OrchestrationShape) -> list[str]:
    """The pipelines, every one after those it depends on. Raises `Cycle`."""
    known = set(shape.names)
    needs = {name: tuple(Need(one) for one in _needs(shape, name) if one in known) for name in shape.names}
    return topological([Step(name, Command(("x",)), needs=found) for name, found in needs.items()])


@dataclass(slots=True)
class _Conversion:
    document: Document
    shape: OrchestrationShape
    name: str
    tz: str
    decisions: list[str] = field(default_factory=list)
    comments: dict[str, dict[Place, list[str]]] = field(default_factory=dict)

    def result(self, findings: list[Finding]) -> Converted:
        pipeline, project = self._pipeline(), self._project()
        file = f"{FOLDER}/{self.name}.yaml"
        texts = {
            FILE: self._text(FILE, project, ProjectShape, ()),
            file: self._text(file, pipeline, PipelineShape, self._blocks()),
        }
        return Converted(self.name, texts, tuple(self.decisions), tuple(findings), self.document)

    def tell(self, text: str, place: Place, file: str = "") -> None:
        """Keep a decision: for the reader of the file, and for whoever converts."""
        of_file = self.comments.setdefault(file or f"{FOLDER}/{self.name}.yaml", {})
        of_file.setdefault(place, []).append(text)
        step = f"{place[1]}: " if place[:1] == ("steps",) and len(place) > 1 else ""
        self.decisions.append(f"{step}{text}")

    def _text(self, file: str, tree: dict[str, Any], shape: Any, blocks: list[Place] | tuple[()]) -> str:
        kept, removed = without_unknown(tree, shape, LATER)
        for place, value in removed:
            above = place[:2] if place[:1] == ("steps",) else ()
            what = flow({str(place[-1]): value})[1:-1]
            inside = f" in `{place[-2]}`" if len(place) > 3 else ""
            self.tell(f"this version of openbell has no `{place[-1]}`{inside} yet: {what}", above, file)
        comments = self.comments.get(file, {})
        top = [f"Converted from {self.document.path.name} by `openbell convert`."]
        for place in [place for place in comments if not place or place[0] not in kept]:
            top += comments.pop(place)
        first = next(iter(kept), None)
        if first is None:
            return "".join(f"# {line}\n" for line in top) + "{}\n"
        comments[first,] = [*top, *comments.get((first,), [])]
        return to_yaml(kept, comments, blocks)

    def _blocks(self) -> list[Place]:
        return [("steps",), ("modes",), ("triggers",), *(("steps", name) for name in self.shape.names)]

    # ── the pipeline ─────────────────────────────────────────────────────────────────────────

    def _pipeline(self) -> dict[str, Any]:
        self.tell("Every pipeline of the old file is a step here: they depend on each other.", ("steps",))
        modes = self._modes()
        tree: dict[str, Any] = {"name": self.name, "tz": self.tz}
        if triggers := list(self._triggers(modes)):
            self.tell(f"the schedules had no time zone: they are read in {self.tz}", ("tz",))
            tree["triggers"] = triggers
        self.tell(f"`max_workers`: so many at once ({self.shape.max_workers})", ("concurrency",))
        tree |= {"concurrency": self.shape.max_workers, "modes": modes}
        arguments = {key: "" for mode in modes.values() if isinstance(mode, dict) for key in mode["params"]}
        if arguments:
            self.tell("arguments of the programs: each mode has its own", ("params",))
            tree["params"] = arguments
        strategy = self.shape.retry_strategy
        self.tell(f"`max_retries: {strategy.max_retries}` counts tries, not retries", ("defaults",))
        tree["defaults"] = {"retry": retry_of(strategy)}
        tree |= rules(self.shape, lambda text: self.tell(text, ()))
        tree["steps"] = {name: self._step(name, arguments) for name in _order(self.shape)}
        return tree

    def _modes(self) -> dict[str, Any]:
        given: dict[str, tuple[list[str], Mapping[str, str]]]
        if self.shape.modes:
            given = {
                mode: (_members(entry), entry.args if isinstance(entry, ModeEntry) else {})
                for mode, entry in self.shape.modes.items()
            }
        else:
            self.tell("the modes, and the arguments in them, are those of orchestrator.sh", ("modes",))
            given = {mode: (members, _ARGUMENTS[mode]) for mode, members in self._scripted()}
        return {mode: self._mode(*found) for mode, found in given.items()}

    def _scripted(self) -> Iterator[tuple[str, list[str]]]:
        names = _order(self.shape)
        roots = [name for name in names if not _needs(self.shape, name)]
        often = {name: self._frequency(name) for name in names}
        daily = [name for name in names if often[name] == "daily"] or roots
        yield "daily", daily
        yield "weekly", [name for name in names if often[name] in ("daily", "weekly", None)]
        yield "full", names
        yield "backfill", roots

    def _frequency(self, name: str) -> str | None:
        entry = self.shape.pipeline_dependencies.get(name)
        return entry.frequency if entry else None

    def _mode(self, members: list[str], arguments: Mapping[str, str]) -> Any:
        steps: Any = "all" if set(members) == set(self.shape.names) else members
        params = {f"{name}_args": arguments[name] for name in members if name in arguments}
        return {"steps": steps, "params": params} if params else steps

    def _triggers(self, modes: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        """One for each frequency, at its earliest time: what comes later waits for what it needs."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.shape.pipeline_dependencies.items():
            if entry.schedule is None:
                continue
            mode = entry.frequency if entry.frequency in modes else None
            if mode is None:
                mode = "full"
                told = f"the frequency `{entry.frequency}` of {name} is no mode: its schedule opens `full`"
                self.tell(told, ("triggers",))
            found.setdefault(mode, []).append((entry.schedule, name))
        for mode, schedules in found.items():
            yield from self._fires(mode, schedules)

    def _fires(self, mode: str, schedules: list[tuple[str, str]]) -> Iterator[dict[str, str]]:
        first = min(schedules, key=lambda one: _time_of_day(one[0]))
        days = {cron.split()[2:] == first[0].split()[2:] for cron, _ in schedules}
        if len(schedules) > 1 and days == {True}:
            others = ", ".join(f"{name} at {cron}" for cron, name in schedules if name != first[1])
            told = f"{mode}: one run at the earliest time; {others}: waits for what it needs instead"
            self.tell(told, ("triggers",))
            schedules = [first]
        yield from ({"cron": cron, "mode": mode} for cron in dict.fromkeys(cron for cron, _ in schedules))

    # ── its steps ────────────────────────────────────────────────────────────────────────────

    def _step(self, name: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        tell = partial(self.tell, place=("steps", name))
        keys = self._work(name, f"{name}_args" in arguments, tell)
        if needs := _needs(self.shape, name):
            keys["needs"] = needs
        keys |= freshness(self.shape, name, tell)
        keys |= recovery(self.shape, name, tell)
        keys |= self._cache(name)
        shared = shares(self.shape, name, self._sizes(), tell)
        environment = {**keys.pop("env", {}), **shared.pop("env", {})}
        return keys | shared | ({"env": environment} if environment else {})

    def _work(self, name: str, has_arguments: bool, tell: Any) -> dict[str, Any]:
        entry = self.shape.pipelines.get(name)
        module = (entry.module if entry else None) or f"src.pipelines.{name}.main"
        module = module.replace("{", "{{").replace("}", "}}")
        if entry is None or entry.module is None:
            tell(f"its module is not named: {module}, as in orchestrator.sh")
        if entry is not None and entry.config:
            tell("it has a `config`: its `main` is called with it, as the orchestrator class does")
            if has_arguments:
                tell("the arguments of the modes do not reach a `main` that is called")
            program = f"python -c {shlex.quote(_CALL_MAIN.replace('MODULE', module))}"
            return {"run": _in_root(program), "env": {"PIPELINE_CONFIG": json.dumps(entry.config)}}
        words = f" {{params.{name}_args}}" if has_arguments else ""
        return {"run": _in_root(f"python -m {shlex.quote(module)}{words}")}

    def _cache(self, name: str) -> dict[str, Any]:
        cache, entry = self.shape.cache, self.shape.pipelines.get(name)
        age = (entry.max_cache_age if entry else None) or (cache.max_age if cache and cache.enabled else None)
        return {"cache": {"key": ["params", "code"], "max_age": duration(age)}} if age else {}

    def _sizes(self) -> dict[str, Any]:
        root = self.document.root
        found = root.find(("resource_management", "memory")) if root is not None else None
        return {name: node.value for name, node in found.entries.items()} if found else {}

    # ── the project ──────────────────────────────────────────────────────────────────────────

    def _project(self) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        limits = self.shape.resource_management
        if (pool := limits.db_connections) is not None:
            size = pool.pool_size + pool.max_overflow
            told = f"`pool_size` and `max_overflow`: {size} connections in all, taken by `parallelism`"
            self.tell(told, ("resources",), FILE)
            if pool.pool_timeout is not None:
                told = f"`pool_timeout: {pool.pool_timeout:g}`: a step waits for connections without an end"
                self.tell(told, ("resources",), FILE)
            tree["resources"] = {"db": size}
        for section, named in (
            ("cpu", limits.cpu),
            ("memory", limits.memory),
            ("parallelism", limits.parallelism),
        ):
            for name in named:
                if name not in self.shape.names:
                    self.tell(f"`{section}` names {name}, which is no pipeline: left out", (), FILE)
        for name in self.shape.recovery_procedures:
            if name not in self.shape.names:
                self.tell(f"`recovery_procedures` names {name}, which is no pipeline: left out", (), FILE)
        if found := channels(self.shape, lambda text: self.tell(text, ("alerts",), FILE)):
            tree["alerts"] = found
        if self.shape.cache is not None and self.shape.cache.cache_dir:
            told = f"`cache_dir: {self.shape.cache.cache_dir}`: results are kept in the state folder instead"
            self.tell(told, (), FILE)
        return tree


def _in_root(program: str) -> list[str]:
    """The program in the folder of the project: a pipeline's tasks run beside its file, one below."""
    return ["sh", "-c", f"cd .. && exec {program}"]


def _time_of_day(cron: str) -> tuple[int, int]:
    minute, hour, *_ = cron.split()
    return (int(hour) if hour.isdigit() else 0, int(minute) if minute.isdigit() else 0)
