"""Builds the calendar snapshot of the wheel from exchange_calendars (extra `calendars`).

Run it with `python -m openbell.refresh`; the files it writes are committed. Nothing else of
openbell imports this room, and a user never needs it.
"""
