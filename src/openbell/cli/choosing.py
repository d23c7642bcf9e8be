"""From what the command line says to a pipeline that can be used."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import click

from openbell.cli.findings import show
from openbell.cli.setting import Setting
from openbell.config.load import Loaded, Overrides, load
from openbell.errors import ExecutorUnavailable, UsageError


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


def load_for(setting: Setting, wanted: str, overrides: Overrides, *, starting: bool) -> Loaded:
    """The pipeline that was asked for, with its warnings shown."""
    path = setting.project.find(wanted, Path.cwd())
    loaded = load(path, setting.project, os.environ, overrides, starting=starting)
    show(loaded.warnings, path, loaded.document.lines)
    return loaded


def check_executors(loaded: Loaded, *, starting: bool = True) -> None:
    """Whether every step can run where it wants to.

    Raises `ExecutorUnavailable` when it cannot; while nothing is `starting`, that is a warning.
    """
    for name in dict.fromkeys(step.executor for step in loaded.pipeline if step.executor != "process"):
        told = f"the executor `{name}` is not available"
        if name == "deephaven":
            told += ": it needs the extra `deephaven`, which this version of openbell does not have yet"
        hint = "`--on process` runs the tasks on this machine"
        if starting:
            raise ExecutorUnavailable(told, hint=hint)
        click.echo(f"warning[OB120]: {told}\n  = help: {hint}", err=True)
