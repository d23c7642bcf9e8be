"""`python -m openbell.refresh [NAME ...]`: rewrite the calendar files of the package."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from openbell.market import calendar
from openbell.refresh.compact import compact, render
from openbell.refresh.upstream import names, read


def main(wanted: Sequence[str]) -> None:
    folder = Path(calendar.__file__).parent / "calendars"
    source = f"exchange_calendars {version('exchange_calendars')}"
    for name in wanted or names():
        target = folder / f"{name.replace('/', '-')}.json"
        target.write_text(render(compact(read(name), source)), encoding="utf-8")
        print(f"{target.name}: {target.stat().st_size} bytes", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
