"""The keys of a step that say what an attempt is: what is called, and what has to be there afterwards."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from openbell.config.kinds import (
    Duration,
    Flag,
    Kind,
    PositiveDuration,
    Shape,
    Text,
    choice,
    shown,
    words,
    wrong,
)
from openbell.core.model import Call, Command
from openbell.core.work import CACHE_KEYS


def _target(value: Any) -> str:
    """`package.module:function`."""
    if not isinstance(value, str):
        raise wrong("OB103", f"must be `module:function`, not {shown(value)}")
    module, colon, function = value.strip().partition(":")
    if not colon or not function.isidentifier() or not all(map(str.isidentifier, module.split("."))):
        raise wrong("OB106", f"must be `module:function`, not {shown(value)}", "for example `desk.jobs:book`")
    return value.strip()


def _check(value: Any) -> Command | Call:
    """A command, or `module:function`."""
    if isinstance(value, str) and re.fullmatch(_TARGET, value):
        return Call(_target(value))
    return Command(words(value))


_NAME = r"[^\W\d]\w*"
_TARGET = rf"\s*{_NAME}(\.{_NAME})*:{_NAME}\s*"
Target = Annotated[
    str,
    Kind(
        _target,
        {"type": "string", "pattern": f"^{_TARGET}$"},
        "module:function",
        "`module:function`",
    ),
]


Check = Annotated[
    Any,
    Kind(
        _check,
        {"anyOf": [{"type": "string", "pattern": r"\S"}, {"type": "array", "items": {}, "minItems": 1}]},
        "x",
        "command, or `module:function`",
    ),
]


class DoneWhenShape(Shape):
    """By what an attempt shows that it is done, although it lingers."""

    output: Text = Field(description="Text in its output, such as `[SUCCESS]`.")
    linger: Duration | None = Field(
        None, description="So long it may take to end by itself; then it is ended. Default 10s."
    )


class CacheShape(Shape):
    """What a kept result stands for, and for how long."""

    key: list[Annotated[str, choice(*CACHE_KEYS)]] | None = Field(
        None,
        description="What counts besides the command, the cell, the environment and what needed steps have "
        "come to: `params`, `files` (the inputs), `code` (script and modules). Default: all of it.",
    )
    inputs: list[Text] | None = Field(
        None, description="Globs of more files whose contents count. Templates are filled in."
    )
    max_age: PositiveDuration | None = Field(
        None, description="So long a result is good for. Default: as long as nothing changes."
    )


class WorkShape(Shape):
    """What one attempt of a step is."""

    call: Target | None = Field(
        None,
        description="A Python callable, `module:function`, found in the folder of this file first. "
        "It is given the context, and returns the result: a JSON value.",
    )
    outputs: list[Text] | None = Field(
        None,
        description="Files that a success has to leave: there, readable, not empty. Templates are filled in.",
    )
    verify: Check | None = Field(
        None,
        description="What has to pass before a success is one: a command, or `module:function`, which must "
        "not raise nor return False.",
    )
    checkpoint: Flag = Field(
        False, description="A folder that outlives the attempts of a task: OPENBELL_CHECKPOINT."
    )
    cache: CacheShape | None = Field(
        None,
        description="Results are kept, and stand for those of attempts with the same key. `{}`: all keys.",
    )
    done_when: DoneWhenShape | None = Field(
        None, description="When an attempt counts as done although it does not end."
    )
