"""Where a run comes from, besides its definition: what a later reader cannot find out any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Provenance:
    """The program, the machine, the person, and the state of the project's files. Empty: not known."""

    openbell: str = ""
    """Version."""
    python: str = ""
    """Version of the interpreter that openbell runs on."""
    host: str = ""
    user: str = ""
    commit: str = ""
    """Of the git work tree that the project lies in; empty where there is none."""
    branch: str = ""
    dirty: bool | None = None
    """Whether files that git knows had been changed since that commit. None: not known."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the definition and of what its steps run, by path (relative where it lies in the folder)."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What the command line said over the file."""


UNKNOWN = Provenance()
"""That of a run of which nobody has asked."""
