from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.events import Exit, Exited, Lost, Refused
from openbell.core.model import AttemptKey, Retry, TaskKey
from openbell.core.retry import Verdict, delay, failure, judge
from openbell.core.state import Live
from openbell.core.states import FailureKind, StopReason, TaskState, Verb
from tests.builders import NOW

KEY = AttemptKey("p/1", "a", 0, 1)
TASK = TaskKey("p/1", "a", 0)


def exited(code: int | None = 0, **keys: object) -> Exited:
    return Exited(NOW, TASK, 1, Exit(code, **keys))  # type: ignore[arg-type]


def live(stop: StopReason | None = None) -> Live:
    return Live(1, TaskState.RUNNING, NOW, NOW, stop=stop)


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        (exited(0), None),
        (exited(3), FailureKind.EXIT),
        (exited(None, signal="SIGSEGV"), FailureKind.EXIT),
        (exited(None, started=False), FailureKind.START),
        (exited(None, stopped=StopReason.TIMEOUT), FailureKind.TIMEOUT),
        (exited(0, stopped=StopReason.TIMEOUT), FailureKind.TIMEOUT),
        (exited(None, stopped=StopReason.START_TIMEOUT), FailureKind.START),
        (exited(None, stopped=StopReason.MEMORY), FailureKind.EXIT),
        (Lost(NOW, TASK, 1, "gone"), FailureKind.LOST),
        (Refused(NOW, TASK, 1, "no"), FailureKind.START),
    ],
)
def test_how_an_attempt_failed(fact: Exited | Lost | Refused, kind: FailureKind | None) -> None:
    assert failure(fact) is kind


def test_retries_until_the_attempts_are_spent() -> None:
    policy = Retry(attempts=3, delay=timedelta(seconds=10), jitter=0)
    verdicts = [judge(policy, KEY, spent, live(), exited(1)) for spent in (1, 2, 3)]
    assert [verdict.verb for verdict in verdicts] == [Verb.RETRY, Verb.RETRY, Verb.FAIL]
    assert [v.not_before - NOW for v in verdicts[:2] if v.not_before] == [
        timedelta(seconds=10),
        timedelta(seconds=20),
    ]


def test_only_the_kinds_that_are_named_are_retried() -> None:
    policy = Retry(attempts=3, on=frozenset({FailureKind.LOST}))
    assert judge(policy, KEY, 1, live(), exited(1)).verb is Verb.FAIL
    assert judge(policy, KEY, 1, live(), Lost(NOW, TASK, 1, "gone")).verb is Verb.RETRY


@pytest.mark.parametrize("reason", [StopReason.CANCEL, StopReason.INTERRUPT, StopReason.WINDOW])
def test_who_is_told_to_stop_is_cancelled_unless_the_work_was_done(reason: StopReason) -> None:
    policy = Retry(attempts=5)
    assert judge(policy, KEY, 1, live(reason), exited(None, stopped=reason)) == Verdict(Verb.CANCEL)
    assert judge(policy, KEY, 1, live(reason), exited(1)) == Verdict(Verb.CANCEL)
    assert judge(policy, KEY, 1, live(reason), Lost(NOW, TASK, 1, "gone")) == Verdict(Verb.CANCEL)
    assert judge(policy, KEY, 1, live(reason), exited(0)) == Verdict(Verb.SUCCEED)


def test_a_refusal_that_does_not_count_is_tried_again_beyond_the_bound() -> None:
    refusal = Refused(NOW, TASK, 1, "no room", counted=False, retry_after=5)
    verdict = judge(Retry(attempts=1), KEY, 1, live(), refusal)
    assert verdict == Verdict(Verb.RETRY, not_before=NOW + timedelta(seconds=5))


@given(st.integers(1, 200), st.floats(1, 100), st.floats(0, 1), st.integers(1, 10**6))
def test_waits_grow_stay_below_the_bound_and_repeat_exactly(
    spent: int, backoff: float, jitter: float, attempt: int
) -> None:
    policy = Retry(9, timedelta(seconds=2), backoff, timedelta(minutes=10), jitter)
    key = AttemptKey("p/1", "a", 7, attempt)
    wait = delay(policy, key, spent)
    plain = math.exp(min(math.log(600.0), math.log(2.0) + (spent - 1) * math.log(backoff)))
    assert plain * (1 - jitter) - 1e-3 <= wait.total_seconds() <= plain * (1 + jitter) + 1e-3
    assert wait == delay(policy, key, spent)


def test_jitter_spreads_tasks_and_is_the_same_on_every_machine() -> None:
    policy = Retry(2, timedelta(seconds=100), jitter=0.1)
    waits = {delay(policy, AttemptKey("p/1", "a", cell, 1), 1).total_seconds() for cell in range(100)}
    assert len(waits) > 90
    assert delay(policy, KEY, 1).total_seconds() == pytest.approx(107.370123, abs=1e-6)
