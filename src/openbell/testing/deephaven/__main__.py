"""Serve, until stdin ends or a signal comes. The first line on stdout says where, as JSON."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory

from openbell.testing.deephaven.server import Simulator
from openbell.testing.deephaven.workers import Scripts, Timed


def main() -> None:
    """Begin with what the command line says, and tell how to log in."""
    parser = argparse.ArgumentParser(prog="openbell testing deephaven-controller")
    parser.add_argument("--user", default="openbell")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--data", default="{}", help="JSON: folder of each namespace")
    parser.add_argument("--output", default="")
    parser.add_argument("--engine")
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--step", type=float, default=0.0, help="seconds of each status")
    parser.add_argument("--work", type=float, help="run no script: seconds of a worker")
    parser.add_argument("--same-names", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--http-port", type=int, default=0)
    asked = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    threading.Thread(target=_until_left, args=(over,), daemon=True).start()
    with TemporaryDirectory(prefix="openbell-controller-") as scratch:
        folder = asked.folder or Path(scratch)
        output = asked.output or str(folder / "output")
        scripts = Scripts(folder, json.loads(asked.data), output, asked.engine)
        simulator = Simulator(
            folder,
            scripts if asked.work is None else Timed(asked.work),
            slots=asked.slots,
            step=asked.step,
            unique=not asked.same_names,
            port=asked.port,
            http_port=asked.http_port,
        )
        simulator.start()
        password = token_urlsafe(12)
        simulator.authentication.admit(asked.user, password)
        told = {
            "url": simulator.url,
            "user": asked.user,
            "password": password,
            "key": str(simulator.new_key(asked.user)),
            "output": output,
            "control": f"http://{simulator.host}:{simulator.http_port}",
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        over.wait()
        simulator.close()


def _until_left(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


if __name__ == "__main__":
    main()
