"""`service print`: what keeps the daemon up over reboots."""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import click

from openbell.cli.daemon import passed_on
from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting
from openbell.errors import ExitCode, UsageError

_SYSTEMD = """\
# {path}
# systemctl {user}daemon-reload && systemctl {user}enable --now {name}{linger}
[Unit]
Description=openbell in {folder}
{after}
[Service]
Type=simple
{as_user}WorkingDirectory={folder}
{environment}ExecStart={python} -m openbell.cli.entry start --foreground -C {folder}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
# Only the engine is ended: the tasks run on under their supervisors, and the next engine adopts them.
KillMode=process
Delegate=yes
TimeoutStopSec=30

[Install]
WantedBy={wanted}
"""

_LAUNCHD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- {path}
     launchctl bootstrap gui/$(id -u) {path} -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>{name}</string>
  <key>ProgramArguments</key>
  <array>
{arguments}
  </array>
  <key>WorkingDirectory</key><string>{folder}</string>
  <key>EnvironmentVariables</key>
  <dict>
{environment}
  </dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <!-- Only the engine is ended: the tasks run on, and the next engine adopts them. -->
  <key>AbandonProcessGroup</key><true/>
  <key>StandardErrorPath</key><string>{log}</string>
</dict>
</plist>
"""


@click.group()
def service() -> None:
    """Keep the daemon up over reboots."""


@service.command("print")
@click.option(
    "--systemd", "kind", flag_value="systemd", default=True, help="A unit for systemd (the default)."
)
@click.option("--launchd", "kind", flag_value="launchd", help="A job for launchd.")
@click.option("--system", is_flag=True, help="For the whole machine instead of this user (systemd).")
@OUTPUT
@PROJECT
def print_service(kind: str, system: bool, output: str, project: str) -> int:
    """Print what the service manager needs to run `openbell start` in this project.

    Nothing is installed: the first lines say where the file belongs and which command enables it.
    """
    setting = Setting.of(Path(project))
    folder = str(setting.project.folder)
    if kind == "launchd" and system:
        raise UsageError("--system is for systemd")
    launchd = kind == "launchd"
    text = _launchd(folder, setting.workspace.log) if launchd else _systemd(folder, system=system)
    if output == "json":
        click.echo(json.dumps({"kind": kind, "folder": folder, "text": text}, ensure_ascii=False))
    else:
        click.echo(text, nl=False)
    return ExitCode.OK


def _name(folder: str) -> str:
    slug = "-".join(re.findall(r"[a-z0-9]+", Path(folder).name.lower()))
    return f"openbell-{slug or 'project'}"


def _systemd(folder: str, *, system: bool) -> str:
    name = _name(folder)
    where = "/etc/systemd/system" if system else "~/.config/systemd/user"
    environment = "".join(
        f'Environment="{key}={_unit(value)}"\n' for key, value in passed_on(os.environ).items() if value
    )
    return _SYSTEMD.format(
        path=f"{where}/{name}.service",
        name=name,
        user="" if system else "--user ",
        linger="" if system else "\n# loginctl enable-linger   (it runs on when you log out)",
        as_user=f"User={getpass.getuser()}\n" if system else "",
        folder=_unit(folder),
        after="After=network-online.target\nWants=network-online.target\n" if system else "",
        environment=environment,
        python=_unit(sys.executable),
        wanted="multi-user.target" if system else "default.target",
    )


def _unit(text: str) -> str:
    """Text for a unit: its specifiers, quotes and blanks mean themselves."""
    return text.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"').replace(" ", "\\x20")


def _launchd(folder: str, log: Path) -> str:
    name = f"org.{_name(folder).replace('-', '.', 1)}"
    words = [sys.executable, "-m", "openbell.cli.entry", "start", "--foreground", "-C", folder]
    environment = (
        f"    <key>{escape(key)}</key><string>{escape(value)}</string>"
        for key, value in passed_on(os.environ).items()
        if value
    )
    return _LAUNCHD.format(
        path=f"~/Library/LaunchAgents/{name}.plist",
        name=escape(name),
        arguments="\n".join(f"    <string>{escape(word)}</string>" for word in words),
        folder=escape(folder),
        environment="\n".join(environment),
        log=escape(str(log)),
    )
