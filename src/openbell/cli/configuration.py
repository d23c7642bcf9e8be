"""`validate`, `schema`, `explain`: about files, without running anything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from openbell.cli.choosing import check_executors
from openbell.cli.findings import show, shown
from openbell.cli.options import OUTPUT
from openbell.cli.setting import Setting
from openbell.config.codes import CODES
from openbell.config.findings import Finding, nearest
from openbell.config.load import Overrides, load
from openbell.config.project import FILE
from openbell.config.schema import SUBJECTS, describe, json_schema
from openbell.core.model import EXECUTORS
from openbell.core.words import plural
from openbell.errors import ConfigError, ExitCode, NotFound


@click.command()
@click.argument("files", nargs=-1)
@click.option("--on", type=click.Choice(EXECUTORS), help="As if the tasks were to run there.")
@OUTPUT
def validate(files: tuple[str, ...], on: str | None, output: str) -> int:
    """Check pipeline files of any dialect, and the project that they belong to.

    A folder, or nothing at all, means every pipeline of its project, and what they say about each other.
    All findings at once, with line and column; exit code 65 when one of them is an error.
    """
    results: list[dict[str, Any]] = []
    for file in files or (".",):
        found = _validate_all(Path(file), on) if Path(file).is_dir() else iter([_validate(file, on)])
        for result in found:
            results.append(result)
            if output == "text" and result["valid"]:
                of = f", {plural(result['tasks'], 'task')}" if "tasks" in result else ""
                click.echo(f"{result['file']}: valid{of} ({result['dialect']})")
    if output == "json":
        click.echo(json.dumps(results, ensure_ascii=False))
    if any(result.get("findings") and not result["valid"] for result in results):
        return ExitCode.CONFIG
    return ExitCode.OK if all(result["valid"] for result in results) else ExitCode.USAGE


def _validate_all(folder: Path, on: str | None) -> Iterator[dict[str, Any]]:
    """Check every file of a project by itself, then what its pipelines say about each other."""
    from openbell.config.catalog import catalog
    from openbell.config.project import pipeline_files

    try:
        setting = Setting.of(folder)
    except ConfigError as error:
        yield _rejected(error, error.path or folder / FILE)
        return
    project = setting.project
    if (project.folder / FILE).is_file():
        yield _validate(str(project.folder / FILE), on)
    paths = pipeline_files(project)
    if not paths:
        message = f"there is no pipeline in {project.folder}"
        click.echo(f"error: {message}\n  help: `openbell init` makes a first one", err=True)
        yield {"file": shown(project.folder), "valid": False, "error": message, "findings": []}
        return
    together = catalog(project, os.environ, on=on, starting=False).broken
    for path in paths:
        alone = _validate(str(path), on)
        said = alone["valid"] and path in together
        yield _rejected(together[path], path) if said else alone


def _validate(file: str, on: str | None) -> dict[str, Any]:
    """Check one file, show its findings on stderr, and tell what came out."""
    path = Path(file)
    try:
        setting = Setting.of(path if path.exists() else Path.cwd())
        if path.name == FILE and path.is_file():
            told = setting.project.warnings
            show(told, path, _lines(path))
            found = list(map(_as_json, told))
            return {"file": shown(path), "valid": True, "dialect": "project", "findings": found}
        path = setting.project.find(file, Path.cwd())
        said = Overrides(on=on, now=setting.clock.now())
        loaded = load(path, setting.project, os.environ, said)
        for mode in loaded.modes:  # each may have parameters and times of its own
            load(path, setting.project, os.environ, replace(said, mode=mode))
        check_executors(setting, loaded.pipeline, starting=False)
    except NotFound as error:
        click.echo(f"error: {error.message}\n  help: {error.hint}", err=True)
        return {"file": file, "valid": False, "error": error.message, "findings": []}
    except ConfigError as error:
        return _rejected(error, path)
    show(loaded.warnings, path, loaded.document.lines)
    return {
        "file": shown(path),
        "valid": True,
        "dialect": loaded.dialect.value,
        "tasks": loaded.pipeline.size,
        "findings": list(map(_as_json, loaded.warnings)),
    }


def _rejected(error: ConfigError, path: Path) -> dict[str, Any]:
    """Show why a file cannot be used. `path`: what was asked about, which may be all right."""
    findings = [finding for finding in error.findings if isinstance(finding, Finding)]
    wrong = error.path or path
    show(findings, wrong, _lines(wrong))
    click.secho(f"{shown(wrong)}: {error.message.partition(': ')[2]}", fg="red", bold=True, err=True)
    return {"file": shown(path), "valid": False, "findings": list(map(_as_json, findings))}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig", errors="replace").split("\n")
    except OSError:
        return []


def _as_json(finding: Finding) -> dict[str, Any]:
    data = asdict(finding)
    place = data.pop("span")
    return {**data, "severity": finding.severity.value, "path": list(finding.path), **place}


@click.command()
@click.argument("subject", type=click.Choice([*SUBJECTS, "audit"]), default="pipeline")
@OUTPUT
def schema(subject: str, output: str) -> None:  # noqa: ARG001  # it is JSON in any case
    """Print the JSON Schema of a kind of file, or of what `runs audit` writes.

    For editors: `openbell schema > pipeline.schema.json`, and in the file
    `# yaml-language-server: $schema=pipeline.schema.json`.
    """
    from openbell.report import audit

    found = audit.schema() if subject == "audit" else json_schema(subject)
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@click.command()
@click.argument("subject")
@OUTPUT
def explain(subject: str, output: str) -> None:
    """Say what a field of the files, or a code such as OB101, means."""
    code = CODES.get(subject.upper())
    if code is not None and output == "json":
        click.echo(json.dumps({"code": subject.upper(), **code._asdict()}, ensure_ascii=False))
        return
    if code is not None:
        click.secho(f"{subject.upper()}: {code.title}", bold=True)
        click.echo(code.text)
        return
    found = describe(subject)
    if not found:
        near = nearest(subject, [*CODES, *(field.name for name in SUBJECTS for field in describe("", name))])
        hint = f"did you mean `{near}`?" if near else "for example `openbell explain steps.retry` or OB101"
        raise NotFound(f"there is no field or code {subject!r}", hint=hint)
    if output == "json":
        click.echo(json.dumps([asdict(field) for field in found], ensure_ascii=False))
        return
    for field in found:
        click.secho(field.path, bold=True, nl=False)
        click.echo(
            f"  {field.kind}  ({field.file}, {'required' if field.required else f'default {field.default}'})"
        )
        click.echo(f"  {field.text}")
