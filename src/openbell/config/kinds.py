"""The kinds of values that files may hold: how each is checked, said to be wrong, and shown to editors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time, timedelta
from math import isfinite
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from openbell.errors import MarketError
from openbell.market.points import point

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 3650  # days
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")
_SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZES |= {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_LARGEST = 10**15  # bytes
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*((?:[KMGT]i?)?)B", re.IGNORECASE)
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def wrong(code: str, text: str, help_: str = "", at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """An error in our own words: the text goes on after the name of the field. `at`: keys inside of it."""
    return PydanticCustomError("ob", "{text}", {"text": text, "code": code, "help": help_, "at": at})


def shown(value: Any) -> str:
    """A value as the user wrote it, for messages."""
    match value:
        case None:
            return "null (nothing)"
        case bool():
            return f"{str(value).lower()} (a boolean)"
        case str():
            return f'"{value[:40]}" (text)'
        case int() | float():
            return f"{value} (a number)"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return str(value)[:40]


def bare(value: Any) -> str:
    """A value alone, where its kind is not the point."""
    return f'"{value[:40]}"' if isinstance(value, str) else str(value)


_A_REFERENCE = r"\$\{"


@dataclass(frozen=True, eq=False)
class Kind:
    """Annotates a field.

    `check` gives the value or raises `wrong(...)`, `schema` is its JSON Schema, `sample` a value that
    fits, `called` what people call it where the schema's type says too little.
    """

    check: Callable[[Any], Any]
    schema: dict[str, Any]
    sample: Any = "x"
    called: str = ""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """As editors check it. A reference may stand for any value."""
        if self.schema.get("type") != "string":
            return {"anyOf": [self.schema, {"type": "string", "pattern": _A_REFERENCE}]}
        if "pattern" not in self.schema:
            return dict(self.schema)
        plain = {name: value for name, value in self.schema.items() if name != "format"}
        return {**plain, "pattern": f"{self.schema['pattern']}|{_A_REFERENCE}"}


def whole(low: int, high: int | None = None) -> Kind:
    """A whole number from `low` to `high`."""
    wanted = f"a whole number from {low} to {high}" if high is not None else f"a whole number, {low} or more"

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("OB103", f"must be {wanted}, not {shown(value)}")
        if value < low or (high is not None and value > high):
            raise wrong("OB104", f"must be {wanted}, not {value}")
        return value

    schema = {"type": "integer", "minimum": low, **({"maximum": high} if high is not None else {})}
    return Kind(check, schema, low)


def number(*, above: float | None = None, low: float | None = None, high: float | None = None) -> Kind:
    """A number greater than `above` (or at least `low`), at most `high`."""
    bounds = [f"above {above:g}"] if above is not None else []
    bounds += [f"{low:g} or more"] if low is not None and high is None else []
    bounds += [f"from {low:g} to {high:g}"] if low is not None and high is not None else []
    bounds += [f"at most {high:g}"] if low is None and high is not None else []
    wanted = " ".join(["a number", ", ".join(bounds)]).strip()

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong("OB103", f"must be {wanted}, not {shown(value)}")
        small = (above is not None and value <= above) or (low is not None and value < low)
        if not isfinite(value) or small or (high is not None and value > high):
            raise wrong("OB104", f"must be {wanted}, not {value}")
        return float(value)

    schema: dict[str, Any] = {"type": "number"}
    schema |= {"exclusiveMinimum": above} if above is not None else {}
    schema |= {"minimum": low} if low is not None else {}
    schema |= {"maximum": high} if high is not None else {}
    sample = low if low is not None else high if high is not None else 1.0
    return Kind(check, schema, sample)


def choice(*words: str) -> Kind:
    """One of these words."""
    wanted = " or ".join([", ".join(f'"{word}"' for word in words[:-1]), f'"{words[-1]}"']).removeprefix(
        " or "
    )

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("OB103", f"must be {wanted}, not {shown(value)}")
        if value not in words:
            near = [word for word in words if word.lower() == value.lower()]
            raise wrong("OB105", f"must be {wanted}, not {bare(value)}", f"write `{near[0]}`" if near else "")
        return value

    return Kind(check, {"enum": list(words)}, words[0])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        hint = "write it in quotes" if isinstance(value, int | float) else ""
        raise wrong("OB103", f"must be text, not {shown(value)}", hint)
    if not value.strip():
        raise wrong("OB104", "must not be empty")
    return value


def _maybe_empty(value: Any) -> str:
    return value if value == "" else _text(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        meant = _FLAGS.get(value.lower()) if isinstance(value, str) else None
        hint = f"write `{meant}`, without quotes" if meant else ""
        raise wrong("OB103", f"must be true or false, not {shown(value)}", hint)
    return value


_FLAGS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
"""What YAML 1.1 took for a boolean, and quoted ones."""


def _name(value: Any) -> str:
    if not isinstance(value, str):
        return _text(value)
    if not NAME.fullmatch(value):
        raise wrong(
            "OB118", f"cannot be {bare(value)}", "letters, digits, `.`, `_`, `-`; at most 100 of them"
        )
    return value


def _duration(value: Any) -> timedelta:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong("OB106", f"must be a duration such as 30s, 10m, 2h or 1d, not {shown(value)}")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > _LONGEST * 86400:
        raise wrong("OB104", f"must be a duration of at most {_LONGEST} days, not {bare(value)}")
    return timedelta(seconds=seconds)


def _positive_duration(value: Any) -> timedelta:
    duration = _duration(value)
    if not duration:
        raise wrong("OB104", f"must be longer than nothing, not {bare(value)}")
    return duration


def _size(value: Any) -> int:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong("OB106", f"must be a size such as 500MB or 8GB, not {shown(value)}")
    size = float(found[1]) * _SIZES[found[2].upper()]
    if not 1 <= size <= _LARGEST:
        raise wrong("OB104", f"must be a size from 1B to 1000TB, not {bare(value)}")
    return int(size)


def _clock(value: Any) -> str:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise wrong("OB106", f"must be a time HH:MM:SS, not {shown(value)}")
    hour, minute, second = (*map(int, value.split(":")), 0)[:3]
    try:
        return time(hour, minute, second).isoformat()
    except ValueError:
        raise wrong("OB106", f"must be a time of day, not {bare(value)}") from None


def _full_clock(value: Any) -> str:
    if isinstance(value, str) and len(value) == 5 and _CLOCK.fullmatch(value):
        raise wrong("OB106", f"must be a time HH:MM:SS, not {bare(value)}", f'write "{value}:00"')
    return _clock(value)


def _day(value: Any) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise wrong("OB106", f"must be a date YYYY-MM-DD, not {shown(value)}")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise wrong("OB106", f"must be a date of the calendar, not {bare(value)}") from None


def _environment_value(value: Any) -> str:
    if isinstance(value, str | int | float | bool):
        return str(value)
    raise wrong("OB103", f"must be text, a number or a boolean, not {shown(value)}")


def _scalar(value: Any) -> str | int | float | bool:
    if isinstance(value, float) and not isfinite(value):
        raise wrong("OB104", f"must be a finite number, not {value}")
    if isinstance(value, str | int | float | bool):
        return value
    raise wrong("OB103", f"must be text, a number or a boolean, not {shown(value)}")


def words(value: Any) -> tuple[str, ...]:
    """An argument list, or a text that is split as a shell would, without a shell."""
    match value:
        case str():
            words = _split(value)
        case list():
            words = [_word(word, position) for position, word in enumerate(value)]
        case _:
            raise wrong("OB103", f"must be a command or a list of arguments, not {shown(value)}")
    if not words or not words[0].strip():
        raise wrong("OB104", "must not be empty: there is no program to run")
    return tuple(words)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise wrong("OB106", f"cannot be split into words: {str(error).lower()}") from None


def _word(word: Any, position: int) -> str:
    if isinstance(word, bool) or not isinstance(word, str | int | float):
        raise wrong("OB103", f"must be text, not {shown(word)}", "write it in quotes", (position,))
    return str(word)


class Shape(BaseModel):
    """A mapping with known keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_DURATION_SCHEMA = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)$"}
_SCALAR_SCHEMA = {"type": ["string", "number", "boolean"]}
_HOURS = r"^([01][0-9]|2[0-3]):[0-5][0-9]"

Text = Annotated[str, Kind(_text, {"type": "string", "pattern": r"\S"}, called="text")]
"""Text that is not empty."""
MaybeEmpty = Annotated[str, Kind(_maybe_empty, {"type": "string"}, called="text")]
Flag = Annotated[bool, Kind(_flag, {"type": "boolean"}, sample=False)]
Name = Annotated[str, Kind(_name, {"type": "string", "pattern": f"^{NAME.pattern}$"}, called="name")]
Duration = Annotated[timedelta, Kind(_duration, _DURATION_SCHEMA, "1s", "duration")]
PositiveDuration = Annotated[timedelta, Kind(_positive_duration, _DURATION_SCHEMA, "1s", "duration")]
Size = Annotated[
    int,
    Kind(
        _size, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*([KMGTkmgt][Ii]?)?[Bb]$"}, "1GB", "size"
    ),
]
Clock = Annotated[
    str, Kind(_clock, {"type": "string", "pattern": f"{_HOURS}(:[0-5][0-9])?$"}, "09:30:00", "time of day")
]
"""A time of day, HH:MM or HH:MM:SS; kept as HH:MM:SS."""
FullClock = Annotated[
    str, Kind(_full_clock, {"type": "string", "pattern": f"{_HOURS}:[0-5][0-9]$"}, "09:30:00", "time of day")
]
Day = Annotated[
    date,
    Kind(_day, {"type": "string", "format": "date", "pattern": f"^{_DAY.pattern}$"}, "2024-01-02", "date"),
]
EnvironmentValue = Annotated[str, Kind(_environment_value, _SCALAR_SCHEMA, called="text, number or boolean")]
Scalar = Annotated[str | int | float | bool, Kind(_scalar, _SCALAR_SCHEMA, called="text, number or boolean")]


def _point(value: Any) -> str:
    try:
        point(value if isinstance(value, str) else "")
    except MarketError as error:
        raise wrong("OB106", f"must be a point of a session, not {shown(value)}", error.hint) from None
    return str(value)


_POINT_SCHEMA = {
    "type": "string",
    "pattern": r"^\s*((next|previous)\s+)?(open|close)(\s*[+-]\s*\d{1,6}\s*[smh])?\s*$",
}
PointText = Annotated[str, Kind(_point, _POINT_SCHEMA, "open", "point of a session")]
Words = Annotated[
    tuple[str, ...],
    Kind(
        words,
        {
            "anyOf": [
                {"type": "string", "pattern": r"\S"},
                {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
            ]
        },
        ["x"],
        "command, or list of arguments",
    ),
]
