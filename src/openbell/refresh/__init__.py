"""Builds, compares and doubts the calendar snapshot of the wheel (extra `calendars`).

    snapshot   one calendar's data, and the files       compact    sessions into rules and exceptions
    upstream   exchange_calendars                       futures    CME, from pandas_market_calendars
    generated  calendars that are rules                 holiday_names  names, from holidays
    tables     our own names and corrections            verify     what other sources say (claims)
    diff       what changes between two snapshots       packages   the extra, imported late

Nothing below the command line imports this room. The packages of the extra are imported when they are
used, so that importing this room costs nothing and needs nothing.
"""
