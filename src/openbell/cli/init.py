"""`openbell init`: write a small working project."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from openbell.cli.findings import shown
from openbell.cli.options import OUTPUT
from openbell.errors import NotFound, OpenbellError, UsageError

TEMPLATES = {
    "sweep-demo": ("momentum.yaml", "A momentum rule over every NYSE session of 2012, four look-backs."),
    "trading-simulation": (
        "trading_simulation_replay.yaml",
        "Mean reversion on synthetic quotes, as a replay and as a batch, and a Monte Carlo sweep.",
    ),
    "deephaven": (
        "trading_simulation_batch.yaml --on process",
        "Worker scripts of Deephaven Enterprise and their old sweep files, on the embedded engine.",
    ),
}
"""Name -> (the file to run, what it is)."""

_MAKER = "generate.py"
"""A file of a template that writes its data."""

_SCHEMAS = {"pipeline.schema.json": "pipeline", "project.schema.json": "project"}


@click.command()
@click.argument("folder", default=".")
@click.option("--template", default="sweep-demo", show_default=True, help=f"One of: {', '.join(TEMPLATES)}.")
@OUTPUT
def init(folder: str, template: str, output: str) -> None:
    """Write a small working project into FOLDER (default: here). Nothing that exists is overwritten."""
    if template not in TEMPLATES:
        raise NotFound(f"there is no template {template!r}", hint=f"templates: {', '.join(TEMPLATES)}")
    target = Path(folder)
    content = dict(_content(template))
    there = [name for name in content if (target / name).exists()]
    if there:
        raise UsageError(
            f"{shown(target)} holds {there[0]} already; nothing was written",
            hint="name another folder: openbell init FOLDER",
        )
    for name, data in content.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if output == "text":
            click.echo(f"  {shown(path)}")
    start, what = TEMPLATES[template]
    if _MAKER in content:
        _make_data(target)
    if output == "json":
        told = {"folder": str(target.resolve()), "template": template, "files": list(content), "run": start}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    where = "" if target.resolve() == Path.cwd() else f"cd {shown(target)} && "
    click.echo(f"\n{what}\nNext: {where}openbell run {start}")


def _make_data(folder: Path) -> None:
    """Run the template's own program that writes its data. Where it cannot, the way to do it is told."""
    done = subprocess.run([sys.executable, _MAKER], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        hint = f"pip install 'openbell[data]', then: cd {shown(folder)} && python {_MAKER}"
        raise OpenbellError(f"the files are there, their data is not: {last}", hint=hint)


def _content(template: str) -> list[tuple[str, bytes]]:
    """The files of a template by their relative path, with the schemas that editors read."""
    from openbell.config.schema import json_schema

    root = files("openbell").joinpath("templates", template)
    found = list(_below(root, ""))
    for name, subject in _SCHEMAS.items():
        found.append((name, json.dumps(json_schema(subject), indent=1).encode()))
    return found


def _below(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            found += _below(entry, f"{prefix}{entry.name}/")
        elif entry.is_file():
            found.append((f"{prefix}{entry.name}", entry.read_bytes()))
    return found
