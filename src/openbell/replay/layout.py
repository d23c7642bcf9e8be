"""Where tables lie: `<namespace>/<table>/Date=YYYY-MM-DD/<key>=<value>/*.parquet`. Standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote, unquote

from openbell.errors import DataError

DATE = "Date"
"""The key of the outermost folders of a table."""

NONE = "__HIVE_DEFAULT_PARTITION__"
"""How the layout writes that there is no value."""

SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a table. `keys`: the values in its path, below the date, as text."""

    path: Path
    keys: Mapping[str, str | None] = field(default_factory=dict)
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Folders:
    """Folder of each namespace, and the folder of results, which are tables as well."""

    data: Mapping[str, str] = field(default_factory=dict)
    output: str = ""

    @classmethod
    def known(cls) -> Folders:
        """Those that the task of this process was told (OPENBELL_DATA, OPENBELL_OUTPUT)."""
        return cls(json.loads(os.environ.get("OPENBELL_DATA") or "{}"), os.environ.get("OPENBELL_OUTPUT", ""))

    def table(self, name: str) -> Table:
        """`namespace.table`. Raises DataError, with what there is instead."""
        namespace, dot, table = name.partition(".")
        if not dot or not namespace or not table:
            raise DataError(f"{name!r} is no table", hint="a table is written `namespace.table`")
        folder = self._namespace(namespace) / table
        result = Path(self.output, namespace, table)
        if self.output and not folder.is_dir() and result.is_dir():
            return Table(name, result)
        if not folder.is_dir():
            there = _names(folder.parent)
            raise DataError(f"there is no table {name}: {folder} does not exist", hint=_instead(table, there))
        return Table(name, folder)

    def _namespace(self, name: str) -> Path:
        if name in self.data:
            return Path(self.data[name])
        results = _names(Path(self.output)) if self.output else []
        if name in results:
            return Path(self.output) / name
        known = [*self.data, *results]
        hint = _instead(name, known) if known else "name its folder under `data:` in openbell.yaml"
        raise DataError(f"there is no namespace {name!r}", hint=hint)


@dataclass(frozen=True, slots=True)
class Table:
    """The files of one table."""

    name: str
    folder: Path

    def files(self, day: date | None) -> list[File]:
        """The files of a date in file order, which is that of their paths. Raises DataError without any.

        Without a date, those of a table that has no dates.
        """
        if day is None:
            return self._within(self.folder, None)
        folder = self.folder / f"{DATE}={day}"
        if not folder.is_dir():
            raise DataError(
                f"{self.name} has no data of {day}: {folder} does not exist", hint=self._near(day)
            )
        return self._within(folder, day)

    def between(self, first: date | None, last: date | None) -> list[File]:
        """The files of every date from `first` to `last`, both included; None: without an end."""
        days = self.dates()
        if not days:
            return self._within(self.folder, None)
        chosen = [day for day in days if (not first or first <= day) and (not last or day <= last)]
        if not chosen:
            told = f"{self.name} has no data from {first or days[0]} to {last or days[-1]}: {self.folder}"
            raise DataError(told, hint=f"it has {len(days)} dates, {days[0]} to {days[-1]}")
        return [file for day in chosen for file in self.files(day)]

    def dates(self) -> list[date]:
        """The dates that have a folder, in order."""
        found = []
        for entry in os.scandir(self.folder):
            key, _, value = entry.name.partition("=")
            if key == DATE and entry.is_dir():
                try:
                    found.append(date.fromisoformat(value))
                except ValueError:
                    told = f"{entry.path} is no date"
                    raise DataError(told, hint=f"folders are called {DATE}=YYYY-MM-DD") from None
        return sorted(found)

    def _within(self, folder: Path, day: date | None) -> list[File]:
        found = [File(path, _keys(path, folder), day) for path in _parquet(folder)]
        if not found:
            raise DataError(f"{self.name} has no Parquet file in {folder}")
        names = found[0].keys.keys()
        for file in found:
            if file.keys.keys() != names:
                told = f"{file.path} has the keys {_listed(file.keys)}, {found[0].path} has {_listed(names)}"
                raise DataError(told, hint="all files of a table have the same keys in their paths")
        return found

    def _near(self, day: date) -> str:
        days = self.dates()
        if not days:
            return f"{self.folder} holds no folder {DATE}=YYYY-MM-DD"
        nearest = min(days, key=lambda other: abs((other - day).days))
        return f"it has {len(days)} dates, {days[0]} to {days[-1]}; the nearest is {nearest}"


def written(value: object) -> str:
    """A value as it stands in a path."""
    return NONE if value is None else quote(str(value), safe=" +,:@")


def read(text: str) -> str | None:
    """A value out of a path."""
    return None if text == NONE else unquote(text)


def values(files: Iterable[File]) -> dict[str, list[int] | list[float] | list[str | None]]:
    """The values of each key, one for each file: numbers where all of them are, else text."""
    found: dict[str, list[str | None]] = {}
    for file in files:
        for key, value in file.keys.items():
            found.setdefault(key, []).append(value)
    return {key: _typed(texts) for key, texts in found.items()}


def _typed(texts: list[str | None]) -> list[int] | list[float] | list[str | None]:
    """Numbers only where they would be written the same way again: `007` stays text."""
    for kind in (int, float):
        try:
            numbers = [kind(text) for text in texts]  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if all(str(number) == text for number, text in zip(numbers, texts, strict=True)):
            return numbers
    if texts and all(_is_number(text) for text in texts):
        return [float(text) for text in texts if text is not None]
    return texts


def _is_number(text: str | None) -> bool:
    """An integer or a decimal fraction, as an axis of both writes them."""
    try:
        return text is not None and (str(int(text)) == text if "." not in text else str(float(text)) == text)
    except ValueError:
        return False


def _keys(path: Path, folder: Path) -> dict[str, str | None]:
    parts = path.relative_to(folder).parts[:-1]
    pairs = (part.partition("=") for part in parts)
    return {key: read(value) for key, equals, value in pairs if equals}


def _parquet(folder: Path) -> list[Path]:
    """Every Parquet file below, in the order of the paths; what begins with a dot or `_` is no data."""
    found: list[Path] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            found += _parquet(Path(entry.path))
        elif entry.name.endswith(SUFFIX):
            found.append(Path(entry.path))
    return found


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _instead(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {_listed(known)}"
