"""`python -m openbell.refresh [NAME ...]`: rewrite the calendar files of the package."""

from __future__ import annotations

import sys
from pathlib import Path

from openbell.market import calendar
from openbell.refresh.snapshot import write

if __name__ == "__main__":
    write(sys.argv[1:], Path(calendar.__file__).parent / "calendars")
