"""Carries out one worker script: `python -m openbell.runtimes.deephaven_core worker.py`."""

import os
import sys

from openbell.runtimes.deephaven_core.script import Stage

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m openbell.runtimes.deephaven_core SCRIPT")
    status = Stage(os.environ).play(sys.argv[1], os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
