"""Puts consumed files away: never another file than the one that was consumed, never over another one.

A file is first taken out of everybody's sight, by renaming it, and looked at again: what a writer has
put in its place meanwhile goes back. Whatever kills us in between, the same order again goes on from there.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from openbell.core.inputs import Consume, InputFile
from openbell.sensors.contents import content_key

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_MOST_NAMES = 10_000


def put_away(file: InputFile, consume: Consume, folder: str) -> str:
    """Archive or delete the file. Returns what has become of it; raises OSError when it cannot be done."""
    path = Path(file.path)
    taken = path.with_name(f".{path.name}.{file.key[:8]}.openbell")
    if not os.path.lexists(taken):
        if not path.exists():
            return _whereabouts(file, Path(folder), consume)
        if not _is(path, file):
            return "another file has taken its place: left alone"
        if consume is Consume.ARCHIVE:
            Path(folder).mkdir(parents=True, exist_ok=True)  # where that cannot be, nothing has happened yet
        path.rename(taken)
    if not _is(taken, file):
        _give_back(taken, path)
        return "another file has taken its place: left alone"
    if consume is Consume.DELETE:
        taken.unlink()
        return "deleted"
    try:
        return f"archived as {_archive(taken, path.name, Path(folder))}"
    except OSError:
        _give_back(taken, path)
        raise


def _is(path: Path, file: InputFile) -> bool:
    """Whether this is the file that was consumed: by its size and time, else by its content."""
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns):
        return True
    return status.st_size == file.size and content_key(str(path)) == file.key


def _archive(taken: Path, name: str, folder: Path) -> Path:
    """Move the file into the folder, under the first name that is free."""
    folder.mkdir(parents=True, exist_ok=True)
    for target in _names(folder, name):
        if target.exists() and target.samefile(taken):  # we were killed right here
            taken.unlink()
            return target
        if _moved(taken, target):
            return target
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder / name))


def _names(folder: Path, name: str) -> Iterator[Path]:
    """`x.csv`, `x~2.csv`, `x~3.csv` ..."""
    stem, dot, ending = name.partition(".") if not name.startswith(".") else (name, "", "")
    yield folder / name
    for number in range(2, _MOST_NAMES):
        yield folder / f"{stem}~{number}{dot}{ending}"


def _moved(taken: Path, target: Path) -> bool:
    """Move it there if the name is free. A link and its removal never replace anything, a rename might."""
    try:
        target.hardlink_to(taken)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno == errno.EXDEV:
            return _copied(taken, target)
        if error.errno not in _NO_LINKS:
            raise
        try:  # a file system without links: the empty file keeps the name free for us
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        taken.replace(target)
        return True
    taken.unlink()
    return True


def _copied(taken: Path, target: Path) -> bool:
    """Copy it to another disk, whole and durable before the name appears."""
    if target.exists():
        return False
    part = target.with_name(f".{target.name}.part.openbell")
    shutil.copy2(taken, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    moved = _moved(part, target)
    if moved:
        taken.unlink()
    else:
        part.unlink()
    return moved


def _give_back(taken: Path, path: Path) -> None:
    """What we have taken was not ours: back to its name, or beside it where there is another one by now."""
    for target in _names(path.parent, path.name):
        if _moved(taken, target):
            return


def _whereabouts(file: InputFile, folder: Path, consume: Consume) -> str:
    """Where a file is that is not at its place: we may have been killed after the deed."""
    if consume is Consume.ARCHIVE:
        for target in _names(folder, Path(file.path).name):
            if not target.exists():
                break
            if target.stat().st_size == file.size and content_key(str(target)) == file.key:
                return f"archived as {target}"
    return "it was gone already"
