"""Stand-ins for what is wrong or missing, so that the rest of a file can be checked as well.

One wrong field must not hide that the worker script does not exist. What is found wrong with a
stand-in is not reported: it has been said already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin

from openbell.config.document import Path
from openbell.config.kinds import Kind, Shape

_NOTHING = object()


def repaired(data: Any, wrong: Iterable[Path], shape: type[Shape]) -> dict[str, Any]:
    """The data without the values at the `wrong` paths, completed to what the shape needs."""
    copy: dict[str, Any] = _without(data, set(wrong), ())
    return _filled(copy, shape)


def _without(data: Any, wrong: set[Path], path: Path) -> Any:
    """The data without what is wrong in it; a list with something wrong in it goes as a whole."""
    if path in wrong or data is None:
        return _NOTHING
    match data:
        case dict():
            kept = {key: _without(value, wrong, (*path, key)) for key, value in data.items()}
            return {key: value for key, value in kept.items() if value is not _NOTHING}
        case list():
            items = [_without(value, wrong, (*path, position)) for position, value in enumerate(data)]
            return _NOTHING if any(item is _NOTHING for item in items) else items
        case _:
            return data


def _completed(data: Any, annotation: Any) -> Any:
    """Known keys only, required ones in place."""
    if isinstance(data, dict) and (shapes := list(_shapes(annotation))):
        return _filled(data, max(shapes, key=lambda shape: len(shape.model_fields.keys() & data.keys())))
    for one in alternatives(annotation):
        match data:
            case dict() if get_origin(one) is dict:
                return {key: _completed(value, get_args(one)[1]) for key, value in data.items()}
            case list() if get_origin(one) is list:
                return [_completed(item, get_args(one)[0]) for item in data]
    return data


def _shapes(annotation: Any) -> Iterator[type[Shape]]:
    """The mappings with known keys that an annotation allows."""
    for one in alternatives(annotation):
        if isinstance(one, type) and issubclass(one, Shape):
            yield one


def _filled(data: Mapping[str, Any], shape: type[Shape]) -> dict[str, Any]:
    found = {}
    for name, field in shape.model_fields.items():
        key = field.alias or name
        if key in data:
            found[key] = _completed(data[key], field.annotation)
        elif field.is_required():
            found[key] = _sample(field.annotation, field.metadata)
    return found


def alternatives(annotation: Any) -> Iterator[Any]:
    """What an annotation allows, without Annotated and unions around it."""
    if get_origin(annotation) in (dict, list, tuple, None):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from alternatives(argument)


def _sample(annotation: Any, metadata: Iterable[Any]) -> Any:
    """A value that fits."""
    for mark in metadata:
        if isinstance(mark, Kind):
            return mark.sample
    if get_origin(annotation) is dict:
        value = get_args(annotation)[1]
        return {"x": _sample(value, ())} if isinstance(value, type) else {}
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return _filled({}, annotation)
    return next((_sample(part, get_args(annotation)[1:]) for part in get_args(annotation)), None)
