"""What a worker tells, written as the engine reads it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbell import worker
from openbell.executors.process.events import LONGEST_LINE, Said, read_events


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an attempt, which the environment names."""
    path = tmp_path / "events"
    monkeypatch.setenv("OPENBELL_EVENTS", str(path))
    return path


def told(events: Path) -> list[Said]:
    return list(read_events(events, 0))


def test_each_kind_of_report_arrives_as_it_was_said(events: Path) -> None:
    worker.emit("log", "hello")
    worker.emit("metric", rows=10, nested={"a": [1, None, True]})
    worker.progress(3, 10)
    worker.progress(4, 10, "nearly there")
    worker.result(pnl=12.5, held=3)
    assert [(said.topic, said.message, said.data) for said in told(events)] == [
        ("log", "hello", {}),
        ("metric", "", {"rows": 10, "nested": {"a": [1, None, True]}}),
        ("progress", "", {"done": 3, "total": 10}),
        ("progress", "nearly there", {"done": 4, "total": 10}),
        ("result", "", {"pnl": 12.5, "held": 3}),
    ]
    assert told(events)[-1].end == events.stat().st_size
    assert events.stat().st_mode & 0o777 == 0o600


def test_reading_goes_on_behind_what_was_read(events: Path) -> None:
    worker.emit("log", "one")
    (one,) = told(events)
    worker.emit("log", "two")
    assert [said.message for said in read_events(events, one.end)] == ["two"]


@pytest.mark.parametrize(
    "text", ["a\nb\r\nc", "\u2028 \x00 \x1b[31m", "héllo 株式 🎺", '{"topic": "result"}', ""]
)
def test_any_text_stays_one_line(events: Path, text: str) -> None:
    worker.emit("log", text, also=text)
    (said,) = told(events)
    assert (said.message, said.data) == (text, {"also": text})
    assert events.read_bytes().count(b"\n") == 1


def test_what_is_no_text_is_replaced(events: Path) -> None:
    """The name of a file that is no UTF-8, for example: no store could keep it."""
    name = os.fsdecode(b"caf\xe9")
    worker.emit("log", name, file=name)
    (said,) = told(events)
    assert (said.message, said.data) == ("caf?", {"file": "caf?"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.dictionaries(st.text(min_size=1), JSON, max_size=4))
def test_any_json_arrives_as_it_was_said(events: Path, message: str, values: dict[str, Any]) -> None:
    values = {name: value for name, value in values.items() if name not in ("topic", "message")}
    worker.emit("metric", message, **values)
    worker.result(**values)
    metric, result = told(events)[-2:]
    assert (metric.message, metric.data) == (message, values)
    assert (result.topic, result.data) == ("result", values)


class Array:
    """Like an array of numpy."""

    def tolist(self) -> list[int]:
        return [1, 2]


class Series:
    """Like a series of Polars."""

    def to_list(self) -> list[float]:
        return [0.5]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Decimal("12.5"), 12.5),
        (Fraction(1, 4), 0.25),
        (Array(), [1, 2]),
        (Series(), [0.5]),
        (date(2024, 7, 2), "2024-07-02"),
        (Path("a/b"), "a/b"),
        ((1, 2), [1, 2]),
        (float, "<class 'float'>"),
    ],
)
def test_values_of_other_kinds_become_plain(events: Path, value: Any, plain: Any) -> None:
    worker.result(value=value)
    assert told(events)[0].data == {"value": plain}


def test_values_of_numpy_become_plain(events: Path) -> None:
    np = pytest.importorskip("numpy", reason="numpy is not installed", exc_type=ImportError)
    worker.result(
        i=np.int64(3), f=np.float32(0.5), yes=np.bool_(True), a=np.arange(3), none=np.float64("nan")
    )
    data = told(events)[0].data
    assert data.pop("none") is None  # what is no number is nothing in the record
    assert data == {"i": 3, "f": 0.5, "yes": True, "a": [0, 1, 2]}


@pytest.mark.parametrize("said", [ValueError("it went wrong"), 5, None])
def test_a_message_may_be_anything_that_can_be_printed(events: Path, said: Any) -> None:
    worker.emit("log", said)
    assert told(events)[0] == Said("log", str(said), {}, events.stat().st_size)


@pytest.mark.parametrize("topic", ["result", "progress", "error", ""])
def test_only_logs_and_metrics_are_emitted(events: Path, topic: str) -> None:
    with pytest.raises(ValueError, match="emits log or metric"):
        worker.emit(topic, "x")
    assert not events.exists()


def test_the_longest_report_is_as_long_as_the_engine_reads(events: Path) -> None:
    frame = len(json.dumps({"topic": "log", "message": "", "data": {}})) + 1
    worker.emit("log", "x" * (LONGEST_LINE - frame))
    with pytest.raises(ValueError, match=f"{LONGEST_LINE + 1} bytes is longer than {LONGEST_LINE}"):
        worker.emit("log", "x" * (LONGEST_LINE - frame + 1))
    (said,) = told(events)
    assert said.data == {}  # and not marked as malformed
    assert len(said.message) == LONGEST_LINE - frame


def test_by_hand_reports_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (None, ""):
        if value is not None:
            monkeypatch.setenv("OPENBELL_EVENTS", value)
            monkeypatch.setenv("OPENBELL_CHECKPOINT", value)
        worker.result(pnl=1)
        worker.save_checkpoint({"rows": 1})
        captured = capsys.readouterr()
        assert captured.out == ""
        first, second = captured.err.splitlines()
        assert json.loads(first) == {"topic": "result", "message": "", "data": {"pnl": 1}}
        assert second == 'checkpoint: {"rows": 1}'


WRITER = """
import sys
from openbell import worker
for n in range(200):
    worker.emit("metric", sys.argv[1] * 3000, writer=sys.argv[1], n=n)
"""


def test_lines_of_several_processes_do_not_mix(events: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name]) for name in "abcd"]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    said = told(events)
    assert sorted((one.data["writer"], one.data["n"]) for one in said) == [
        (w, n) for w in "abcd" for n in range(200)
    ]
    assert all(one.message == one.data["writer"] * 3000 for one in said)


def test_a_checkpoint_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "folder"
    monkeypatch.setenv("OPENBELL_CHECKPOINT", str(path))
    for state in ({"rows": 10, "where": "株"}, [1, 2.5, None], 0, "", None):
        worker.save_checkpoint(state)
        assert worker.context().checkpoint.load("nothing") == state
    assert os.listdir(path) == ["state.json"]  # no draft is left
    assert path.stat().st_mode & 0o777 == 0o700


def test_a_checkpoint_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBELL_CHECKPOINT", "mine")
    worker.save_checkpoint(1)
    assert worker.context().checkpoint.load() == 1


def test_what_is_no_json_leaves_the_old_checkpoint_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBELL_CHECKPOINT", str(tmp_path / "checkpoint"))
    worker.save_checkpoint({"rows": 1})
    with pytest.raises(TypeError):
        worker.context().checkpoint.save({"rows": date(2024, 7, 2)})
    assert worker.context().checkpoint.load() == {"rows": 1}


def say(name: str) -> Callable[[], None]:
    return {
        "log": lambda: worker.emit("log", "x"),
        "progress": lambda: worker.progress(1, 2),
        "result": lambda: worker.result(x=1),
    }[name]


@pytest.mark.parametrize(("what", "rings"), [("log", True), ("progress", True), ("result", False)])
def test_the_engine_is_woken_wherever_its_folder_is(
    events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, rings: bool
) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20)  # longer than the name of a socket may be
    folder.mkdir(parents=True)
    monkeypatch.setenv("OPENBELL_BELL", str(folder / "bell"))
    monkeypatch.setenv("OPENBELL_ATTEMPT", "p/1/a/0#2")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bell:
        monkeypatch.chdir(folder)
        bell.bind("bell")
        say(what)()
        if rings:
            assert bell.recv(100) == b"attempt p/1/a/0#2"
        else:
            with pytest.raises(BlockingIOError):
                bell.recv(100)


@pytest.mark.parametrize("bell", ["", "nowhere", "/nowhere/bell"])
def test_nobody_has_to_hear_the_bell(events: Path, monkeypatch: pytest.MonkeyPatch, bell: str) -> None:
    monkeypatch.setenv("OPENBELL_BELL", bell)
    worker.emit("log", "still written")
    assert told(events)[0].message == "still written"


def test_importing_it_costs_the_standard_library_only() -> None:
    code = "import sys, json; from openbell import worker; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert not {"click", "pydantic", "sqlalchemy", "rich", "asyncio", "numpy"} & {
        n.partition(".")[0] for n in loaded
    }
    ours = {name for name in loaded if name.partition(".")[0] == "openbell"}
    leaf = {
        "openbell",
        "openbell.version",
        "openbell.worker",
        "openbell.worker.checkpoint",
        "openbell.worker.context",
        "openbell.worker.reports",
        "openbell.worker.upstream",
    }
    assert ours == leaf


def test_everything_that_is_offered_is_there() -> None:
    assert worker.__all__ == [
        "Checkpoint",
        "Context",
        "Result",
        "context",
        "emit",
        "progress",
        "result",
        "save_checkpoint",
    ]
    assert all(hasattr(worker, name) for name in worker.__all__)
