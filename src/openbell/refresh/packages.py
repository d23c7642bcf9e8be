"""The packages of the extra `calendars`: imported when they are used, and told apart by version."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

from openbell.errors import MarketError

HINT = "pip install 'openbell[calendars]'"


@cache
def package(name: str) -> Any:
    """A module of the extra. Raises `MarketError` when it is not installed, or cannot be used here."""
    try:
        found = import_module(name)
    except ModuleNotFoundError as error:
        raise MarketError(f"this needs {error.name or name}, which is not installed", hint=HINT) from None
    if name == "pandas" and int(version("pandas").partition(".")[0]) > 2:
        # Rules with offsets give wrong dates there, in silence: worse than no answer.
        raise MarketError(f"pandas {version('pandas')} breaks calendars of exchange_calendars", hint=HINT)
    return found


def versions(*names: str) -> dict[str, str]:
    """Versions by package. Raises `MarketError` for one that is not installed."""
    for name in names:
        package(name)
    return {name: version(name) for name in names}
