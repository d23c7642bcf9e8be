"""YAML 1.2, where everything stands, and the bounds that no honest file meets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.config.document import Document, no_text, parse, read, resolve
from openbell.config.findings import Finding, Severity, Span

FILE = Path("x.yaml")


def data(text: str) -> Any:
    document = parse(text, FILE)
    assert document.root is not None
    assert document.findings == []
    return document.root.data()


def said(text: str) -> list[tuple[str, int, int]]:
    return [(f.code, f.span.line, f.span.column) for f in parse(text, FILE).findings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16:00:00", "16:00:00"),
        ("16:00", "16:00"),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02T09:30:00Z", "2024-01-02T09:30:00Z"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("1_000", "1_000"),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("false", False),
        ("FALSE", False),
        ("null", None),
        ("Null", None),
        ("~", None),
        ("", None),
        ("nULL", "nULL"),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("1e3", 1000.0),
        ("1e", "1e"),
        (".", "."),
        ("-", "-"),
        ("- ", "- "),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
        ("inf", "inf"),
        ("nan", "nan"),
        ("5\n", "5\n"),
        ("true\n", "true\n"),
        ("\n", "\n"),
        ("٣", "٣"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_one() -> None:
    found = resolve(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["9" * 500, "0x" + "f" * 500, "0o" + "7" * 500])
def test_integers_beyond_counting_are_no_integers(text: str) -> None:
    """Python refuses to print integers of more than 4300 digits."""
    assert not isinstance(resolve(text), int)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 16:00:00", {"a": "16:00:00"}),
        ("a: '5'", {"a": "5"}),
        ('a: "true"', {"a": "true"}),
        ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
        ("a: >-\n  b\n  c\n", {"a": "b c"}),
        ("- 1\n- [2, {a: b}]", [1, [2, {"a": "b"}]]),
        ("{a: 1, b: }", {"a": 1, "b": None}),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x 5\nb: &x 6\nc: *x", {"a": 5, "b": 6, "c": 6}),
        ("a: &x {k: 1, m: 2}\nb: {<<: *x, k: 3}", {"a": {"k": 1, "m": 2}, "b": {"k": 3, "m": 2}}),
        (
            "x: &x {k: 1}\ny: &y {k: 2, m: 3}\nb: {<<: [*x, *y]}",
            {"x": {"k": 1}, "y": {"k": 2, "m": 3}, "b": {"k": 1, "m": 3}},
        ),
        ("'<<': 1", {"<<": 1}),
        (
            "1: a\ntrue: b\n1.50: c\n0x10: d\nnull: e",
            {"1": "a", "true": "b", "1.50": "c", "0x10": "d", "null": "e"},
        ),
        ("a: 1\n...\n", {"a": 1}),
        ("--- {a: 1}\n", {"a": 1}),
        ("%YAML 1.2\n---\na: no", {"a": "no"}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: b\r\nc: d\r\n", {"a": "b", "c": "d"}),
        ("", None),
        ("# nothing\n", None),
    ],
)
def test_what_a_text_holds(text: str, value: object) -> None:
    assert data(text) == value


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a: [", [("OB108", 1, 5)]),
        ("a: b: c", [("OB108", 1, 5)]),
        ("a: 'b", [("OB108", 1, 6)]),
        ("a: 1\n  b: 2", [("OB108", 2, 4)]),
        ("a: 1\n\tb: 2", [("OB108", 2, 1)]),
        ("a: }", [("OB108", 1, 4)]),
        ("a: b\nc: \x07d", [("OB108", 2, 4)]),
        ("a: b\r\nc: \x00d", [("OB108", 2, 4)]),
        ('a: "\\ud800"', [("OB108", 1, 4)]),
        ('a: 1\n"\\0b": 2', [("OB108", 2, 1)]),
        ('a: "\\UFFFFFFFF"', [("OB108", 1, 1)]),
        ('a: "\\U00110000"', [("OB108", 1, 1)]),
        ("a: *x", [("OB108", 1, 4)]),
        ("a: 1\n---\nb: 2", [("OB108", 2, 1)]),
        ("? [a]\n: 1", [("OB108", 1, 3)]),
        ("? {a: b}\n: 1", [("OB108", 1, 3)]),
        (": 1", [("OB108", 1, 1)]),
        ("%YAML 1.1\n---\na: no", [("OB108", 2, 1)]),
        ("%YAML 3.0\n---\na: no", [("OB108", 1, 1)]),
        ("a: {<<: 5}", [("OB108", 1, 9)]),
        ("a: {<<: [{b: 1}, 5]}", [("OB108", 1, 18)]),
        ("a: 1\nb: 2\na: 3", [("OB109", 3, 1)]),
        ("a: 1\na: 2\na: 3", [("OB109", 2, 1), ("OB109", 3, 1)]),
        ("{1: a, '1': b}", [("OB109", 1, 8)]),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}", [("OB109", 2, 13)]),
        ("a: !!str 5", [("OB110", 1, 4)]),
        ("a: !!python/object:os.system x", [("OB110", 1, 4)]),
        ("a: ! 5", [("OB110", 1, 4)]),
        ("!x {a: 1}", [("OB110", 1, 1)]),
        ("a: !x [1]\nb: !<tag:y> {c: 1}", [("OB110", 1, 4), ("OB110", 2, 4)]),
        ("a: &a [*a]", [("OB110", 1, 8)]),
        ("&a {b: {c: *a}}", [("OB110", 1, 12)]),
        ("a: &a {<<: *a}", [("OB110", 1, 12)]),
    ],
)
def test_what_is_refused_and_where(text: str, places: list[tuple[str, int, int]]) -> None:
    assert said(text) == places


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: !!str 5", "tags such as `!!str`"),
        ("a: 1\na: 2", "the key `a` occurs twice (first in line 1)"),
        ("a: 1\n\tb: 2", "not valid YAML"),
        ('a: "\\ud800"', "U+D800"),
        ("a: b\x00", "U+0000"),
        ("a: &a [*a]", "the anchor `a` contains itself"),
    ],
)
def test_how_it_is_said(text: str, part: str) -> None:
    [finding] = parse(text, FILE).findings
    assert part in finding.message
    assert "\n" not in finding.message


def test_a_tab_is_called_by_its_name() -> None:
    [finding] = parse("a:\n\tb: 2", FILE).findings
    assert finding.help == "YAML takes spaces, not tabs"


def test_a_reference_in_braces_has_to_be_quoted() -> None:
    [finding] = parse("env: {A: ${B}}", FILE).findings
    assert finding.code == "OB108"
    assert finding.help == 'inside brackets a reference is written in quotes: "${VAR}"'


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────


def test_a_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    [(code, line, _)] = said("\n".join(lines))
    assert (code, line) == ("OB110", 6)  # 11 + 111 + ... + 111,111 values fit


def test_a_bomb_of_merges_is_refused() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: x" for n in range(1000)) + "}"]
    lines += [f"m{n}: {{<<: [{', '.join(['*a0'] * 100)}]}}" for n in range(10)]
    assert [code for code, *_ in said("\n".join(lines))] == ["OB110"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_the_deep_is_refused(opening: str) -> None:
    assert [code for code, *_ in said(opening * 41)] == ["OB110"]


def test_forty_levels_are_allowed() -> None:
    assert said("[" * 40 + "]" * 40) == []


def test_aliases_are_no_way_down() -> None:
    """Each line nests its predecessor: the text is flat, the tree would be four thousand levels deep."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} {'[' * 30}*a{n - 1}{']' * 30}" for n in range(1, 120)]
    assert [code for code, *_ in said("\n".join(lines))] == ["OB110"]


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b" " * ((4 << 20) + 1), ("OB110", 1, 1)),
        (b"a: b\nc: \xff\n", ("OB108", 2, 4)),
        ("a: ä\n".encode("utf-16"), ("OB108", 1, 1)),
        ("a: 1\né: ".encode() + b"\xc3", ("OB108", 2, 4)),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, raw: bytes, place: tuple[str, int, int]) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    document = read(path)
    assert document.root is None
    assert [(f.code, f.span.line, f.span.column) for f in document.findings] == [place]


@pytest.mark.parametrize("name", ["nope.yaml", ".", "x" * 300, "a\0b"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    document = read(tmp_path / name)
    assert document.root is None
    assert [finding.code for finding in document.findings] == ["OB112"]


# ── places ───────────────────────────────────────────────────────────────────────────────────────

TREE = parse("# first\na: {b: [1, 'two', {c: 3}]}\nd:\n  e: |\n    text\n", FILE)


@pytest.mark.parametrize(
    ("path", "key", "span"),
    [
        (("a",), False, Span(2, 4, 1)),
        (("a",), True, Span(2, 1, 1)),
        (("a", "b", 0), False, Span(2, 9, 1)),
        (("a", "b", 1), False, Span(2, 12, 5)),
        (("a", "b", 2, "c"), False, Span(2, 23, 1)),
        (("a", "b", 2, "c"), True, Span(2, 20, 1)),
        (("d", "e"), True, Span(4, 3, 1)),
        (("d", "e"), False, Span(4, 6, 1)),
        (("d", "nope"), False, Span(3, 1, 1)),
        (("d", "nope", "deeper", 4), True, Span(3, 1, 1)),
        (("a", "b", 7), False, Span(2, 5, 1)),
        ((), False, Span(2, 1, 1)),
        (("nope",), False, Span(2, 1, 1)),
    ],
)
def test_a_path_leads_to_its_place_or_near_it(path: tuple[str | int, ...], key: bool, span: Span) -> None:
    assert TREE.span(path, key=key) == span


def test_a_document_without_a_tree_has_one_place() -> None:
    assert Document(FILE, [], None, []).span(("a", "b")) == Span(1, 1, 1)


def test_an_alias_stands_where_it_is_used() -> None:
    document = parse("a: &x 1\nb: *x\n", FILE)
    assert document.span(("a",)) == Span(1, 4, 4)
    assert document.span(("b",)) == Span(2, 4, 2)


def test_aliases_do_not_share_their_content() -> None:
    root = parse("a: &x {k: 1}\nb: *x\nc: {<<: *x}\n", FILE).root
    assert root is not None
    root.value["a"].value["k"].value = 2
    assert root.data() == {"a": {"k": 2}, "b": {"k": 1}, "c": {"k": 1}}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_like(end: str) -> None:
    document = parse(f"a: 1{end}b: [{end}", FILE)
    assert document.lines == ["a: 1", "b: [", ""]
    assert document.findings[0].span.line in (2, 3)


def test_what_the_plan_depends_on_is_an_error() -> None:
    warned = Finding("OB107", "x is not set", severity=Severity.WARNING, path=("a",))
    other = Finding("OB107", "y is not set", severity=Severity.WARNING, path=("b",))
    document = Document(FILE, [], None, [warned, other])
    document.decided_now(("a",))
    assert [(f.path, f.fatal) for f in document.findings] == [(("a",), True), (("b",), False)]


@pytest.mark.parametrize(
    ("text", "character"), [("plain ä 🔔", None), ("a\0b", "U+0000"), ("\udc80", "U+DC80"), ("\x7f", None)]
)
def test_what_is_no_text(text: str, character: str | None) -> None:
    assert no_text(text) == character


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False) | TEXTS
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(bool), inner, max_size=4),
)


def as_yaml(value: Any) -> str:
    """Flow style, every text in double quotes."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
        case float():
            return repr(value).replace("inf", ".inf")
        case dict():
            return "{" + ", ".join(f"{as_yaml(key)}: {as_yaml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_yaml, value)) + "]"
    return str(value)


@given(TREES)
def test_a_tree_comes_back(tree: Any) -> None:
    assert data(as_yaml(tree)) == tree


@given(
    st.text(alphabet=st.sampled_from("ab:-?[]{},&*!|>'\"%@` \n\t\\~<=.019xuU_\r\x85\u2028é#"), max_size=40)
)
def test_no_text_breaks_the_reader(text: str) -> None:
    document = parse(text, FILE)
    for finding in document.findings:
        assert 1 <= finding.span.line <= len(document.lines)
        assert 1 <= finding.span.column <= len(document.lines[finding.span.line - 1]) + 1
    assert (document.root is None) <= bool(document.findings)
