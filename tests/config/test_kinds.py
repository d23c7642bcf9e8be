"""Each kind of value: what fits, what does not, and with which code."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, get_args

import pytest
from pydantic_core import PydanticCustomError

from openbell.config import kinds, replay_shapes, shapes
from openbell.config.kinds import Kind, choice, number, shown, whole

INF, NAN = float("inf"), float("nan")


def kind_of(annotation: Any) -> Kind:
    kind = get_args(annotation)[1]
    assert isinstance(kind, Kind)
    return kind


def fault(kind: Kind, value: Any) -> PydanticCustomError:
    with pytest.raises(PydanticCustomError) as caught:
        kind.check(value)
    return caught.value


def code(kind: Kind, value: Any) -> str:
    return str((fault(kind, value).context or {})["code"])


GOOD: list[tuple[Any, Any, Any]] = [
    (kinds.Text, "a", "a"),
    (kinds.Text, " a ", " a "),
    (kinds.MaybeEmpty, "", ""),
    (kinds.Flag, True, True),
    (kinds.Flag, False, False),
    (kinds.Name, "a", "a"),
    (kinds.Name, "9.z_-Z", "9.z_-Z"),
    (kinds.Name, "n" * 100, "n" * 100),
    (kinds.Duration, "0s", timedelta(0)),
    (kinds.Duration, "250ms", timedelta(milliseconds=250)),
    (kinds.Duration, "30s", timedelta(seconds=30)),
    (kinds.Duration, "1.5m", timedelta(seconds=90)),
    (kinds.Duration, "2 h", timedelta(hours=2)),
    (kinds.Duration, "3650d", timedelta(days=3650)),
    (kinds.PositiveDuration, "1ms", timedelta(milliseconds=1)),
    (kinds.Size, "1B", 1),
    (kinds.Size, "500MB", 500_000_000),
    (kinds.Size, "1.5 GB", 1_500_000_000),
    (kinds.Size, "8gb", 8_000_000_000),
    (kinds.Size, "1KiB", 1024),
    (kinds.Size, "2MiB", 2 * 1024**2),
    (kinds.Size, "3gib", 3 * 1024**3),
    (kinds.Size, "1TB", 10**12),
    (kinds.Size, "1TiB", 1024**4),
    (kinds.Size, "1000TB", 10**15),
    (kinds.Clock, "09:30", "09:30:00"),
    (kinds.Clock, "23:59:59", "23:59:59"),
    (kinds.FullClock, "00:00:00", "00:00:00"),
    (kinds.Day, "2024-02-29", date(2024, 2, 29)),
    (kinds.EnvironmentValue, "", ""),
    (kinds.EnvironmentValue, "x", "x"),
    (kinds.EnvironmentValue, 5, "5"),
    (kinds.EnvironmentValue, 1.5, "1.5"),
    (kinds.EnvironmentValue, True, "True"),
    (kinds.EnvironmentValue, False, "False"),
    (kinds.Scalar, 1, 1),
    (kinds.Scalar, True, True),
    (kinds.Scalar, "", ""),
    (kinds.Words, "a 'b c' d", ("a", "b c", "d")),
    (kinds.Words, ["a", 1, 2.5], ("a", "1", "2.5")),
    (kinds.Words, ["a", ""], ("a", "")),
    (kinds.Words, "a # b", ("a", "#", "b")),
    (shapes.Needs, [], {}),
    (shapes.Needs, "a", {"a": "all"}),
    (shapes.Needs, ["a", {"b": "some"}], {"a": "all", "b": "some"}),
    (shapes.Needs, {"a": "done"}, {"a": "done"}),
    (replay_shapes.Speed, "max", "max"),
    (replay_shapes.Speed, 1, 1.0),
    (replay_shapes.Speed, 1e6, 1e6),
    (shapes.Amounts, {"cpu": 0.5, "memory": "1GB", "db": 2}, {"cpu": 0.5, "memory": 10**9, "db": 2.0}),
    (shapes.Switch, True, True),
    (shapes.Switch, {}, True),
]


@pytest.mark.parametrize(("annotation", "value", "found"), GOOD)
def test_what_fits(annotation: Any, value: Any, found: Any) -> None:
    result = kind_of(annotation).check(value)
    assert result == found
    assert type(result) is type(found)


BAD: list[tuple[Any, Any, str]] = [
    (kinds.Text, "", "OB104"),
    (kinds.Text, " \n", "OB104"),
    (kinds.Text, 5, "OB103"),
    (kinds.Text, True, "OB103"),
    (kinds.Text, None, "OB103"),
    (kinds.Text, ["a"], "OB103"),
    (kinds.MaybeEmpty, 0, "OB103"),
    (kinds.MaybeEmpty, " ", "OB104"),
    (kinds.Flag, "true", "OB103"),
    (kinds.Flag, 1, "OB103"),
    (kinds.Flag, "yes", "OB103"),
    (kinds.Name, "", "OB118"),
    (kinds.Name, "-a", "OB118"),
    (kinds.Name, ".a", "OB118"),
    (kinds.Name, "..", "OB118"),
    (kinds.Name, "a/b", "OB118"),
    (kinds.Name, "a\\b", "OB118"),
    (kinds.Name, "a b", "OB118"),
    (kinds.Name, "a\n", "OB118"),
    (kinds.Name, "é", "OB118"),
    (kinds.Name, "n" * 101, "OB118"),
    (kinds.Name, 5, "OB103"),
    (kinds.Duration, "5", "OB106"),
    (kinds.Duration, 5, "OB106"),
    (kinds.Duration, "5 parsecs", "OB106"),
    (kinds.Duration, "-5s", "OB106"),
    (kinds.Duration, "5s\n", "OB106"),
    (kinds.Duration, "\u0665s", "OB106"),
    (kinds.Duration, "1 session", "OB106"),
    (kinds.Duration, "3650.1d", "OB104"),
    (kinds.Duration, "9" * 400 + "s", "OB104"),
    (kinds.PositiveDuration, "0s", "OB104"),
    (kinds.PositiveDuration, "0.0ms", "OB104"),
    (kinds.Size, 5, "OB106"),
    (kinds.Size, "5", "OB106"),
    (kinds.Size, "5iB", "OB106"),
    (kinds.Size, "5EB", "OB106"),
    (kinds.Size, "-5GB", "OB106"),
    (kinds.Size, "0GB", "OB104"),
    (kinds.Size, "0.5B", "OB104"),
    (kinds.Size, "1001TB", "OB104"),
    (kinds.Size, "9" * 400 + "GB", "OB104"),
    (kinds.Clock, "9:30", "OB106"),
    (kinds.Clock, "24:00", "OB106"),
    (kinds.Clock, "09:60", "OB106"),
    (kinds.Clock, "09:30:00.5", "OB106"),
    (kinds.Clock, "09:30:00Z", "OB106"),
    (kinds.Clock, "09:30\n", "OB106"),
    (kinds.Clock, 570, "OB106"),
    (kinds.FullClock, "09:30", "OB106"),
    (kinds.FullClock, "24:00:00", "OB106"),
    (kinds.FullClock, "23:59:60", "OB106"),
    (kinds.FullClock, "hello", "OB106"),
    (kinds.Day, "2024-02-30", "OB106"),
    (kinds.Day, "2023-02-29", "OB106"),
    (kinds.Day, "0000-01-01", "OB106"),
    (kinds.Day, "2024-1-1", "OB106"),
    (kinds.Day, "20240101", "OB106"),
    (kinds.Day, "2024-01-01 ", "OB106"),
    (kinds.Day, "\u0662024-01-01", "OB106"),
    (kinds.Day, 20240101, "OB106"),
    (kinds.EnvironmentValue, None, "OB103"),
    (kinds.EnvironmentValue, [], "OB103"),
    (kinds.EnvironmentValue, {}, "OB103"),
    (kinds.Scalar, NAN, "OB104"),
    (kinds.Scalar, INF, "OB104"),
    (kinds.Scalar, None, "OB103"),
    (kinds.Scalar, [1], "OB103"),
    (kinds.Words, "", "OB104"),
    (kinds.Words, "  ", "OB104"),
    (kinds.Words, "''", "OB104"),
    (kinds.Words, [], "OB104"),
    (kinds.Words, ["", "x"], "OB104"),
    (kinds.Words, "a 'b", "OB106"),
    (kinds.Words, 5, "OB103"),
    (kinds.Words, {"a": "b"}, "OB103"),
    (kinds.Words, ["a", True], "OB103"),
    (kinds.Words, ["a", ["b"]], "OB103"),
    (shapes.Needs, 5, "OB103"),
    (shapes.Needs, [["a"]], "OB103"),
    (shapes.Needs, {"a": "some of it"}, "OB105"),
    (shapes.Needs, {"a": ["all"]}, "OB105"),
    (shapes.Needs, ["a", "a"], "OB109"),
    (shapes.Needs, ["a", {"a": "some"}], "OB109"),
    (replay_shapes.Speed, 0.99, "OB104"),
    (replay_shapes.Speed, INF, "OB104"),
    (replay_shapes.Speed, NAN, "OB104"),
    (replay_shapes.Speed, True, "OB103"),
    (replay_shapes.Speed, "fast", "OB103"),
    (shapes.Amounts, ["cpu"], "OB103"),
    (shapes.Amounts, {"cpu": 0}, "OB104"),
    (shapes.Amounts, {"cpu": "1"}, "OB103"),
    (shapes.Amounts, {"memory": 8}, "OB106"),
    (shapes.Amounts, {"db": True}, "OB103"),
    (shapes.Switch, False, "OB103"),
    (shapes.Switch, {"a": 1}, "OB103"),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), BAD)
def test_what_does_not_fit(annotation: Any, value: Any, expected: str) -> None:
    assert code(kind_of(annotation), value) == expected


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        (whole(1, 1000), [1, 500, 1000], [0, 1001, -1, 10**80]),
        (whole(0), [0, 10**12], [-1]),
        (number(above=0, high=512), [1e-9, 4, 512.0], [0, -1.0, 512.001, INF, NAN, 10**99]),
        (number(low=1, high=100), [1, 1.0, 99.9, 100], [0.999, 100.0001, -INF]),
        (number(above=0), [5e-324, 1e300], [0, 0.0, -0.0, INF]),
        (number(), [-1e9, 0], [INF, -INF, NAN]),
        (number(high=5), [-1e9, 5], [5.1]),
    ],
)
def test_ranges_end_where_they_say(kind: Kind, inside: list[float], outside: list[float]) -> None:
    assert [kind.check(value) for value in inside] == inside
    assert {code(kind, value) for value in outside} == {"OB104"}


@pytest.mark.parametrize("kind", [whole(0, 9), number(low=0, high=9), number(above=-1)])
@pytest.mark.parametrize("value", [True, False, "5", None, [], {}])
def test_booleans_and_texts_are_no_numbers(kind: Kind, value: Any) -> None:
    assert code(kind, value) == "OB103"


def test_a_float_is_no_whole_number() -> None:
    assert code(whole(0, 9), 4.0) == "OB103"


def test_a_word_is_one_of_the_choices() -> None:
    kind = choice("Python", "Groovy")
    assert kind.check("Groovy") == "Groovy"
    assert code(kind, "Ruby") == "OB105"
    assert code(kind, 5) == "OB103"
    assert (fault(kind, "python").context or {})["help"] == "write `Python`"
    assert str(fault(kind, "Ruby")) == 'must be "Python" or "Groovy", not "Ruby"'


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (whole(1, 1000), 0, "must be a whole number from 1 to 1000, not 0"),
        (whole(1), True, "must be a whole number, 1 or more, not true (a boolean)"),
        (number(low=1, high=100), 100.0001, "must be a number from 1 to 100, not 100.0001"),
        (number(above=0, high=512), 0, "must be a number above 0, at most 512, not 0"),
        (number(above=0), "4", 'must be a number above 0, not "4" (text)'),
        (kind_of(kinds.Text), None, "must be text, not null (nothing)"),
        (kind_of(kinds.Flag), [], "must be true or false, not a list"),
        (kind_of(kinds.Day), "tomorrow", 'must be a date YYYY-MM-DD, not "tomorrow" (text)'),
        (kind_of(kinds.Day), "2024-02-30", 'must be a date of the calendar, not "2024-02-30"'),
        (kind_of(kinds.FullClock), "25:00:00", 'must be a time of day, not "25:00:00"'),
        (kind_of(shapes.Needs), {"a": {}}, "must be all, some, done, same or started, not a mapping"),
    ],
)
def test_what_is_said(kind: Kind, value: Any, message: str) -> None:
    assert str(fault(kind, value)) == message


@pytest.mark.parametrize(
    ("annotation", "value", "help_"),
    [
        (kinds.FullClock, "09:30", 'write "09:30:00"'),
        (kinds.FullClock, "hello", ""),
        (kinds.Text, 5, "write it in quotes"),
        (kinds.Text, [], ""),
        (kinds.Flag, "Yes", "write `true`, without quotes"),
        (kinds.Flag, "off", "write `false`, without quotes"),
        (kinds.Flag, "maybe", ""),
    ],
)
def test_what_to_do_about_it(annotation: Any, value: Any, help_: str) -> None:
    assert (fault(kind_of(annotation), value).context or {})["help"] == help_


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null (nothing)"),
        (True, "true (a boolean)"),
        (1.5, "1.5 (a number)"),
        ("x" * 99, f'"{"x" * 40}" (text)'),
    ],
)
def test_values_are_shown_with_their_kind(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("annotation", dict.fromkeys(case[0] for case in GOOD))
def test_the_sample_of_a_kind_fits(annotation: Any) -> None:
    kind = kind_of(annotation)
    kind.check(kind.sample)
