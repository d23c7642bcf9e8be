"""`openbell convert`: the pipeline orchestrator's file as an openbell project."""

from __future__ import annotations

import os
from pathlib import Path

import click

from openbell.cli.findings import show
from openbell.config.convert import Converted
from openbell.config.convert import convert as conversion
from openbell.errors import ExitCode, OpenbellError, UsageError


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--output", type=click.Path(file_okay=False), help="Write the project to this folder.")
@click.option("--tz", help="The zone of its schedules. Default: this machine's.")
@click.option("--name", help="The name of the pipeline. Default: that in the file, or of its folder.")
def convert(file: str, output: str | None, tz: str | None, name: str | None) -> int:
    """Turn an `orchestration.yaml` into an openbell project.

    Prints openbell.yaml and pipelines/NAME.yaml, or writes them with --output. Every decision that it took
    stands as a comment in the files, and on stderr.
    """
    zone = _zone(tz)
    path = Path(file)
    converted = conversion(path, zone, name)
    show(converted.warnings, path, converted.document.lines)
    for decision in converted.decisions:
        click.echo(f"decision: {decision}", err=True)
    if output is None:
        parts = (f"# ── {where}\n{text}" for where, text in converted.texts.items())
        click.echo("---\n".join(parts), nl=False)
        return ExitCode.OK
    _write(Path(output), converted)
    return ExitCode.OK


def _zone(wanted: str | None) -> str:
    from zoneinfo import ZoneInfo

    zone = wanted or _local()
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise UsageError(
            f"there is no time zone {zone!r}", hint="for example --tz America/New_York"
        ) from None
    return zone


def _local() -> str:
    """The name of this machine's zone; UTC where that cannot be told."""
    if zone := os.environ.get("TZ", "").removeprefix(":"):
        return zone
    target = os.path.realpath("/etc/localtime")
    _, found, zone = target.partition("/zoneinfo/")
    return zone if found else "UTC"


def _write(folder: Path, converted: Converted) -> None:
    """Write the files of the project. Nothing is written over."""
    paths = {folder / where: text for where, text in converted.texts.items()}
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} is there already", hint="name a new folder, or move it away")
    for path, text in paths.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OpenbellError(f"cannot write {path}: {error.strerror}") from None
        click.echo(path)
    click.echo(f"\nNext: openbell plan {folder / 'pipelines' / converted.name}.yaml", err=True)
