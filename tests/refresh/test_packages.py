"""A missing package is named, with the extra that brings it."""

from __future__ import annotations

import pytest

from openbell.errors import MarketError
from openbell.refresh import packages


@pytest.fixture(autouse=True)
def _fresh() -> None:
    packages.package.cache_clear()


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(MarketError) as told:
        packages.package("a_package_that_nobody_has")
    assert "a_package_that_nobody_has" in told.value.message
    assert told.value.hint == "pip install 'openbell[calendars]'"


def test_pandas_3_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version", lambda name: "3.0.1")
    monkeypatch.setattr(packages, "import_module", lambda name: object())
    with pytest.raises(MarketError, match=r"pandas 3\.0\.1"):
        packages.package("pandas")


def test_versions() -> None:
    assert set(packages.versions("pytest", "hypothesis")) == {"pytest", "hypothesis"}
