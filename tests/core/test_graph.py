from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.graph import Cycle, dependants, layers, topological
from openbell.core.model import Need, Step
from tests.builders import step


def steps(**needs: str) -> list[Step]:
    """`a="", b="a"`: b needs a."""
    return [step(name, needs=tuple(map(Need, text.split()))) for name, text in needs.items()]


def test_steps_come_after_what_they_need_and_otherwise_as_written() -> None:
    assert topological(steps(z="a", a="", b="")) == ["a", "b", "z"]


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_every_order_respects_every_need(edges: list[set[int]]) -> None:
    graph = [
        step(f"s{n}", needs=tuple(Need(f"s{m}") for m in sorted(targets) if m < n))
        for n, targets in enumerate(edges)
    ]
    order = topological(reversed(graph))
    assert sorted(order) == sorted(one.name for one in graph)
    for one in graph:
        assert all(order.index(need.step) < order.index(one.name) for need in one.needs)


def test_a_circle_is_named() -> None:
    with pytest.raises(Cycle) as caught:
        topological(steps(a="c", b="a", c="b", d=""))
    assert caught.value.path[0] == caught.value.path[-1]
    assert set(caught.value.path) == {"a", "b", "c"}


def test_a_step_that_needs_itself_is_a_circle() -> None:
    with pytest.raises(Cycle):
        topological(steps(a="a"))


def test_dependants_are_found_through_others() -> None:
    graph = steps(a="", b="a", c="b", d="", e="d c")
    assert dependants(graph, "a") == ["b", "c", "e"]
    assert dependants(graph, "e") == []


def test_layers_put_each_step_below_what_it_needs() -> None:
    steps = [step("a"), step("b", needs=(Need("a"),)), step("c"), step("d", needs=(Need("b"), Need("c")))]
    assert layers(steps) == [["a", "c"], ["b"], ["d"]]
