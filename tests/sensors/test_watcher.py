"""Files as they really come: half written, renamed, replaced, deleted, in folders that are not there yet."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path

from openbell.core.inputs import InputFile, Lookout, Signal
from openbell.sensors.arrivals import Look
from openbell.sensors.contents import content_key
from tests.sensors.conftest import Post


def test_nothing_is_there_and_that_is_told(post: Post) -> None:
    post.look_for("*.csv")
    assert post.looks == [post.last]
    assert (post.last.files, post.last.unsettled) == ((), 0)


def test_a_file_counts_when_it_has_stood_still(post: Post) -> None:
    post.look_for("*.csv", settle=0.5)
    post.write("a.csv", "1,2")
    began = time.monotonic()
    post.until(lambda: post.last.unsettled == 1)
    post.until(lambda: post.names == ["a.csv"])
    assert time.monotonic() - began >= 0.45
    (file,) = post.last.files
    assert (file.size, file.key) == (3, content_key(file.path))
    assert file.mtime_ns == os.stat(file.path).st_mtime_ns


def test_a_file_that_grows_does_not_count(post: Post) -> None:
    post.look_for("*.csv", settle=0.4)
    with (post.folder / "a.csv").open("w") as file:
        for _ in range(8):
            file.write("x" * 100)
            file.flush()
            time.sleep(0.15)
            assert post.names == [], "it was still being written"
    post.until(lambda: post.names == ["a.csv"])
    assert post.last.files[0].size == 800


def test_a_file_that_has_been_there_for_long_counts_at_once(post: Post) -> None:
    post.write("a.csv")
    time.sleep(0.35)
    post.look_for("*.csv", settle=0.3)
    assert post.names == ["a.csv"]
    assert len(post.looks) == 1


def test_a_time_that_was_set_back_does_not_make_a_file_old(post: Post) -> None:
    path = post.write("a.csv")
    os.utime(path, (0, 0))
    post.look_for("*.csv", settle=0.5)
    assert (post.names, post.last.unsettled) == ([], 1)
    post.until(lambda: post.names == ["a.csv"])


def test_a_file_that_is_renamed_to_its_name_counts_at_once(keen: Post) -> None:
    keen.look_for("*.csv", settle=60)
    part = keen.write("a.csv.part")
    time.sleep(0.05)
    part.rename(keen.folder / "a.csv")
    assert keen.until(lambda: keen.names == ["a.csv"]) < 1


def test_a_file_that_is_written_on_after_its_renaming_waits_again(keen: Post) -> None:
    keen.look_for("*.csv", settle=0.6)
    keen.write("b.tmp").rename(keen.folder / "b.csv")
    keen.until(lambda: keen.names == ["b.csv"])
    keen.write("b.csv", "more than before")
    keen.until(lambda: keen.names == [])
    keen.until(lambda: keen.names == ["b.csv"])
    assert keen.last.files[0].size == 16


def test_a_file_that_is_deleted_is_gone(post: Post) -> None:
    post.look_for("*.csv", settle=0)
    path = post.write("a.csv")
    post.until(lambda: post.names == ["a.csv"])
    path.unlink()
    post.until(lambda: post.names == [])


def test_a_file_that_goes_while_it_settles_never_comes(post: Post) -> None:
    post.look_for("*.csv", settle=0.3)
    path = post.write("a.csv")
    post.until(lambda: post.last.unsettled == 1)
    path.unlink()
    post.until(lambda: post.last.unsettled == 0)
    time.sleep(0.5)
    assert all(not look.files for look in post.looks)


def test_a_replaced_file_is_another_one(post: Post) -> None:
    post.look_for("*.csv", settle=0.1)
    post.write("a.csv", "old")
    post.until(lambda: post.names == ["a.csv"])
    old = post.last.files[0].key
    post.write("new.tmp", "new").replace(post.folder / "a.csv")
    post.until(lambda: bool(post.last.files) and post.last.files[0].key != old)
    assert post.last.files[0].key == content_key(str(post.folder / "a.csv"))


def test_a_missing_folder_is_waited_for(post: Post) -> None:
    post.look_for("data/raw/*.csv", settle=0)
    post.write("data/raw/a.csv")
    post.until(lambda: post.names == ["data/raw/a.csv"])


def test_a_folder_may_go_and_come_back(post: Post) -> None:
    post.look_for("raw/*.csv", settle=0)
    path = post.write("raw/a.csv")
    post.until(lambda: post.names == ["raw/a.csv"])
    path.unlink()
    path.parent.rmdir()
    post.until(lambda: post.names == [])
    post.write("raw/b.csv")
    post.until(lambda: post.names == ["raw/b.csv"])


def test_folders_in_between_are_found(post: Post) -> None:
    post.write("in/old/x.csv")
    post.look_for("in/**/*.csv", "in/2*/y.txt", settle=0)
    post.until(lambda: post.names == ["in/old/x.csv"])
    post.write("in/2024/deep/z.csv")
    post.write("in/2024/y.txt")
    post.until(lambda: sorted(post.names) == ["in/2024/deep/z.csv", "in/2024/y.txt", "in/old/x.csv"])


def test_what_is_no_plain_file_or_hidden_does_not_count(post: Post) -> None:
    (post.folder / "folder.csv").mkdir()
    os.mkfifo(post.folder / "pipe.csv")
    post.write(".hidden.csv")
    (post.folder / "broken.csv").symlink_to("nowhere")
    post.look_for("*.csv", settle=0)
    assert post.names == []


def test_the_oldest_comes_first(post: Post) -> None:
    for name, when in (("a", 300), ("b", 100), ("c", 200)):
        os.utime(post.write(name), (when, when))
    post.look_for("*", settle=0)
    assert post.names == ["b", "c", "a"]


def test_a_content_that_is_known_is_not_read_again(keen: Post) -> None:
    path = keen.write("a.csv", "abc")
    known = InputFile(str(path), 3, path.stat().st_mtime_ns, "known")
    keen.look_for("*.csv", settle=0, known=(known,))
    assert keen.last.files[0].key == "known"
    keen.write("a.csv", "abcd")
    keen.until(lambda: keen.last.files[0].key == content_key(str(path)))


# ── signals of a writer ──────────────────────────────────────────────────────────────────────


def signals(folder: Path) -> Signal:
    return Signal(
        complete=f"{folder}/logs/export_complete_*.json",
        start=f"{folder}/logs/export_start_*.json",
        progress=f"{folder}/logs/export_progress_*.json",
    )


def test_a_writer_that_gives_signals_is_waited_for(post: Post) -> None:
    post.look_for("*.csv", settle=0, signal=signals(post.folder))
    post.write("a.csv")
    post.until(lambda: post.last.unsettled == 1)
    assert post.last == Look((), 1, None)
    post.write("logs/export_start_1.json", '{"instrument": "ES"}')
    post.until(lambda: post.last.told is not None)
    assert post.last.told is not None
    assert (post.last.told.phase, post.last.told.text) == ("start", "instrument=ES")
    time.sleep(0.02)
    post.write("logs/export_progress_1.json", '{"records": 100000, "more": {"x": 1}}')
    post.until(lambda: post.last.told is not None and post.last.told.phase == "progress")
    assert post.last.told.text == "records=100000"
    assert post.names == []
    time.sleep(0.02)
    post.write("logs/export_complete_1.json", '{"records": 250000}')
    post.until(lambda: post.names == ["a.csv", "logs/export_complete_1.json"])
    assert [file.role for file in post.last.files] == ["", "signal"]


def test_a_signal_that_is_half_written_tells_nothing(post: Post) -> None:
    post.look_for("*.csv", settle=0, signal=signals(post.folder))
    post.write("a.csv")
    post.write("logs/export_complete_1.json", '{"records": 25')
    post.until(lambda: post.last.unsettled == 1)
    time.sleep(0.3)
    assert post.names == []
    post.write("logs/export_complete_1.json", '{"records": 25}')
    post.until(lambda: len(post.names) == 2)


def test_what_comes_after_the_signal_settles_by_itself(post: Post) -> None:
    post.look_for("*.csv", settle=0.8, signal=signals(post.folder))
    post.write("a.csv")
    time.sleep(0.02)
    post.write("logs/export_complete_1.json", "{}")
    assert post.until(lambda: "a.csv" in post.names) < 0.7
    time.sleep(0.02)
    post.write("b.csv")
    post.until(lambda: post.last.unsettled == 1)
    assert "b.csv" not in post.names


def test_two_signals_that_say_the_same_are_two(post: Post) -> None:
    post.look_for("*.csv", settle=0, signal=signals(post.folder))
    post.write("a.csv")
    time.sleep(0.02)
    path = post.write("logs/export_complete_1.json", "{}")
    post.until(lambda: len(post.names) == 2)
    first = post.last.files[-1].key
    os.utime(path, (path.stat().st_mtime + 5, path.stat().st_mtime + 5))
    post.until(lambda: bool(post.last.files) and post.last.files[-1].key != first)


# ── the thread ───────────────────────────────────────────────────────────────────────────────


def _wakeups() -> int:
    """How often the threads of the watchers have gone to sleep so far."""
    found = 0
    for thread in threading.enumerate():
        if thread.name == "openbell-files":
            status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
            found += int(status.partition("voluntary_ctxt_switches:")[2].split()[0])
    return found


def test_who_waits_for_news_does_not_wake_up(keen: Post) -> None:
    keen.write("a.csv")
    keen.look_for("*.csv", settle=0)
    time.sleep(0.3)
    before = _wakeups()
    time.sleep(2)
    assert _wakeups() - before <= 1


def test_nobody_runs_before_there_is_something_to_look_for(keen: Post) -> None:
    assert not [thread for thread in threading.enumerate() if thread.name == "openbell-files"]
    keen.watcher.close()


def test_who_is_forgotten_hears_no_more(keen: Post) -> None:
    keen.look_for("*.csv", settle=0)
    keen.watcher.forget("x")
    keen.write("a.csv")
    time.sleep(0.2)
    assert keen.names == []


def test_a_large_file_does_not_hold_up_the_end(keen: Post) -> None:
    with (keen.folder / "a.csv").open("wb") as file:
        file.truncate(20 << 30)  # a hole: nothing on the disk, and minutes to read
    lookout_told = keen.looks
    everything = Lookout((f"{keen.folder}/*.csv",), timedelta(0))
    keen.watcher.look_for("y", everything, lookout_told.append)
    time.sleep(0.2)
    began = time.monotonic()
    keen.watcher.close()
    assert time.monotonic() - began < 2
    assert lookout_told == []
