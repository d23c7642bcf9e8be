"""Breakouts every fifteen minutes: exports, bars, trades, each of them once more; what befalls files."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import finish
from tests.examples import breakouts
from tests.examples.conftest import ROOT, Example

pytestmark = pytest.mark.slow
Make = Callable[[str], Example]
NAMES = list(breakouts.ROUND)


def translate(desk: Example, name: str, **params: str) -> str:
    """Run the translator by hand; returns what it says when it fails."""
    told = desk.python("translate.py", OPENBELL_PARAMS=json.dumps({"file": f"data/raw/{name}", **params}))
    return "" if told.code == 0 else told.err


def export(desk: Example, name: str, *lines: str) -> Path:
    path = desk.folder / "data/raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def bars(desk: Example, name: str) -> pl.DataFrame:
    return pl.read_parquet(desk.folder / f"data/processed/{name}.parquet")


# ── the exports ──────────────────────────────────────────────────────────────────────────────────


def test_exports_follow_the_clocks_of_chicago(example: Make) -> None:
    """Sunday's first minute is 17:00 in Chicago: 22:00 UTC in summer, 23:00 after 2 November 2025."""
    desk = example("breakout_every_15m")
    desk.python("generate.py", "--from", "2025-10-26", "--to", "2025-11-07", "ES")
    first = {path.name: path.read_text().split(";")[0] for path in (desk.folder / "data/raw").glob("*.csv")}
    assert first["ES_20251026.csv"] == "20251026 220000"
    assert first["ES_20251102.csv"] == "20251102 230000"
    assert "ES_20251101.csv" not in first, "a Saturday"
    friday = (desk.folder / "data/raw/ES_20251107.csv").read_text().splitlines()
    assert friday[-1].startswith("20251107 215900;")
    whole = (desk.folder / "data/raw/ES_20251103.csv").read_bytes()
    desk.python("generate.py", "--from", "2025-11-03", "--to", "2025-11-03", "ES")
    assert (desk.folder / "data/raw/ES_20251103.csv").read_bytes() == whole, "a day depends on its seed only"
    for line in whole.decode().splitlines():
        opened, high, low, close = map(float, line.split(";")[1:5])
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert opened % 0.25 == high % 0.25 == low % 0.25 == close % 0.25 == 0


def test_a_bar_is_there_once_and_the_newest_export_counts(example: Make) -> None:
    desk = example("breakout_every_15m")
    export(
        desk,
        "ES_20251231.csv",
        "20251231 225900;5;6;4;5;1",
        "20251231 230000;5;6;4;5;1",
        "20251231 225900;5;7;4;5;2",
    )
    assert translate(desk, "ES_20251231.csv") == ""
    export(desk, "ES_20260101.Bid.csv", "20251231 230000;5;9;4;5;1", "20260101 060000;5;6;4;5;1")
    assert translate(desk, "ES_20260101.Bid.csv") == ""
    assert bars(desk, "ES_2025").select("High", "Volume").rows() == [(7.0, 2), (9.0, 1)]
    assert bars(desk, "ES_2026")["Time"].to_list() == [datetime(2026, 1, 1, 6, tzinfo=UTC)], (
        "midnight in Chicago"
    )
    before = (desk.folder / "data/processed/ES_2025.parquet").stat()
    assert translate(desk, "ES_20260101.Bid.csv") == ""
    after = (desk.folder / "data/processed/ES_2025.parquet").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino), "again changes nothing"


def test_an_hour_that_comes_twice_and_one_that_never_comes(example: Make) -> None:
    """An export with local stamps: on 2 November 2025 the hour from 01:00 comes twice in Chicago."""
    desk = example("breakout_every_15m")
    twice = [
        f"20251102 {at};5;6;4;5;{volume}"
        for volume, at in enumerate(["010000", "013000", "010000", "013000", "020000"])
    ]
    export(desk, "GC_20251102.csv", *twice)
    assert translate(desk, "GC_20251102.csv", export_zone="America/Chicago") == ""
    found = bars(desk, "GC_2025")
    assert [f"{at:%H%M}" for at in found["Time"]] == ["0600", "0630", "0700", "0730", "0800"]
    assert found["Volume"].to_list() == [0, 1, 2, 3, 4]
    assert desk.python("verify.py", "data/raw/GC_20251102.csv", "America/Chicago").code == 0
    export(desk, "GC_20250309.csv", "20250309 013000;5;6;4;5;1", "20250309 023000;5;6;4;5;1")
    told = translate(desk, "GC_20250309.csv", export_zone="America/Chicago")
    assert "GC_20250309.csv, line 2 is stamped in an hour that America/Chicago skips" in told


@pytest.mark.parametrize(
    ("name", "lines", "told"),
    [
        (
            "ES_20251103.csv",
            ["20251103 000000;5;6;4;5;1", "20251103 0001"],
            "line 2 is not a bar: '20251103 0001'",
        ),
        ("ES_20251103.csv", ["20251103 000000;5;six;4;5;1"], "line 1 is not a bar"),
        ("ES_20251103.csv", ["20251103 000000;5;nan;4;5;1"], "line 1 is not a bar"),
        ("ES_20251103.csv", ["20251103 000000;5;6;4;5;1;9"], "line 1 is not a bar"),
        ("ES_20251103.csv", ["20251103 000000;5;6;0;5;1"], "line 1 has a price that is not above zero"),
        (
            "ES_20251103.csv",
            ["20251103 000000;7;6;4;5;1"],
            "line 1 has an open or a close outside its high and low",
        ),
        ("ES_20251103.csv", [], "line 1 is cut off: the export is not complete"),
        (
            "QQ_20251103.csv",
            ["20251103 000000;5;6;4;5;1"],
            "unknown instrument 'QQ'; instruments.toml has CL, DE30EUR",
        ),
        ("notes.csv", ["hello"], "notes.csv is not named as an export is"),
    ],
)
def test_an_export_that_cannot_be_used_is_refused_by_line(
    example: Make, name: str, lines: list[str], told: str
) -> None:
    desk = example("breakout_every_15m")
    path = export(desk, name, *lines)
    whole = path.read_bytes()
    assert told in translate(desk, name)
    assert not (desk.folder / "data/processed").exists()
    assert path.read_bytes() == whole


def test_a_line_without_its_end_is_a_file_that_still_arrives(example: Make) -> None:
    desk = example("breakout_every_15m")
    path = export(desk, "ES_20251103.csv", "20251103 000000;5;6;4;5;1")
    path.write_text(path.read_text() + "20251103 000100;5;6;4;5;12")
    assert "line 2 is cut off: the export is not complete" in translate(desk, path.name)


def test_verification_finds_what_has_not_arrived(example: Make) -> None:
    desk = example("breakout_every_15m")
    export(desk, "ES_20251103.csv", "20251103 000000;5;6;4;5;1", "20251103 000100;5;6;4;5;1")
    translate(desk, "ES_20251103.csv")
    assert desk.python("verify.py", "data/raw/ES_20251103.csv").out == "ES_20251103.csv: 2 bars verified\n"
    path = desk.folder / "data/processed/ES_2025.parquet"
    pl.read_parquet(path).with_columns(High=pl.col("High") + pl.Series([0.0, 0.25])).write_parquet(path)
    told = desk.python("verify.py", "data/raw/ES_20251103.csv")
    assert told.code == 1
    assert "1 of 2 bars are not there as they were sent, the first: 2025-11-03 00:01:00+00:00" in told.err


# ── the trades ───────────────────────────────────────────────────────────────────────────────────


def minute(day: str, at: int, opened: float, high: float, low: float, close: float) -> str:
    """A line of an export, so many minutes after 02:00 in Chicago (08:00 UTC in winter)."""
    hour, rest = divmod(at + 8 * 60, 60)
    return f"{day} {hour:02}{rest:02}00;{opened};{high};{low};{close};1"


OUT_ABOVE = (101, 101.5, 100.5, 101)
Prices = tuple[float, float, float, float]
BREAKS: dict[str, tuple[list[Prices], tuple[int, float | None, float | None, str, float]]] = {
    "target": ([OUT_ABOVE, (101, 112, 101, 111)], (1, 101.25, 111.25, "win", 10.0)),
    "stop": ([OUT_ABOVE, (100, 100, 90, 95)], (1, 101.25, 98.75, "loss", -2.5)),
    "both in one minute: the stop": ([OUT_ABOVE, (101, 112, 90, 95)], (1, 101.25, 98.75, "loss", -2.5)),
    "no target as it enters": ([(101, 112, 100.5, 101)], (1, 101.25, 101.0, "close", -0.25)),
    "a stop as it enters": ([(101, 101.5, 98, 100)], (1, 101.25, 98.75, "loss", -2.5)),
    "a gap over the entry": ([(104, 105, 104, 105), (105, 114, 105, 114)], (1, 104.0, 114.0, "win", 10.0)),
    "a gap below the stop": ([OUT_ABOVE, (97, 97, 96, 97)], (1, 101.25, 97.0, "loss", -4.25)),
    "short": ([(99, 99.5, 98.5, 99), (99, 99, 88, 88)], (-1, 98.75, 88.75, "win", 10.0)),
    "out on both sides, nearer below": ([(99.5, 102, 98, 100)], (-1, 98.75, 101.25, "loss", -2.5)),
    "no way out": ([(100, 101, 99, 100)], (0, None, None, "no breakout", 0.0)),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_slot_comes_to(example: Make, what: str) -> None:
    """A range of 99 to 101 until 07:30; then these minutes, and quiet ones until the close."""
    desk = example("breakout_every_15m")
    after, expected = BREAKS[what]
    lines = [minute("20251104", at, 100, 101, 99, 100) for at in range(330)]
    lines += [minute("20251104", 330 + at, *prices) for at, prices in enumerate(after)]
    last = after[-1][3]
    lines += [minute("20251104", at, last, last, last, last) for at in range(330 + len(after), 840)]
    export(desk, "ES_20251104.csv", *lines)
    assert translate(desk, "ES_20251104.csv") == ""
    assert desk.python("analyze.py", OPENBELL_PARAMS='{"instrument": "ES"}').code == 0
    found = pl.read_parquet(desk.folder / "data/analyzer_runs/ES1/2025/ES1_an_2025_11_04.parquet").row(
        0, named=True
    )
    assert (found["Range_High"], found["Range_Low"]) == (101, 99)
    told = tuple(found[name] for name in ("Direction", "Entry", "Exit", "Result", "Points"))
    assert told == expected
    assert found["PnL"] == found["Points"] * 50


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """Eight days of six instruments over the change of the clocks; its files are only read."""
    desk = Example("breakout_every_15m", tmp_path_factory.mktemp("breakout"))
    told = desk.follow_the_readme()
    assert "49 tasks: 49 succeeded" in told
    assert told.splitlines()[-2:] == months(desk)
    yield desk
    desk.close()


def months(desk: Example) -> list[str]:
    """The lines of the README that tell what each month came to."""
    text = (ROOT / desk.folder.name / "README.md").read_text()
    return re.findall(r"^    (\d{4}_\d\d: .*)", text, re.MULTILINE)


def test_the_months_are_the_expected_ones(week: Example) -> None:
    expected = sorted((ROOT / "breakout_every_15m/expected").glob("*.csv"))
    assert len(expected) == 2
    for path in expected:
        assert (week.folder / "data/analyzer_runs" / path.name).read_text() == path.read_text()


def test_raw_files_are_archived_as_they_were(week: Example, example: Make) -> None:
    again = example("breakout_every_15m")
    again.python("generate.py")
    made = {path.name: path.read_bytes() for path in (again.folder / "data/raw").glob("*.csv")}
    archived = {path.name: path.read_bytes() for path in (week.folder / "data/raw/archive").iterdir()}
    assert archived == made
    assert not list((week.folder / "data/raw").glob("*.csv"))


@pytest.mark.parametrize("name", NAMES)
def test_every_trade_of_the_week(week: Example, name: str) -> None:
    days = breakouts.minutes(sorted((week.folder / "data/raw/archive").glob(f"{name}_*.csv")))
    assert list(days) == [
        date(2025, 10, 30),
        date(2025, 10, 31),
        *(date(2025, 11, day) for day in range(3, 8)),
    ]
    dollars = breakouts.ROUND[name][2]
    results = set()
    for day, own in days.items():
        for session, (since, slots) in breakouts.SLOTS.items():
            path = (
                week.folder
                / f"data/analyzer_runs/{name}{session}/2025/{name}{session}_an_{day:%Y_%m_%d}.parquet"
            )
            found = {f"{row['Slot']:%H:%M}": row for row in pl.read_parquet(path).to_dicts()}
            assert list(found) == slots
            for slot, row in found.items():
                told = breakouts.follow(name, day, own, since, slot, last_day=day == max(days))
                where = f"{name} {day} {slot}"
                assert (row["Result"], row["Direction"]) == (told.result, told.side), where
                assert row["Entry"] == pytest.approx(told.entry), where
                assert row["Entry_Time"] == told.entered, where
                assert row["Points"] == pytest.approx(told.points, abs=1e-9), where
                assert row["PnL"] == pytest.approx(told.points * dollars, abs=0.01), where
                if told.result != "open":
                    assert row["Exit"] == pytest.approx(told.left), where
                    assert row["Exit_Time"] == told.ended, where
                results.add(told.result)
    assert "loss" in results


def test_a_month_is_its_days(week: Example) -> None:
    runs = week.folder / "data/analyzer_runs"
    merged = sorted(path for path in runs.glob("*/2025/*.parquet") if path.stem.count("_") == 3)
    assert len(merged) == 6 * 2 * 2
    for path in merged:
        days = sorted(path.parent.glob(f"{path.stem}_*.parquet"))
        assert pl.read_parquet(path).equals(pl.concat(map(pl.read_parquet, days)).sort("Date", "Slot"))
    for month in ("2025_10", "2025_11"):
        told = pl.read_parquet(runs / f"summary_{month}.parquet")
        trades = pl.concat(pl.read_parquet(path) for path in merged if path.stem.endswith(month))
        assert told["Trades"].sum() == trades.filter(pl.col("Direction") != 0).height
        assert told["PnL"].sum() == pytest.approx(trades["PnL"].sum())
        for row in told.to_dicts():
            own = trades.filter(
                (pl.col("Instrument") == row["Instrument"]) & (pl.col("Slot") == row["Slot"])
            )["PnL"].to_list()
            lost = -sum(one for one in own if one < 0)
            factor = sum(one for one in own if one > 0) / lost if lost else None
            assert row["Profit_Factor"] == pytest.approx(factor, abs=1e-4)


# ── what befalls files, with the pipeline ────────────────────────────────────────────────────────


def complete(desk: Example, what: str = "complete") -> None:
    """The signal of a platform whose export is complete (or has begun)."""
    signal = desk.folder / f"data/raw/logs/export_{what}_{time.time_ns()}.json"
    signal.parent.mkdir(parents=True, exist_ok=True)
    draft = signal.with_suffix(".part")
    draft.write_text(json.dumps({"export": time.time_ns()}))
    draft.replace(signal)


def raw(desk: Example) -> list[str]:
    return sorted(path.name for path in (desk.folder / "data/raw").glob("*.csv"))


def test_nothing_new_is_nothing_to_do(example: Make) -> None:
    desk = example("breakout_every_15m")
    told = desk.succeeds("run", "breakout")
    assert "8 tasks: 8 skipped" in told.out
    assert "no file that is ready matches data/raw/*.csv" in told.err


def test_half_an_export_is_waited_for(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04", "ES")
    shutil.rmtree(desk.folder / "data/raw/logs")
    path = desk.folder / "data/raw/ES_20251104.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    complete(desk, "start")
    process = desk.begin("run", "breakout")
    desk.until(lambda: "its writer told start" in desk.run("why", "breakout/1/translator").out)
    assert not (desk.folder / "data/processed").exists()
    path.write_bytes(whole)
    complete(desk)
    finish(process, 60)
    assert bars(desk, "ES_2025").height == 1380
    assert raw(desk) == []


def test_one_bad_export_stays_and_the_others_go_on(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04")
    shutil.rmtree(desk.folder / "data/raw/logs")
    broken = desk.folder / "data/raw/NG_20251104.csv"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-100])
    alien = export(desk, "ZZ_20251104.csv", "20251104 000000;5;6;4;5;1")
    complete(desk)
    outcome = desk.run("run", "breakout", timeout=120)
    assert outcome.code == 2
    assert "11 succeeded, 3 failed" in outcome.out, "two exports, and the instrument that has no bars"
    log = desk.run("logs", "breakout", "--failed").out
    assert "NG_20251104.csv, line" in log
    assert "is cut off: the export is not complete" in log
    assert "unknown instrument 'ZZ'" in log
    assert "there are no bars of NG" in log
    assert raw(desk) == ["NG_20251104.csv", "ZZ_20251104.csv"]
    assert broken.read_bytes() == whole[:-100]
    summary = pl.read_parquet(desk.folder / "data/analyzer_runs/summary_2025_11.parquet")
    assert set(summary["Instrument"]) == {"ES", "NQ", "YM", "CL", "GC"}

    broken.write_bytes(whole)  # the platform sends it once more
    alien.unlink()
    complete(desk)
    desk.succeeds("run", "breakout", "--new")
    assert raw(desk) == []
    assert bars(desk, "NG_2025").height == 1380
    summary = pl.read_parquet(desk.folder / "data/analyzer_runs/summary_2025_11.parquet")
    assert set(summary["Instrument"]) == set(NAMES)


SUCCESS = '    print("[SUCCESS] Data translation completed successfully!")\n'


def test_a_translator_that_hangs_after_its_success_is_ended(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04", "ES")
    desk.edit("translate.py", SUCCESS, SUCCESS + "    import time\n\n    time.sleep(600)\n")
    desk.edit("breakout.yaml", "linger: 10s", "linger: 1s")
    desk.edit("breakout.yaml", "[ES, NQ, YM, CL, NG, GC]", "[ES]")
    desk.succeeds("run", "breakout")
    assert "ES_20251104.csv: 1,380 bars verified" in desk.run("logs", "breakout/1/translator").out
    assert raw(desk) == []
    assert bars(desk, "ES_2025").height == 1380
    shown = json.loads(desk.run("runs", "show", "breakout/1", "-o", "json").out)
    (hung,) = [one for one in shown["attempts"] if one["step"] == "translator"]
    assert hung["state"] == "succeeded"
    assert "ended_after_marker" in str(hung), "and the record says that it had to be ended"


def test_a_success_that_is_only_printed_archives_nothing(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04", "ES")
    desk.edit(
        "translate.py", "            write(path, merged)\n", "            write(path, merged.head(1000))\n"
    )
    desk.edit("breakout.yaml", "[ES, NQ, YM, CL, NG, GC]", "[ES]")
    whole = (desk.folder / "data/raw/ES_20251104.csv").read_bytes()
    outcome = desk.run("run", "breakout", timeout=120)
    assert outcome.code == 2
    log = desk.run("logs", "breakout", "--failed").out
    assert "[SUCCESS]" in log
    assert "ES_20251104.csv: 380 of 1380 bars are not there as they were sent" in log
    assert (desk.folder / "data/raw/ES_20251104.csv").read_bytes() == whole


def test_a_translator_that_fails_after_its_success_line_has_failed(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04", "ES")
    desk.edit("translate.py", SUCCESS, SUCCESS + "    raise SystemExit(3)\n")
    desk.edit("breakout.yaml", "[ES, NQ, YM, CL, NG, GC]", "[ES]")
    assert desk.run("run", "breakout", timeout=120).code == 2
    assert raw(desk) == ["ES_20251104.csv"]


def test_every_running_task_gives_signs_of_life(example: Make) -> None:
    """Tasks that go on until their signs of life, now every second, are in the event file."""
    desk = example("breakout_every_15m")
    desk.edit("openbell.yaml", "heartbeat: 60s", "executors: {process: {slots: 2}}\nheartbeat: 1s")
    desk.edit("breakout.yaml", "[ES, NQ, YM, CL, NG, GC]", "[ES, NQ]")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04", "ES", "NQ")
    programs = {"translator": "translate.py", "analyzer": "analyze.py", "merger": "merge.py"}
    for step, program in programs.items():
        wait = f"    import time\n\n    while not Path('{step}.seen').exists():\n        time.sleep(0.05)\n"
        desk.edit(
            program, "def main() -> None:\n", f"def main() -> None:\n    from pathlib import Path\n{wait}"
        )

    def alive(step: str) -> set[str]:
        text = "".join(path.read_text() for path in desk.folder.glob(".openbell/events/**/*.jsonl"))
        lines = map(json.loads, text.splitlines())
        beats = [line for line in lines if line["stage"] == step and line["data"].get("heartbeat")]
        assert all(line["event"] == "metric" and line["data"]["elapsed_seconds"] > 0 for line in beats)
        return {line["task"] for line in beats}

    run = desk.begin("run", "breakout")
    for step, tasks in zip(programs, (2, 2, 1), strict=True):
        desk.until(lambda step=step, tasks=tasks: len(alive(step)) == tasks, 60)  # type: ignore[misc]
        (desk.folder / f"{step}.seen").touch()
    assert finish(run, 60).code == 0


def test_one_failing_instrument_does_not_hold_back_the_others(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.edit("breakout.yaml", "GC]", "GX]")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04")
    outcome = desk.run("run", "breakout", timeout=120)
    assert outcome.code == 2
    assert "12 succeeded, 1 failed" in outcome.out
    assert "unknown instrument 'GX'" in desk.run("logs", "breakout", "--failed").out
    summary = pl.read_parquet(desk.folder / "data/analyzer_runs/summary_2025_11.parquet")
    assert set(summary["Instrument"]) == set(NAMES) - {"GC"}
    assert bars(desk, "GC_2025").height == 1380


def test_a_table_that_somebody_has_broken_is_named_and_its_exports_stay(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04", "ES", "GC")
    desk.edit("breakout.yaml", "[ES, NQ, YM, CL, NG, GC]", "[ES, GC]")
    desk.succeeds("run", "breakout")
    table = desk.folder / "data/processed/GC_2025.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:-50])
    desk.python("generate.py", "--from", "2025-11-05", "--to", "2025-11-05", "ES", "GC")
    outcome = desk.run("run", "breakout", "--new", timeout=120)
    assert outcome.code == 2
    assert "data/processed/GC_2025.parquet cannot be read" in desk.run("logs", "breakout", "--failed").out
    assert raw(desk) == ["GC_20251105.csv"]
    assert bars(desk, "ES_2025").height == 2 * 1380
    table.write_bytes(whole)
    desk.succeeds("run", "breakout", "--new")
    assert bars(desk, "GC_2025").height == 2 * 1380


def test_a_complete_export_opens_a_run_by_itself(example: Make) -> None:
    """The daemon leads; nobody gives a command when the files come."""
    desk = example("breakout_every_15m")
    desk.succeeds("start")
    try:
        desk.python("generate.py", "--from", "2025-11-04", "--to", "2025-11-04", "ES", "NQ")
        month = desk.folder / "data/analyzer_runs/summary_2025_11.parquet"
        desk.until(month.exists, 60)
        desk.until(lambda: raw(desk) == [], 30)
    finally:
        desk.succeeds("stop")
    assert set(pl.read_parquet(month)["Instrument"]) == {"ES", "NQ"}


def test_quarter_hours_go_on_while_the_clocks_are_set_back(example: Make) -> None:
    """In Chicago 01:00 comes twice on 2 November 2025. Each quarter of an hour a run takes what has come."""
    desk = example("breakout_every_15m")
    told = desk.run("rehearse", "--from", "2025-11-02", "--to", "2025-11-02", "--length", "1m", "-o", "json")
    assert told.code == 0, told.err
    runs = json.loads(told.out)["runs"]
    first = datetime(2025, 11, 2, tzinfo=UTC)
    assert [datetime.fromisoformat(run["opens"]) for run in runs] == [
        first + n * timedelta(minutes=15) for n in range(96)
    ]
    for run in runs:
        steps = run["steps"]
        assert steps["translator"]["ends"] <= steps["analyzer"]["starts"] <= steps["merger"]["starts"]


# ── real bars ────────────────────────────────────────────────────────────────────────────────────

SHARED = [folder / "shared/data/raw/minute" for folder in ROOT.parents[1:3]]
REAL = next((folder for folder in SHARED if folder.is_dir()), SHARED[0])


@pytest.mark.skipif(not REAL.is_dir(), reason="the real minute bars (../shared/data/raw/minute) are not here")
def test_real_bars_of_gold_and_an_index(example: Make) -> None:
    desk = example("breakout_every_15m")
    desk.edit("breakout.yaml", "[ES, NQ, YM, CL, NG, GC]", "[GC, FDAX]")
    folder = desk.folder / "data/raw"
    shutil.copytree(REAL, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    complete(desk)
    desk.succeeds("run", "breakout")
    lines = {
        name: sum(path.read_text().count("\n") for path in REAL.glob(f"{name}_*"))
        for name in ("XAUUSD", "DE30EUR")
    }
    assert bars(desk, "GC_2014").height == lines["XAUUSD"] == 12_451
    assert bars(desk, "FDAX_2019").height == lines["DE30EUR"] == 2_439
    days = breakouts.minutes(sorted(REAL.glob("XAUUSD_*.csv")))
    for day, own in days.items():
        for session, (since, slots) in breakouts.SLOTS.items():
            path = desk.folder / f"data/analyzer_runs/GC{session}/2014/GC{session}_an_{day:%Y_%m_%d}.parquet"
            for slot, row in zip(slots, pl.read_parquet(path).to_dicts(), strict=True):
                told = breakouts.follow("GC", day, own, since, slot, last_day=day == max(days))
                assert (row["Result"], row["Direction"]) == (told.result, told.side)
                assert row["Points"] == pytest.approx(told.points, abs=1e-9)
