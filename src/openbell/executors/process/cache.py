"""Results that are kept: found again by the supervisor of an attempt, before it would start anything.

One file for each key, JSON behind a checksum. One that is spoiled is kept as `.bad`, and is no answer.
"""

import json
import os
from typing import Any

from openbell.executors.process.proof import digest


def consult(spec: dict[str, Any], now: float) -> tuple[str, dict[str, Any] | None]:
    """The key of this attempt, and what an earlier one with that key has come to, if that still holds.

    `now`: seconds since the epoch.
    """
    asked = spec["cache"]
    key = _key(asked, spec["cwd"])
    entry = _read(_path(asked["folder"], key)) if asked["use"] else None
    if entry is None or not _is_young(entry, asked["max_age"], now) or not _has_outputs(entry, spec):
        return key, None
    return key, entry


def outcome(entry: dict[str, Any], elapsed: float) -> dict[str, Any]:
    """What an exit record says about an attempt that has not run: it has come to what the earlier one has."""
    return {
        "code": 0,
        "stopped": None,
        "elapsed": elapsed,
        "cached": entry["attempt"],
        "result": entry["result"],
        "outputs": entry["outputs"],
        "verified": entry["verified"],
    }


def keep(folder: str, key: str, entry: dict[str, Any]) -> None:
    """Keep what an attempt has come to: attempt, at, result, outputs, verified. A full disk keeps nothing."""
    import hashlib

    body = json.dumps(entry, ensure_ascii=False).encode(errors="replace")
    draft = _path(folder, key) + f".{os.getpid()}.tmp"
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        with open(draft, "wb") as file:
            file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        os.replace(draft, _path(folder, key))
    except OSError:
        pass


def _path(folder: str, key: str) -> str:
    return os.path.join(folder, key)


def _key(asked: dict[str, Any], cwd: str) -> str:
    """The digest of all that the result follows from."""
    import hashlib

    paths = [os.path.join(cwd, path) for path in asked["files"]]
    if asked["globs"]:
        import glob

        for pattern in asked["globs"]:
            paths += sorted(glob.glob(os.path.join(cwd, pattern), recursive=True))
    found = hashlib.sha256(asked["parts"].encode())
    for path in (*asked["code"], "", *paths):
        found.update(b"\0" + os.fsencode(os.path.relpath(path, cwd) if path else "") + b"\0")
        found.update(_content(path).encode())
    return found.hexdigest()[:40]


def _content(path: str) -> str:
    """What stands for the content of a file in a key."""
    if not path or os.path.isdir(path):
        return ""
    try:
        return digest(path)
    except OSError as error:
        return f"errno {error.errno}"


def _read(path: str) -> dict[str, Any] | None:
    """The entry; None when there is none. A spoiled one is put aside."""
    import hashlib

    try:
        with open(path, "rb") as file:
            checksum, _, body = file.read().partition(b"\n")
    except OSError:
        return None
    try:
        if hashlib.sha256(body).hexdigest().encode() != checksum:
            raise ValueError("its checksum is another")
        entry = json.loads(body)
        sound = isinstance(entry["at"], int | float) and isinstance(entry["attempt"], str)
        if not sound or not all(isinstance(entry[name], dict) for name in ("result", "outputs")):
            raise ValueError("it is none of ours")
    except (ValueError, KeyError, TypeError):
        try:
            os.replace(path, path + ".bad")
        except OSError:
            pass
        return None
    return entry  # type: ignore[no-any-return]


def _is_young(entry: dict[str, Any], longest: float | None, now: float) -> bool:
    age = now - entry["at"]
    return longest is None or 0 <= age <= longest


def _has_outputs(entry: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Whether its outputs are there as it has left them."""
    try:
        return all(
            entry["outputs"].get(name) == digest(os.path.join(spec["cwd"], name)) for name in spec["outputs"]
        )
    except OSError:
        return False
