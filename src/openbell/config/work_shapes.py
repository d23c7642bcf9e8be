"""The keys of a step that say what an attempt is: what is called, and what has to be there afterwards."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from openbell.config.kinds import Kind, Shape, shown, wrong


def _target(value: Any) -> str:
    """`package.module:function`."""
    if not isinstance(value, str):
        raise wrong("OB103", f"must be `module:function`, not {shown(value)}")
    module, colon, function = value.strip().partition(":")
    if not colon or not function.isidentifier() or not all(map(str.isidentifier, module.split("."))):
        raise wrong("OB106", f"must be `module:function`, not {shown(value)}", "for example `desk.jobs:book`")
    return value.strip()


_NAME = r"[^\W\d]\w*"
Target = Annotated[
    str,
    Kind(
        _target,
        {"type": "string", "pattern": rf"^\s*{_NAME}(\.{_NAME})*:{_NAME}\s*$"},
        "module:function",
        "`module:function`",
    ),
]


class WorkShape(Shape):
    """What one attempt of a step is."""

    call: Target | None = Field(
        None,
        description="A Python callable, `module:function`, found in the folder of this file first. "
        "It is given the context, and returns the result: a JSON value.",
    )
