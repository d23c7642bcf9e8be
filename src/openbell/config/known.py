"""What this version of openbell does not know yet is taken out of a tree, and told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from pathlib import Path as FilePath
from typing import Any

from openbell.config.document import Path
from openbell.config.kinds import Shape
from openbell.config.reading import fit
from openbell.config.tree import document_of


def without_unknown(
    tree: Mapping[str, Any], shape: type[Shape], optional: Collection[str]
) -> tuple[dict[str, Any], list[tuple[Path, Any]]]:
    """The tree without those `optional` keys that do not fit its shape, and these with their values."""
    kept = deepcopy(dict(tree))
    removed: list[tuple[Path, Any]] = []
    while True:
        document = document_of(kept, FilePath("converted.yaml"))
        fit(document, shape)
        places = {place for finding in document.findings if (place := _optional(finding.path, optional))}
        if not places:
            return kept, removed
        removed += [(place, _pop(kept, place)) for place in sorted(places, key=str)]


def _optional(path: Path, optional: Collection[str]) -> Path | None:
    """The innermost optional key on the way to what does not fit."""
    return next((path[:end] for end in range(len(path), 0, -1) if path[end - 1] in optional), None)


def _pop(tree: dict[str, Any], place: Path) -> Any:
    """Take the value out, and the mapping that it leaves empty."""
    *above, key = place
    parents: list[dict[str, Any]] = [tree]
    for part in above:
        parents.append(parents[-1][str(part)])
    value = parents[-1].pop(str(key))
    if not parents[-1] and len(parents) > 1:
        parents[-2].pop(str(above[-1]))
    return value
