"""What a run has to account for, as text: the essence of its audit report."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from openbell.cli.words import columns, commit_words, moment
from openbell.core.state import RunRecord
from openbell.report.audit import history, requests
from openbell.store.protocol import Store
from openbell.store.records import RunInfo

_MOST = 200  # lines of history


def show_account(store: Store, info: RunInfo, record: RunRecord) -> None:
    """Print who asked for what, from what, and what was decided."""
    click.secho(f"{info.id}  {info.state.value}", bold=True)
    for name, value in _facts(info, record):
        click.echo(f"  {name:<9} {value}")
    asked = requests(store, info.id)
    if asked:
        click.secho("\nrequests", bold=True)
    rows = [
        (_time(one["at"]), one["request"], one["actor"], one["reason"], one["answer"] or "") for one in asked
    ]
    for line in columns(("AT", "REQUEST", "BY", "REASON", "ANSWER"), rows, "<<<<<") if rows else ():
        click.echo(f"  {line}")
    click.secho("\nhistory", bold=True)
    for number, line_ in enumerate(history(store, record)):
        if number == _MOST:
            click.echo(f"  and more: openbell runs audit {info.id} -o json")
            return
        click.echo(f"  {_time(line_['timestamp'])}  {line_['stage']}  {line_['msg']}")


def _facts(info: RunInfo, record: RunRecord) -> list[tuple[str, Any]]:
    pipeline, known = record.run.pipeline, info.provenance
    found = [
        ("opened", f"{moment(info.opened_at)} by {info.origin}"),
        ("closed", moment(info.closed_at)),
        ("plan", f"{info.digest}  {pipeline.source}"),
        ("forced", info.forced or ""),
        ("commit", commit_words(known)),
        ("made by", f"openbell {known.openbell}, Python {known.python}" if known.openbell else ""),
        ("on", f"{known.host} by {known.user}" if known.host else ""),
        ("said", " ".join(f"--{name}={value}" for name, value in known.overrides.items())),
    ]
    found += [("calendar", f"{name}: {digest}") for name, digest in pipeline.calendars.items()]
    found += [("file", f"{path}: sha256 {digest}") for path, digest in known.files.items()]
    return [(name, value) for name, value in found if value]


def _time(text: str) -> str:
    return moment(datetime.fromisoformat(text))
