"""What time it is in the market. Standard library only.

In here: calendars as data, sessions, reasons of closures. Not in here: anything about jobs.
"""

import sys
from types import ModuleType

from openbell.market.calendar import Closure, Market, Session, calendars, market

__all__ = ["Closure", "Market", "Session", "calendars", "market"]


class _Callable(ModuleType):
    """`openbell.market("US_EQ")` works although `openbell.market` is also the name of this package."""

    def __call__(self, name: str) -> Market:
        return market(name)


sys.modules[__name__].__class__ = _Callable
