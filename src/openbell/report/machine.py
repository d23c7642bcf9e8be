"""What the machine has left: memory and disk, as the kernel tells."""

from __future__ import annotations

import shutil
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def memory() -> tuple[int, int] | None:
    """Bytes of memory that are available, and all there are; in a container those of the container."""
    found = _meminfo()
    if found is None:
        return None
    available, total = found
    limit, used = (_number(_CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None and limit < total:
        return min(available, max(0, limit - used)), limit
    return available, total


def free_space(folder: Path) -> int | None:
    """Free bytes of the disk that a folder lies on, or will lie on; None where that cannot be told."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    try:
        return shutil.disk_usage(there).free if there is not None else None
    except OSError:
        return None


def _meminfo() -> tuple[int, int] | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        import psutil

        whole = psutil.virtual_memory()
        return int(whole.available), int(whole.total)
    known = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    available, total = known.get("MemAvailable"), known.get("MemTotal")
    return (available, total) if available is not None and total is not None else None


def _number(path: Path) -> int | None:
    """The number in a file; None for no file, or no limit."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
