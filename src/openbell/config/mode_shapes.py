"""The modes of a pipeline file: which steps each has, and its parameters."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from openbell.config.kinds import Kind, Name, Scalar, Shape, shown, wrong


def _chosen(value: Any) -> list[str]:
    """`all`, one step, or a list of them; `+book` and `book+` bring along what they hang on."""
    words = value if isinstance(value, list) else [value]
    if not words:
        raise wrong("OB104", "must not be empty: a mode has a step at least")
    for position, word in enumerate(words):
        at = (position,) if isinstance(value, list) else ()
        if not isinstance(word, str):
            raise wrong("OB103", f"must be the name of a step, not {shown(word)}", at=at)
        if not _CHOSEN.fullmatch(word):
            raise wrong("OB106", f"must be a step, `+step` or `step+`, not {shown(word)}", at=at)
    return list(words)


_CHOSEN = re.compile(r"\+?[A-Za-z0-9][A-Za-z0-9._-]*\+?")
_CHOSEN_SCHEMA = {"type": "string", "pattern": f"^{_CHOSEN.pattern}$"}
Chosen = Annotated[
    list[str],
    Kind(
        _chosen,
        {"anyOf": [_CHOSEN_SCHEMA, {"type": "array", "items": _CHOSEN_SCHEMA, "minItems": 1}]},
        ["all"],
        "`all`, or names of steps",
    ),
]


def _mode_kind(value: Any) -> str:
    return "mode" if isinstance(value, dict) else "steps"


class ModeShape(Shape):
    """A way to run a pipeline: some of its steps, with parameters of its own."""

    steps: Chosen = Field(["all"], description="`all` (default), or names; `+a` with all that it needs.")
    params: dict[Name, Scalar] = Field(
        default_factory=dict, description="Parameters that hold in this mode, over those of the pipeline."
    )


Mode = Annotated[
    Annotated[Chosen, Tag("steps")] | Annotated[ModeShape, Tag("mode")], Discriminator(_mode_kind)
]
