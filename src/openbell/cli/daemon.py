"""`start`, `stop`, `reload`: the engine as a daemon."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click

from openbell.cli.lean import asyncio
from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.doorbell import ring
from openbell.engine.leader import Holder, Role, holder
from openbell.errors import ExitCode, OpenbellError

_PATIENCE = 20.0  # seconds for a daemon to take the lead
_UNREACHABLE = 69
_TAIL = 12  # lines of the log that an unsuccessful start shows
_LEADS, _ERROR = "INFO: Leads,", "ERROR: "  # in the log: all files have been read; one of them is broken


@click.command()
@click.option("--foreground", is_flag=True, help="Stay here and tell what happens, instead of going behind.")
@OUTPUT
@PROJECT
def start(foreground: bool, output: str, project: str) -> int:
    """Lead the project: open the runs of its pipelines when their time comes.

    It reads every pipeline of the project, again whenever a file changes, and goes on after a reboot or a
    kill with what is in the store. What it does is in `.openbell/engine.log`.
    """
    setting = Setting.of(Path(project))
    if not foreground:
        return _behind(setting, output)
    from openbell.cli.witness import Log
    from openbell.engine.daemon import Daemon
    from openbell.engine.planning import Planning

    gc.freeze()
    gc.enable()
    planning = Planning(setting.project.folder, os.environ, ())
    daemon = Daemon(
        workspace=setting.workspace,
        store=setting.store(),
        clock=setting.clock,
        executors=setting.executors,
        sensor=setting.sensor,
        planning=planning,
        witness=Log(setting.clock),
        pools=setting.pools,
        heartbeat=setting.project.heartbeat,
    )
    asyncio.run(daemon.run())
    return ExitCode.OK


def _behind(setting: Setting, output: str) -> int:
    """Start a daemon in a session of its own, and wait until it leads."""
    setting.workspace.create()
    _refuse(holder(setting.workspace.lock))
    log = setting.workspace.log
    with log.open("ab") as file:
        begin = file.tell()
        command = [sys.executable, "-m", "openbell.cli.entry", "start", "--foreground"]
        child = subprocess.Popen(
            [*command, "-C", str(setting.project.folder)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=setting.project.folder,
            start_new_session=True,
        )
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        leader = holder(setting.workspace.lock)
        if leader is not None and leader.pid == child.pid and _LEADS in (said := _since(log, begin)):
            click.echo(
                "".join(line for line in said.splitlines(keepends=True) if _ERROR in line), err=True, nl=False
            )
            text = f"started: process {child.pid} leads {setting.project.folder}\n  what it does: {log}"
            _say(output, text, pid=child.pid, leads=True, log=str(log))
            return ExitCode.OK
        if (code := child.poll()) is not None:
            click.echo("".join(_since(log, begin).splitlines(keepends=True)[-_TAIL:]), err=True, nl=False)
            raise OpenbellError(f"the daemon ended at once, with {code}", hint=f"its log is {log}")
        if leader is not None and leader.pid and leader.role is Role.RUN:
            text = f"started: process {child.pid} waits for {leader}"
            _say(output, text, pid=child.pid, leads=False, log=str(log))
            return ExitCode.OK
        time.sleep(0.05)
    raise OpenbellError(f"the daemon does not lead after {_PATIENCE:g} s", hint=f"its log is {log}")


_KEPT = ("PATH", "LANG", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "JAVA_HOME")


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What a service manager has to give to the daemon for tasks to find their programs. No secrets."""
    return {name: environ[name] for name in _KEPT if name in environ}


def _say(output: str, text: str, **data: object) -> None:
    click.echo(json.dumps(data, ensure_ascii=False) if output == "json" else text)


def _refuse(leader: Holder | None) -> None:
    from openbell.errors import AlreadyRunning

    if leader is not None and leader.role is Role.DAEMON:
        raise AlreadyRunning(f"a daemon leads already: {leader}", hint="`openbell stop` ends it")


def _since(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")


@click.command()
@click.option("--drain", is_flag=True, help="Start nothing more, and leave when nothing runs.")
@click.option("--cancel", is_flag=True, help="Cancel what is under way, then leave.")
@OUTPUT
@PROJECT
def stop(drain: bool, cancel: bool, output: str, project: str) -> int:
    """End the daemon. What runs, runs on, and the next engine takes it over.

    Exit code 69 when no daemon leads.
    """
    from openbell.engine.daemon import Leave

    setting = Setting.of_the_past(Path(project))
    how = Leave.CANCEL if cancel else Leave.DRAIN if drain else Leave.LET
    leader = _daemon(setting)
    if leader is None:
        return _UNREACHABLE
    if not ring(setting.workspace.socket, f"leave {how.value}"):
        raise OpenbellError(f"{leader} does not listen", hint=f"kill {leader.pid}")
    while (now := holder(setting.workspace.lock)) is not None and now.pid == leader.pid:
        time.sleep(0.05)
    _say(output, f"stopped: process {leader.pid}", pid=leader.pid, stopped=True)
    return ExitCode.OK


@click.command()
@OUTPUT
@PROJECT
def reload(output: str, project: str) -> int:
    """Make the daemon look at its files now; it does so by itself when they change.

    Exit code 69 when no daemon leads.
    """
    setting = Setting.of_the_past(Path(project))
    leader = _daemon(setting)
    if leader is None:
        return _UNREACHABLE
    ring(setting.workspace.socket, "reload")
    text = f"asked process {leader.pid} to look at its files; `tail {setting.workspace.log}` tells"
    _say(output, text, pid=leader.pid, asked=True, log=str(setting.workspace.log))
    return ExitCode.OK


def _daemon(setting: Setting) -> Holder | None:
    """The daemon that leads; None, and said so, when there is none."""
    leader = holder(setting.workspace.lock)
    if leader is None or leader.role is not Role.DAEMON:
        told = f"; {leader} leads" if leader else ""
        click.echo(f"no daemon leads {setting.project.folder}{told}", err=True)
        return None
    return leader
