"""What keeps the daemon up over reboots."""

from __future__ import annotations

import plistlib
import shutil
import subprocess

import pytest

from tests.cli.conftest import Desk


def test_systemd_ends_the_engine_and_not_its_tasks(desk: Desk) -> None:
    done = desk.run("service", "print", "--systemd")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert {
        "KillMode=process",
        "Delegate=yes",
        "Restart=on-failure",
        f"WorkingDirectory={desk.folder}",
    } <= set(lines)
    assert any(
        line.startswith("ExecStart=") and line.endswith(f"start --foreground -C {desk.folder}")
        for line in lines
    )


@pytest.mark.parametrize("kind", ["", "--system"])
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_understands_the_unit(desk: Desk, kind: str) -> None:
    odd = desk.folder / "a desk, 50% of it"
    odd.mkdir()
    done = desk.run("service", "print", *filter(None, [kind]), "-C", str(odd))
    unit = desk.write("openbell-x.service", done.out)
    scope = "--system" if kind else "--user"
    verdict = subprocess.run(
        ["systemd-analyze", scope, "verify", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env=desk.env,
    )
    assert "openbell-x.service" not in verdict.stderr, verdict.stderr


def test_launchd_can_read_the_job(desk: Desk) -> None:
    odd = desk.folder / "a & b"
    odd.mkdir()
    job = plistlib.loads(desk.run("service", "print", "--launchd", "-C", str(odd)).out.encode())
    assert job["ProgramArguments"][-4:] == ["start", "--foreground", "-C", str(odd)]
    assert job["AbandonProcessGroup"] is True


def test_launchd_has_no_system_wide_form(desk: Desk) -> None:
    done = desk.run("service", "print", "--launchd", "--system")
    assert (done.code, "--system is for systemd" in done.err) == (64, True)
