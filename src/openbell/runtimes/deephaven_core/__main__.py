"""Carries out one worker script: `python -m openbell.runtimes.deephaven_core worker.py`."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """The names of this module are the script's: what is used here, is imported here."""
    import os
    import sys

    from openbell.runtimes.deephaven_core.script import Stage

    if len(sys.argv) != 2:
        sys.exit("usage: python -m openbell.runtimes.deephaven_core SCRIPT")
    status = Stage(os.environ).play(sys.argv[1], os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the virtual machine takes its time to leave, and nothing is left to do


if __name__ == "__main__":
    main()
