"""`openbell doctor`: is this machine fit, and is this project?"""

from __future__ import annotations

import json
import os
from itertools import groupby
from pathlib import Path

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.clock import SystemClock
from openbell.config.project import FILE, FOLDER, Project, load_project, locate
from openbell.doctor.checks import examine
from openbell.doctor.verdicts import Level, Place, Verdict
from openbell.errors import ConfigError

_COLOURS = {Level.OK: "green", Level.NOTE: "cyan", Level.WARN: "yellow", Level.FAIL: "red"}
_CODES = {Level.OK: 0, Level.NOTE: 0, Level.WARN: 1, Level.FAIL: 2}


@click.command()
@PROJECT
@OUTPUT
def doctor(project: str, output: str) -> int:
    """Check this machine, and the project when there is one; say what to do about what is found.

    Nothing is changed. Exit code 0 when all is well (what is marked `note` is not needed by anybody so
    far), 1 when there are warnings, 2 when something will not work.
    """
    place = _place(locate(Path(project)))
    found = list(examine(place))
    worst = max((verdict.level for _, verdict in found), key=list(Level).index, default=Level.OK)
    if output == "json":
        checks = [{"check": name, **_as_json(verdict)} for name, verdict in found]
        folder = str(place.folder) if place.project is not None else None
        click.echo(
            json.dumps({"level": worst.value, "project": folder, "checks": checks}, ensure_ascii=False)
        )
        return _CODES[worst]
    for name, verdicts in groupby(found, key=lambda one: one[0]):
        for number, (_, verdict) in enumerate(verdicts):
            _show(name if not number else "", verdict)
    if place.project is None:
        click.echo("\nno project here: only the machine was looked at (`-C FOLDER` names one)")
    return _CODES[worst]


def _place(folder: Path) -> Place:
    """The folder as what it is: a project, one whose file is broken, or any folder."""
    now = SystemClock().now()
    try:
        project = load_project(folder, os.environ)
    except ConfigError as error:
        return Place(now, os.environ, folder, Project(folder), error.message)
    signs = ((folder / name).exists() for name in (FILE, FOLDER, ".openbell"))
    return Place(now, os.environ, folder, project if any(signs) else None)


def _show(name: str, verdict: Verdict) -> None:
    click.secho(f"{verdict.level.value:<5}", fg=_COLOURS[verdict.level], nl=False)
    click.echo(f" {name:<13} {verdict.found}")
    if verdict.advice:
        click.echo(f"{'':<20}→ {verdict.advice}")


def _as_json(verdict: Verdict) -> dict[str, str | None]:
    return {"level": verdict.level.value, "found": verdict.found, "advice": verdict.advice or None}
