"""`db`: check the store, bring it up to date, let go of the past, write it out for other tools."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from openbell.cli.carry import carry_out
from openbell.cli.lines import Lines
from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting, actor
from openbell.cli.words import moment, size
from openbell.core.retention import Aged, Part, Retention
from openbell.core.words import plural
from openbell.engine.leader import holder
from openbell.errors import AlreadyRunning, ExitCode, NotFound, UsageError
from openbell.report.health import database_of

_DAMAGED = 1
_MOST = 20  # lines


@click.group()
def db() -> None:
    """The store: check it, bring it up to date, prune it, export it."""


@db.command("check")
@PROJECT
@OUTPUT
def check(project: str, output: str) -> int:
    """Look through all of the store: pages, references, and each run's rows against its journal.

    Exit code 1 when something is wrong. Nothing is changed; an engine may lead meanwhile, and what happens
    while this reads may then be told as a difference.
    """
    from openbell.report.ledger import differences
    from openbell.store.upkeep import damage

    setting = Setting.of_the_past(Path(project))
    found = list(damage(_database(setting)))
    store = setting.past() if not found else None
    runs = len(store.ages()) if store is not None else 0
    found += differences(store) if store is not None else ()
    if output == "json":
        click.echo(json.dumps({"sound": not found, "runs": runs, "findings": found}, ensure_ascii=False))
    for line in found if output == "text" else ():
        click.echo(line)
    if not found and output == "text":
        click.echo(f"the store is sound: {plural(runs, 'run')}, each as its journal tells it")
    return _DAMAGED if found else ExitCode.OK


@db.command("upgrade")
@PROJECT
@OUTPUT
def upgrade(project: str, output: str) -> int:
    """Bring the tables of an older openbell up to date. Every command does so when it first needs them."""
    from openbell.store.database import REVISION
    from openbell.store.upkeep import revision

    setting = Setting.of_the_past(Path(project))
    before = revision(_database(setting))
    if before != REVISION and (leader := holder(setting.workspace.lock)) is not None:
        raise AlreadyRunning(
            f"an engine leads, of the older openbell: {leader}", hint="openbell stop, then again"
        )
    setting.past().close()
    if output == "json":
        click.echo(json.dumps({"from": before, "to": REVISION}))
    elif before == REVISION:
        click.echo(f"nothing to do: schema {REVISION}")
    else:
        click.echo(f"schema {before or 'unknown'} is now {REVISION}")
    return ExitCode.OK


# ── pruning ──────────────────────────────────────────────────────────────────────────────────────


@db.command("prune")
@click.option("--runs", metavar="AGE", help="Runs that ended longer ago go, such as 90d.")
@click.option(
    "--keep",
    type=click.IntRange(1),
    help="So many newest runs of each pipeline stay (default 10); alone, all others go.",
)
@click.option("--logs", metavar="AGE", help="Logs of runs that ended longer ago go.")
@click.option("--events", metavar="AGE", help="Event files of runs that ended longer ago go.")
@click.option("--reason", default="", help="Why; it is recorded.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--compact", is_flag=True, help="Give the space back to the file system; no engine may lead.")
@PROJECT
@OUTPUT
def prune(
    runs: str | None,
    keep: int | None,
    logs: str | None,
    events: str | None,
    reason: str,
    dry_run: bool,
    compact: bool,
    project: str,
    output: str,
) -> int:
    """Let go of the past: by `retention` of openbell.yaml, or as these options say instead.

    What is under way stays, and so do the newest runs of each pipeline, the last success of steps and data
    sets, and which files have been consumed. Who let go of what, and why, stays in the journal.
    """
    setting = Setting.of(Path(project))
    _database(setting)
    policy = _policy(setting.project.retention, runs, keep, logs, events)
    if policy.unlimited and not compact:
        raise UsageError(
            "nothing says what is to go",
            hint="`retention: {runs: 90d, logs: 30d}` in openbell.yaml, or --runs 90d",
        )
    store = setting.past()
    found = _pruner(setting).candidates(policy, setting.clock.now())
    if output == "json":
        click.echo(json.dumps(_as_json(found, dry_run=dry_run), ensure_ascii=False))
    else:
        _show(found, dry_run=dry_run)
    if not dry_run:
        _carry_out(setting, policy, reason)
        if compact:
            _compact(setting, output)
    store.close()
    return ExitCode.OK


def _policy(
    known: Retention, runs: str | None, keep: int | None, logs: str | None, events: str | None
) -> Retention:
    """What the options say; without any, what the project says."""
    said = Retention(_age("--runs", runs), keep, _age("--logs", logs), _age("--events", events))
    if said.unlimited:
        return known if keep is None else replace(said, runs=timedelta(0))
    return replace(said, keep=known.keep) if keep is None else said


def _age(option: str, text: str | None) -> timedelta | None:
    from pydantic import TypeAdapter, ValidationError

    from openbell.config.kinds import PositiveDuration

    try:
        return TypeAdapter(PositiveDuration).validate_python(text) if text is not None else None
    except ValidationError:
        raise UsageError(f"{option} takes an age such as 90d or 36h, not {text!r}") from None


def _pruner(setting: Setting) -> Any:
    import os

    from openbell.config.catalog import catalog
    from openbell.core.following import awaited
    from openbell.engine.pruner import Pruner

    definitions = catalog(setting.project, os.environ, starting=False).definitions
    followed = awaited({name: one.schedule for name, one in definitions.items()})
    return Pruner(setting.past(), setting.workspace, followed)


def _carry_out(setting: Setting, policy: Retention, reason: str) -> None:
    """Ask the engine that leads, or lead, portion by portion."""
    pruner = _pruner(setting)
    pruner.remove_orphans()
    store = setting.past()
    for request in list(pruner.requests(policy, setting.clock.now(), actor(), reason)):
        ending = carry_out(setting, store, request, Lines(setting.vitals), patient=False)
        if ending.answer is not None and not ending.answer.accepted:
            click.echo(f"{', '.join(request.parts)}: {ending.answer.message}", err=True)


def _compact(setting: Setting, output: str) -> None:
    from openbell.store.upkeep import compact

    if (leader := holder(setting.workspace.lock)) is not None:
        raise AlreadyRunning(
            f"the store cannot be compacted while an engine leads: {leader}", hint="openbell stop"
        )
    freed = compact(_database(setting))
    if output == "text":
        click.echo(f"compacted: {size(max(0, freed))} given back")


def _show(found: dict[Part, list[Aged]], *, dry_run: bool) -> None:
    if not found:
        click.echo("there is nothing to let go of")
    for part, aged in found.items():
        what = {"runs": plural(len(aged), "run"), "logs": f"logs of {plural(len(aged), 'run')}"}
        told = what.get(part, f"event files of {plural(len(aged), 'run')}")
        click.echo(f"{told}{' would go' if dry_run else ''}, from {_when(aged[0])} to {_when(aged[-1])}")
        for name, count in Counter(run.name for run in aged).most_common(_MOST):
            click.echo(f"  {name}: {count:,}")


def _when(run: Aged) -> str:
    return f"{run.id} ({moment(run.closed_at)})"


def _as_json(found: dict[Part, list[Aged]], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        **{part: [run.id for run in found.get(part, [])] for part in ("runs", "logs", "events")},
    }


# ── export ───────────────────────────────────────────────────────────────────────────────────────


@db.command("export")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--format", "form", type=click.Choice(["jsonl", "parquet"]), default="jsonl", show_default=True)
@PROJECT
@OUTPUT
def export(folder: str, form: str, project: str, output: str) -> int:
    """Write every table to FOLDER: a line of JSON for each row, or Parquet (extra `data`)."""
    from openbell.report.exporting import export as write

    setting = Setting.of_the_past(Path(project))
    counts = write(_database(setting), Path(folder), form)
    if output == "json":
        click.echo(json.dumps({"folder": folder, "format": form, "rows": counts}, ensure_ascii=False))
        return ExitCode.OK
    for table, count in counts.items():
        click.echo(f"{count:>10,}  {Path(folder) / table}.{form}")
    return ExitCode.OK


def _database(setting: Setting) -> Path:
    found = database_of(setting.project, setting.workspace)
    if found is None:
        raise UsageError(
            f"{setting.project.store} is no SQLite database", hint="its own tools check and export it"
        )
    if not found.exists():
        raise NotFound(
            f"nothing has run in {setting.project.folder} yet", hint="`-C FOLDER` names another project"
        )
    return found
