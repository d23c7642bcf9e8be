"""What a step takes in, from what is written: files with their options, values out of a file."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.expand import beside
from openbell.config.findings import nearest
from openbell.config.input_shapes import (
    FilesAxisShape,
    FilesShape,
    FromFileShape,
    InputShape,
    ResultAxisShape,
)
from openbell.config.shapes import StepShape
from openbell.core.inputs import Absent, Consume, Files, Signal

_OPTIONS = ("settle", "signal", "stalled", "absent", "consume", "archive")
_PLAIN = Files(())
_LARGEST = 16 << 20  # bytes of a file of values
_MOST_VALUES = 1_000_000


def compile_files(draft: Draft, shape: StepShape, place: Place) -> Files | None:
    """The files that the step takes in; None when it takes none."""
    axes = [name for name, axis in shape.matrix.items() if isinstance(axis, FilesAxisShape)]
    if len(axes) > 1 or (axes and shape.files is not None):
        at = (*place, "files") if shape.files is not None else (*place, "matrix", axes[1])
        draft.fault("OB111", "a step takes files in one way: `files`, or one axis of files", at, key=True)
    long = shape.files if isinstance(shape.files, FilesShape) else None
    if not axes and shape.files is None:
        _check_idle(draft, shape, place)
        return None
    for name in _OPTIONS:
        if long is not None and getattr(long, name) is not None and getattr(shape, name) is not None:
            draft.fault("OB111", f"`{name}` stands both here and in `files`", (*place, name), key=True)
    axis = shape.matrix[axes[0]] if axes else None
    globs = axis.files if isinstance(axis, FilesAxisShape) else long.glob if long is not None else shape.files
    assert isinstance(globs, tuple)
    found = _options(draft, shape, long, place)
    return replace(found, globs=tuple(_absolute(draft, glob) for glob in globs), axis=axes[0] if axes else "")


def _options(draft: Draft, shape: StepShape, long: FilesShape | None, place: Place) -> Files:
    inner = (*place, "files") if long is not None else place
    layers: list[InputShape] = [layer for layer in (long, shape) if layer is not None]

    def given(name: str) -> Any:
        return next((value for layer in layers if (value := getattr(layer, name)) is not None), None)

    timeout = long.timeout if long is not None else None
    absent, consume = given("absent"), given("consume")
    if timeout is not None and absent == "wait":
        told = "`timeout` goes with `absent: skip` or `absent: fail`"
        draft.fault("OB111", told, (*inner, "timeout"), key=True)
    if given("archive") is not None and consume != "archive":
        at = inner if long is not None and long.archive is not None else place
        draft.fault("OB111", "`archive` goes with `consume: archive`", (*at, "archive"), key=True)
    signal = given("signal")
    if given("stalled") is not None and signal is None:
        at = inner if long is not None and long.stalled is not None else place
        draft.fault("OB111", "`stalled` goes with `signal`", (*at, "stalled"), key=True)
    settle = given("settle")
    return Files(
        globs=(),
        settle=_PLAIN.settle if settle is None else settle,
        signal=_signal(draft, shape, long),
        stalled=given("stalled"),
        timeout=timeout,
        absent=Absent(absent or ("fail" if timeout is not None else "wait")),
        consume=Consume(consume or "keep"),
        archive=given("archive") or _PLAIN.archive,
    )


def _signal(draft: Draft, shape: StepShape, long: FilesShape | None) -> Signal | None:
    found = (long.signal if long is not None else None) or shape.signal
    if found is None:
        return None
    texts = (found.complete, found.start, found.progress)
    return Signal(*(_absolute(draft, text) if text else "" for text in texts))


def _absolute(draft: Draft, glob: str) -> str:
    return os.path.normpath(beside(draft.folder, glob))


def _check_idle(draft: Draft, shape: StepShape, place: Place) -> None:
    """Options about files in a step that takes none. `absent` may be about an axis of results."""
    results = any(isinstance(axis, ResultAxisShape) for axis in shape.matrix.values())
    if draft.meant(place, "files") or draft.doubtful((*place, "matrix"), (*place, "files")):
        return
    for name in _OPTIONS:
        if getattr(shape, name) is not None and not (name == "absent" and results):
            told = f"`{name}` is about files, and this step takes none"
            draft.fault("OB111", told, (*place, name), "`files: data/raw/*.csv`", key=True)
    if results and shape.absent == "wait":
        told = "`absent: wait` cannot be: an axis of results does not fill up later"
        draft.fault("OB111", told, (*place, "absent"))


def listed_in(draft: Draft, shape: FromFileShape, place: Place) -> list[str]:
    """The values that stand in a file."""
    at = (*place, "from_file")
    path = draft.file(shape.from_file, at, "the file of values")
    if path is None or draft.doubtful(at, (*place, "column")):
        return []
    try:
        if path.stat().st_size > _LARGEST:
            draft.fault("OB150", f"{path.name} is larger than {_LARGEST >> 20} MiB", at)
            return []
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        draft.fault("OB150", f"{path.name} cannot be read as text: {error}", at)
        return []
    if path.suffix == ".csv":
        found = _column(draft, shape, path, text, place)
    else:
        found = _lines(draft, shape, text, place)
    values = [value for _, value in found]
    if not values and not draft.document.findings:
        draft.fault("OB114", f"{path.name} has no values", at)
    _check_twice(draft, path, found, at)
    return values[:_MOST_VALUES]


def _lines(draft: Draft, shape: FromFileShape, text: str, place: Place) -> list[tuple[int, str]]:
    if shape.column is not None:
        told = "`column` is for CSV files: this one has a value on each line"
        draft.fault("OB111", told, (*place, "column"), key=True)
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _column(draft: Draft, shape: FromFileShape, path: Path, text: str, place: Place) -> list[tuple[int, str]]:
    try:
        rows = csv.DictReader(text.splitlines(), strict=True)
        names = [name.strip() for name in rows.fieldnames or ()]
        rows.fieldnames = names
        column = shape.column or (names[0] if len(names) == 1 else None)
        if column is None or column not in names:
            _no_column(draft, shape, path, names, place)
            return []
        read = ((rows.line_num, (row.get(column) or "").strip()) for row in rows)
        return [(number, value) for number, value in read if value]
    except csv.Error as error:
        draft.fault("OB150", f"{path.name} is no CSV file: {error}", (*place, "from_file"))
        return []


def _no_column(draft: Draft, shape: FromFileShape, path: Path, names: list[str], place: Place) -> None:
    known = f"its columns: {', '.join(names[:20]) or 'none'}"
    if shape.column is None:
        draft.fault("OB150", f"{path.name} has several columns", (*place, "from_file"), f"`column:`; {known}")
        return
    near = nearest(shape.column, names)
    told = f"{path.name} has no column `{shape.column}`"
    draft.fault("OB150", told, (*place, "column"), f"did you mean `{near}`?" if near else known)


def _check_twice(draft: Draft, path: Path, found: list[tuple[int, str]], place: Place) -> None:
    first: dict[str, int] = {}
    twice = [(value, first[value], n) for n, value in found if first.setdefault(value, n) != n]
    if twice:
        value, one, other = twice[0]
        more = f", and {len(twice) - 1} more" if len(twice) > 1 else ""
        told = f"{path.name} holds {value!r} twice, on the lines {one} and {other}{more}"
        draft.fault("OB109", told, place)
