"""Breakouts every fifteen minutes: exports, bars, trades, each of them once more; what befalls files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.examples import breakouts
from tests.examples.conftest import Example

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
    """Eight days of six instruments over the change of the clocks, by hand; its files are only read."""
    desk = Example("breakout_every_15m", tmp_path_factory.mktemp("breakout"))
    desk.python("generate.py")
    raw = sorted((desk.folder / "data/raw").glob("*.csv"))
    assert len(raw) == 6 * 7
    for path in raw:
        assert translate(desk, path.name) == ""
    for name in NAMES:
        assert desk.python("analyze.py", OPENBELL_PARAMS=json.dumps({"instrument": name})).code == 0
    yield desk
    desk.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_trade_of_the_week(week: Example, name: str) -> None:
    days = breakouts.minutes(sorted((week.folder / "data/raw").glob(f"{name}_*.csv")))
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
