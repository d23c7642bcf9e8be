"""Drawings that workers have made: results that name an SVG or PNG file, put into the page as pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from openbell.core.render import task_label
from openbell.core.state import RunRecord
from openbell.report.parts import note, section
from openbell.report.results import succeeded
from openbell.store.records import AttemptInfo

_KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
_LARGEST = 2_000_000  # bytes
_MOST = 40


def drawings(record: RunRecord, attempts: Sequence[AttemptInfo]) -> str:
    """The section with them; empty without any. Pictures can neither run scripts nor load anything."""
    found = list(_files(record, attempts))
    if not found:
        return ""
    parts = [_figure(path, told) for path, told in found[:_MOST]]
    more = len(found) - _MOST
    return section("Drawings", "".join(parts) + (note(f"And {more} more.") if more > 0 else ""))


def _files(record: RunRecord, attempts: Sequence[AttemptInfo]) -> Iterator[tuple[Path, str]]:
    folder = Path(record.run.pipeline.folder)
    for info in succeeded(record, attempts):
        for name, value in info.result.items():
            if isinstance(value, str) and value.lower().endswith(tuple(_KINDS)):
                label = f"{task_label(record.run.pipeline, info.key.task)}: {name.removeprefix('figure_')}"
                yield folder / value, label


def _figure(path: Path, told: str) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            return note(f"{told}: {path} is larger than {_LARGEST // 1_000_000} MB.")
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        return note(f"{told}: {path} cannot be read ({(error.strerror or str(error)).lower()}).")
    kind = _KINDS[path.suffix.lower()]
    picture = f'<img class="drawing" alt="{escape(told)}" src="data:{kind};base64,{data}">'
    return f"<figure>{picture}<figcaption>{escape(told)}</figcaption></figure>"
