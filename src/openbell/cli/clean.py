"""`openbell clean`: what a run has left in the project's folders goes; what is known of it stays."""

from __future__ import annotations

import json
from pathlib import Path

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.cli.targets import find
from openbell.cli.words import size
from openbell.core.words import plural
from openbell.errors import ExitCode, UsageError

_MOST = 20  # files that are named


@click.command()
@click.argument("target", metavar="RUN")
@click.option("--dry-run", is_flag=True, help="Only say which files would go.")
@PROJECT
@OUTPUT
def clean(target: str, dry_run: bool, project: str, output: str) -> int:
    """Remove the outputs of a run: files that its steps declare (`outputs`), tables that it has written.

    A file that has been changed since, or that another run has written, stays. The run itself, its logs and
    its results stay too: `openbell db prune` lets go of those.
    """
    from openbell.report.cleaning import left_by, remove

    setting = Setting.of_the_past(Path(project))
    store = setting.past()
    wanted = find(store, target)
    record = wanted.record
    if wanted.step is not None:
        raise UsageError("clean takes a whole run", hint=f"openbell clean {record.id}")
    if record.outcome is None:
        raise UsageError(
            f"{record.id} is {record.state.value}", hint=f"openbell cancel {record.id}, then again"
        )
    found = list(left_by(record.run, store.attempts(record.id)))
    freed = sum(path.stat().st_size for path in found)
    if not dry_run:
        for top in (Path(record.run.pipeline.output or "."), Path(record.run.pipeline.folder)):
            remove([path for path in found if top in path.parents and path.exists()], top)
    if output == "json":
        files = [str(path) for path in found]
        told = {"run": record.id, "dry_run": dry_run, "files": files, "bytes": freed}
        click.echo(json.dumps(told, ensure_ascii=False))
        return ExitCode.OK
    for path in found[:_MOST]:
        click.echo(f"  {path}")
    if len(found) > _MOST:
        click.echo(f"  and {len(found) - _MOST:,} more (-o json names all)")
    verb = "would go" if dry_run else "removed"
    click.echo(
        f"{record.id}: {plural(len(found), 'file')} {verb}, {size(freed)}" if found else "it has left nothing"
    )
    return ExitCode.OK
