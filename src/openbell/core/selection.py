"""Which steps of a pipeline a run has: those of its mode, those that were named.

`book` is that step, `+book` comes with all that it needs, `book+` with all that needs it. Needs on
steps that are left out are not waited for, and that is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from openbell.core.graph import ancestors, dependants
from openbell.core.model import Choice, Pipeline, Step


class UnknownStep(KeyError):
    """A word names no step. `word` is the name without its plus signs."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def step_names(steps: Sequence[Step], words: Iterable[str]) -> frozenset[str]:
    """Names of the steps that the words choose. Raises `UnknownStep`."""
    known = {step.name for step in steps}
    found: set[str] = set()
    for word in words:
        name = bare_name(word)
        if name not in known:
            raise UnknownStep(name)
        found.add(name)
        found.update(ancestors(steps, name) if word.startswith("+") else ())
        found.update(dependants(steps, name) if word.endswith("+") else ())
    return frozenset(found)


def bare_name(word: str) -> str:
    """The name in `+book+`."""
    return word.removeprefix("+").removesuffix("+")


def narrowed(
    pipeline: Pipeline, names: Collection[str], *, mode: str = "", words: Sequence[str] = ()
) -> Pipeline:
    """The pipeline with these steps only. `mode`, `words`: for whose sake, which its choice remembers."""
    kept = [step for step in pipeline if step.name in names]
    steps = tuple(within(step, names) for step in kept)
    before = pipeline.choice
    unbacked = (
        (step.name, step.on_failure.stand_in) for step in kept if step.on_failure.stand_in not in {"", *names}
    )
    choice = Choice(
        mode=mode or before.mode,
        steps=(*before.steps, *words),
        left_out=(*before.left_out, *(step.name for step in pipeline if step.name not in names)),
        dropped=(
            *before.dropped,
            *((step.name, need.step) for step in kept for need in step.needs if need.step not in names),
        ),
        unbacked=(*before.unbacked, *unbacked),
    )
    return replace(pipeline, steps=steps, choice=choice)


def within(step: Step, names: Collection[str]) -> Step:
    """The step without needs on others than these, and without a stand-in that is none of them."""
    policy = step.on_failure
    if policy.stand_in not in names:
        policy = replace(policy, stand_in="")
    needs = tuple(need for need in step.needs if need.step in names)
    return replace(step, needs=needs, on_failure=policy)


def dropped_needs(pipeline: Pipeline) -> list[str]:
    """A line for each step that was left out and that others would wait for, or fall back on."""
    present = {step.name for step in pipeline}
    waiting: dict[str, list[str]] = {}
    for step, need in pipeline.choice.dropped:
        if step in present:
            waiting.setdefault(need, []).append(step)
    fallen = [
        f"`{step}` has no fallback: `{stand_in}` is no part of this run"
        for step, stand_in in pipeline.choice.unbacked
        if step in present
    ]
    return fallen + [
        f"{_listed(names)} {'does' if len(names) == 1 else 'do'} not wait for `{need}`, "
        "which is no part of this run"
        for need, names in waiting.items()
    ]


def _listed(names: Sequence[str]) -> str:
    *most, last = [f"`{name}`" for name in names]
    return f"{', '.join(most)} and {last}" if most else last
