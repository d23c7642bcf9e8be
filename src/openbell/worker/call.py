"""Calls `module:function` with the context; what it returns is the result."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from openbell.worker.context import Context, context
from openbell.worker.reports import LONGEST

T = TypeVar("T")


def check(target: str) -> None:
    """Be the process of a check. It passes unless it raises, leaves with a status, or returns False."""
    search_here()
    code, returned = guarded(lambda: find(target)(context()))
    if returned is False:
        print(f"{target} returned False", file=sys.stderr)  # noqa: T201
    sys.exit(code or int(returned is False))


def search_here() -> None:
    """Modules are looked for in the working directory first."""
    if sys.path[:1] == [""]:
        del sys.path[0]
    sys.path.insert(0, os.getcwd())  # noqa: PTH109


def guarded(do: Callable[[], T]) -> tuple[int, T | None]:
    """The exit status that a script would have, and what it gives. What goes wrong is printed."""
    try:
        return 0, do()
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return (leaving.code or 0) & 0xFF, None
        print(leaving.code, file=sys.stderr)  # noqa: T201
    except BaseException:
        kind, error, trace = sys.exc_info()
        while trace is not None and _ours(trace):
            trace = trace.tb_next
        sys.excepthook(kind, error.with_traceback(trace), trace)  # type: ignore[arg-type, union-attr]
    return 1, None


def _ours(trace: TracebackType) -> bool:
    """Whether a frame says nothing to the user: it is of this room, and others follow."""
    room = os.path.dirname(__file__)  # noqa: PTH120
    return trace.tb_next is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == room  # noqa: PTH120


def call(target: str, ctx: Context) -> dict[str, Any]:
    """The result of the callable: an object as it is, nothing as an empty one, other JSON as `value`.

    Raises TypeError for what is no JSON value, ValueError for one of more than 64 KiB.
    """
    returned = find(target)(ctx)
    found = returned if isinstance(returned, dict) else {} if returned is None else {"value": returned}
    try:
        text = json.dumps(found, allow_nan=False, default=_scalar, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{target} returned what is no JSON value: {_wrong(found) or error}") from None
    if len(text.encode(errors="replace")) > LONGEST:
        raise ValueError(f"{target} returned more than {LONGEST} bytes of JSON: write large data to files")
    clean: dict[str, Any] = json.loads(text)
    return clean


def find(target: str) -> Callable[[Context], Any]:
    """The callable. Raises ImportError, AttributeError or TypeError, naming it."""
    name, _, function = target.partition(":")
    found = getattr(importlib.import_module(name), function)
    if not callable(found):
        raise TypeError(f"{target} is not callable: it is of type {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _scalar(value: Any) -> Any:
    """A number of numpy as one of Python's; nothing else is taken for JSON that is none."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        return value.item()
    raise TypeError(f"a value of type {type(value).__name__}")


def _wrong(value: Any, path: str = "", depth: int = 0) -> str:
    """The first part of a value that is no JSON, and where it is."""
    inside: list[tuple[str, Any]] = []
    if depth > 50:
        return f"{path or 'it'} goes too deep"
    match value:
        case None | bool() | int() | str():
            return ""
        case float():
            return "" if value == value and abs(value) != float("inf") else f"{path} is {value}"
        case dict():
            if (key := next((key for key in value if not isinstance(key, str)), None)) is not None:
                return f"{path or 'it'} has the key {key!r}"
            inside = [(f"{path}.{key}" if path else key, item) for key, item in value.items()]
        case list() | tuple():
            inside = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
        case _:
            try:
                _scalar(value)
            except TypeError:
                return f"{path} is of type {type(value).__name__}"
            return ""
    return next((told for name, item in inside if (told := _wrong(item, name, depth + 1))), "")
