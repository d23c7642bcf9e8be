"""On what kind of file system a folder lies: on some, locks cannot be trusted and news do not come."""

from __future__ import annotations

from pathlib import Path

REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "lustre", "ceph", "glusterfs")


def filesystem(folder: Path) -> str:
    """The type of the file system that holds the folder; empty where that cannot be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    best = ("", "")
    target = str(folder.resolve())
    for line in mounts:
        _, point, kind, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")
        if (target == point or target.startswith(point.rstrip("/") + "/")) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def is_remote(folder: str) -> bool:
    """Whether others may write there without this machine's kernel hearing of it."""
    return filesystem(Path(folder)) in REMOTE
