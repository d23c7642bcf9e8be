"""The shapes as JSON Schema for editors, and as a list of fields for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic_core import PydanticUndefined

from openbell.config.dialects.pq import PqShape
from openbell.config.dialects.replay import ReplayFileShape
from openbell.config.kinds import Kind, Shape
from openbell.config.project_shapes import ProjectShape
from openbell.config.shapes import PipelineShape

SUBJECTS: dict[str, tuple[type[Shape], str]] = {
    "pipeline": (PipelineShape, "pipeline file"),
    "project": (ProjectShape, "openbell.yaml"),
    "pq": (PqShape, "pq-orchestrator file"),
    "replay": (ReplayFileShape, "replay-orchestrator file"),
}
"""Kinds of files, by the name that `openbell schema` takes."""


def json_schema(subject: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of file."""
    shape, what = SUBJECTS[subject]
    schema = _as_read(shape.model_json_schema(by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": f"openbell {what}"}


def _as_read(schema: Any) -> Any:
    """The schema as strict as the reader: a key that is there has a value, and a name that fits."""
    if isinstance(schema, list):
        return [_as_read(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _as_read(part) for key, part in schema.items()}
    if "patternProperties" in strict:
        strict.setdefault("additionalProperties", False)
    if _NULL in strict.get("anyOf", ()):
        strict.pop("default", None)
        kept = [part for part in strict.pop("anyOf") if part != _NULL]
        strict = {**(kept[0] if len(kept) == 1 else {"anyOf": kept}), **strict}
    return strict


_NULL = {"type": "null"}


@dataclass(frozen=True, slots=True)
class FieldText:
    """One field as people read about it."""

    path: str
    name: str
    file: str
    kind: str
    required: bool
    default: str
    text: str


def describe(wanted: str, subject: str | None = None) -> list[FieldText]:
    """Fields whose dotted path ends with `wanted` (all for an empty text)."""
    found = []
    for name, (shape, file) in SUBJECTS.items():
        if subject in (None, name):
            found += [field for field in _fields(shape, "", file) if _means(field.path, wanted)]
    return found


def _means(path: str, wanted: str) -> bool:
    plain = path.replace(".<name>", "")
    return not wanted or plain == wanted or plain.endswith(f".{wanted}")


def _fields(shape: type[Shape], prefix: str, file: str) -> Iterator[FieldText]:
    for name, field in shape.model_fields.items():
        key = field.alias or name
        path = f"{prefix}{key}"
        required = field.is_required()
        yield FieldText(
            path=path,
            name=key,
            file=file,
            kind=_kind(field.annotation, field.metadata),
            required=required,
            default="" if required else _shown(field.get_default(call_default_factory=True)),
            text=field.description or "",
        )
        for below, inner in _inner(field.annotation, path):
            yield from _fields(inner, f"{below}.", file)


def _shown(value: Any) -> str:
    if value is None or value is PydanticUndefined or isinstance(value, Shape):
        return "none"
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _inner(annotation: Any, path: str) -> Iterator[tuple[str, type[Shape]]]:
    """Shapes below a field, with the path that leads to them."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        yield path, annotation
    elif get_origin(annotation) is dict:
        yield from _inner(get_args(annotation)[1], f"{path}.<name>")
    else:
        for part in get_args(annotation):
            yield from _inner(part, path)


def _kind(annotation: Any, metadata: list[Any]) -> str:
    """The kind of a field in a few words."""
    for mark in metadata:
        if isinstance(mark, Kind):
            return mark.called or _of_schema(mark.schema)
    if isinstance(annotation, type):
        return "mapping" if issubclass(annotation, Shape) else annotation.__name__
    origin = get_origin(annotation)
    if origin in (dict, list):
        return {"dict": "mapping", "list": "list"}[origin.__name__]
    parts = [
        _kind(part, list(get_args(annotation)[1:])) for part in get_args(annotation) if part is not type(None)
    ]
    return parts[0] if parts else "value"


def _of_schema(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_of_schema(part) for part in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"]).lower()
    kind = schema["type"] if isinstance(schema["type"], str) else " or ".join(schema["type"])
    match schema:
        case {"exclusiveMinimum": above, "maximum": high}:
            return f"{kind} above {above}, at most {high}"
        case {"exclusiveMinimum": above}:
            return f"{kind} above {above}"
        case {"minimum": low, "maximum": high}:
            return f"{kind} {low} to {high}"
        case {"minimum": low}:
            return f"{kind}, {low} or more"
        case _:
            return str(kind)
