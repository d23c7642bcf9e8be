"""The dependency graph of a pipeline's steps: order, cycles, what hangs on what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from openbell.core.model import NeedMode, Pipeline, Step


class Cycle(ValueError):
    """Steps that wait for each other; `path` names them in order, first and last the same."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(" -> ".join(path))
        self.path = tuple(path)


def waits(steps: Iterable[Step]) -> dict[str, list[str]]:
    """For each step the others that it may have to wait for: what it needs, what stands in for that when it
    fails, and what it stands in for itself.
    """
    steps = list(steps)
    stand_ins = {step.name: step.on_failure.stand_in for step in steps if step.on_failure.stand_in}
    found = {step.name: [need.step for need in step.needs] for step in steps}
    for step in steps:
        counting = [need.step for need in step.needs if need.mode is not NeedMode.DONE]
        for name in counting:  # grows while it is gone through: a stand-in may have one of its own
            if (other := stand_ins.get(name)) and other not in counting:
                counting.append(other)
                found[step.name].append(other)
    for name, stand_in in stand_ins.items():
        if stand_in in found:
            found[stand_in].append(name)
    return found


def topological(steps: Iterable[Step]) -> list[str]:
    """Step names, every one after what it needs; otherwise in the order of the file.

    Raises `Cycle`.
    """
    needed = waits(steps)
    order = {name: position for position, name in enumerate(needed)}
    sorter: TopologicalSorter[str] = TopologicalSorter(needed)
    try:
        sorter.prepare()
    except CycleError as error:
        raise Cycle(error.args[1][::-1]) from None
    found: list[str] = []
    while sorter.is_active():
        layer = sorted(sorter.get_ready(), key=order.__getitem__)
        found.extend(layer)
        sorter.done(*layer)
    return found


def layers(steps: Sequence[Step]) -> list[list[str]]:
    """Step names by depth: each one below everything that it needs, as high as it can be."""
    needed = waits(steps)
    depth: dict[str, int] = {}
    for name in topological(steps):
        depth[name] = 1 + max((depth[other] for other in needed[name]), default=-1)
    return [[name for name in depth if depth[name] == level] for level in range(1 + max(depth.values()))]


def ancestors(steps: Sequence[Step], name: str) -> list[str]:
    """Names of all steps that `name` waits for, directly or through others, in the order they can run."""
    needed = waits(steps)
    order = topological(steps)
    reached = {name}
    for step in reversed(order):
        if step in reached:
            reached.update(needed[step])
    return [step for step in order if step in reached - {name}]


def dependants(steps: Sequence[Step], name: str) -> list[str]:
    """Names of all steps that wait for `name`, directly or through others, in the order they can run."""
    needed = waits(steps)
    reached = {name}
    for step in topological(steps):
        if not reached.isdisjoint(needed[step]):
            reached.add(step)
    return [step for step in topological(steps) if step in reached - {name}]


def sources(pipeline: Pipeline) -> frozenset[str]:
    """Names of the steps whose results are the values of axes."""
    found = (axis.source.rpartition(".")[0] for step in pipeline for axis in step.matrix.axes if axis.source)
    return frozenset(name for name in found if name)
