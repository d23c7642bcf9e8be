"""What is written is read back as what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.config.document import parse
from openbell.config.emit import flow, scalar, to_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(bool), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT.filter(bool), VALUES, min_size=1, max_size=5))
def test_it_reads_as_it_was(data: dict[str, Any]) -> None:
    places = [(key,) for key in data][:2]
    document = parse(to_yaml(data, {place: ["some remark: #1"] for place in places}, places), Path("x.yaml"))
    assert document.findings == []
    assert document.root is not None
    assert document.root.data() == data


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("post_close", "post_close"),
        ("1m", "1m"),
        ("src.pipelines.main", "src.pipelines.main"),
        ("yes", "yes"),
        ("true", '"true"'),
        ("12", '"12"'),
        ("1e3", '"1e3"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        ("-c", '"-c"'),
        ("${X}", '"${X}"'),
        ("é", '"é"'),
        (4.0, "4"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_quotes_where_they_are_needed(value: Any, text: str) -> None:
    assert scalar(value) == text


def test_long_values_are_blocks_and_remarks_stand_above() -> None:
    data = {"steps": {"a": {"run": ["x" * 60, "y" * 60], "needs": ["b"]}}, "n": 1}
    assert to_yaml(data, {("steps", "a"): ["why"], ("n",): ["one " * 40]}) == (
        "steps:\n  # why\n  a:\n    run:\n      - "
        + "x" * 60
        + "\n      - "
        + "y" * 60
        + "\n    needs: [b]\n"
        "# " + " ".join(["one"] * 24) + "\n# " + " ".join(["one"] * 16) + "\nn: 1\n"
    )
    assert flow({"a": [1, {"b": "x y"}]}) == '{a: [1, {b: "x y"}]}'
