"""The variables that workers get from the engine, before their own are added."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "JAVA_HOME",
    "SSL_CERT_FILE",
)
"""Variables of the engine's environment that workers inherit (and LC_*). Others must be declared."""


def inherited() -> dict[str, str]:
    """What every worker inherits of the engine's environment."""
    return {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("LC_")}


@lru_cache(maxsize=64)
def activation(python: str, path: str) -> dict[str, str]:
    """What activating this interpreter's environment sets: `python` in a command is the one of `python:`.

    Without it `run: python x.py` would find whatever the shell of whoever has started the engine finds, and
    under systemd nothing. `python`: empty for openbell's own; an interpreter of the system changes nothing.
    """
    programs = Path(python or sys.executable).parent
    home = programs.parent
    if not any((home / mark).exists() for mark in ("pyvenv.cfg", "conda-meta")):
        return {}
    others = [one for one in path.split(os.pathsep) if one and one != str(programs)]
    found = {"PATH": os.pathsep.join([str(programs), *others])}
    return found | ({"VIRTUAL_ENV": str(home)} if (home / "pyvenv.cfg").exists() else {})
