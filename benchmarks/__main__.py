"""`python -m benchmarks [NAME ...]`: measure, and print a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    calls,
    cold,
    daemon,
    deephaven,
    enterprise,
    latency,
    market,
    preload,
    replay,
    scale,
    tasks,
)
from benchmarks.figures import Figure, machine, show

ALL: dict[str, Callable[[], Iterator[Figure]]] = {
    "tasks": tasks.measure,
    "calls": calls.measure,
    "latency": latency.measure,
    "cold": cold.measure,
    "scale": scale.measure,
    "preload": preload.measure,
    "market": market.measure,
    "replay": replay.measure,
    "daemon": daemon.measure,
    "enterprise": enterprise.measure,
    "deephaven": deephaven.measure,
}


def main(wanted: list[str]) -> None:
    unknown = set(wanted) - set(ALL)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    print(f"{machine()}\n")
    show(figure for name in wanted or ALL for figure in ALL[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
