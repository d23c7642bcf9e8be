"""What we ask of the kernel, with nothing where the platform does not have it."""

import ctypes
import os
import sys

LINUX = sys.platform == "linux"

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_AT_ONCE = 1 << 14  # bytes

_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def die_with_parent(signal_number: int, parent: int) -> None:
    """Get this signal when the parent dies; leave at once if it is dead already."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(125)


def become_subreaper() -> None:
    """Orphaned descendants become our children, whatever sessions they open."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def set_name(name: str) -> None:
    """The name that `ps` shows: at most 15 bytes, kept over fork, reset by exec."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def exists(pid: int) -> bool:
    """Whether a process of this number lives. (A zombie does not: it holds nothing any more.)"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return read(f"/proc/{pid}/stat").rpartition(")")[2][1:2] not in ("Z", "X") or not LINUX


def boot_id() -> str:
    """Identifies the boot: what ran in an earlier one is dead."""
    return read("/proc/sys/kernel/random/boot_id").strip()


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since the boot."""
    for line in read("/proc/vmstat").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def descendants(pid: int) -> list[int]:
    """All living descendants of a process."""
    found: list[int] = []
    ahead = [pid]
    while ahead:
        base = f"/proc/{ahead.pop()}/task"
        try:
            threads = os.listdir(base)
        except OSError:
            continue
        for thread in threads:
            children = [int(child) for child in read(f"{base}/{thread}/children").split()]
            found += children
            ahead += children
    return found


def memory(pids: list[int]) -> int:
    """Bytes of memory of these processes: what is shared counts once when that matters."""
    return sum(_resident(pid) for pid in pids)


def proportional_memory(pids: list[int]) -> int:
    """The same, with shared pages split among those that share them. Slow: for a second opinion."""
    total = 0
    for pid in pids:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
                break
        else:
            total += _resident(pid)
    return total


def prefer_as_victim() -> None:
    """When memory runs out, take this process before its supervisor."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass


def read(path: str) -> str:
    """The text of a small file; empty when it cannot be read. Without a file object, for it is read often."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    text = b""
    try:
        while data := os.read(file, _AT_ONCE):
            text += data
    except OSError:
        return ""  # a process that has just ended
    finally:
        os.close(file)
    return text.decode(errors="replace")


def _resident(pid: int) -> int:
    fields = read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0
