"""Findings on stderr."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from openbell.config.findings import Finding, render
from openbell.errors import ConfigError

_COLOURS = {"error": "red", "warning": "yellow"}


def show(findings: Sequence[Finding], path: Path, lines: Sequence[str]) -> None:
    """Print findings, a blank line after each."""
    for finding in findings:
        first, _, rest = render(finding, shown(path), lines).partition("\n")
        click.secho(first, fg=_COLOURS[finding.severity], bold=True, err=True)
        click.echo(f"{rest}\n", err=True)


def show_rejection(error: ConfigError) -> None:
    """Print why a file was rejected."""
    findings = [finding for finding in error.findings if isinstance(finding, Finding)]
    path = error.path or Path()
    try:
        lines = path.read_text(errors="replace").split("\n")
    except OSError:
        lines = []
    show(findings, path, lines)
    click.secho(f"error: {error.message}", fg="red", bold=True, err=True)


def shown(path: Path) -> str:
    """A path as the user would write it."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
