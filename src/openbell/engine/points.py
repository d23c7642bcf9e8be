"""Named points at which a test may kill the engine. They do nothing otherwise.

OPENBELL_KILL_AT=after-commit:17 openbell run ...    # SIGKILL at the 17th passage
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

Hook = Callable[[str], None]


def _ignore(_name: str) -> None:
    pass


def _killer(spec: str) -> Hook:
    name, _, count = spec.partition(":")
    left = int(count or 1)

    def hook(passed: str) -> None:
        nonlocal left
        if passed == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


_spec = os.environ.get("OPENBELL_KILL_AT")
_hook: Hook = _killer(_spec) if _spec else _ignore


def point(name: str) -> None:
    """Pass a named point."""
    _hook(name)


def set_hook(hook: Hook | None) -> None:
    """Install what happens at points (the simulation raises there); None: nothing happens."""
    global _hook
    _hook = hook or _ignore
