"""Stand-ins: what is wrong goes, what is missing comes, the rest stays."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from openbell.config.dialects.pq import PqShape
from openbell.config.dialects.replay import ReplayFileShape
from openbell.config.document import Path
from openbell.config.kinds import Flag, Shape, Text, choice, whole
from openbell.config.project_shapes import ProjectShape
from openbell.config.repair import repaired
from openbell.config.shapes import PipelineShape


class Inner(Shape):
    count: Annotated[int, whole(3, 9)]
    word: Annotated[str, choice("b", "a")]
    flag: Flag = True


class Outer(Shape):
    name: Text
    inner: Inner
    many: list[Inner] = Field(default_factory=list)
    named: dict[Text, Inner] = Field(default_factory=dict)
    start: Annotated[int, whole(0)] = Field(0, alias="from")
    maybe: Inner | None = None


GOOD = {"count": 5, "word": "a"}
LEAST = {"count": 3, "word": "b"}


@pytest.mark.parametrize(
    ("data", "wrong", "found"),
    [
        ({}, [], {"name": "x", "inner": LEAST}),
        ({"name": "n", "inner": GOOD}, [], {"name": "n", "inner": GOOD}),
        ({"name": 5, "inner": GOOD}, [("name",)], {"name": "x", "inner": GOOD}),
        ({"name": "n", "inner": 5}, [("inner",)], {"name": "n", "inner": LEAST}),
        (
            {"name": "n", "inner": {**GOOD, "count": 0}},
            [("inner", "count")],
            {"name": "n", "inner": {"count": 3, "word": "a"}},
        ),
        ({"name": "n", "inner": GOOD, "nmae": 1}, [("nmae",)], {"name": "n", "inner": GOOD}),
        ({"name": "n", "inner": GOOD, "from": -1}, [("from",)], {"name": "n", "inner": GOOD}),
        ({"name": "n", "inner": GOOD, "from": 7}, [], {"name": "n", "inner": GOOD, "from": 7}),
        (
            {"name": "n", "inner": GOOD, "many": [GOOD, {"count": 4}]},
            [("many", 1, "word")],
            {"name": "n", "inner": GOOD, "many": [GOOD, {"count": 4, "word": "b"}]},
        ),
        ({"name": "n", "inner": GOOD, "many": [GOOD, None]}, [("many", 1)], {"name": "n", "inner": GOOD}),
        (
            {"name": "n", "inner": GOOD, "named": {"a": {"count": 5}, "b": None}},
            [],
            {"name": "n", "inner": GOOD, "named": {"a": {"count": 5, "word": "b"}}},
        ),
        (
            {"name": "n", "inner": GOOD, "maybe": {"count": 5}},
            [],
            {"name": "n", "inner": GOOD, "maybe": {"count": 5, "word": "b"}},
        ),
    ],
)
def test_only_what_is_wrong_is_replaced(data: Any, wrong: list[Path], found: Any) -> None:
    assert repaired(data, wrong, Outer) == found


@pytest.mark.parametrize("shape", [Outer, PqShape, ReplayFileShape, PipelineShape, ProjectShape])
def test_nothing_at_all_becomes_something_that_fits(shape: type[Shape]) -> None:
    shape.model_validate(repaired({}, (), shape))


VALUES = st.recursive(
    st.none() | st.integers(0, 9) | st.sampled_from(["a", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "inner", "many", "count", "word"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "inner", "many", "named", "from", "maybe"]), VALUES))
def test_repairing_comes_to_an_end(data: dict[str, Any]) -> None:
    """As the reader does it: drop what is said to be wrong until nothing is."""
    wrong: set[Path] = set()
    for _ in range(20):
        try:
            Outer.model_validate(repaired(data, wrong, Outer))
            return
        except ValidationError as error:
            found = {tuple(one["loc"]) for one in error.errors()}
        assert not found <= wrong, "said before, and still there"
        wrong |= found
    raise AssertionError("no end")
