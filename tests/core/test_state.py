from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from openbell.core.state import Group
from openbell.core.states import TaskState
from tests.builders import NOW, step

SIZE = 9

moves = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, SIZE - 1), st.sampled_from(TaskState), st.just(0)),
        st.tuples(st.just("delay"), st.integers(0, SIZE - 1), st.just(TaskState.WAITING), st.integers(0, 50)),
        st.tuples(st.just("all"), st.just(0), st.sampled_from(TaskState), st.integers(0, 7)),
    ),
    max_size=60,
)


def play(moves: list[tuple[str, int, TaskState, int]]) -> tuple[Group, list[TaskState], dict[int, datetime]]:
    """The group after these moves, and a model of it in plain lists."""
    group = Group(step(cells=SIZE))
    states = [TaskState.WAITING] * SIZE
    due: dict[int, datetime] = {}
    for kind, cell, state, number in moves:
        if kind == "all":
            source = TaskState(number)
            group.put_all((source,), state)
            for n in range(SIZE):
                if states[n] is source:
                    states[n] = state
                    due.pop(n, None)
            continue
        when = NOW + timedelta(seconds=number) if kind == "delay" else None
        group.put(cell, state, when)
        states[cell] = state
        due.pop(cell, None)
        if when is not None:
            due[cell] = when
    return group, states, due


@given(moves, st.integers(0, 60))
def test_a_group_is_a_list_of_states(moves: list[tuple[str, int, TaskState, int]], seconds: int) -> None:
    group, states, due = play(moves)
    now = NOW + timedelta(seconds=seconds)
    assert [group.state(cell) for cell in range(SIZE)] == states
    assert [group.count(state) for state in TaskState] == [states.count(state) for state in TaskState]
    assert group.due == due
    assert group.next_due() == min(due.values(), default=None)
    ripe = sorted((when, cell) for cell, when in due.items() if when <= now)
    fresh = [cell for cell in range(SIZE) if states[cell] is TaskState.WAITING and cell not in due]
    assert list(group.ready(now)) == [cell for _, cell in ripe] + fresh


def test_ready_cells_are_found_without_looking_at_all() -> None:
    group = Group(step(cells=1_000_000))
    group.put_all((TaskState.WAITING,), TaskState.SUCCEEDED)
    group.put(999_999, TaskState.WAITING)
    assert next(group.ready(NOW)) == 999_999
    assert group.waiting == 1
