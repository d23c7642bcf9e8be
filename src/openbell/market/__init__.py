"""What time it is in the market. Standard library only.

In here: calendars as data, sessions and reasons of closures, states and transitions. Not in here: jobs.

    names      what markets are called                schedule   the question: which sessions, when, why not
    calendar   a file of the snapshot                 overlay    what is said on top, and by whom
    amended    a calendar under its overlays          composite  several calendars as one
    states     from sessions to states, the rules     timeline   the compiled clock: sorted edges
    vector     many instants at once                  snapshot   the calendars of the package
    markets    all of it under one name               export     for other systems
"""

import sys
from types import ModuleType
from typing import Any

from openbell.market.markets import (
    Market,
    Moment,
    Transition,
    get_all_market_states,
    get_market_state,
    get_next_state_transition,
    market,
    resolve,
)
from openbell.market.names import calendars
from openbell.market.overlay import Overlay
from openbell.market.schedule import Closure, Session
from openbell.market.states import MarketState

__all__ = [
    "Closure",
    "Market",
    "MarketState",
    "Moment",
    "Overlay",
    "Session",
    "Transition",
    "calendars",
    "get_all_market_states",
    "get_market_state",
    "get_next_state_transition",
    "market",
    "resolve",
]


class _Callable(ModuleType):
    """`openbell.market("US_EQ")` works although `openbell.market` is also the name of this package."""

    def __call__(self, name: str, **options: Any) -> Market:
        return market(name, **options)


sys.modules[__name__].__class__ = _Callable
