"""`openbell testing`: what takes the place of a system that is not at hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.errors import ExecutorUnavailable, ExitCode, OpenbellError

_SOURCE = str(Path(__file__).parents[2])
_PROGRAM = (
    f"import sys; sys.path.insert(0, {_SOURCE!r}); from openbell.testing.deephaven.__main__ import main; "
    "del sys.path[0]; main()"
)


@click.group()
def testing() -> None:
    """Simulators, for a first try and for tests."""


@testing.command("deephaven-controller")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False),
    help="Holds a folder per namespace. Default: the `data` of the project.",
)
@click.option("--to", "results", metavar="DIR", help="Folder of the tables that workers write.")
@click.option("--user", default="openbell", show_default=True, help="Who may log in.")
@click.option("--slots", type=click.IntRange(1), help="Workers at once. Default: the cores.")
@click.option(
    "--step", type=click.FloatRange(0), default=0.1, show_default=True, help="Seconds of each status."
)
@click.option("--work", type=click.FloatRange(0), help="Run no script: each worker takes so many seconds.")
@click.option("--port", type=int, default=0, help="Of gRPC. Default: a free one.")
@click.option("--http-port", type=int, default=0, help="Of connection.json. Default: a free one.")
@OUTPUT
@PROJECT
def deephaven_controller(
    data: str | None,
    results: str | None,
    user: str,
    slots: int | None,
    step: float,
    work: float | None,
    port: int,
    http_port: int,
    output: str,
    project: str,
) -> int:
    """A controller of Deephaven Enterprise on this machine, until Ctrl-C.

    It takes the place of a server for `openbell run --on deephaven`, and for any other program that uses
    the Enterprise client. Scripts that import `deephaven` run on the embedded engine where there is one,
    others as plain Python. It listens on loopback only, and makes a new password each time.
    """
    setting = Setting.of(Path(project))
    python = setting.client.interpreter()
    if python is None:
        raise ExecutorUnavailable(
            f"the simulator needs the client: {setting.client.problem()}", hint=_install()
        )
    words = ["--user", user, "--slots", str(slots or setting.slots), "--step", str(step)]
    words += [
        "--data",
        json.dumps(_namespaces(setting, data)),
        "--port",
        str(port),
        "--http-port",
        str(http_port),
    ]
    if results is not None:
        words += ["--output", str(Path(results).absolute())]
    if work is not None:
        words += ["--work", str(work)]
    engine = _engine(setting)
    if engine is not None:
        words += ["--engine", engine]
    return _serve([python, "-c", _PROGRAM, *words], engine, output)


def _install() -> str:
    from openbell.executors.deephaven.interpreter import INSTALL

    return INSTALL


def _namespaces(setting: Setting, data: str | None) -> dict[str, str]:
    """The folder of each namespace."""
    if data is None:
        return dict(setting.project.data)
    return {path.name: str(path.absolute()) for path in sorted(Path(data).iterdir()) if path.is_dir()}


def _engine(setting: Setting) -> str | None:
    """The Python that has the embedded engine, where there is one."""
    try:
        return setting.embedded.interpreter(None)
    except ExecutorUnavailable as error:
        click.echo(f"note: scripts that import deephaven will fail: {error.message}", err=True)
        return None


def _serve(command: list[str], engine: str | None, output: str) -> int:
    """Run the simulator in a process of its own, and stay until one of the two is ended."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=_environ(),
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise OpenbellError(f"the simulator ended at once, with {child.wait()}")
    _tell(json.loads(line), engine, output)
    code = ExitCode.OK
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        child.wait()
        raise OpenbellError(f"the simulator has ended, with {child.returncode}")
    except KeyboardInterrupt:
        child.communicate()  # the end of its stdin is its end
    finally:
        signal.signal(signal.SIGTERM, before)
    return code


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DH_")}


def _tell(told: dict[str, Any], engine: str | None, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(told))
        sys.stdout.flush()
        return
    click.echo(f"""\
A simulated controller of Deephaven Enterprise is up. Ctrl-C ends it.

  export DH_CONNECTION_URL={told["url"]}
  export DH_USERNAME={told["user"]} DH_PASSWORD={told["password"]}

  a key instead of the password: {told["key"]}
  tables that workers write:     {told["output"]}
  faults, and what there is:     {told["control"]}/look
  scripts that import deephaven: {engine or "fail (there is no embedded engine)"}

In another terminal, with these variables set:  openbell run FILE
(FILE has `connection_url: "${{DH_CONNECTION_URL}}"`, or no connection_url)""")
    sys.stdout.flush()
