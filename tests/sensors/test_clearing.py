"""Putting away: the file that was consumed and no other, over nothing, and to the end after a death."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from openbell.core.inputs import Consume, InputFile
from openbell.sensors import clearing
from openbell.sensors.clearing import put_away
from openbell.sensors.contents import content_key

ARCHIVE, DELETE = Consume.ARCHIVE, Consume.DELETE


def consumed(path: Path, text: str = "abc") -> InputFile:
    path.write_text(text)
    status = path.stat()
    return InputFile(str(path), status.st_size, status.st_mtime_ns, content_key(str(path)))


def there(folder: Path) -> dict[str, str]:
    """Every file below the folder with its content."""
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_file_is_archived_beside(tmp_path: Path) -> None:
    file = consumed(tmp_path / "x.csv")
    assert put_away(file, ARCHIVE, f"{tmp_path}/archive") == f"archived as {tmp_path}/archive/x.csv"
    assert there(tmp_path) == {"archive/x.csv": "abc"}


def test_a_file_is_deleted(tmp_path: Path) -> None:
    assert put_away(consumed(tmp_path / "x.csv"), DELETE, "") == "deleted"
    assert there(tmp_path) == {}


def test_nothing_in_the_archive_is_ever_overwritten(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        put_away(consumed(tmp_path / "x.csv.gz", text), ARCHIVE, f"{tmp_path}/a/b")
    assert there(tmp_path) == {"a/b/x.csv.gz": "one", "a/b/x~2.csv.gz": "two", "a/b/x~3.csv.gz": "three"}


@pytest.mark.parametrize("consume", [ARCHIVE, DELETE])
def test_a_file_that_has_taken_its_place_is_left_alone(tmp_path: Path, consume: Consume) -> None:
    file = consumed(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("new!")
    assert "left alone" in put_away(file, consume, f"{tmp_path}/archive")
    assert there(tmp_path) == {"x.csv": "new!"}


def test_the_same_content_with_another_time_is_the_same_file(tmp_path: Path) -> None:
    file = consumed(tmp_path / "x.csv")
    os.utime(file.path, (1, 1))
    assert put_away(file, DELETE, "") == "deleted"


def test_a_file_that_is_put_in_place_at_the_last_moment_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = consumed(tmp_path / "x.csv")
    looked = []

    def late(path: Path, wanted: InputFile) -> bool:
        looked.append(path)
        if len(looked) == 1:  # it was looked at, and is replaced before it is taken
            (tmp_path / "x.csv").write_text("new!")
            return True
        return original(path, wanted)

    original = clearing._is
    monkeypatch.setattr(clearing, "_is", late)
    assert "left alone" in put_away(file, DELETE, "")
    assert there(tmp_path) == {"x.csv": "new!"}


@pytest.mark.parametrize("consume", [ARCHIVE, DELETE])
def test_a_file_that_is_gone_is_gone(tmp_path: Path, consume: Consume) -> None:
    file = consumed(tmp_path / "x.csv")
    (tmp_path / "x.csv").unlink()
    assert put_away(file, consume, f"{tmp_path}/archive") == "it was gone already"


CALLS = ("rename", "hardlink_to", "unlink", "mkdir")


class Killed(BaseException):
    """As if the machine had stopped here."""


@pytest.mark.parametrize("consume", [ARCHIVE, DELETE])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("after", [False, True])
def test_after_a_death_the_same_order_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, consume: Consume, call: str, after: bool
) -> None:
    file = consumed(tmp_path / "x.csv")
    original = getattr(Path, call)

    def dies(self: Path, *args: object, **keys: object) -> None:
        if after:
            original(self, *args, **keys)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, call, dies)
        with contextlib.suppress(Killed):
            put_away(file, consume, f"{tmp_path}/archive")
    put_away(file, consume, f"{tmp_path}/archive")
    assert there(tmp_path) == ({"archive/x.csv": "abc"} if consume is ARCHIVE else {})
    assert put_away(file, consume, f"{tmp_path}/archive") != "deleted"
    assert there(tmp_path) == ({"archive/x.csv": "abc"} if consume is ARCHIVE else {})


@pytest.mark.parametrize("number", [1, 95, 18])
def test_without_links_and_across_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """EPERM and EOPNOTSUPP: no links there; EXDEV: the archive is on another disk."""
    first: list[Path] = []

    def refuse(self: Path, target: Path) -> None:
        if number == 18 and first:
            return original(self, target)
        first.append(self)
        raise OSError(number, os.strerror(number))

    original = Path.hardlink_to
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive/x.csv").write_text("older")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    file = consumed(tmp_path / "x.csv")
    put_away(file, ARCHIVE, f"{tmp_path}/archive")
    found = there(tmp_path)
    assert found.pop("archive/x.csv") == "older"
    assert found == {"archive/x~2.csv": "abc"}


def test_what_cannot_be_done_is_an_error(tmp_path: Path) -> None:
    file = consumed(tmp_path / "x.csv")
    (tmp_path / "archive").write_text("no folder")
    with pytest.raises(FileExistsError):
        put_away(file, ARCHIVE, f"{tmp_path}/archive")
    (tmp_path / "archive").unlink()
    assert put_away(file, ARCHIVE, f"{tmp_path}/archive").startswith("archived")
