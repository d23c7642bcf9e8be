"""The language of triggers: what opens runs by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

from pydantic import Discriminator, Field, Tag

from openbell.config.findings import nearest
from openbell.config.input_shapes import SignalShape
from openbell.config.kinds import Kind, Name, PositiveDuration, Shape, Text, choice, shown, wrong
from openbell.core.model import Overlap
from openbell.errors import MarketError
from openbell.market.points import anchor

STATES = ("pre_open", "session", "break", "post_close", "overnight")
"""States of a market that a definition may name."""

_ALL = re.compile(r"all(?:\((\d{1,4})\))?")
_MOST = 9999
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_WORDS = ("cron", "every", "market", "files", "after", "session")


def _catch_up(value: Any) -> int:
    words = {"none": 0, "last": 1}
    if isinstance(value, str) and value in words:
        return words[value]
    found = _ALL.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong("OB105", f'must be "none", "last", "all" or "all(n)", not {shown(value)}')
    return int(found[1]) if found[1] else _MOST


def _anchor(value: Any) -> str:
    try:
        return str(anchor(value if isinstance(value, str) else ""))
    except MarketError as error:
        hint = "such as close+30m, next open-5m or last session of month close+1h; away by s, m or h"
        raise wrong("OB106", f"must be a point of a market's day, not {shown(value)}", hint) from error


def _cron(value: Any) -> str:
    from cronsim import CronSim, CronSimError

    if not isinstance(value, str):
        raise wrong("OB103", f"must be a cron expression, not {shown(value)}", "write it in quotes")
    told = f"must be a cron expression of five fields, not {shown(value)}"
    if len(value.split()) == 6:  # cronsim knows seconds, nobody else does
        raise wrong("OB106", told, "minute hour day month weekday; `every: 10s` is for seconds")
    try:
        CronSim(value, _SOME_DAY)
    except CronSimError as error:
        why = f"must be a cron expression; this one has a {str(error).lower()}: {shown(value)}"
        raise wrong("OB106", why, "minute hour day month weekday") from None
    return " ".join(value.split())


def _kind(value: Any) -> str:
    """The tag of the shape that a value means: in brackets, for the words are keys in it as well."""
    if not isinstance(value, dict):
        return "[word]"
    known = next((word for word in _WORDS if word in value), None)
    near = (found for key in value if (found := nearest(str(key), _WORDS)))
    return f"[{known or next(near, 'session')}]"  # a typo in the word that tells is a typo, and no session


def _word(value: Any) -> str:
    if value != "session":
        told = "must be `session` or a mapping such as {cron: ...}, {every: 15m}, {market: close+30m}"
        raise wrong("OB103", f"{told}, not {shown(value)}")
    return "session"


def _names(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    check: Kind = get_args(Name)[1]
    names = tuple(str(check.check(name)) for name in given)
    if not names or len(set(names)) < len(names):
        raise wrong("OB109", "must name pipelines, each once")
    return names


def _after(value: Any) -> tuple[bool, tuple[str, ...]]:
    if isinstance(value, dict):
        if list(value) != ["any"]:
            raise wrong("OB103", f"must be names of pipelines or {{any: [...]}}, not {shown(value)}")
        return False, _names(value["any"])
    return True, _names(value)


_NAMES_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_AFTER_SCHEMA = {
    "anyOf": [
        *_NAMES_SCHEMA["anyOf"],
        {
            "type": "object",
            "properties": {"any": {**_NAMES_SCHEMA, "description": "One of these is enough."}},
            "required": ["any"],
        },
    ]
}
AnchorText = Annotated[str, Kind(_anchor, {"type": "string"}, "close", "point of a market's day")]
CronText = Annotated[str, Kind(_cron, {"type": "string"}, "0 0 * * *", "cron expression")]
CatchUp = Annotated[
    int,
    Kind(_catch_up, {"type": "string", "pattern": r"^(none|last|all(\(\d{1,4}\))?)$"}, "last", "catch-up"),
]
During = Annotated[
    Annotated[Annotated[str, choice(*STATES)], Tag("state")]
    | Annotated[Annotated[list[Annotated[str, choice(*STATES)]], Field(min_length=1)], Tag("states")],
    Discriminator(lambda value: "states" if isinstance(value, list) else "state"),
]


class _Triggered(Shape):
    mode: Name | None = Field(None, description="The mode of the runs that it opens.")


class SessionShape(_Triggered):
    """One run for each session of the pipeline's market."""

    session: Annotated[Any, Kind(_word, {"const": "session"}, "session")] = Field(
        "session", description="Written as `session` alone, or as a key beside `mode`."
    )


class CronShape(_Triggered):
    """A cron expression in a time zone."""

    cron: CronText = Field(description="Minute, hour, day of the month, month, day of the week.")
    tz: Text | None = Field(None, description="Its zone. Default: that of the pipeline or its market.")
    during: During | None = Field(None, description="Only while the market is in one of these states.")


class EveryShape(_Triggered):
    """An interval, aligned to the hour or to the local midnight."""

    every: PositiveDuration = Field(description="The interval, one second or more: `15m`.")
    during: During | None = Field(None, description="Only while the market is in one of these states.")


class MarketPointShape(_Triggered):
    """A point of each session's day."""

    market: AnchorText = Field(description="`close+30m`, `next open-5m`, `last session of month close+1h`.")


class FilesShape(_Triggered):
    """Files that have arrived."""

    files: Annotated[
        tuple[str, ...],
        Kind(lambda value: _patterns(value), _NAMES_SCHEMA, "data/*.csv", "pattern, or list of patterns"),
    ] = Field(description="Patterns of paths, relative to the file's folder.")
    settle: PositiveDuration | None = Field(
        None, description="How long a file must not have changed. Default 5s."
    )
    signal: SignalShape | None = Field(None, description="The writer tells when its files are complete.")
    stalled: PositiveDuration | None = Field(
        None, description="So long after its last signal a writer that has not completed is stuck: MISSED."
    )
    timeout: PositiveDuration | None = Field(
        None, description="So long after its first signal a writer has to have completed: else MISSED."
    )


class AfterShape(_Triggered):
    """Runs of other pipelines, matched by the label of their session."""

    after: Annotated[tuple[bool, tuple[str, ...]], Kind(_after, _AFTER_SCHEMA, "x", "names of pipelines")] = (
        Field(description="All of these pipelines, or `{any: [a, b]}`.")
    )
    mismatch: Annotated[str, choice("wait", "skip", "previous")] = Field(
        "wait",
        description="For a date that is no session of one of them: `wait` for its next session, `skip` the "
        "date, or take its `previous` session.",
    )


def _patterns(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    if not given or not all(isinstance(one, str) and one.strip() for one in given):
        raise wrong("OB103", f"must be a pattern or a list of patterns, not {shown(value)}")
    return tuple(given)


TriggerShape = Annotated[
    Annotated[Annotated[str, Kind(_word, {"const": "session"}, "session")], Tag("[word]")]
    | Annotated[SessionShape, Tag("[session]")]
    | Annotated[CronShape, Tag("[cron]")]
    | Annotated[EveryShape, Tag("[every]")]
    | Annotated[MarketPointShape, Tag("[market]")]
    | Annotated[FilesShape, Tag("[files]")]
    | Annotated[AfterShape, Tag("[after]")],
    Discriminator(_kind),
]
OVERLAPS = tuple(overlap.value for overlap in Overlap)
