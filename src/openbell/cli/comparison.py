"""Two runs beside each other, as text."""

from __future__ import annotations

from typing import Any

import click

from openbell.cli.words import seconds
from openbell.core.words import plural
from openbell.report.difference import Difference, Moved, Shift


def show_difference(found: Difference) -> None:
    """Print in what two runs differ."""
    click.secho(f"{found.before} -> {found.after}", bold=True)
    if found.nothing:
        click.echo("  the same definition, outcomes and results")
    if found.definition:
        click.secho("\ndefinition", bold=True)
    for change in found.definition:
        click.echo(f"  {change.key}: {_value(change.before)} -> {_value(change.after)}")
    if found.tasks:
        click.secho("\ntasks", bold=True)
    for moved in found.tasks:
        click.echo(f"  {_moved(moved)}")
    changed = [shift for shift in found.results if shift.changed]
    if changed:
        click.secho("\nresults", bold=True)
    for shift in changed:
        click.echo(f"  {_result(shift)}")
    if found.seconds:
        click.secho("\ndurations", bold=True)
    for shift in found.seconds:
        click.echo(f"  {shift.step}: {seconds(shift.before)} -> {seconds(shift.after)} a task")


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _moved(moved: Moved) -> str:
    count = plural(moved.count, "task")
    example = f" (for example {', '.join(moved.examples)})" if moved.examples else ""
    return f"{moved.step}: {count} {moved.before or 'not there'} -> {moved.after or 'not there'}{example}"


def _result(shift: Shift) -> str:
    told = f"{shift.step}.{shift.name}: {shift.changed:,} of {plural(shift.count, 'value')} changed"
    example = f" at {shift.example}" if shift.example else ""
    return f"{told}, mean {shift.before:g} -> {shift.after:g}, most {shift.largest:+g}{example}"
