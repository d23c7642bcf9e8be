"""Which steps a run has, and what becomes of the needs on those that it has not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.graph import ancestors, dependants
from openbell.core.model import Choice, Need, Pipeline
from openbell.core.selection import UnknownStep, dropped_needs, narrowed, step_names
from tests.builders import pipeline, step

CHAIN = pipeline(
    step("data"),
    step("scenarios", needs=(Need("data"),)),
    step("metrics", needs=(Need("scenarios"), Need("data"))),
    step("report", needs=(Need("metrics"),)),
    step("aside"),
)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("metrics", "metrics"),
        ("+metrics", "data scenarios metrics"),
        ("metrics+", "metrics report"),
        ("+scenarios+", "data scenarios metrics report"),
        ("aside data", "data aside"),
        ("+aside+", "aside"),
        ("+scenarios report", "data scenarios report"),
    ],
)
def test_words_choose_steps(words: str, names: str) -> None:
    assert step_names(CHAIN.steps, words.split()) == set(names.split())


@pytest.mark.parametrize("word", ["nothing", "+nothing", "nothing+", "++data"])
def test_a_word_that_names_no_step(word: str) -> None:
    with pytest.raises(UnknownStep) as caught:
        step_names(CHAIN.steps, [word])
    assert caught.value.word == word.removeprefix("+").removesuffix("+")


def test_needs_on_what_is_left_out_are_dropped_and_told() -> None:
    part = narrowed(CHAIN, {"metrics", "report"}, mode="late")
    assert [s.name for s in part] == ["metrics", "report"]
    assert (part.step("metrics").needs, part.step("report").needs) == ((), (Need("metrics"),))
    assert part.choice.left_out == ("data", "scenarios", "aside")
    assert part.choice.dropped == (("metrics", "scenarios"), ("metrics", "data"))
    assert dropped_needs(part) == [
        "`metrics` does not wait for `scenarios`, which is no part of this run",
        "`metrics` does not wait for `data`, which is no part of this run",
    ]


def test_a_part_of_a_part_remembers_both() -> None:
    part = narrowed(
        narrowed(CHAIN, {"scenarios", "metrics", "report"}, mode="m"), {"report"}, words=("report",)
    )
    assert part.choice == Choice(
        mode="m",
        steps=("report",),
        left_out=("data", "aside", "scenarios", "metrics"),
        dropped=(("scenarios", "data"), ("metrics", "data"), ("report", "metrics")),
    )
    assert dropped_needs(part) == ["`report` does not wait for `metrics`, which is no part of this run"]


def test_several_that_do_not_wait_are_one_line() -> None:
    part = narrowed(CHAIN, {"scenarios", "metrics"})
    assert dropped_needs(part) == [
        "`scenarios` and `metrics` do not wait for `data`, which is no part of this run"
    ]


@st.composite
def graphs(draw: st.DrawFn) -> Pipeline:
    count = draw(st.integers(1, 7))
    steps = []
    for n in range(count):
        before = draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set()
        steps.append(step(f"s{n}", needs=tuple(Need(f"s{m}") for m in sorted(before))))
    return pipeline(*draw(st.permutations(steps)))


def _above(whole: Pipeline, name: str) -> set[str]:
    """Told by walking up, one need at a time."""
    return {name}.union(*(_above(whole, need.step) for need in whole.step(name).needs))


@given(graphs())
def test_ancestors_and_dependants_are_two_sides_of_one_thing(whole: Pipeline) -> None:
    for one in whole:
        assert set(ancestors(whole.steps, one.name)) == _above(whole, one.name) - {one.name}
        for other in whole:
            below = other.name in dependants(whole.steps, one.name)
            assert below == (one.name in ancestors(whole.steps, other.name))


@given(graphs(), st.data())
def test_a_part_has_no_need_that_it_cannot_meet(whole: Pipeline, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from([s.name for s in whole]), min_size=1))
    chosen = step_names(whole.steps, [f"+{word}" for word in words])
    part = narrowed(whole, chosen)
    assert not part.choice.dropped, "a step with all its ancestors loses no need"
    some = narrowed(whole, set(words))
    assert all(need.step in set(words) for one in some for need in one.needs)
