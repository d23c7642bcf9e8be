"""From what the command line says to a pipeline that can be used."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import click

from openbell.cli.findings import show
from openbell.cli.setting import Setting
from openbell.config.document import read
from openbell.config.load import Loaded, Overrides, load
from openbell.config.project import pipeline_files
from openbell.core.model import Pipeline, Script
from openbell.core.selection import dropped_needs
from openbell.errors import ExecutorUnavailable, NotFound, UsageError


def place_of(wanted: str | None) -> Path:
    """Where to look for the project: beside the file that was named, else here."""
    return Path(wanted) if wanted and Path(wanted).exists() else Path.cwd()


def parse_dates(text: str | None) -> tuple[date, date] | None:
    """`A:B`, or one date. Raises `UsageError`."""
    if text is None:
        return None
    first, _, last = text.partition(":")
    try:
        ends = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        hint = "dates of the calendar, YYYY-MM-DD"
        raise UsageError(f"--dates takes A:B, or one date, not {text!r}", hint=hint) from None
    if ends[0] > ends[1]:
        raise UsageError(f"--dates {text}: the first date lies after the last")
    return ends


def parse_values(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """`path=value` of `--set`. Raises `UsageError`."""
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set takes key=value, not {text!r}", hint="for example `--set concurrency=4`")
        pairs.append((key, value))
    return tuple(pairs)


def parse_steps(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The words of `--steps a,+b --steps c+`. Raises `UsageError`."""
    words = [word.strip() for text in texts for word in text.split(",")]
    if not all(words):
        raise UsageError("--steps takes names of steps", hint="for example `--steps +book` or `--steps a,b+`")
    return tuple(words)


def wanted_pipeline(
    setting: Setting, argument: str | None, option: str | None, steps: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The pipeline that a command names, and the steps: as PIPELINE, as `--pipeline`, or not at all.

    `--pipeline` may also name a step of the project's pipelines. Without a name, it is the only one.
    """
    if argument and option:
        raise UsageError("PIPELINE and --pipeline say the same thing twice")
    wanted = argument or option
    if wanted is None:
        return _only_one(setting), steps
    try:
        setting.project.find(wanted, Path.cwd())
    except NotFound:
        found = _with_step(setting, wanted) if option else []
        if len(found) != 1 or steps:
            raise
        click.echo(f"note: `{wanted}` is a step of {found[0].stem}: the same as --steps {wanted}", err=True)
        return str(found[0]), (wanted,)
    return wanted, steps


def _only_one(setting: Setting) -> str:
    found = pipeline_files(setting.project)
    if len(found) != 1:
        named = ", ".join(path.stem for path in found)
        hint = f"pipelines here: {named}" if found else "`openbell init` writes a small working project"
        raise UsageError("which pipeline?" if found else "there is no pipeline here", hint=hint)
    return str(found[0])


def _with_step(setting: Setting, name: str) -> list[Path]:
    """The pipelines that have a step of this name."""
    roots = {path: read(path).root for path in pipeline_files(setting.project)}
    return [path for path, root in roots.items() if root is not None and root.find(("steps", name))]


def load_for(
    setting: Setting, wanted: str, overrides: Overrides, *, starting: bool, quiet: bool = False
) -> Loaded:
    """The pipeline that was asked for, with its warnings and notes shown. `quiet`: they have been."""
    path = setting.project.find(wanted, Path.cwd())
    loaded = load(path, setting.project, os.environ, overrides, starting=starting)
    if quiet:
        return loaded
    show(loaded.warnings, path, loaded.document.lines)
    for line in dropped_needs(loaded.pipeline):
        click.echo(f"note: {line}", err=True)
    return loaded


def check_executors(setting: Setting, pipeline: Pipeline, *, starting: bool = True) -> None:
    """Whether every step can run where it wants to.

    Raises `ExecutorUnavailable` when it cannot; while nothing is `starting`, that is a warning.
    """
    if any(step.executor == "process" and step.runtime != "python" for step in pipeline):
        try:
            setting.embedded.interpreter(pipeline.python)
        except ExecutorUnavailable as error:
            if starting:
                raise
            click.echo(f"warning[OB120]: {error.message}\n  = help: {error.hint}", err=True)
    for name in dict.fromkeys(step.executor for step in pipeline if step.executor != "process"):
        reason, hint = "this version does not have it", "`--on process` runs the tasks on this machine"
        if name == "deephaven":
            from openbell.executors.deephaven.interpreter import INSTALL, VARIABLE

            other = (
                f"another place: `executors: {{deephaven: {{python: ...}}}}` in openbell.yaml, or {VARIABLE}"
            )
            scriptless = next(
                (s.name for s in pipeline if s.executor == name and not isinstance(s.work, Script)), None
            )
            if scriptless is not None:
                reason = f"it runs worker scripts (`script`), and `{scriptless}` is something else"
            elif setting.client.interpreter() is not None:
                reason, hint = _unconnected(setting, pipeline, name)
            else:
                reason, hint = setting.client.problem(), f"{INSTALL}; {other}; or {hint}"
        if not reason:
            continue
        told = f"the executor `{name}` is not available: {reason}"
        if starting:
            raise ExecutorUnavailable(told, hint=hint)
        click.echo(f"warning[OB120]: {told}\n  = help: {hint}", err=True)


def _unconnected(setting: Setting, pipeline: Pipeline, executor: str) -> tuple[str, str]:
    """What is missing of a connection, and what to do; empty for nothing."""
    known = setting.enterprise | dict(pipeline.settings.get(executor, {}))
    secret = ("private_key_path",) if known.get("auth_method") == "private_key" else ("username", "password")
    missing = [name for name in ("connection_url", *secret) if not known.get(name)]
    told = f"no {', no '.join(missing)}" if missing else ""
    return (
        told,
        "`executors: {deephaven: {...}}` in openbell.yaml, or DH_CONNECTION_URL, DH_USERNAME, DH_PASSWORD",
    )
