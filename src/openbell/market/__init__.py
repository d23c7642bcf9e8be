"""What time it is in the market. Standard library only.

In here: calendars as data, sessions, reasons of closures. Not in here: anything about jobs.
"""

from openbell.market.calendar import Closure, Market, Session, calendars, market

__all__ = ["Closure", "Market", "Session", "calendars", "market"]
