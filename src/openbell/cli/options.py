"""Options that several verbs share."""

from __future__ import annotations

import click

PROJECT = click.option(
    "-C", "--project", type=click.Path(exists=True, file_okay=False), default=".", help="The project."
)
OUTPUT = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
LINES = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="JSON: an object a line."
)
MODE = click.option("--mode", help="One of the pipeline's modes. Default: its `default_mode`, or `full`.")
STEPS = click.option(
    "--steps",
    multiple=True,
    metavar="STEPS",
    help="Only these, by commas: `a`, `+a` with all that it needs, `a+` with all that needs it.",
)
