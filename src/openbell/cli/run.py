"""`openbell run`: hand a pipeline to the engine, show it, sum it up."""

from __future__ import annotations

from pathlib import Path

import click

from openbell.cli.choosing import check_executors, load_for, parse_dates, parse_values
from openbell.cli.options import LINES
from openbell.cli.setting import Setting, origin
from openbell.config.load import Dialect, Overrides
from openbell.core.model import EXECUTORS
from openbell.core.requests import Only, Submit
from openbell.errors import ExitCode, UsageError


@click.command()
@click.argument("pipeline")
@click.option("--on", type=click.Choice(EXECUTORS), help="Where the tasks run.")
@click.option("--dates", "--date", help="Only these dates: A:B, or one.")
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
@LINES
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
    if new and only:
        raise UsageError("--new and --only exclude each other", hint="--only is about a run that is there")
    place = Path(pipeline) if Path(pipeline).exists() else Path.cwd()
    setting = Setting.of(place)
    overrides = Overrides(on, parse_dates(dates), setting.clock.now(), sample, parse_values(values))
    if dry_run:
        from openbell.cli.plan import show_plan

        loaded = load_for(setting, pipeline, overrides, starting=False)
        check_executors(loaded, starting=False)
        show_plan(setting, loaded, output)
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
    from openbell.cli.carry import accepted, carry_out, choose_view
    from openbell.cli.ending import show_ending

    store = setting.store()
    ending = carry_out(setting, store, request, choose_view(setting, store, output, verbose=verbose))
    return show_ending(store, accepted(ending), output)
