from __future__ import annotations

import pytest

from openbell.core.states import TRANSITIONS, RunState, TaskState, Verb

ALLOWED = """
    WAITING   start -> STARTING     skip -> SKIPPED      fail -> FAILED        cancel -> CANCELLED
    STARTING  confirm -> RUNNING   stop -> STOPPING     succeed -> SUCCEEDED  retry -> WAITING  fail -> FAILED
    RUNNING   stop -> STOPPING      succeed -> SUCCEEDED retry -> WAITING      fail -> FAILED
    STOPPING  succeed -> SUCCEEDED  retry -> WAITING     fail -> FAILED        cancel -> CANCELLED
    FAILED    reopen -> WAITING
    CANCELLED reopen -> WAITING
    SKIPPED   reopen -> WAITING
"""


def test_the_table_is_the_diagram() -> None:
    drawn = {}
    for line in ALLOWED.strip().splitlines():
        state, *words = line.split()
        for verb, _, to in zip(words[::3], words[1::3], words[2::3], strict=True):
            drawn[TaskState[state], Verb(verb)] = TaskState[to]
    assert dict(TRANSITIONS) == drawn


def test_only_a_reopening_leads_out_of_a_final_state() -> None:
    leaving = {verb for (state, verb) in TRANSITIONS if state.final}
    assert leaving == {Verb.REOPEN}


def test_every_state_can_be_reached_and_left_or_is_success() -> None:
    reached = {TaskState.WAITING, *TRANSITIONS.values()}
    assert reached == set(TaskState)
    left = {state for state, _ in TRANSITIONS}
    assert set(TaskState) - left == {TaskState.SUCCEEDED}


@pytest.mark.parametrize("state", TaskState)
def test_a_state_is_waiting_live_or_final(state: TaskState) -> None:
    assert [state is TaskState.WAITING, state.live, state.final].count(True) == 1


def test_a_run_that_can_still_move_is_not_final() -> None:
    assert {state for state in RunState if not state.final} == {RunState.ACTIVE, RunState.PAUSED}
