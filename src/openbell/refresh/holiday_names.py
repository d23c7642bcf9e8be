"""Names of holidays by date, out of the package `holidays`: its calendars of exchanges, then of countries."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from openbell.refresh.packages import package

_PACKAGE = "holidays"
_CATEGORIES = ("public", "government", "bank", "optional", "half_day")
"""Public holidays are asked first: the others only name what is left, such as Indonesia's joint holidays."""

_EXCHANGES = {"XTKS": "XJPX", "CMES": "XNYS", "XNYM": "XNYS", "XCBF": "XNYS", "IEPA": "XNYS"}
"""Where the calendar of `holidays` has another name, or that of a neighbour has the names."""

_DAY_OFF = "Day off ("

_COUNTRIES: Mapping[str, tuple[str, str | None]] = {
    "AIXK": ("KZ", None),
    "ASEX": ("GR", None),
    "BVMF": ("BR", "SP"),
    "CMES": ("US", None),
    "IEPA": ("US", None),
    "XAMS": ("NL", None),
    "XASX": ("AU", "NSW"),
    "XBDA": ("BM", None),
    "XBEL": ("RS", None),
    "XBKK": ("TH", None),
    "XBOG": ("CO", None),
    "XBOM": ("IN", "MH"),
    "XBRA": ("SK", None),
    "XBRU": ("BE", None),
    "XBSE": ("RO", None),
    "XBUD": ("HU", None),
    "XBUE": ("AR", None),
    "XCBF": ("US", None),
    "XCSE": ("DK", None),
    "XCYS": ("CY", None),
    "XDUB": ("IE", None),
    "XDUS": ("DE", "NW"),
    "XEEE": ("DE", None),
    "XETR": ("DE", "HE"),
    "XEUR": ("DE", "HE"),
    "XFRA": ("DE", "HE"),
    "XHAM": ("DE", "HH"),
    "XHEL": ("FI", None),
    "XHKG": ("HK", None),
    "XICE": ("IS", None),
    "XIDX": ("ID", None),
    "XIST": ("TR", None),
    "XJSE": ("ZA", None),
    "XKAR": ("PK", None),
    "XKLS": ("MY", "KUL"),
    "XKRX": ("KR", None),
    "XLIM": ("PE", None),
    "XLIS": ("PT", None),
    "XLIT": ("LT", None),
    "XLJU": ("SI", None),
    "XLON": ("GB", "ENG"),
    "XLUX": ("LU", None),
    "XMAD": ("ES", "MD"),
    "XMEX": ("MX", None),
    "XMIL": ("IT", None),
    "XMOS": ("RU", None),
    "XNYM": ("US", None),
    "XNYS": ("US", None),
    "XNZE": ("NZ", "WGN"),
    "XOSL": ("NO", None),
    "XPAR": ("FR", None),
    "XPHS": ("PH", None),
    "XPRA": ("CZ", None),
    "XRIS": ("LV", None),
    "XSAU": ("SA", None),
    "XSES": ("SG", None),
    "XSGO": ("CL", None),
    "XSHG": ("CN", None),
    "XSTO": ("SE", None),
    "XSTU": ("DE", "BW"),
    "XSWX": ("CH", "ZH"),
    "XTAE": ("IL", None),
    "XTAI": ("TW", None),
    "XTAL": ("EE", None),
    "XTKS": ("JP", None),
    "XTSE": ("CA", "ON"),
    "XWAR": ("PL", None),
    "XWBO": ("AT", None),
    "XZAG": ("HR", None),
}
"""The country of the exchange and, where days differ in it, the part of the country."""


def holiday_names(calendar: str, first: dt.date, last: dt.date) -> dict[dt.date, str]:
    """The names of all holidays in the place of an exchange, by date, from `first` to `last`.

    The holidays of the exchange itself are stronger than those of the country, and public ones than others.
    """
    years = range(first.year, last.year + 1)
    found: dict[dt.date, str] = {}
    for known in (exchange(calendar, years), *country(calendar, years)):
        found = dict(known) | found
    return {day: _plain(name) for day, name in found.items() if first <= day <= last}


def days_off(known: Mapping[dt.date, str], wanted: Mapping[dt.date, str]) -> dict[dt.date, str]:
    """The wanted names; `Day off (substituted from ...)` is called after the holiday that it lengthens."""
    return {
        day: f"{nearest} (day off)"
        if name.startswith(_DAY_OFF) and (nearest := _nearest(known, day))
        else name
        for day, name in wanted.items()
    }


def exchange(calendar: str, years: range) -> Mapping[dt.date, str]:
    """The holidays of an exchange by its own calendar; none where `holidays` has no such calendar."""
    module, code = package(_PACKAGE), _EXCHANGES.get(calendar, calendar)
    if code not in _financial():
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about years it does not know
        return _dates(
            module.financial_holidays(code, years=years, **_language(module.financial_holidays(code)))
        )


def has_exchange(calendar: str) -> bool:
    """Whether `holidays` has a calendar of this very exchange."""
    return calendar in _financial() or calendar == "XTKS"


def country(calendar: str, years: range) -> Iterator[Mapping[dt.date, str]]:
    """The holidays of the country, one mapping for each kind, the strongest kind first."""
    if calendar not in _COUNTRIES:
        return
    module, (code, part) = package(_PACKAGE), _COUNTRIES[calendar]
    known = module.country_holidays(code, subdiv=part)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for category in _CATEGORIES:
            if category in known.supported_categories:
                yield _dates(
                    module.country_holidays(
                        code, subdiv=part, years=years, categories=category, **_language(known)
                    )
                )


@cache
def _financial() -> frozenset[str]:
    return frozenset(package(_PACKAGE).list_supported_financial(include_aliases=False))


def _language(known: Any) -> dict[str, str]:
    return {"language": "en_US"} if "en_US" in known.supported_languages else {}


def _dates(known: Any) -> dict[dt.date, str]:
    return dict(known.items())


def _nearest(known: Mapping[dt.date, str], day: dt.date) -> str:
    """The name of the nearest real holiday, at most a week away."""
    near = sorted((abs((other - day).days), other) for other in _around(day) if other in known)
    names = (known[other] for _, other in near)
    return next((_bare(name) for name in names if not name.startswith(_DAY_OFF)), "")


def _around(day: dt.date) -> Iterator[dt.date]:
    return (day + dt.timedelta(days=n) for n in range(-7, 8))


def _bare(name: str) -> str:
    return name.removesuffix(" (observed)")


def _plain(name: str) -> str:
    """Without `estimated`: the exchange closed on that very date. Of several names the first."""
    return name.replace(" (estimated)", "").partition("; ")[0]
