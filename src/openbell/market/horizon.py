"""Calendars end: whoever lives by one has to hear of that in time."""

from __future__ import annotations

from datetime import date, timedelta

from openbell.market.markets import Market

SOON = timedelta(days=60)


def ends_soon(market: Market, today: date) -> str:
    """What to say about a calendar that ends within 60 days, or has ended; empty for all others."""
    left = market.valid_until - today
    if left > SOON:
        return ""
    if left < timedelta(0):
        return f"the calendar of {market.name} has ended on {market.valid_until}: update openbell"
    return f"the calendar of {market.name} ends on {market.valid_until}: update openbell before then"
