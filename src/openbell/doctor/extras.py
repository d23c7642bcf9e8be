"""What can be installed beside the core, whether it is there, and how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from importlib.util import find_spec
from pathlib import Path

from openbell.doctor.verdicts import Place, Verdict, note, ok, warn

_PATIENCE = 20.0  # seconds for a Java to list its modules
JDK = "openjdk-17-jdk-headless"
"""The Debian package that has the compiler."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A set of libraries. `modules` have to be there; `package` tells the version."""

    name: str
    modules: tuple[str, ...]
    package: str
    gives: str


EXTRAS = (
    Extra("data", ("polars", "pyarrow", "numpy"), "polars", "tables, replays and frames"),
    Extra(
        "calendars", ("exchange_calendars", "pandas"), "exchange_calendars", "`calendars refresh | verify`"
    ),
    Extra("ray", ("ray",), "ray", "tasks on a Ray cluster"),
    Extra("postgres", ("psycopg",), "psycopg", "a store in Postgres"),
    Extra(
        "deephaven",
        ("deephaven_enterprise",),
        "deephaven-coreplus-client",
        "persistent queries of Enterprise",
    ),
    Extra("deephaven-core", ("deephaven_server",), "deephaven-server", "the embedded Deephaven engine"),
)


def extras(place: Place) -> Iterator[Verdict]:  # noqa: ARG001
    """Each extra: its version, or how to get it."""
    for one in EXTRAS:
        missing = [name for name in one.modules if not _there(name)]
        if not missing:
            yield ok(f"{one.name}: {one.package} {_version(one.package)}")
        elif len(missing) < len(one.modules):
            yield warn(f"{one.name}: {', '.join(missing)} is missing", _install(one))
        elif _known(one):
            yield note(f"{one.name}: not installed ({one.gives})", _install(one))


def java(place: Place) -> Iterator[Verdict]:
    """Whether there is a JDK for the extra `deephaven-core`. A runtime without the compiler is not enough."""
    wanted = _there("deephaven_server")
    found = _java(place)
    if found is None:
        told = "there is no Java"
        yield (warn if wanted else note)(told, f"for `deephaven-core`: apt install {JDK}, or set JAVA_HOME")
        return
    try:
        done = subprocess.run(
            [found, "--list-modules"], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield warn(f"{found} does not run: {error}", f"apt install {JDK}, or set JAVA_HOME")
        return
    modules = dict(line.partition("@")[::2] for line in done.stdout.splitlines())
    if "jdk.compiler" in modules:
        yield ok(f"JDK {modules.get('java.base', '')} at {found}")
    else:
        told = f"{found} is a runtime without the compiler (module jdk.compiler)"
        yield (warn if wanted else note)(
            told, f"for `deephaven-core`: apt install {JDK}, or set JAVA_HOME to a JDK"
        )


def _java(place: Place) -> str | None:
    home = place.environ.get("JAVA_HOME")
    path = Path(home) / "bin" / "java" if home else None
    if path is not None and os.access(path, os.X_OK):
        return str(path)
    return shutil.which("java", path=place.environ.get("PATH"))


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of an unknown version"


def _known(one: Extra) -> bool:
    """Whether this openbell has such an extra. Without metadata, as in a work tree, it may."""
    try:
        declared = metadata("openbell").get_all("Provides-Extra") or ()
    except PackageNotFoundError:
        return True
    return one.name in declared


def _install(one: Extra) -> str:
    return f'pip install "openbell[{one.name}]"'
