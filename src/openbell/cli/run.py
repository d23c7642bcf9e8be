"""`openbell run`: hand a pipeline to the engine, show it, sum it up."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import date
from pathlib import Path

import click

from openbell.cli.findings import show
from openbell.cli.setting import Setting, origin
from openbell.config.load import Dialect, Loaded, Overrides, load
from openbell.core.requests import Only, Request, Submit
from openbell.engine.conduct import Conductor, Ending, View
from openbell.errors import ExecutorUnavailable, ExitCode, OpenbellError, UsageError
from openbell.store.protocol import Store

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


@click.command()
@click.argument("pipeline")
@click.option("--on", type=click.Choice(EXECUTORS), help="Where the tasks run.")
@click.option("--dates", help="Only these dates: A:B, or one.")
@click.option("--sample", type=click.IntRange(1), help="Only so many tasks of each step, spread evenly.")
@click.option(
    "--set", "values", multiple=True, metavar="KEY=VALUE", help="Set a key of the file, e.g. concurrency=4."
)
@click.option(
    "--only", type=click.Choice([only.value for only in Only]), help="Of a finished run, what to run again."
)
@click.option("--new", is_flag=True, help="A new run, even if one of this plan has succeeded.")
@click.option("--dry-run", is_flag=True, help="Show the plan and leave.")
@click.option("--verbose", is_flag=True, help="Every decision.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="JSON: an event a line."
)
def run(
    pipeline: str,
    on: str | None,
    dates: str | None,
    sample: int | None,
    values: tuple[str, ...],
    only: str | None,
    new: bool,
    dry_run: bool,
    verbose: bool,
    output: str,
) -> int:
    """Run a pipeline or a sweep, and follow it.

    PIPELINE is a file, or the name of one in `pipelines/`. The same command again runs only what is
    missing; when all has succeeded there is nothing to do.
    """
    overrides = Overrides(on, parse_dates(dates), sample, parse_values(values))
    place = Path(pipeline) if Path(pipeline).exists() else Path.cwd()
    setting = Setting.of(place)
    if dry_run:
        from openbell.cli.plan import show_plan

        show_plan(setting, load_for(setting, pipeline, overrides, starting=False), output)
        return ExitCode.OK
    loaded = load_for(setting, pipeline, overrides, starting=True)
    check_executors(loaded)
    request = Submit(
        pipeline=loaded.pipeline,
        digest=loaded.digest,
        origin=origin(),
        new=new,
        only=Only(only or Only.MISSING),
        exclusive=loaded.dialect is not Dialect.NATIVE,
    )
    view = choose_view(output, verbose=verbose)
    store = setting.store()
    ending = carry_out(setting, store, request, view)
    from openbell.cli.ending import show_ending

    return show_ending(store, ending, output)


def choose_view(output: str, *, verbose: bool) -> View:
    """The live view on a terminal, plain lines elsewhere, JSON when asked for."""
    from openbell.cli.lines import JsonLines, Lines

    if output == "json":
        return JsonLines()
    if sys.stderr.isatty() and not verbose and os.environ.get("TERM") != "dumb":
        from openbell.cli.live import LiveView

        return LiveView()
    return Lines(verbose=verbose)


def carry_out(
    setting: Setting, store: Store, request: Request, view: View, *, patient: bool = True
) -> Ending:
    """Carry a request to its end, leading or following."""
    conductor = Conductor(
        workspace=setting.workspace,
        store=store,
        clock=setting.clock,
        executors=setting.executors,
        view=view,
        pools=setting.pools,
        patient=patient,
    )
    ending = asyncio.run(conductor.conduct(request))
    if ending.answer is not None and not ending.answer.accepted and ending.record is None:
        raise OpenbellError(ending.answer.message)
    return ending
