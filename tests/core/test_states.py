from __future__ import annotations

import pytest

from openbell.core.states import TRANSITIONS, RunState, TaskState, Verb

ALLOWED = """
    WAITING   start -> STARTING     skip -> SKIPPED      fail -> FAILED        cancel -> CANCELLED
    WAITING   vouch -> SUCCEEDED    excuse -> SKIPPED
    STARTING  confirm -> RUNNING   stop -> STOPPING     succeed -> SUCCEEDED  retry -> WAITING  fail -> FAILED
    RUNNING   stop -> STOPPING      succeed -> SUCCEEDED retry -> WAITING      fail -> FAILED
    STOPPING  succeed -> SUCCEEDED  retry -> WAITING     fail -> FAILED        cancel -> CANCELLED
    SUCCEEDED reopen -> WAITING
    FAILED    reopen -> WAITING     vouch -> SUCCEEDED   excuse -> SKIPPED
    CANCELLED reopen -> WAITING     vouch -> SUCCEEDED   excuse -> SKIPPED
    SKIPPED   reopen -> WAITING     vouch -> SUCCEEDED
"""


def test_the_table_is_the_diagram() -> None:
    drawn = {}
    for line in ALLOWED.strip().splitlines():
        state, *words = line.split()
        for verb, _, to in zip(words[::3], words[1::3], words[2::3], strict=True):
            drawn[TaskState[state], Verb(verb)] = TaskState[to]
    assert dict(TRANSITIONS) == drawn


def test_only_a_reopening_or_somebodys_word_leads_out_of_a_final_state() -> None:
    leaving = {verb for (state, verb) in TRANSITIONS if state.final}
    assert leaving == {Verb.REOPEN, Verb.VOUCH, Verb.EXCUSE}
    assert {verb for (state, verb) in TRANSITIONS if state is TaskState.SUCCEEDED} == {Verb.REOPEN}


def test_every_state_can_be_reached_and_left() -> None:
    assert {TaskState.WAITING, *TRANSITIONS.values()} == set(TaskState)
    assert {state for state, _ in TRANSITIONS} == set(TaskState)


@pytest.mark.parametrize("state", TaskState)
def test_a_state_is_waiting_live_or_final(state: TaskState) -> None:
    assert [state is TaskState.WAITING, state.live, state.final].count(True) == 1


def test_a_run_that_can_still_move_is_not_final() -> None:
    assert {state for state in RunState if not state.final} == {RunState.ACTIVE, RunState.PAUSED}
