"""What tests against upstream need: the packages of the extra, and a pandas that does not break them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest


def _usable() -> bool:
    try:
        for package in ("exchange_calendars", "pandas_market_calendars", "holidays"):
            version(package)
        return int(version("pandas").partition(".")[0]) < 3
    except PackageNotFoundError:
        return False


upstream = pytest.mark.skipif(not _usable(), reason="the packages of the extra `calendars` are not installed")
"""Skips a test where upstream is not there."""

SEEN = {"exchange_calendars": "4.13.2", "pandas_market_calendars": "5.5.0", "holidays": "0.109"}


def _as_seen() -> bool:
    return _usable() and all(version(package) == seen for package, seen in SEEN.items())


same_upstream = pytest.mark.skipif(not _as_seen(), reason=f"needs exactly {SEEN}")
"""Skips a test that compares the shipped files with what upstream said when they were made."""
