"""Which cell waits for which: the same cell of another step, or the one before it along an axis.

A link is arithmetic on coordinates; only the cells of a sample are written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from openbell.core.graph import topological
from openbell.core.matrix import Axis, Matrix, sample
from openbell.core.model import NeedMode, Step


@dataclass(frozen=True, slots=True)
class Link:
    """How the cells of a step wait for cells of `upstream`, one for each.

    `before`: the cell that this one waits for, None for one that waits for none.
    `after`: the cells that wait for this one of `upstream`. `free`: the cells that wait for none.
    """

    upstream: str
    before: Callable[[int], int | None]
    after: Callable[[int], Iterable[int]]
    free: Callable[[], Iterable[int]] = tuple


def links(step: Step, matrices: Callable[[str], Matrix]) -> list[Link]:
    """The links of a step. `matrices`: that of a step, by name. An open matrix has none yet."""
    if step.matrix.open:
        return []
    found = [
        same(need.step, step.matrix, other)
        for need in step.needs
        if need.mode is NeedMode.SAME and not (other := matrices(need.step)).open
    ]
    return [*found, chain(step)] if step.sequential else found


def unlike(own: Matrix, other: Matrix) -> str:
    """Why cells of `own` have no like in `other`, or an empty text."""
    mine = {axis.name: axis for axis in own.axes}
    for axis in other.axes:
        if axis.name not in mine:
            return f"has no axis `{axis.name}`"
        found = _positions(mine[axis.name], axis)
        lacking = [str(v) for v, at in zip(mine[axis.name].values, found, strict=True) if at is None]
        if lacking:
            more = f" and {len(lacking) - 3:,} more" if len(lacking) > 3 else ""
            return (
                f"its axis `{axis.name}` has values that do not occur there: {', '.join(lacking[:3])}{more}"
            )
    return ""


def same(upstream: str, own: Matrix, other: Matrix) -> Link:
    """Each cell of `own` waits for the cell of `other` with the same coordinates.

    ValueError where `unlike` has something to say.
    """
    if problem := unlike(own, other):
        raise ValueError(f"the same cell of {upstream} is needed, but the step {problem}")
    if own.axes == other.axes and own.pick == other.pick:
        return Link(upstream, lambda cell: cell, lambda cell: (cell,))
    names = [axis.name for axis in own.axes]
    shared = [_shared(own, names.index(axis.name), other, at) for at, axis in enumerate(other.axes)]

    def before(full: int) -> int:
        return sum(axis.there[full // axis.stride % axis.length] * axis.stride_there for axis in shared)

    if own.pick is not None or other.pick is not None:
        places = None if other.pick is None else {full: cell for cell, full in enumerate(other.pick)}
        wholes = own.pick if own.pick is not None else range(len(own))
        return _written(upstream, [at if places is None else places[at] for at in map(before, wholes)])
    chosen = {axis.name for axis in other.axes}
    free = [
        range(0, stride * len(axis.values), stride)
        for axis, stride in zip(own.axes, own.strides, strict=True)
        if axis.name not in chosen
    ]

    def after(full: int) -> Iterable[int]:
        base = 0
        for axis in shared:
            here = axis.here.get(full // axis.stride_there % axis.length_there)
            if here is None:
                return ()
            base += here * axis.stride
        return (base + sum(steps) for steps in product(*free))

    return Link(upstream, before, after)


def chain(step: Step) -> Link:
    """Each cell waits for the one before it along the step's axis `sequential`."""
    matrix, name = step.matrix, step.sequential
    at = [axis.name for axis in matrix.axes].index(name)
    stride, length = matrix.strides[at], len(matrix.axes[at].values)
    if matrix.pick is not None:
        return _written(step.name, _predecessors(matrix.pick, stride, length))

    def before(cell: int) -> int | None:
        return cell - stride if cell // stride % length else None

    def after(cell: int) -> Iterable[int]:
        return (cell + stride,) if cell // stride % length < length - 1 else ()

    def free() -> Iterable[int]:
        blocks = range(0, len(matrix), stride * length)
        return (cell for block in blocks for cell in range(block, block + stride))

    return Link(step.name, before, after, free)


def sampled(steps: Sequence[Step], count: int) -> tuple[Step, ...]:
    """The steps with at most `count` cells each; one whose cells others wait for has just those cells."""
    made: dict[str, Step] = {}
    wanted: dict[str, set[int]] = {}
    for name in reversed(topological(steps)):
        step = next(step for step in steps if step.name == name)
        matrix = step.matrix
        if name in wanted:
            matrix = Matrix(matrix.axes, tuple(sorted(wanted[name])))
        elif matrix.axes:
            matrix = sample(matrix, count)
        made[name] = replace(step, matrix=matrix)
        for need in step.needs:
            if need.mode is NeedMode.SAME and not matrix.open:
                whole = next(other.matrix for other in steps if other.name == need.step)
                link = same(need.step, matrix, whole)
                wanted.setdefault(need.step, set()).update(
                    at for cell in range(len(matrix)) if (at := link.before(cell)) is not None
                )
    return tuple(made[step.name] for step in steps)


@dataclass(frozen=True, slots=True)
class _Shared:
    """An axis that both have: strides, lengths, and the positions of its values on either side."""

    stride: int
    length: int
    stride_there: int
    length_there: int
    there: Sequence[int]
    here: dict[int, int]


def _shared(own: Matrix, mine: int, other: Matrix, theirs: int) -> _Shared:
    here, there = own.axes[mine], other.axes[theirs]
    found = [at for at in _positions(here, there) if at is not None]
    return _Shared(
        own.strides[mine],
        len(here.values),
        other.strides[theirs],
        len(there.values),
        found,
        {at: position for position, at in enumerate(found)},
    )


def _positions(axis: Axis, other: Axis) -> list[int | None]:
    """For each value of the axis, its position on the other one; None where it does not occur."""
    if axis.values == other.values:
        return list(range(len(axis.values)))
    exact = {(type(value), value): at for at, value in enumerate(other.values)}
    shown = {str(value): at for at, value in enumerate(other.values)}
    return [exact.get((type(value), value), shown.get(str(value))) for value in axis.values]


def _predecessors(pick: Sequence[int], stride: int, length: int) -> list[int | None]:
    """For each picked cell the picked one before it along an axis. `pick` ascends."""
    last: dict[tuple[int, int], int] = {}
    found = []
    for cell, full in enumerate(pick):
        line = (full // (stride * length), full % stride)
        found.append(last.get(line))
        last[line] = cell
    return found


def _written(upstream: str, before: Sequence[int | None]) -> Link:
    """A link out of a list: cell -> the one that it waits for."""
    after: dict[int, list[int]] = {}
    for cell, at in enumerate(before):
        if at is not None:
            after.setdefault(at, []).append(cell)
    free = [cell for cell, at in enumerate(before) if at is None]
    return Link(upstream, before.__getitem__, lambda cell: after.get(cell, ()), lambda: free)
