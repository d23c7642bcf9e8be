"""What is said where the extra `data` is not installed."""

from __future__ import annotations

import sys


def missing(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error with the command that mends it."""
    told = (
        f"tables and replays need {error.name}, which {sys.executable} does not have: "
        "pip install 'openbell[data]'"
    )
    return ModuleNotFoundError(told, name=error.name)
