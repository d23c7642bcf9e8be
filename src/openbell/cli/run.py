"""`openbell run`: hand a pipeline to the engine, show it, sum it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import click

from openbell.cli.choosing import (
    check_executors,
    load_for,
    parse_dates,
    parse_steps,
    parse_values,
    place_of,
    wanted_pipeline,
)
from openbell.cli.options import LINES, MODE, STEPS
from openbell.cli.setting import Setting, actor, origin
from openbell.config.load import Dialect, Overrides
from openbell.config.provenance import Inquiry, provenance
from openbell.core.model import EXECUTORS, Forced
from openbell.core.requests import Only, Submit
from openbell.errors import UsageError


@click.command()
@click.argument("pipeline", required=False)
@click.option("--pipeline", "named", metavar="NAME", help="The same as PIPELINE; may also name one step.")
@MODE
@STEPS
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
@click.option("--no-cache", is_flag=True, help="Run everything, and keep the new results.")
@click.option("--force", is_flag=True, help="Wait for room only: needs, times and windows do not count.")
@click.option("--reason", help="Why it is forced; kept with the run.")
@click.option("--dry-run", is_flag=True, help="Show the plan and leave.")
@click.option("--verbose", is_flag=True, help="Every decision.")
@LINES
def run(
    pipeline: str | None,
    named: str | None,
    mode: str | None,
    steps: tuple[str, ...],
    on: str | None,
    dates: str | None,
    sample: int | None,
    values: tuple[str, ...],
    only: str | None,
    new: bool,
    no_cache: bool,
    force: bool,
    reason: str | None,
    dry_run: bool,
    verbose: bool,
    output: str,
) -> int:
    """Run a pipeline or a sweep, and follow it.

    PIPELINE is a file, or the name of one in `pipelines/`; with `--mode`, a project that has only one
    needs no name. The same command again runs only what is missing; when all has succeeded there is
    nothing to do.
    """
    if new and only:
        raise UsageError("--new and --only exclude each other", hint="--only is about a run that is there")
    if reason and not force:
        raise UsageError("--reason goes with --force")
    if not (pipeline or named or mode):
        raise click.MissingParameter(param_hint="'PIPELINE'", param_type="argument")
    setting = Setting.of(place_of(pipeline or named))
    pipeline, chosen = wanted_pipeline(setting, pipeline, named, parse_steps(steps))
    overrides = Overrides(
        on, parse_dates(dates), setting.clock.now(), sample, parse_values(values), mode, chosen
    )
    overrides = replace(overrides, no_cache=no_cache)
    if dry_run:
        from openbell.cli.plan import plan_for

        return plan_for(setting, pipeline, overrides, output)
    forced = Forced(actor(), reason or "") if force else None
    ask = partial(Submit, origin=origin(), new=new, only=Only(only or Only.MISSING), forced=forced)
    return _run(setting, pipeline, overrides, ask, output, verbose=verbose)


def _run(
    setting: Setting,
    wanted: str,
    overrides: Overrides,
    ask: Callable[..., Submit],
    output: str,
    *,
    verbose: bool,
) -> int:
    """Load the pipeline, ask for it, follow it, and tell its end."""
    inquiry = Inquiry(setting.project.folder)
    loaded = load_for(setting, wanted, overrides, starting=True)
    check_executors(setting, loaded.pipeline)
    exclusive = loaded.dialect is not Dialect.NATIVE
    known = provenance(loaded.pipeline, inquiry, overrides.told())
    request = ask(pipeline=loaded.pipeline, digest=loaded.digest, exclusive=exclusive, provenance=known)
    from openbell.cli.carry import accepted, carry_out, choose_view
    from openbell.cli.ending import show_ending

    store = setting.store()
    ending = carry_out(setting, store, request, choose_view(setting, store, output, verbose=verbose))
    return show_ending(store, accepted(ending), output)
