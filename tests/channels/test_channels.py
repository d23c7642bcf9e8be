from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.channels.command import CommandChannel
from openbell.channels.log import LogChannel
from openbell.errors import ChannelError

MESSAGE = {"id": "1.0.desk", "subject": "nightly/3: failure", "text": "é ☂"}


def python(
    code: str, folder: Path, *, timeout: float = 20, environ: Mapping[str, str] | None = None
) -> CommandChannel:
    given = dict(os.environ) if environ is None else environ
    return CommandChannel([sys.executable, "-c", code], folder, lambda: given, timedelta(seconds=timeout))


def bounced(channel: CommandChannel | LogChannel) -> str:
    with pytest.raises(ChannelError) as caught:
        channel.send(MESSAGE)
    return caught.value.message


def test_a_file_gets_a_line_for_each_alert(tmp_path: Path) -> None:
    channel = LogChannel(tmp_path / "alerts.jsonl")
    channel.send(MESSAGE)
    channel.send({**MESSAGE, "id": "2"})
    lines = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1.0.desk", "2"]
    assert json.loads(lines[0]) == MESSAGE
    assert (tmp_path / "alerts.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    assert bounced(LogChannel(tmp_path)) == f"{tmp_path.name}: is a directory"


def test_a_program_gets_the_alert_on_its_standard_input(tmp_path: Path) -> None:
    python("import sys; open('got', 'w').write(sys.stdin.read())", tmp_path).send(MESSAGE)
    assert json.loads((tmp_path / "got").read_text()) == MESSAGE


def test_a_program_that_does_not_read_is_told_all_the_same(tmp_path: Path) -> None:
    python("pass", tmp_path).send({"text": "x" * 1_000_000})


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; print('no such room', file=sys.stderr); sys.exit(3)", "exit code 3: no such room"),
        ("import sys; sys.exit(1)", "exit code 1"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    ],
)
def test_a_program_that_fails_says_why(tmp_path: Path, code: str, told: str) -> None:
    assert bounced(python(code, tmp_path)) == told


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    channel = CommandChannel(["./nowhere"], tmp_path, dict, timedelta(seconds=1))
    assert bounced(channel) == "./nowhere: no such file or directory"


def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        "open('pids', 'w').write(f'{child.pid}'); time.sleep(100)"
    )
    assert bounced(python(code, tmp_path, timeout=1)) == "it took longer than 1 s"
    child = int((tmp_path / "pids").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        stat = Path(f"/proc/{child}/stat").read_text()
        if stat.rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_its_environment_is_worked_out_when_it_is_started(tmp_path: Path) -> None:
    environ = {"TOKEN": "secret"}
    channel = python("import os; open('got', 'w').write(os.environ['TOKEN'])", tmp_path, environ=environ)
    environ["TOKEN"] = "another"
    channel.send(MESSAGE)
    assert (tmp_path / "got").read_text() == "another"

    def missing() -> Mapping[str, str]:
        raise KeyError("TOKEN")

    unset = CommandChannel(["true"], tmp_path, missing, timedelta(seconds=1))
    assert bounced(unset) == "the environment variable TOKEN is not set"
