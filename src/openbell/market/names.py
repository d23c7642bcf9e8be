"""Names of markets: those of the snapshot, and what desks, vendors and old systems call them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from openbell.errors import UnknownMarket

FOLDER = files("openbell.market").joinpath("calendars")

PRIMARY = {"US_EQ": "XNYS", "EU_EQ": "XLON", "ASIA_EQ": "XTKS"}
"""The three regions that follow the sun, each with its primary calendar."""

ALIASES = PRIMARY | {
    "USNYSE": "XNYS",
    "NYSE": "XNYS",
    "NASDAQ": "XNYS",
    "XNAS": "XNYS",
    "ARCX": "XNYS",
    "BATS": "XNYS",
    "LSE": "XLON",
    "TSE": "XTKS",
    "JPX": "XTKS",
    "HKEX": "XHKG",
    "SSE": "XSHG",
    "XSHE": "XSHG",
    "ASX": "XASX",
    "TSX": "XTSE",
    "SIX": "XSWX",
    "NSE": "XBOM",
    "BSE": "XBOM",
    "XNSE": "XBOM",
    "SGX": "XSES",
    "KRX": "XKRX",
    "CME": "CMES",
    "XCME": "CMES",
    "US_FUT": "CMES",
    "NYMEX": "XNYM",
    "COMEX": "XNYM",
    "XCEC": "XNYM",
    "24/5": "24-5",
    "24/7": "24-7",
    "CRYPTO": "24-7",
    "FOREX": "FX",
}
"""Other names of calendars: those of desks, of Deephaven, and the usual ones."""


def calendars() -> list[str]:
    """Names of every calendar in the snapshot."""
    return list(_calendars())


@cache
def _calendars() -> tuple[str, ...]:
    names = (entry.name for entry in FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def canonical(name: str, own: Iterable[str] = ()) -> str:
    """The calendar that a name or alias means. Raises `UnknownMarket` with the nearest name."""
    found = ALIASES.get(name, name)
    if found not in _calendars():
        raise UnknownMarket(f"there is no market or calendar {name!r}", hint=_hint(name, own))
    return found


def _hint(name: str, own: Iterable[str]) -> str:
    """The nearest name, capitals aside."""
    known = {other.casefold(): other for other in (*_calendars(), *ALIASES, *own)}
    near = get_close_matches(name.casefold(), known, 1, 0.5)
    if near:
        return f"did you mean {known[near[0]]!r}?"
    return "calendars have MIC codes, such as XNYS, XLON or XTKS: `openbell calendars list`"
