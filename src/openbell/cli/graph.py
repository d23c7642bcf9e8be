"""`openbell graph`: the steps of a pipeline, or of a run, and what each waits for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from openbell.cli.choosing import load_for, parse_dates, parse_steps, wanted_pipeline
from openbell.cli.options import MODE, OUTPUT, PROJECT, STEPS
from openbell.cli.setting import Setting
from openbell.cli.targets import find
from openbell.config.load import Overrides
from openbell.core.model import Pipeline
from openbell.core.state import RunRecord
from openbell.errors import NotFound, OpenbellError
from openbell.report.diagram import FORMATS, nodes


@click.command()
@click.argument("target", required=False)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="ascii", help="Default: ascii.")
@click.option("--file", type=click.Path(dir_okay=False), help="Write to this file instead of stdout.")
@click.option("--date", help="The session that the pipeline is bound to.")
@MODE
@STEPS
@OUTPUT
@PROJECT
def graph(
    target: str | None,
    form: str,
    file: str | None,
    date: str | None,
    mode: str | None,
    steps: tuple[str, ...],
    output: str,
    project: str,
) -> None:
    """Draw a pipeline: its layers, the times of its steps, what they need.

    TARGET is a file, the name of a pipeline, or a run such as `nightly/3`, which is drawn with its states;
    a project with only one pipeline needs none.
    """
    words = parse_steps(steps)
    drawn = _drawn(target, Overrides(dates=parse_dates(date), mode=mode, steps=words), project)
    text = _as_json(*drawn) if output == "json" else FORMATS[form](*drawn)
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OpenbellError(f"cannot write {file}: {error.strerror}") from None
    click.echo(file)


def _as_json(pipeline: Pipeline, record: RunRecord | None) -> str:
    """The layers of steps, for programs."""
    told = [
        [
            {
                "step": node.name,
                "needs": {edge.step: edge.how or "all" for edge in node.needs},
                "lines": node.lines[1:],
                "state": node.state.name.lower() if node.state is not None else None,
            }
            for node in layer
        ]
        for layer in nodes(pipeline, record)
    ]
    data = {"pipeline": pipeline.name, "run": record.id if record else None, "layers": told}
    return json.dumps(data, ensure_ascii=False) + "\n"


def _drawn(target: str | None, overrides: Overrides, project: str) -> tuple[Pipeline, RunRecord | None]:
    """A file as it is now, or a run as it was compiled."""
    setting = Setting.of(Path(target) if target and Path(target).exists() else Path(project))
    if target is None:
        target, _ = wanted_pipeline(setting, None, None, ())
    try:
        overrides = replace(overrides, now=setting.clock.now())
        return load_for(setting, target, overrides, starting=False).pipeline, None
    except NotFound as error:
        if Path(target).suffix:
            raise
        try:
            record = find(setting.past(), target).record
        except NotFound:
            raise error from None
        return record.run.pipeline, record
