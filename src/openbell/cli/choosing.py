"""From what the command line says to a pipeline that can be used."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from openbell.cli.findings import show
from openbell.cli.setting import Setting
from openbell.config.load import Loaded, Overrides, load
from openbell.errors import ExecutorUnavailable, UsageError

EXECUTORS = ("process", "ray", "deephaven")


def parse_dates(text: str | None) -> tuple[date, date] | None:
    """`A:B`, or one date. Raises `UsageError`."""
    if text is None:
        return None
    first, _, last = text.partition(":")
    try:
        ends = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise UsageError(f"--dates takes A:B with dates YYYY-MM-DD, not {text!r}") from None
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


def check_executors(loaded: Loaded) -> None:
    """Raises `ExecutorUnavailable` when a step wants to run where this installation cannot."""
    for step in loaded.pipeline:
        if step.executor == "process":
            continue
        where = f"the executor `{step.executor}` is not available"
        if step.executor == "deephaven":
            where += ": it needs the extra `deephaven`, which this version of openbell does not have yet"
        raise ExecutorUnavailable(where, hint="`--on process` runs the tasks on this machine")
