"""Building and writing: names for what upstream leaves unnamed, files that are what would be built again."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from openbell.errors import UnknownMarket
from openbell.market.names import calendars
from openbell.market.snapshot import load
from openbell.refresh.compact import digest
from tests.refresh.needed import same_upstream, upstream

pytestmark = pytest.mark.filterwarnings("ignore")

KEYS = ["name", "title", "tz", "sources", "valid_from", "valid_until", "before", "weeks", "hours"]
KEYS += ["closed", "adhoc", "special", "corrections", "digest"]


@pytest.mark.parametrize("name", calendars())
def test_shipped_files_have_the_form_of_the_snapshot(name: str) -> None:
    data = load(name)
    assert list(data) == KEYS
    assert data["digest"] == digest(data)
    assert data["name"].replace("/", "-") == name
    assert data["sources"]
    assert data["before"] is None or data["before"] < data["valid_from"]
    assert list(data["hours"]) == sorted(data["hours"])


@upstream
@pytest.mark.parametrize("name", ["XNYS", "FX"])
def test_built_and_written(name: str, tmp_path: Path) -> None:
    from openbell.refresh import snapshot

    told: list[str] = []
    (file,) = snapshot.write([name], tmp_path, told.append)
    assert json.loads(file.read_text(encoding="utf-8")) == snapshot.build(name)
    assert told[0].startswith(f"{name}.json: until ")


@same_upstream
@pytest.mark.parametrize("name", ["XNYS", "XHKG", "XSHG", "CMES", "24-7", "24/7"])
def test_a_shipped_file_is_what_would_be_built(name: str) -> None:
    """As far as both know: the horizon moves with the years."""
    from openbell.refresh import snapshot
    from openbell.refresh.diff import diff

    assert [
        line for line in diff(load(name), snapshot.build(name)) if not line.startswith("valid until")
    ] == []


@upstream
def test_a_name_of_nothing() -> None:
    from openbell.refresh import snapshot

    with pytest.raises(UnknownMarket):
        snapshot.build("XXXX")


@pytest.mark.parametrize(
    ("name", "day", "kind", "reason"),
    [
        ("XSHG", date(2024, 2, 9), "closed", "Chinese New Year"),
        ("XSES", date(2024, 8, 9), "closed", "National Day"),
        ("XBOM", date(2024, 1, 22), "adhoc", "Consecration of the Ram temple"),
        ("XTAI", date(2024, 7, 24), "adhoc", "Typhoon Gaemi"),
        ("XHKG", date(2023, 7, 17), "adhoc", "Typhoon Talim"),
        ("XTKS", date(2020, 10, 1), "adhoc", "System failure"),
        ("XNYS", date(2012, 10, 29), "adhoc", "Hurricane Sandy"),
    ],
)
def test_closures_are_holidays_or_events(name: str, day: date, kind: str, reason: str) -> None:
    assert load(name)[kind][day.isoformat()].startswith(reason)
