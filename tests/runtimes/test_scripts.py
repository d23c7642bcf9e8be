"""A script finds what Enterprise gives it, and nothing of the script before it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.runtimes.engine import PYTHON, ROOT, Host, mode

pytestmark = pytest.mark.slow


def test_a_script_finds_itself_in_its_date(host: Host) -> None:
    script = """
        import os, sys
        from deephaven.time import dh_now, dh_today
        print(dh_now(), dh_today(), os.environ["QUERY_NAME"], os.environ["PARTITION_ID"])
        print(__PERSISTENT_QUERY_SERIAL_NUMBER, __name__, os.path.basename(__file__), sys.argv == [__file__])
        print(os.getcwd() == os.path.dirname(__file__), db is globals()["db"])
    """
    told = host.play(
        script, OPENBELL_MODE=mode("batch"), QUERY_NAME="q", PARTITION_ID="3", OPENBELL_QUERY_SERIAL="77"
    )
    assert told.lines == [
        "2024-01-02T05:00:00Z 2024-01-02 q 3",
        "77 __main__ worker.py True",
        "True True",
    ], told.output


def test_without_a_date_the_clock_is_the_machine_s(host: Host) -> None:
    script = """
        import time
        from deephaven.time import dh_now
        print(abs(dh_now().getEpochSecond() - time.time()) < 60)
    """
    told = host.play(script, OPENBELL_MODE="", SIMULATION_DATE="")
    assert told.lines == ["True"], told.output
    told = host.play(script, SIMULATION_DATE="")
    assert told.output == "error: a replay needs a date: SIMULATION_DATE is not set\n"
    assert told.code == 1


def test_in_a_batch_sleeping_takes_time_and_tables_tick(host: Host) -> None:
    script = """
        import time
        from deephaven import DynamicTableWriter, dtypes
        writer = DynamicTableWriter({"N": dtypes.int64})
        total = writer.table.sum_by()
        writer.write_row(7)
        began = time.monotonic()
        while not total.size:
            time.sleep(0.05)
        print(total.to_string(cols=["N"]).split()[-1], time.monotonic() - began >= 0.05)
    """
    told = host.play(script, OPENBELL_MODE=mode("batch"))
    assert told.lines == ["7 True"], told.output


def test_nothing_is_left_for_the_next_script(host: Host) -> None:
    (host.folder / "neighbour.py").write_text("value = 1\n")
    first = """
        import os, sys, time, builtins
        import neighbour
        from deephaven import empty_table, query_library
        from deephaven.time import dh_now
        query_library.import_static("java.lang.Math")
        neighbour.value = 2
        FACTOR = 5
        os.environ["LEFT"] = "1"
        os.chdir("/")
        table = empty_table(3).update("X = i * FACTOR")
        print(table.to_string(), neighbour.value)
    """
    second = """
        import os, sys
        import neighbour
        from deephaven import empty_table, DHError
        print(neighbour.value, "FACTOR" in globals(), "LEFT" in os.environ)
        print(os.getcwd() == os.path.dirname(__file__))
        print("table" in globals(), [name for name in dir() if not name.startswith("_")])
        try:
            empty_table(3).update("X = i * FACTOR")
        except DHError:
            print("no FACTOR")
    """
    told = host.play(first)
    assert told.code == 0, told.output
    told = host.play(second)
    assert told.lines == [
        "1 False False",
        "True",
        "False ['DHError', 'db', 'empty_table', 'neighbour', 'os', 'sys']",
        "no FACTOR",
    ], told.output
    assert not told.said["leave"]


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('no data')", 1, "no data\n"),
        ("raise SystemExit", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("a b", 1, "SyntaxError: invalid syntax\n"),
    ],
)
def test_how_a_script_ends(host: Host, ending: str, code: int, said: str) -> None:
    told = host.play(ending, OPENBELL_MODE=mode("batch"))
    assert told.code == code
    assert told.output.endswith(said)
    assert "deephaven_core" not in told.output


def test_errors_of_queries_are_shown(host: Host, market: Path) -> None:
    told = host.play(
        "db.historical_table('Market', 'Trade').where('Nothing > 1')", OPENBELL_MODE=mode("batch")
    )
    assert told.code == 1
    assert "Nothing" in told.output
    assert 'worker.py", line 1, in <module>' in told.output
    assert "deephaven_core" not in told.output


def test_settings_that_cannot_be_read(host: Host) -> None:
    told = host.play("print(1)", SIMULATION_DATE="2024-02-30")
    assert (told.code, told.output) == (1, "error: SIMULATION_DATE='2024-02-30' is no date YYYY-MM-DD\n")
    told = host.play("print(1)", OPENBELL_DATA="[")
    assert (told.code, told.output) == (1, "error: OPENBELL_DATA is no JSON object\n")


@pytest.mark.parametrize(
    ("heap", "code", "said"),
    [("900000", 1, "Could not reserve enough space"), ("x", 3, "OPENBELL_HEAP_GB='x' is no positive number")],
)
def test_a_machine_that_does_not_start_says_why(host: Host, heap: str, code: int, said: str) -> None:
    script = host.folder / "script.py"
    script.write_text("print(1)")
    done = subprocess.run(
        [PYTHON, "-m", "openbell.runtimes.deephaven_core", script],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBELL_HEAP_GB": heap},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_thread_that_goes_on_ends_the_host(host: Host) -> None:
    """Python waits for its threads at the end; another host takes the next script."""
    script = """
        import threading
        done = threading.Event()
        thread = threading.Thread(target=done.wait, args=(60,), daemon=True)
        thread.start()
    """
    other = Host(host.folder, dict(host.env))
    try:
        told = other.play(script, name="threads.py")
        assert told.said["leave"]
        assert other.process.wait(60) == 0
    finally:
        other.close()
