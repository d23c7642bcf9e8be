"""A document in its shape: all findings at once, in our own words, each at its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from openbell.config.document import Document, parse
from openbell.config.kinds import EnvironmentValue, Flag, Shape, Text, choice, whole
from openbell.config.reading import Fitting, fit, resolve_references
from tests.config.conftest import marked

Count = Annotated[int, whole(1, 9)]


class Part(Shape):
    count: Count
    word: Annotated[str, choice("a", "b")] = "a"


class Whole(Shape):
    name: Text
    part: Part
    parts: list[Part] = Field(default_factory=list)
    named: dict[Text, Count] = Field(default_factory=dict)
    env: dict[Text, EnvironmentValue] | None = None
    flag: Flag = False
    start: Count = Field(1, alias="from")


def read(text: str, environ: Mapping[str, str] | None = None) -> tuple[Document, Fitting[Whole] | None]:
    document = parse(text, Path("x.yaml"))
    unset = resolve_references(document, environ or {}, lambda path: path[:1] == ("env",))
    return document, fit(document, Whole, unset)


def said(text: str) -> list[tuple[str, int, int]]:
    document, _ = read(text)
    return sorted(((f.code, f.span.line, f.span.column) for f in document.findings), key=lambda f: f[1:])


GOOD = "name: n\npart: {count: 1}\n"


def test_what_fits_has_no_findings() -> None:
    document, fitting = read(GOOD + "from: 3\nenv: {A: 5}\n")
    assert document.findings == []
    assert fitting is not None
    assert (fitting.shape.start, fitting.shape.env, fitting.stand_ins) == (3, {"A": "5"}, frozenset())


@pytest.mark.parametrize(
    ("text", "codes", "messages"),
    [
        ("name: n\n▸part: {}\n", ["OB102"], ["missing field `count` in `part`"]),
        ("▸part: {count: 1}\n", ["OB102"], ["missing field `name` in the file"]),
        ("# first\n▸from: 1\n", ["OB102"], ["missing fields `name`, `part` in the file"]),
        ("name: n\npart: {▸coutn: 1}\n", ["OB101"], ["unknown field `coutn` in `part`"]),
        ("name: n\n▸patr: {count: 1}\n", ["OB101"], ["unknown field `patr` in the file"]),
        (
            "name: n\n▸part: {▸zzz: 1}\n",
            ["OB102", "OB101"],
            ["missing field `count` in `part`", "unknown field `zzz` in `part`"],
        ),
        ("name: n\npart: {count: ▸0}\n", ["OB104"], ["`count` must be a whole number from 1 to 9, not 0"]),
        (
            "name: ▸5\npart: {count: ▸x, word: ▸c}\n",
            ["OB103", "OB103", "OB105"],
            [
                "`name` must be text, not 5 (a number)",
                '`count` must be a whole number from 1 to 9, not "x" (text)',
                '`word` must be "a" or "b", not "c"',
            ],
        ),
        ("name: n\npart: ▸5\n", ["OB103"], ["`part` must be a mapping, not 5 (a number)"]),
        ("name: n\npart: ▸[1]\n", ["OB103"], ["`part` must be a mapping, not a list"]),
        (GOOD + "parts: ▸{a: 1}\n", ["OB103"], ["`parts` must be a list, not a mapping"]),
        (GOOD + "parts: [▸x, {count: 1}]\n", ["OB103"], ['this entry must be a mapping, not "x" (text)']),
        (
            GOOD + "parts:\n  - count: 1\n  - ▸word: a\n  - {count: ▸10}\n",
            ["OB102", "OB104"],
            ["missing field `count` in this entry", "`count` must be a whole number from 1 to 9, not 10"],
        ),
        (GOOD + "parts: [{▸cont: 1}]\n", ["OB101"], ["unknown field `cont` in this entry"]),
        (
            GOOD + "named: {a: 1, b: ▸true}\n",
            ["OB103"],
            ["`b` must be a whole number from 1 to 9, not true (a boolean)"],
        ),
        (GOOD + "named: {▸' ': 1}\n", ["OB104"], ["a name must not be empty"]),
        (GOOD + "▸env:\n", ["OB103"], ["`env` must not be null (nothing)"]),
        (GOOD + "env: {▸A: null}\n", ["OB103"], ["`A` must not be null (nothing)"]),
        (GOOD + "env: {A: ▸[1]}\n", ["OB103"], ["`A` must be text, a number or a boolean, not a list"]),
        (GOOD + "parts: [▸null]\n", ["OB103"], ["this entry must not be null (nothing)"]),
        (GOOD + "from: ▸0\n", ["OB104"], ["`from` must be a whole number from 1 to 9, not 0"]),
        (GOOD + "▸start: 3\n", ["OB101"], ["unknown field `start` in the file"]),
        (GOOD + "flag: ▸yes\n", ["OB103"], ['`flag` must be true or false, not "yes" (text)']),
        ("▸[a, b]\n", ["OB108"], ["the file must be a mapping, not a list"]),
        ("▸text\n", ["OB108"], ['the file must be a mapping, not "text" (text)']),
        ("▸# nothing\n", ["OB108"], ["the file is empty"]),
    ],
)
def test_what_is_wrong(text: str, codes: list[str], messages: list[str]) -> None:
    plain, places = marked(text)
    document, _ = read(plain)
    found = sorted(document.findings, key=lambda f: (f.span.line, f.span.column))
    assert [f.message for f in found] == messages
    assert [f.code for f in found] == codes
    assert [(f.span.line, f.span.column) for f in found] == places


@pytest.mark.parametrize(
    ("text", "help_"),
    [
        ("name: n\npart: {coutn: 1}\n", "did you mean `count`?"),
        (GOOD + "evn: {}\n", "did you mean `env`?"),
        (GOOD + "zzz: 1\n", "known here: env, flag, from, name, named, part, parts"),
        (GOOD + "parts: [{count: 1, zzz: 1}]\n", "known here: count, word"),
        (GOOD + "env: null\n", "write `env: {}` if there are none"),
        (GOOD + "flag: null\n", "give it a value or remove it"),
    ],
)
def test_what_to_do_about_it(text: str, help_: str) -> None:
    document, _ = read(text)
    assert [finding.help for finding in document.findings] == [help_]


def test_many_things_are_said_at_once() -> None:
    text = "name: ''\npart: {count: 0, word: 1, zzz: 1}\nparts: [{}, 5]\n"
    text += "named: {a: x}\nenv: null\nflag: 0\nfrom: 99\n"
    assert [code for code, *_ in said(text)] == [
        "OB104",
        "OB104",
        "OB103",
        "OB101",
        "OB102",
        "OB103",
        "OB103",
        "OB103",
        "OB103",
        "OB104",
    ]


def test_what_is_wrong_has_a_stand_in_and_the_rest_stays() -> None:
    _, fitting = read("name: n\npart: {count: 0, word: b}\nzzz: 1\nfrom: 3\n")
    assert fitting is not None
    assert (fitting.shape.name, fitting.shape.start, fitting.shape.part.word) == ("n", 3, "b")
    assert fitting.shape.part.count == 1
    assert fitting.stand_ins == {("part", "count"), ("zzz",)}


def test_a_missing_field_of_an_entry_hides_nothing_else() -> None:
    _, fitting = read(GOOD + "parts: [{word: b}]\n")
    assert fitting is not None
    assert [part.word for part in fitting.shape.parts] == ["b"]


@pytest.mark.parametrize("text", ["a: [", "[1, 2]", "", "5"])
def test_without_a_mapping_there_is_nothing_to_go_on_with(text: str) -> None:
    assert read(text)[1] is None


# ── references ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "environ", "found"),
    [
        ("${V}", {"V": "5"}, 5),
        ("'${V}'", {"V": "5"}, "5"),
        ('"${V}"', {"V": "true"}, "true"),
        ("${V}", {"V": "true"}, True),
        ("${V}", {"V": "1e3"}, 1000.0),
        ("${V}", {"V": "16:00:00"}, "16:00:00"),
        ("${V}", {"V": "5\n"}, "5\n"),
        ("${V}", {"V": " 5"}, " 5"),
        ("${V}${W}", {"V": "1", "W": "2"}, 12),
        ("${V:-7}", {}, 7),
        ("${V:-7}", {"V": ""}, 7),
        ("${V}", {"V": ""}, None),
        ("$${V}", {"V": "5"}, "${V}"),
        ("${V}", {"V": "${W}", "W": "no"}, "${W}"),
        ("${V}", {"V": "[a, b]"}, "[a, b]"),
        ("|\n    ${V}\n", {"V": "5"}, "5\n"),
    ],
)
def test_values_are_expanded_and_read_again(value: str, environ: dict[str, str], found: object) -> None:
    document = parse(f"a:\n  b: {value}\n", Path("x.yaml"))
    assert resolve_references(document, environ, lambda path: False) == frozenset()
    assert document.root is not None
    assert document.root.data() == {"a": {"b": found}}
    assert document.findings == []


def test_keys_are_not_expanded() -> None:
    document = parse("'${V}': ${V}\n", Path("x.yaml"))
    resolve_references(document, {"V": "5"}, lambda path: False)
    assert document.root is not None
    assert document.root.data() == {"${V}": 5}


def test_an_alias_is_expanded_once_and_by_its_own_rules() -> None:
    document = parse("a: &x '$${V}'\nb: *x\nenv: {A: *x, B: &y '${V}'}\nc: *y\n", Path("x.yaml"))
    resolve_references(document, {"V": "5"}, lambda path: path[:1] == ("env",))
    assert document.root is not None
    assert document.root.data() == {"a": "${V}", "b": "${V}", "env": {"A": "$${V}", "B": "${V}"}, "c": "5"}


def test_an_unset_variable_is_a_warning_at_its_value() -> None:
    document, fitting = read("name: ${NO}-${NO}-${OTHER}\npart: {count: 1}\nenv: {A: '${NO}'}\n")
    found = [(f.code, f.message, f.span.line, f.span.column, f.fatal) for f in document.findings]
    assert found == [
        ("OB107", "the environment variable NO is not set", 1, 7, False),
        ("OB107", "the environment variable OTHER is not set", 1, 7, False),
        ("OB107", "the environment variable NO is not set", 3, 10, False),
    ]
    assert document.findings[0].help == "export NO=... or write ${NO:-default}"
    assert fitting is not None
    assert fitting.stand_ins == frozenset()


def test_a_value_that_cannot_be_known_is_an_error_and_only_one() -> None:
    document, fitting = read("name: n\npart:\n  count: ${NO}\n  word: ${W:-b}\n")
    [finding] = document.findings
    assert (finding.code, finding.span.line, finding.span.column, finding.fatal) == ("OB107", 3, 10, True)
    assert fitting is not None
    assert fitting.stand_ins == {("part", "count")}


def test_bytes_of_the_environment_are_no_text() -> None:
    document, _ = read("name: a${BYTES}\npart: {count: 1}\n", {"BYTES": "\udcff"})
    [finding] = document.findings
    assert (finding.code, finding.span.column, finding.fatal) == ("OB103", 7, True)
    assert "U+DCFF" in finding.message
