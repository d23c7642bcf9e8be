"""Dates worked out without any trading calendar."""

from __future__ import annotations

from datetime import date, timedelta


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def weekdays(first: date, last: date) -> list[date]:
    """Mondays to Fridays."""
    return [day for day in days(first, last) if day.isoweekday() <= 5]


def nth_weekday(year: int, month: int, n: int, weekday: int) -> date:
    """The n-th Monday (0) to Sunday (6) of a month; n = -1: the last one."""
    month_days = [
        d for d in days(date(year, month, 1), date(year, month, 28) + timedelta(days=3)) if d.month == month
    ]
    found = [day for day in month_days if day.weekday() == weekday]
    return found[n] if n < 0 else found[n - 1]


def easter(year: int) -> date:
    """Easter Sunday by Gauss's rule with Lichtenberg's correction, from the day of the spring full moon."""
    century = year // 100
    secular = 15 + (3 * century + 3) // 4 - (8 * century + 13) // 25
    sun = 2 - (3 * century + 3) // 4
    moon = year % 19
    seed = (19 * moon + secular) % 30
    correction = (seed + moon // 11) // 29
    border = 21 + seed - correction
    first_sunday = 7 - (year + year // 4 + sun) % 7
    distance = 7 - (border - first_sunday) % 7
    return date(year, 3, 1) + timedelta(days=border + distance - 1)
