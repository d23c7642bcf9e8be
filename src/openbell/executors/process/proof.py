"""What has to hold when an attempt has ended well, before that is written down: its outputs, its check."""

import os
import stat
import time
from collections.abc import Callable, Mapping
from typing import Any

from openbell.executors.process.child import launch
from openbell.executors.process.watch import Watch

_CHUNK = 1 << 20  # bytes that are read at once

Others = Callable[[], Mapping[int, Callable[[], bool]]]
"""Gives the descriptors that have to be listened to while a check runs, anew each time."""


def prove(
    watch: Watch,
    outcome: dict[str, Any],
    env: Mapping[str, str],
    bury: Callable[[], int],
    others: Others = dict,
) -> None:
    """Look at the outputs, run the check in this environment, and write into the outcome what comes of it.

    `bury`: ends what the check has left behind, and counts it.
    """
    spec = watch.spec
    if not _went_well(outcome):
        return
    wanted = [os.path.join(spec["cwd"], name) for name in spec["outputs"]]
    problem = _missing(spec["outputs"], wanted)
    if problem:
        outcome.update(check="outputs", error=problem)
        return
    if spec["verify"] is not None:
        _verify(watch, outcome, env, bury, others)
    if wanted and _went_well(outcome):
        try:
            outcome["outputs"] = dict(zip(spec["outputs"], map(digest, wanted), strict=True))
        except OSError as error:
            outcome.update(check="outputs", error=f"output {error.filename} cannot be read: {error.strerror}")


def _went_well(outcome: dict[str, Any]) -> bool:
    ended = outcome.get("code") == 0 or outcome.get("ended_after_marker")
    return bool(ended and not outcome["stopped"] and not outcome.get("check"))


def _missing(names: list[str], paths: list[str]) -> str:
    """The first output that is not what it should be, or an empty text."""
    for name, path in zip(names, paths, strict=True):
        try:
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):
                return f"output {name} is not a file"
            if not found.st_size:
                return f"output {name} is empty"
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return f"output {name} does not exist"
        except OSError as error:
            return f"output {name} cannot be read: {error.strerror}"
    return ""


def digest(path: str) -> str:
    """The SHA-256 of a file, as `sha256sum` tells it."""
    import hashlib  # takes some milliseconds, for who needs it

    found = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            found.update(data)
    return found.hexdigest()


def _verify(
    watch: Watch, outcome: dict[str, Any], env: Mapping[str, str], bury: Callable[[], int], others: Others
) -> None:
    """Run the check as a process of its own, within the limits of the attempt."""
    check = watch.spec["verify"]
    output, check_output = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(output, False)
    try:
        child, error = launch({**check, "env": env, "cwd": watch.spec["cwd"]}, check_output)
    except OSError as full:
        child, error = 0, f"cannot fork: {full.strerror}"
    os.close(check_output)
    watch.renew(output)
    if error:
        outcome.update(check="verify", error=f"verify `{check['told']}` could not be started: {error}")
    else:
        end = None
        while end is None:
            end = watch.until_end(child, others())
        _judge(watch, outcome, watch.outcome(*end, time.monotonic()), check["told"])
        outcome["stragglers"] = outcome.get("stragglers", 0) + bury()
        watch.drain_all()
    os.close(output)


def _judge(watch: Watch, outcome: dict[str, Any], end: dict[str, Any], told: str) -> None:
    outcome["elapsed"] = end["elapsed"]
    if watch.reason:
        outcome.update(code=None, signal=end["signal"], stopped=watch.reason)
    elif end["code"] == 0:
        outcome["verified"] = True
    else:
        how = f"killed by {end['signal']}" if end["signal"] else f"exit code {end['code']}"
        outcome.update(check="verify", error=f"verify `{told}` failed: {how}")
