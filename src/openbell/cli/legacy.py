"""`pq-orchestrator` and `replay-orchestrator`: the old command lines, their log lines, their exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import click

from openbell.cli.carry import accepted, carry_out
from openbell.cli.choosing import check_executors
from openbell.cli.ending import show_ending
from openbell.cli.entry import main
from openbell.cli.findings import show
from openbell.cli.lines import Lines, Wording
from openbell.cli.plan import show_plan
from openbell.cli.setting import Setting, origin
from openbell.config.load import Dialect, Overrides, load
from openbell.config.provenance import Inquiry, provenance
from openbell.core.model import EXECUTORS
from openbell.core.requests import Submit
from openbell.errors import ExitCode, NotFound, UsageError

_WORDING = Wording(
    created="Created session {n}/{total}: {task}, serial={handle}",
    succeeded="Session completed successfully: {task}",
    failed="Session failed: {task}: {error}",
    draining="Shutdown signal received: {live} sessions running, no new ones start. Again to end them",
)


def _orchestrator(name: str, dialect: Dialect, text: str) -> click.Command:
    """The command of one of the old orchestrators."""

    @click.command(name, help=text, context_settings={"help_option_names": ["-h", "--help"]})
    @click.option("--config", "config", required=True, metavar="PATH", help="The YAML configuration file.")
    @click.option("--dry-run", is_flag=True, help="Validate and show the plan; create no sessions.")
    @click.option("--verbose", is_flag=True, help="Every decision.")
    @click.option("--on", type=click.Choice(EXECUTORS), help="Where the sessions run. Default: deephaven.")
    def command(config: str, dry_run: bool, verbose: bool, on: str | None) -> int:
        return _orchestrate(Path(config), dialect, dry_run=dry_run, verbose=verbose, on=on)

    return command


def _orchestrate(path: Path, dialect: Dialect, *, dry_run: bool, verbose: bool, on: str | None) -> int:
    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    setting = Setting.of(path)
    overrides = Overrides(on=on)
    loaded = load(path, setting.project, os.environ, overrides, starting=not dry_run, assume=dialect)
    if loaded.dialect is not dialect:
        raise UsageError(f"{path} is a {loaded.dialect.value} file", hint="`openbell run` takes every kind")
    show(loaded.warnings, path, loaded.document.lines)
    if dry_run:
        check_executors(setting, loaded.pipeline, starting=False)
        show_plan(setting, loaded, "text")
        click.echo("\nDry run: the configuration is valid, no session was created")
        return ExitCode.OK
    check_executors(setting, loaded.pipeline)
    known = provenance(loaded.pipeline, Inquiry(setting.project.folder), overrides.told())
    request = Submit(
        pipeline=loaded.pipeline,
        digest=loaded.digest,
        origin=origin(),
        reopen=False,
        exclusive=True,
        provenance=known,
    )
    store = setting.store()
    ending = carry_out(setting, store, request, Lines(setting.vitals, _WORDING, verbose=verbose))
    return show_ending(store, accepted(ending), "text", resumes=False)


def _old_codes(code: int) -> int:
    """0 to 3 mean what they did; everything else is 4."""
    return code if 0 <= code <= ExitCode.BOTH_FAILED else ExitCode.ERROR


def pq_orchestrator() -> None:
    """Entry point."""
    text = "Run a worker script for every date and partition: replay or batch persistent queries."
    main(_orchestrator("pq-orchestrator", Dialect.PQ, text), failed=_old_codes)


def replay_orchestrator() -> None:
    """Entry point."""
    text = "Run a worker script for every date and worker: replay persistent queries."
    main(_orchestrator("replay-orchestrator", Dialect.REPLAY, text), failed=_old_codes)
