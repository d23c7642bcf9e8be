"""Core objects as JSON and back. Built on pydantic, which is imported when something is decoded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from enum import Enum
from functools import cache
from typing import Any

from openbell.core import events as events_module
from openbell.core import requests as requests_module
from openbell.core.events import Event, Fire
from openbell.core.model import Forced, Past, Pipeline
from openbell.core.provenance import UNKNOWN, Provenance
from openbell.core.requests import Request

_COLUMNS = ("at", "task", "run", "step", "cell", "attempt")
"""Fields of events that have columns of their own."""

_APART = {"OpenRun": "run", "Amend": "pipeline", "Requested": "request", "Recalled": "past"}
"""Large parts that live in other tables: definitions in `runs`, requests in `requests`."""


def event_kind(event: Event) -> str:
    return type(event).__name__


def encode_event(event: Event) -> str:
    """The fields of the event that have no column, as JSON; empty where there are none."""
    data = {name: _plain(getattr(event, name)) for name in _inside(type(event))}
    return dump(data) if data else ""


def decode_event(kind: str, columns: Mapping[str, Any], data: str, apart: Any = None) -> Event:
    """The event of that kind. `columns`: the named columns that it has; `apart`: its large part."""
    cls = getattr(events_module, kind)
    values = {**(json.loads(data) if data else {})}
    names = _names(cls)
    if "task" in names:
        values["task"] = (columns["run"], columns["step"], columns["cell"])
    values |= {
        name: columns[name] for name in names if name in _COLUMNS and name != "task" and name in columns
    }
    if kind in _APART:
        values[_APART[kind]] = apart
    event: Event = _adapter(cls).validate_python(values)
    return event


def encode_pipeline(pipeline: Pipeline) -> str:
    """The definition as JSON."""
    return dump(_plain(pipeline))


def decode_pipeline(text: str) -> Pipeline:
    pipeline: Pipeline = _adapter(Pipeline).validate_json(text)
    return pipeline


def decode_past(text: str) -> Past | None:
    """What earlier runs have left; None for an empty text."""
    past: Past | None = _adapter(Past).validate_json(text) if text else None
    return past


def decode_forced(text: str) -> Forced | None:
    """Who has forced a run; None for an empty text."""
    return Forced(**json.loads(text)) if text else None


def decode_provenance(text: str) -> Provenance:
    """Where a run comes from; nothing is known of one of an older openbell."""
    return Provenance(**json.loads(text)) if text else UNKNOWN


def encode_request(request: Request) -> str:
    return dump({"type": type(request).__name__, **_plain(request)})


def decode_request(text: str) -> Request:
    data = json.loads(text)
    request: Request = _adapter(getattr(requests_module, data.pop("type"))).validate_python(data)
    return request


def decode_fire(text: str) -> Fire:
    """A fired occasion that was encoded by `encode_value`."""
    fire: Fire = _adapter(Fire).validate_json(text)
    return fire


def encode_value(value: Any) -> str:
    """Any part of the model (an `Exit`, a result) as JSON."""
    return dump(_plain(value))


def dump(data: Any) -> str:
    return _ENCODER.encode(data)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """JSON data: dataclasses as objects, enums by value, times in ISO form, durations in seconds."""
    if type(value) in _SCALARS:
        return value
    match value:
        case Enum():
            return value.value
        case str() | int() | float():
            return value
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case frozenset() | set():
            return sorted(_plain(item) for item in value)
        case _ if is_dataclass(value):
            return {name: _plain(getattr(value, name)) for name in _names(type(value))}
        case _:
            return str(value)


_SCALARS = frozenset({str, int, float, bool, type(None)})
"""What is JSON as it is, which is most of what there is."""


_names: Callable[[Any], tuple[str, ...]] = cache(lambda cls: tuple(field.name for field in fields(cls)))
"""Field names of a dataclass."""


def _within(cls: Any) -> tuple[str, ...]:
    return tuple(name for name in _names(cls) if name not in (*_COLUMNS, _APART.get(cls.__name__)))


_inside: Callable[[Any], tuple[str, ...]] = cache(_within)
"""Those of an event that are stored as JSON."""


@cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)
