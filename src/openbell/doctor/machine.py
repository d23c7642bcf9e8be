"""The machine: the interpreter, the platform, SQLite, the clock, memory, limits of the kernel."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openbell.core.health import sized
from openbell.doctor.verdicts import Place, Verdict, fail, note, ok, warn
from openbell.report import machine
from openbell.version import __version__

_PYTHON = (3, 11)
_SQLITE = (3, 35, 0)  # before it, columns could not be dropped, which migrations do
_BUILT = datetime(2026, 1, 1, tzinfo=UTC)  # no clock that is right shows less
_SPARE = 0.05
_FILES = 1024  # descriptors
_WATCHES = 8192
_INSTANCES = 64
_ZONES = ("UTC", "America/New_York", "Europe/London", "Asia/Tokyo")


def python(place: Place) -> Iterator[Verdict]:  # noqa: ARG001
    """Openbell and the interpreter that it runs on."""
    version = ".".join(map(str, sys.version_info[:3]))
    told = f"openbell {__version__} on Python {version}, {sys.executable}"
    if sys.version_info < _PYTHON:
        yield fail(told, "openbell needs Python 3.11 or later")
    else:
        yield ok(told)


def platform(place: Place) -> Iterator[Verdict]:  # noqa: ARG001
    """What supervisors can do here."""
    if sys.platform != "linux":
        told = f"{sys.platform}: supervisors have less to go by"
        yield warn(
            told, "a supervisor that is killed may leave processes behind; Linux has all that is promised"
        )
    elif not Path("/proc/self/task").exists() or not hasattr(os, "pidfd_open"):
        yield warn("Linux without /proc, or without process descriptors", "mount /proc; kernel 5.3 or later")
    else:
        yield ok(f"Linux {os.uname().release}: process descriptors, subreaper, /proc")


def sqlite(place: Place) -> Iterator[Verdict]:  # noqa: ARG001
    """The library under the store."""
    told = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < _SQLITE:
        yield fail(
            told, f"the store needs SQLite {'.'.join(map(str, _SQLITE))} or later: another Python has it"
        )
    else:
        yield ok(told)


def clock(place: Place) -> Iterator[Verdict]:
    """The time, and the zones of the markets."""
    if place.now < _BUILT:
        yield fail(f"it is {place.now:%Y-%m-%d %H:%M} UTC", "this clock is wrong: set it, and keep it by NTP")
    missing = []
    for name in _ZONES:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, OSError):
            missing.append(name)
    if missing:
        yield fail(f"there are no data of the zones {', '.join(missing)}", "pip install tzdata")
        return
    local = place.now.astimezone()
    yield ok(f"{local:%Y-%m-%d %H:%M:%S %Z}, {place.now:%H:%M:%S} UTC; time zones are there")


def memory(place: Place) -> Iterator[Verdict]:  # noqa: ARG001
    """How much there is, and who sees to it that tasks keep to their share."""
    found = machine.memory()
    if found is None:
        yield warn("how much memory there is cannot be told")
        return
    available, total = found
    told = f"{sized(available)} of {sized(total)} available"
    if available < total * _SPARE:
        yield warn(
            told, "tasks will be killed when it runs out: `resources: {memory: ...}` in steps bounds them"
        )
    elif sys.platform == "linux":
        yield ok(f"{told}; `resources: {{memory: ...}}` is enforced by the supervisors")
    else:
        yield note(f"{told}; `resources: {{memory: ...}}` is reserved, and not enforced here")


def limits(place: Place) -> Iterator[Verdict]:  # noqa: ARG001
    """Descriptors and processes of this user."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    shown = "unlimited" if processes == resource.RLIM_INFINITY else f"{processes:,}"
    told = f"{files:,} open files, {shown} processes"
    if files != resource.RLIM_INFINITY and files < _FILES:
        yield warn(
            told, f"`ulimit -n {_FILES}`, or LimitNOFILE= in the unit: warm workers and logs take some each"
        )
    else:
        yield ok(told)


def inotify(place: Place) -> Iterator[Verdict]:  # noqa: ARG001
    """Whether the kernel will tell of files that arrive."""
    if sys.platform != "linux":
        yield note("there is none here: watchfiles is used")
        return
    folder = Path("/proc/sys/fs/inotify")
    try:
        watches, instances = (
            int((folder / f"max_user_{name}").read_text()) for name in ("watches", "instances")
        )
    except (OSError, ValueError):
        yield warn("its limits cannot be read", "files are then found once a minute")
        return
    told = f"{watches:,} watches, {instances:,} instances"
    if watches < _WATCHES or instances < _INSTANCES:
        advice = f"sysctl fs.inotify.max_user_watches={_WATCHES} fs.inotify.max_user_instances={_INSTANCES}"
        yield warn(told, advice)
    else:
        yield ok(told)
