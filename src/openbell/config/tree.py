"""A definition that was written in Python, as the tree that its file would give.

There is one meaning of a key, whoever writes it: from here on it goes the way of every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from openbell.config.document import Document, Node
from openbell.config.document import Path as Place
from openbell.config.findings import Finding, Span

NOWHERE = Span(0, 0, 0)
"""The place of what has no line: its finding tells the keys that lead to it."""


def document_of(data: Mapping[str, Any], path: Path) -> Document:
    """The document of a definition. `path`: where its file would be, which paths in it are relative to."""
    findings: list[Finding] = []
    return Document(path, [], _node(data, (), findings), findings)


def _node(value: Any, place: Place, findings: list[Finding]) -> Node:
    plain = _plain(value)
    if isinstance(plain, Mapping):
        entries = {str(key): item for key, item in plain.items()}
        nodes = {key: _node(item, (*place, key), findings) for key, item in entries.items()}
        return Node(nodes, NOWHERE, key_spans=dict.fromkeys(nodes, NOWHERE))
    if isinstance(plain, list):
        return Node([_node(item, (*place, n), findings) for n, item in enumerate(plain)], NOWHERE)
    if isinstance(plain, str) and plain.startswith("__main__:"):
        told = f"`{plain.partition(':')[2]}` stands in the script itself, which workers do not run"
        findings.append(Finding("OB124", told, NOWHERE, "put it into a module beside the script", path=place))
    if plain is not None and not isinstance(plain, str | int | float | bool):
        told = f"{type(plain).__name__} is nothing that a definition can hold"
        findings.append(Finding("OB103", told, NOWHERE, path=place))
        plain = str(plain)
    return Node(plain, NOWHERE, text=str(plain))


def _plain(value: Any) -> Any:
    """What a file would say: dates, times, durations and paths as text, anything of many values as a list."""
    match value:
        case Enum():
            return value.value if isinstance(value.value, str) else value.name.lower()
        case None | str() | bool() | int() | float() | Mapping() | list():
            return value
        case datetime() | date():
            return value.isoformat()
        case time():
            return f"{value:%H:%M:%S}"
        case timedelta():
            return f"{value.total_seconds():f}".rstrip("0").rstrip(".") + "s"
        case Path():
            return str(value)
        case _:
            return _converted(value)


def _converted(value: Any) -> Any:
    for name in ("item", "tolist", "to_list"):  # numbers and arrays of numpy, series of polars and pandas
        convert = getattr(value, name, None)
        if callable(convert) and (name != "item" or not getattr(value, "shape", ())):
            try:
                return _plain(convert())
            except (TypeError, ValueError):
                continue
    if isinstance(value, Callable):  # type: ignore[arg-type]
        return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', value)}"
    return list(value) if isinstance(value, Iterable) else value
