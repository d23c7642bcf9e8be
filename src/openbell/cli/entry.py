"""`openbell`: the table of its verbs, and how errors leave the process."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

from openbell.errors import ConfigError, ExitCode, OpenbellError
from openbell.version import __version__

VERBS: dict[str, tuple[str, str]] = {
    "init": ("openbell.cli.init:init", "Write a small working project."),
    "validate": ("openbell.cli.configuration:validate", "Check files; every finding at once."),
    "convert": ("openbell.cli.convert:convert", "An orchestration.yaml as an openbell project."),
    "schema": ("openbell.cli.configuration:schema", "JSON Schema of the files, for editors."),
    "explain": ("openbell.cli.configuration:explain", "What a field or a code means."),
    "plan": ("openbell.cli.plan:plan", "What would run, and which dates are left out, and why."),
    "run": ("openbell.cli.run:run", "Run a pipeline or a sweep, and follow it. Again: only what is missing."),
    "replay": ("openbell.cli.replay:replay", "Replay one task in the foreground: clock, lag, halt, step."),
    "graph": ("openbell.cli.graph:graph", "The steps of a pipeline or a run, and what each waits for."),
    "backfill": ("openbell.cli.backfill:backfill", "Run a pipeline for each session of a range."),
    "start": ("openbell.cli.daemon:start", "Lead the project: open runs when their time comes."),
    "stop": ("openbell.cli.daemon:stop", "End the daemon; what runs, runs on."),
    "reload": ("openbell.cli.daemon:reload", "Make the daemon look at its files now."),
    "service": (
        "openbell.cli.service:service",
        "Keep the daemon up over reboots: a unit for systemd or launchd.",
    ),
    "schedule": ("openbell.cli.rehearse:schedule", "Which runs will open in the next days."),
    "rehearse": ("openbell.cli.rehearse:rehearse", "Play a year of the project in seconds."),
    "status": (
        "openbell.cli.status:status",
        "How the pipelines are doing, what comes next, what is under way.",
    ),
    "watch": ("openbell.cli.watch:watch", "Watch a run that somebody else leads."),
    "events": ("openbell.cli.events:events", "What has happened, and what happens."),
    "runs": ("openbell.cli.runs:runs", "The runs of the project."),
    "logs": ("openbell.cli.logs:logs", "What tasks have printed."),
    "why": ("openbell.cli.why:why", "Why a task has not started."),
    "retry": ("openbell.cli.requests:retry", "Reopen failed tasks of a run, and follow it."),
    "mark": ("openbell.cli.requests:mark", "Say that a task has succeeded, or is skipped."),
    "cancel": ("openbell.cli.requests:cancel", "Cancel a run, a step, or one task."),
    "alerts": ("openbell.cli.alerts:alerts", "What was told to whom; who sees to it; do channels work."),
    "pause": ("openbell.cli.requests:pause", "Start nothing more of a run; what runs ends by itself."),
    "resume": ("openbell.cli.requests:resume", "Go on with a paused run, and follow it."),
    "clean": ("openbell.cli.clean:clean", "Remove the outputs of a run."),
    "completion": ("openbell.cli.completion:completion", "Complete verbs and options in bash, zsh or fish."),
    "doctor": (
        "openbell.cli.doctor:doctor",
        "Check the machine and the project; what to do about what is found.",
    ),
    "db": ("openbell.cli.db:db", "The store: check it, prune it, export it, bring it up to date."),
    "data": ("openbell.cli.data:data", "The data sets of the project: list them, check that they are fresh."),
    "markets": ("openbell.cli.markets:markets", "What time it is in each market, and what comes next."),
    "market": ("openbell.cli.markets:market_group", "Why a market is in the state that it is in."),
    "calendars": ("openbell.cli.calendars:calendars", "The calendars: list, show, export; refresh, verify."),
    "testing": ("openbell.cli.testing:testing", "Simulators: a controller of Deephaven Enterprise."),
    "report": ("openbell.cli.report:report", "One offline HTML file about a run."),
}
"""Name -> (where it lives, one line of help)."""


class Verbs(click.Group):
    """Loads a verb when it is used: `--help` costs no more than its text."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in VERBS:
            return None
        module, _, attribute = VERBS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs by the table: loading them all takes a second."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=text)
            for name, (_, text) in VERBS.items()
            if name.startswith(incomplete)
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], VERBS, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"There is no verb `{args[0]}`.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="openbell")
def cli() -> None:
    """A market-aware orchestrator: any worker over every trading session, each task to one outcome.

    \b
    openbell init --template sweep-demo    a working project, to look at and to run
    openbell plan FILE                     what would run
    openbell run FILE                      run it; again: only what is missing
    """


def main(command: click.Command = cli, *, failed: Callable[[int], int] = int) -> None:
    """Run a command line, and leave with its code. `failed` translates codes (for the old entry points)."""
    gc.disable()  # collections take a quarter of the time of a short command; a long one turns them on
    code = failed(_code(command))
    gc.freeze()  # there is nothing to sweep when everything goes
    sys.exit(code)


def _code(command: click.Command) -> int:
    try:
        outcome = command.main(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show(sys.stderr)
        return ExitCode.USAGE
    except OpenbellError as error:
        _show(error)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as leaving:
        if not isinstance(leaving.__context__, BrokenPipeError):
            raise
        _hush()  # nobody reads any more, and that is all right
        return ExitCode.OK
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        with sheltered():
            click.echo(f"error: {(error.strerror or str(error)).lower()}{where}", err=True)
        return ExitCode.ERROR
    except Exception:
        traceback.print_exc()
        click.echo("error: this is a defect of openbell; nothing that has been recorded is lost", err=True)
        return ExitCode.ERROR
    return outcome if isinstance(outcome, int) else ExitCode.OK


@contextmanager
def sheltered() -> Iterator[None]:
    """What is printed here may find nobody who reads it any more: a closed pipe, a terminal that has gone."""
    try:
        yield
    except OSError:
        _hush()


def _hush() -> None:
    """Let everything that is still printed vanish, instead of failing again and again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _show(error: OpenbellError) -> None:
    """The error on stderr: its findings with their lines, or its message and the next step."""
    if isinstance(error, ConfigError) and error.findings:
        from openbell.cli.findings import show_rejection

        show_rejection(error)
        return
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"  help: {error.hint}", err=True)


if __name__ == "__main__":
    main()
