"""Finds out where a run comes from. Git is asked early and listened to late: it works meanwhile."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from openbell.config.digest import files
from openbell.core.model import Pipeline
from openbell.core.provenance import Provenance
from openbell.version import __version__

_PATIENCE = 2.0  # seconds that git is waited for
_LONGEST = 30.0  # seconds that it may take where nobody waits
_COMMAND = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false", "status")
_OPTIONS = ("--porcelain=v2", "--branch", "--untracked-files=no")


@dataclass(frozen=True, slots=True)
class Commit:
    """What git knows of a work tree."""

    commit: str = ""
    branch: str = ""
    dirty: bool | None = None


class Inquiry:
    """A question to git about the work tree that a folder lies in; there may be none, and no git."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._top = next((up for up in (folder, *folder.parents) if (up / ".git").exists()), None)
        self._said = Commit()
        self._asking = Thread(target=self._ask, daemon=True)
        if self._top is not None:
            self._asking.start()

    def answer(self, patience: float = _PATIENCE) -> Commit:
        """What git says; what its files say when it is not there, refuses, or takes too long."""
        if self._top is None:
            return Commit()
        self._asking.join(patience)
        said, head = self._said, Commit(*_head(self._top))
        moved = head.commit and head.commit != said.commit  # somebody has committed since
        return head if moved or not said.commit else said

    def _ask(self) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(
                [*_COMMAND, *_OPTIONS],
                cwd=self._folder,
                env=environ | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LONGEST,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return  # there is no git, or it does not want to, or not in time
        self._said = _read(done.stdout.decode(errors="replace"))


def provenance(
    pipeline: Pipeline,
    inquiry: Inquiry,
    overrides: Mapping[str, str] | None = None,
    *,
    patience: float = _PATIENCE,
) -> Provenance:
    """Where a run of this pipeline comes from, if it is opened now."""
    found = inquiry.answer(patience)
    return Provenance(
        openbell=__version__,
        python=platform.python_version(),
        host=socket.gethostname(),
        user=user(),
        commit=found.commit,
        branch=found.branch,
        dirty=found.dirty,
        files=files(pipeline),
        overrides=dict(overrides or {}),
    )


def user() -> str:
    """Who this is: a name, or a number where nobody has given one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _read(text: str) -> Commit:
    """`git status --porcelain=v2 --branch`: headings, then a line for each changed file."""
    known: dict[str, str] = {}
    dirty = False
    for line in text.splitlines():
        if line.startswith("# "):
            _, key, value = line.split(" ", 2)
            known[key] = value
        else:
            dirty = True
    commit, branch = known.get("branch.oid", ""), known.get("branch.head", "")
    return Commit(commit.replace("(initial)", ""), branch.replace("(detached)", ""), dirty)


def _head(top: Path) -> tuple[str, str]:
    """Commit and branch by git's own files; empty where they say nothing."""
    folder = top / ".git"
    try:
        if folder.is_file():  # a linked work tree, a submodule
            folder = (top / folder.read_text().removeprefix("gitdir:").strip()).resolve()
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head, ""
        ref = head.removeprefix("ref: ")
        common = folder / "commondir"
        shared = (folder / common.read_text().strip()).resolve() if common.exists() else folder
        return _resolved(shared, ref), ref.removeprefix("refs/heads/")
    except (OSError, ValueError):
        return "", ""


def _resolved(shared: Path, ref: str) -> str:
    if (shared / ref).is_file():
        return (shared / ref).read_text().strip()
    packed = shared / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split(" ")[0] for line in lines if line.endswith(f" {ref}")), "")
