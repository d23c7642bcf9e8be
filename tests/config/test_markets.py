"""`markets:` of openbell.yaml: what each key comes to, and where it is wrong."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from openbell.config.findings import Finding
from openbell.config.load import load
from openbell.config.project import Project, load_project, project_markets
from openbell.errors import ConfigError
from openbell.market import MarketState, market, resolve

DAY = date(2024, 7, 2)


def project(folder: Path, text: str) -> Project:
    (folder / "openbell.yaml").write_text(text)
    return load_project(folder, {})


def test_windows_and_overlays(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        "markets:\n"
        "  US_EQ: {pre_open: 30m, post_close: 0s, overlays: [{date: 2024-07-02, close: '13:00'}]}\n"
        "  EUROPE: {calendar: 'any(XLON, XPAR)'}\n",
    ).markets
    us = found["US_EQ"]
    begin, end = us.window(DAY, "pre_open")
    assert end - begin == timedelta(minutes=30)
    assert MarketState.POST_CLOSE not in us.possible()
    assert us.session_of(DAY).close.hour == 17
    assert found["EUROPE"].calendar == "any(XLON, XPAR)"
    assert found["EUROPE"].is_session(date(2022, 9, 19))


def test_a_file_and_a_provider_beside_the_project(tmp_path: Path) -> None:
    (tmp_path / "closures.csv").write_text("date,closed,reason\n2024-07-02,true,storm\n")
    (tmp_path / "vendor_feed.py").write_text(
        "def holidays(calendar):\n    return [{'date': '2024-07-03', 'closed': True, 'reason': calendar}]\n"
    )
    found = project(
        tmp_path, "markets: {M: {calendar: XNYS, overlays: closures.csv, provider: 'vendor_feed:holidays'}}"
    ).markets["M"]
    assert [str(c) for c in found.closures(DAY, date(2024, 7, 4))] == ["storm", "XNYS", "Independence Day"]


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("M: {calendar: XNYX}", "OB113", "no market or calendar 'XNYX'"),
        ("XNYX: {}", "OB113", "no market or calendar 'XNYX'"),
        ("M: {calendar: 'any(XLON, NOPE)'}", "OB113", "'NOPE'"),
        ("M: {calendar: XNYS, pre_open: 25h}", "OB104", "at most 1d"),
        (
            "M: {calendar: XNYS, overlays: [{date: 2024-07-06, close: '12:00'}]}",
            "OB127",
            "no session of XNYS",
        ),
        ("M: {calendar: XNYS, overlays: [{date: 2024-07-02, closd: true}]}", "OB127", "no key 'closd'"),
        ("M: {calendar: XNYS, overlays: nothing.csv}", "OB112", "does not exist"),
        ("M: {calendar: XNYS, provider: 'nowhere:holidays'}", "OB127", "ModuleNotFoundError"),
        ("M: {calendar: XNYS, provider: 'json:dumps'}", "OB127", "is str, not a mapping"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, code: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        project(tmp_path, f"markets:\n  {text}\n")
    [finding] = (found for found in caught.value.findings if isinstance(found, Finding))
    assert (finding.code, finding.span.line) == (code, 2)
    assert told in finding.message


def test_every_wrong_overlay_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        project(
            tmp_path,
            "markets:\n  M:\n    calendar: XNYS\n    overlays:\n"
            "      - {date: 2024-07-02}\n      - {date: 2024-07-03, closed: true}\n      - {closed: true}\n",
        )
    assert [f.span.line for f in caught.value.findings if isinstance(f, Finding)] == [5, 7]


def test_every_overlay_that_cannot_hold_is_told_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        project(
            tmp_path,
            "markets:\n  M:\n    calendar: XNYS\n    overlays:\n"
            "      - {date: 2024-07-02, closed: true}\n"
            "      - {date: 2024-07-06, close: '12:00'}\n"
            "      - {date: 2024-07-03, open: '17:00'}\n",
        )
    assert [f.span.line for f in caught.value.findings if isinstance(f, Finding)] == [6, 7]


def test_markets_of_markets(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        "markets:\n  US: {calendar: XNYS, overlays: [{date: 2024-07-02, closed: true}]}\n"
        "  BOTH: {calendar: 'all(US, XLON)'}\n",
    ).markets
    assert not found["BOTH"].is_session(DAY)
    assert resolve("all(US, XTSE)", found).closure(DAY) is not None


def test_providers_keep_to_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "markets: {M: {calendar: XNYS, provider: 'feed:holidays'}}"
    for day in ("2024-07-02", "2024-07-03"):  # two projects, and an edited file
        (tmp_path / "feed.py").write_text(
            f"def holidays(name):\n    print(name)\n    return [{{'date': '{day}', 'closed': True}}]\n"
        )
        assert not project(tmp_path, text).markets["M"].is_session(date.fromisoformat(day))
    assert capsys.readouterr().out == ""
    (tmp_path / "feed.py").write_text("import sys\n\ndef holidays(name):\n    sys.exit(3)\n")
    with pytest.raises(ConfigError):
        project(tmp_path, text)


def test_the_calendar_is_recorded_with_the_plan(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "name: p\nmarket: XNYS\nsteps: {w: {run: 'true', matrix: {date: {from: 2024-07-01, to: 2024-07-03}}}}"
    )
    loaded = load(tmp_path / "p.yaml", Project(tmp_path), {})
    assert loaded.pipeline.calendars == {"XNYS": market("XNYS").digest}


def test_a_broken_file_is_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "openbell.yaml").write_text("markets: [\n")
    with pytest.raises(ConfigError):
        project_markets(tmp_path, {})


def test_what_has_no_effect_is_a_warning(tmp_path: Path) -> None:
    found = project(
        tmp_path, "markets:\n  M: {calendar: XNYS, overlays: [{date: 2024-07-04, closed: true}]}\n"
    )
    [finding] = found.warnings
    assert (finding.code, finding.fatal) == ("OB127", False)
    assert "redundant" in finding.message
    assert found.unset == ()


def test_the_rest_of_the_file_is_not_looked_at_without_markets(tmp_path: Path) -> None:
    (tmp_path / "openbell.yaml").write_text("stroe: x\n")
    assert project_markets(tmp_path, {}) == {}
    assert project_markets(tmp_path / "nowhere", {}) == {}
