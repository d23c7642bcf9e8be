"""`openbell report`: one offline HTML file about a run."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import click

from openbell.cli.findings import shown
from openbell.cli.options import PROJECT
from openbell.cli.setting import Setting
from openbell.cli.targets import find


@click.command()
@click.argument("target")
@click.option("--output", type=click.Path(dir_okay=False), help="Where to. Default: <run>.html, here.")
@click.option("--open", "opened", is_flag=True, help="Show it in the browser.")
@click.option(
    "-o", "form", type=click.Choice(["text", "json"]), default="text", help="How to say where it is."
)
@click.option(
    "--heat",
    multiple=True,
    metavar="A,B[=RESULT]",
    help="Draw a result over these two axes, e.g. decay,width=pnl. Default: the first two of parameters.",
)
@PROJECT
def report(
    target: str, output: str | None, opened: bool, form: str, heat: tuple[str, ...], project: str
) -> None:
    """Write one HTML file about a run: outcomes, performance, failures, durations, configuration.

    It needs no network and no server. TARGET is a run; without a number, the newest of the name. Results that
    name an SVG or PNG file are drawn in it.
    """
    from openbell.core.events import Mark
    from openbell.report.build import build
    from openbell.report.heat import Wanted

    wanted = [Wanted.parsed(text) for text in heat]
    store = Setting.of_the_past(Path(project)).past()
    record = find(store, target).record
    info = store.info(record.id)
    assert info is not None
    attempts = list(store.attempts(record.id, last_only=True))
    path = Path(output or f"{record.id.replace('/', '-')}.html")
    marked = store.journal(run_id=record.id, limit=10**6, kinds=("Mark",))
    marks = [event for _, event in marked if isinstance(event, Mark)]
    page = build(info, record, attempts, _source(record.run.pipeline.source), wanted, marks)
    path.write_text(page, encoding="utf-8")
    told = {"run": record.id, "file": str(path.resolve()), "bytes": path.stat().st_size}
    click.echo(json.dumps(told, ensure_ascii=False) if form == "json" else shown(path))
    if opened:
        webbrowser.open(path.resolve().as_uri())


def _source(file: str) -> str:
    """The file as it is now; empty when it is gone."""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
