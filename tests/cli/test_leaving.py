"""Readers, terminals and leaders that go away while a run goes on."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import time

from tests.cli.conftest import Desk, finish

SLOW = "name: s\nconcurrency: 2\nsteps:\n  w: {run: [sh, -c, 'sleep 0.2'], matrix: {i: 8}}\n"


def shell(desk: Desk, text: str, **keys: object) -> subprocess.CompletedProcess[str]:
    """A shell command in which `openbell` is ours."""
    words = shlex.join(desk.command())
    return subprocess.run(
        ["bash", "-c", f'openbell() {{ {words} "$@"; }}; {text}'],
        cwd=desk.folder,
        env=desk.env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_reader_that_leaves_does_not_stop_the_engine(desk: Desk) -> None:
    desk.write("s.yaml", SLOW)
    for command in ("openbell run s.yaml 2>&1 | head -2", "openbell run s.yaml --new -o json | head -1"):
        done = shell(desk, f"set -o pipefail; {command}; echo code $?")
        assert done.stdout.splitlines()[-1] == "code 0", done
        assert "Traceback" not in done.stderr
    states = [run["state"] for run in json.loads(desk.run("runs", "ls", "-o", "json").out)]
    assert states == ["succeeded", "succeeded"]
    assert shell(desk, "set -o pipefail; openbell logs s | true; echo $?").stdout == "0\n"


def test_nohup_is_respected(desk: Desk) -> None:
    desk.write("s.yaml", SLOW)
    process = subprocess.Popen(
        ["nohup", *desk.command("run", "s.yaml")],
        cwd=desk.folder,
        env=desk.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    desk.begun.append(process)
    desk.until(lambda: desk.run("status").code == 0)
    process.send_signal(signal.SIGHUP)
    assert finish(process).code == 0


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, desk: Desk, *words: str) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(desk.folder)
            command = desk.command(*words)
            os.execvpe(command[0], command, {**desk.env, "TERM": "xterm-256color", "COLUMNS": "100"})
        self.said = b""

    def until(self, text: bytes, seconds: float = 20) -> None:
        """Read on until this has been printed (or to the end, for nothing)."""
        deadline = time.monotonic() + seconds
        while not text or text not in self.said:
            assert time.monotonic() < deadline, self.said
            try:
                piece = os.read(self._fd, 65536)
            except OSError:
                piece = b""
            if not piece:
                assert not text, self.said
                return
            self.said += piece

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        os.close(self._fd)

    def code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def cursor(self) -> bool:
        """Whether the cursor is to be seen in the end."""
        return self.said.rfind(b"\x1b[?25h") > self.said.rfind(b"\x1b[?25l")


def test_the_live_view_shows_the_run_and_gives_the_terminal_back(desk: Desk) -> None:
    desk.write("s.yaml", SLOW)
    terminal = Terminal(desk, "run", "s.yaml")
    terminal.until(b"waiting")
    terminal.until(b"")
    assert terminal.code() == 0
    assert terminal.cursor
    assert b"8 succeeded" in terminal.said


def test_a_follower_that_leaves_gives_the_terminal_back(desk: Desk) -> None:
    desk.write("s.yaml", SLOW.replace("sleep 0.2", "sleep 1"))
    leader = desk.begin("run", "s.yaml")
    desk.until(lambda: desk.run("status").code == 0)
    terminal = Terminal(desk, "run", "s.yaml")
    terminal.until(b"following")
    terminal.signal(signal.SIGINT)
    terminal.until(b"")
    assert terminal.code() == 130
    assert terminal.cursor
    assert finish(leader).code == 0


def test_a_follower_that_takes_over_shows_how_it_goes_on(desk: Desk) -> None:
    desk.write("s.yaml", SLOW.replace("sleep 0.2", "sleep 0.7"))
    leader = desk.begin("run", "s.yaml")
    desk.until(lambda: desk.run("status").code == 0)
    terminal = Terminal(desk, "run", "s.yaml")
    terminal.until(b"following")
    leader.kill()
    terminal.until(b"")
    assert terminal.code() == 0
    assert terminal.cursor
    assert b"6/8" in terminal.said


def test_a_terminal_that_goes_away_drains_the_run(desk: Desk) -> None:
    desk.write("s.yaml", SLOW.replace("sleep 0.2", "sleep 0.5"))
    terminal = Terminal(desk, "run", "s.yaml")
    terminal.until(b"waiting")
    terminal.hang_up()
    with contextlib.suppress(ProcessLookupError):
        terminal.signal(signal.SIGHUP)
    assert terminal.code() in (130, 143)
    (run,) = json.loads(desk.run("runs", "ls", "-o", "json").out)
    assert run["state"] == "paused"
    assert desk.run("run", "s.yaml").code == 0


def test_a_refusal_is_an_error_also_for_who_leads(desk: Desk) -> None:
    from tests.config.texts import PQ_BATCH

    text = PQ_BATCH.replace("num_partitions: 10", "num_partitions: 1")
    desk.write("simple_worker.py", "import time; time.sleep(3)\n")
    desk.write("worker.py", "import time; time.sleep(3)\n")
    desk.write("sweep.yaml", text)
    first = desk.begin("run", "sweep.yaml", "--on", "process")
    desk.until(lambda: desk.run("status").code == 0)
    desk.until(lambda: '"running": 0' not in desk.run("status", "-o", "json").out)
    first.kill()
    desk.write("worker.py", "import time; time.sleep(4)\n")
    desk.write("simple_worker.py", "import time; time.sleep(4)\n")
    second = desk.run("run", "sweep.yaml", "--on", "process")
    assert second.code == 4
    assert "is running already as" in second.err
    assert second.out == ""


def test_nothing_to_retry_is_no_error_for_anybody(desk: Desk) -> None:
    desk.write("s.yaml", SLOW)
    assert desk.run("run", "s.yaml").code == 0
    alone = desk.run("retry", "s/1")
    desk.write("t.yaml", SLOW.replace("name: s", "name: t").replace("sleep 0.2", "sleep 1"))
    leader = desk.begin("run", "t.yaml")
    desk.until(lambda: desk.run("status").code == 0)
    following = desk.run("retry", "s/1")
    cancelled = desk.run("cancel", "s/1")
    assert [alone.code, following.code, cancelled.code] == [0, 0, 0]
    assert "nothing to retry" in alone.err
    assert "nothing to retry" in following.err
    assert finish(leader).code == 0


def test_errors_of_the_system_are_one_line(desk: Desk) -> None:
    desk.write("s.yaml", SLOW)
    desk.write("file", "")
    assert desk.run("run", "s.yaml").code == 0
    for words in (("init", "file"), ("report", "s", "--output", "no/such/x.html")):
        outcome = desk.run(*words)
        assert outcome.code in (4, 64), outcome
        assert "Traceback" not in outcome.err
        assert outcome.err.startswith("error: ")
    desk.write("openbell.yaml", "store: nonsense\n")
    outcome = desk.run("status")
    assert (outcome.code, "Traceback" in outcome.err) == (4, False)


def test_an_engine_whose_folder_is_removed_stops(desk: Desk) -> None:
    desk.write("s.yaml", SLOW)
    process = desk.begin("run", "s.yaml")
    desk.until(lambda: "oldest running" in desk.run("status").out)
    shutil.rmtree(desk.folder / ".openbell", ignore_errors=True)
    outcome = finish(process)
    assert outcome.code == 4
    assert "error: the st" in outcome.err  # its state folder has been removed, or its store is gone
