"""The keys of what a step takes in: files, and axes whose values are not written in the pipeline file."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from openbell.config.kinds import (
    NAME,
    Duration,
    Kind,
    Name,
    PositiveDuration,
    Shape,
    Text,
    choice,
    shown,
    wrong,
)

_WORDS = ("wait", "skip", "fail")


def _globs(value: Any) -> tuple[str, ...]:
    """One pattern, or a list of them."""
    entries = value if isinstance(value, list) else [value]
    if not entries:
        raise wrong("OB104", "must not be empty")
    for position, entry in enumerate(entries):
        at = (position,) if isinstance(value, list) else ()
        if not isinstance(entry, str):
            raise wrong("OB103", f"must be a pattern such as data/raw/*.csv, not {shown(entry)}", at=at)
        if not entry.strip() or entry.endswith("/"):
            raise wrong("OB106", f'must be a pattern of files, not "{entry}"', "data/raw/*.csv", at)
    return tuple(entries)


_GLOB_SCHEMA = {"type": "string", "pattern": r"[^/\s]\s*$"}
Globs = Annotated[
    tuple[str, ...],
    Kind(
        _globs,
        {"anyOf": [_GLOB_SCHEMA, {"type": "array", "items": _GLOB_SCHEMA, "minItems": 1}]},
        ["x"],
        "pattern of files, or list of them",
    ),
]


class SignalShape(Shape):
    """Files by which a writer tells how far it is; JSON is shown in `why`."""

    complete: Text = Field(description="Pattern of the files that tell: all is there. They open the gate.")
    start: Text | None = Field(None, description="Pattern of the files that tell: it has begun.")
    progress: Text | None = Field(None, description="Pattern of the files that tell how far it is.")


class InputShape(Shape):
    """How files are waited for, and what becomes of them."""

    settle: Duration | None = Field(
        None,
        description="A file counts when its size and time have stood still for so long, or when it was "
        "renamed to its name. Default 5s.",
    )
    signal: SignalShape | None = Field(None, description="The writer tells when its files are complete.")
    stalled: PositiveDuration | None = Field(
        None, description="So long after its last signal the writer counts as stuck."
    )
    absent: Annotated[str, choice(*_WORDS)] | None = Field(
        None, description="Without files: `wait` (default), `skip` the step, or `fail` it."
    )
    consume: Annotated[str, choice("keep", "archive", "delete")] | None = Field(
        None,
        description="What the engine does with a file after every task that takes it has succeeded. "
        "Default keep.",
    )
    archive: Text | None = Field(
        None,
        description="Folder for `consume: archive`, beside each file. Default archive.",
    )


class FilesShape(InputShape):
    """The files that a step waits for, with all their options."""

    glob: Globs = Field(description="Pattern of the files, relative to the folder of this file.")
    timeout: PositiveDuration | None = Field(
        None,
        description="So long they are waited for before `absent` decides, then `fail` by default.",
    )


def _files_kind(value: Any) -> str:
    return "long" if isinstance(value, dict) else "short"


Files = Annotated[
    Annotated[Globs, Tag("short")] | Annotated[FilesShape, Tag("long")], Discriminator(_files_kind)
]


def _datasets(value: Any) -> dict[str, timedelta | int]:
    """`[a, b]`: a day old at most; `{a: 12h, b: 1 session}`."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | dict) or not value:
        raise wrong("OB103", f"must be names of data sets, or `{{market_data: 24h}}`, not {shown(value)}")
    found: dict[str, timedelta | int] = {}
    for position, name in enumerate(value):
        at = (position,) if isinstance(value, list) else (name,)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise wrong("OB118", f"cannot name a data set {shown(name)}", at=at)
        found[name] = timedelta(days=1) if isinstance(value, list) else _fresh(value[name], at)
    return found


def _fresh(value: Any, at: tuple[str | int, ...]) -> timedelta | int:
    sessions = _SESSIONS.fullmatch(value.strip()) if isinstance(value, str) else None
    if sessions is not None:
        return int(sessions[1])
    try:
        return _AGE.check(value)  # type: ignore[no-any-return]
    except PydanticCustomError:
        told = f"must be an age such as 24h, or `1 session`, not {shown(value)}"
        raise wrong("OB106", told, at=at) from None


_SESSIONS = re.compile(r"([0-9]{1,3})\s+sessions?")
_AGE: Kind = get_args(PositiveDuration)[1]
_DATASET = {"type": "string", "pattern": f"^{NAME.pattern}$"}
Requires = Annotated[
    dict[str, timedelta | int],
    Kind(
        _datasets,
        {
            "anyOf": [
                _DATASET,
                {"type": "array", "items": _DATASET, "minItems": 1},
                {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
            ]
        },
        {},
        "data sets with their ages",
    ),
]


class TakingShape(InputShape):
    """The keys of a step about what it takes in and what it provides."""

    requires: Requires = Field(
        default_factory=dict,
        description="Data sets that have to be fresh: `[market_data]` (a day), `{market_data: 12h}`, "
        "`{market_data: 1 session}`.",
    )
    provides: list[Name] = Field(
        default_factory=list, description="Data sets that are fresh when every task of it has succeeded."
    )
    files: Files | None = Field(
        None,
        description="Files that it waits for: a pattern, a list of them, or `{glob: ..., timeout: 60m}`. "
        "They are bound when it is ready, told in OPENBELL_FILES, and consumed once, by their content.",
    )


class FilesAxisShape(Shape):
    """An axis with a value for each file: its path. Bound when the step becomes ready."""

    files: Globs = Field(description="Pattern of the files: a cell for each that has not been consumed.")


class ResultAxisShape(Shape):
    """An axis of what another step has reported."""

    result: Text = Field(description="`step.key`: the list that the step has reported under this key.")


class FromFileShape(Shape):
    """An axis whose values stand in a file."""

    model_config = ConfigDict(populate_by_name=True)

    from_file: Text = Field(description="A CSV file, or a text file with a value on each line.")
    column: Text | None = Field(None, description="The column of a CSV file. Needed when it has several.")


DYNAMIC = {"files": FilesAxisShape, "result": ResultAxisShape, "from_file": FromFileShape}
"""The shapes of such axes, by the key that tells them."""
