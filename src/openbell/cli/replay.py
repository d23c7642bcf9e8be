"""`openbell replay`: one task of a replay in the foreground, with its clock, to be halted and stepped."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from openbell.cli.choosing import load_for, parse_dates, place_of
from openbell.cli.setting import Setting
from openbell.cli.words import seconds
from openbell.config.load import Overrides
from openbell.core.model import AttemptKey, Pipeline, Replay, Run, Step
from openbell.errors import ExitCode, MarketError, NotFound, UsageError

if TYPE_CHECKING:
    from openbell.executors.protocol import Brief
    from openbell.market import Market

_GRACE = 10.0  # seconds between asking the worker to end and killing it
_KEYS = {b"p": b"p", b" ": b"p", b"s": b"s"}
_HELP = "space: halt, go on   s: one step   q: end"


@click.command()
@click.argument("pipeline")
@click.option("--date", "day", required=True, help="The date that is replayed.")
@click.option("--speed", help="Simulated seconds per second, or `max`. Default: what the file says.")
@click.option("--step", "wanted", help="Which step, where several are replays.")
@click.option(
    "--cell",
    "values",
    multiple=True,
    metavar="AXIS=VALUE",
    help="Which cell. Default: first values.",
)
def replay(pipeline: str, day: str, speed: str | None, wanted: str | None, values: tuple[str, ...]) -> int:
    """Replay one task in the foreground: the market's clock, the lag, halting, single steps.

    It is no run: nothing is recorded, and what it writes goes to a folder of its own, not among the results.
    Keys: space halts and goes on, `s` takes one step, `q` ends.
    """
    setting = Setting.of(place_of(pipeline))
    overrides = Overrides("process", parse_dates(day), setting.clock.now())
    loaded = load_for(setting, pipeline, overrides, starting=True)
    step = _chosen(loaded.pipeline, wanted)
    if speed is not None:
        assert isinstance(step.mode, Replay)
        step = replace(step, mode=replace(step.mode, speed=_speed(speed)))
    cell = _cell(step, values)
    setting.workspace.create()
    output = setting.workspace.folder / "foreground" / loaded.pipeline.name
    alone = replace(loaded.pipeline, steps=(replace(step, needs=(), preload=()),), output=str(output))
    told = _brief(setting, alone, step, cell)
    shown = ", ".join(f"{name}={value}" for name, value in step.matrix.coordinates(cell).items())
    click.echo(f"{loaded.pipeline.shown}, {shown}; results: {output}", err=True)
    return _play(setting, told, _Face(step, _market(setting, alone)))


def _chosen(pipeline: Pipeline, wanted: str | None) -> Step:
    """The step that is a replay."""
    found = {step.name: step for step in pipeline if isinstance(step.mode, Replay)}
    if wanted is not None and wanted not in found:
        there = ", ".join(found) or "none"
        raise NotFound(f"{pipeline.name} has no replay `{wanted}`", hint=f"steps that are replays: {there}")
    if not found:
        raise UsageError(f"no step of {pipeline.name} is a replay", hint="a step becomes one by `replay:`")
    if wanted is None and len(found) > 1:
        raise UsageError("several steps are replays", hint=f"--step {' or '.join(found)}")
    return found[wanted or next(iter(found))]


def _speed(text: str) -> Any:
    if text == "max":
        return text
    with suppress(ValueError):
        if 1 <= (number := float(text)) < float("inf"):
            return number
    raise UsageError(f"--speed takes a number, 1 or more, or `max`, not {text!r}")


def _cell(step: Step, values: tuple[str, ...]) -> int:
    given = dict(value.partition("=")[::2] for value in values)
    if unknown := given.keys() - {axis.name for axis in step.matrix.axes}:
        axes = ", ".join(axis.name for axis in step.matrix.axes)
        raise UsageError(f"there is no axis {', '.join(sorted(unknown))}", hint=f"axes: {axes or 'none'}")
    if any(not axis.values for axis in step.matrix.axes):
        raise UsageError(
            f"the step {step.name} has no cell", hint="values of one of its axes come from elsewhere"
        )
    chosen = {axis.name: given.get(axis.name, axis.values[0]) for axis in step.matrix.axes}
    try:
        return step.matrix.cell(chosen)
    except KeyError as error:
        raise UsageError(f"there is no cell {error.args[0]}") from None


def _market(setting: Setting, pipeline: Pipeline) -> Market | None:
    from openbell.market import resolve

    return resolve(pipeline.market, setting.project.markets) if pipeline.market else None


def _brief(setting: Setting, pipeline: Pipeline, step: Step, cell: int) -> Brief:
    """What the worker is told: as in a run, which this is not."""
    from openbell.core.events import OpenRun
    from openbell.core.evolve import evolve
    from openbell.core.state import State
    from openbell.engine.briefing import brief
    from openbell.engine.environment import inherited

    now, state = setting.clock.now(), State()
    run = Run(f"{pipeline.name}/foreground", pipeline, "", now)
    evolve(state, OpenRun(now, run))
    return brief(state.runs[run.id], AttemptKey(run.id, step.name, cell, 1), inherited())


def _play(setting: Setting, told: Brief, face: _Face) -> int:
    """The worker with a line to it, until it ends."""
    from openbell.executors.process.files import AttemptFiles
    from openbell.executors.process.specification import specify

    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory() as place, ours:
        files = AttemptFiles(Path(place), told.key)
        what = specify(told, files, setting.workspace.folder, log_cap=1 << 20, power=False)
        events = Path(place, "events")
        env = what["env"] | {
            "OPENBELL_EVENTS": str(events),
            "OPENBELL_CHECKPOINT": str(Path(place, "checkpoint")),
        }
        env |= {"OPENBELL_REPLAY_CONTROL": str(theirs.fileno()), "OPENBELL_BELL": ""}
        line = {"cwd": what["cwd"], "env": env, "pass_fds": (theirs.fileno(),), "stdin": subprocess.DEVNULL}
        with subprocess.Popen(what["argv"], **line) as worker:
            theirs.close()
            try:
                with _keys() as keyboard:
                    ended = _follow(worker, ours, keyboard, face)
            except KeyboardInterrupt:
                ended = True
            finally:
                _end(worker)
        face.close(_results(events))
    if ended:
        return ExitCode.INTERRUPTED
    return ExitCode.EXECUTION_FAILED if worker.returncode else ExitCode.OK


def _follow(worker: subprocess.Popen[bytes], line: socket.socket, keyboard: int | None, face: _Face) -> bool:
    """Figures to the screen, keys to the worker. Whether somebody has ended it."""
    rest = b""
    watched: list[Any] = [line, *([keyboard] if keyboard is not None else [])]
    while line in watched or worker.poll() is None:
        ready, _, _ = select.select(watched, [], [], 0.2)
        if line in ready:
            received = line.recv(65536)
            if not received:
                watched.remove(line)
            *whole, rest = (rest + received).split(b"\n")
            for text in whole:
                face.show(json.loads(text))
        if keyboard in ready:
            pressed = os.read(keyboard, 1) if keyboard is not None else b""
            if pressed in (b"q", b"Q"):
                return True
            if not pressed:
                watched.remove(keyboard)
            elif asked := _KEYS.get(pressed.lower()):
                with suppress(OSError):
                    line.send(asked)
        if line not in watched and not ready:
            continue
    return False


@contextmanager
def _keys() -> Iterator[int | None]:
    """Where keys come from: a terminal without waiting for the end of the line, or whatever stdin is."""
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        yield None
        return
    if not os.isatty(descriptor):
        yield descriptor
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _end(worker: subprocess.Popen[bytes]) -> None:
    if worker.poll() is None:
        worker.terminate()
        try:
            worker.wait(_GRACE)
        except subprocess.TimeoutExpired:
            worker.kill()


def _results(events: Path) -> Mapping[str, Any]:
    """What the worker has reported as its result."""
    found: dict[str, Any] = {}
    with suppress(OSError):
        for text in events.read_text().splitlines():
            with suppress(ValueError):
                event = json.loads(text)
                found |= event["data"] if event.get("topic") == "result" else {}
    return found


class _Face:
    """The clock of the replay: one line that is written over on a terminal, one a second elsewhere."""

    def __init__(self, step: Step, market: Market | None) -> None:
        assert isinstance(step.mode, Replay)
        self._mode, self._market = step.mode, market
        self._zone = market.tz if market else ZoneInfo(step.mode.tz)
        self._over = sys.stderr.isatty()
        self._last = ""
        self._shown = 0.0
        if self._over:
            click.echo(_HELP, err=True)

    def show(self, figures: Mapping[str, Any]) -> None:
        at = datetime.fromtimestamp(figures["now"] // 10**9, UTC)
        speed = "max" if self._mode.speed == "max" else f"{self._mode.speed:g}x"
        words = [f"{at.astimezone(self._zone):%a %Y-%m-%d %H:%M:%S %Z}", self._state(at), speed]
        words += ["HALTED" if figures.get("paused") else f"lag {figures.get('lag', 0.0):.1f} s"]
        words += [f"{figures['rows']:,} rows"] if "rows" in figures else []
        self._last = "  ".join(filter(None, words))
        if self._over:
            click.echo(f"\r\x1b[K{self._last}", err=True, nl=False)
        elif figures.get("paused") or time.monotonic() - self._shown >= 1:
            self._shown = time.monotonic()
            click.echo(self._last, err=True)

    def _state(self, at: datetime) -> str:
        if self._market is None:
            return ""
        try:
            found = self._market.moment(at)
        except MarketError:
            return ""
        return f"{found.state.name}, {seconds(found.until - at)} left"

    def close(self, results: Mapping[str, Any]) -> None:
        if self._last:
            click.echo(("\r\x1b[K" if self._over else "") + self._last, err=True)
        for name, value in results.items():
            click.echo(f"{name}: {value}")
