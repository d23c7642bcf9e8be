"""What follows from the end of an attempt: success, another try at a known time, or a final failure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from openbell.core.events import Exit, Exited, Lost, Refused
from openbell.core.model import AttemptKey, Retry, Step
from openbell.core.state import Live
from openbell.core.states import FailureKind, StopReason, Verb


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one attempt as a value. `kind` is there for a failure, final or retried."""

    verb: Verb
    kind: FailureKind | None = None
    not_before: datetime | None = None


_CANCELLING = {StopReason.CANCEL, StopReason.INTERRUPT, StopReason.WINDOW}


def judge(policy: Retry, key: AttemptKey, spent: int, live: Live, fact: Exited | Refused | Lost) -> Verdict:
    """The verdict on an attempt that has ended.

    `spent`: attempts of this generation that count, this one included.
    """
    if isinstance(fact, Refused) and not fact.counted:
        if live.stop in _CANCELLING:
            return Verdict(Verb.CANCEL)
        return Verdict(Verb.RETRY, not_before=fact.at + timedelta(seconds=fact.retry_after))
    kind = failure(fact)
    if kind is None:
        return Verdict(Verb.SUCCEED)
    if live.stop in _CANCELLING:
        return Verdict(Verb.CANCEL)
    if spent < policy.attempts and kind in policy.on:
        return Verdict(Verb.RETRY, kind, fact.at + delay(policy, key, spent))
    return Verdict(Verb.FAIL, kind)


def verdict_on(step: Step, key: AttemptKey, spent: int, live: Live, fact: Exited | Refused | Lost) -> Verdict:
    """The verdict on an attempt of this step. One that holds is tried without a bound until its end."""
    if not step.hold:
        return judge(step.retry, key, spent, live, fact)
    found = judge(replace(step.retry, attempts=spent + 1), key, spent, live, fact)
    in_vain = found.not_before is not None and step.ends is not None and found.not_before >= step.ends
    return Verdict(Verb.FAIL, found.kind) if in_vain and found.kind is not None else found


def delay(policy: Retry, key: AttemptKey, spent: int) -> timedelta:
    """Wait before the next attempt, after `spent` of them: exponential, with deterministic jitter."""
    try:
        seconds = policy.delay.total_seconds() * policy.backoff ** (spent - 1)
    except OverflowError:
        seconds = policy.max_delay.total_seconds()
    seconds = min(seconds, policy.max_delay.total_seconds())
    return timedelta(seconds=seconds * (1 + policy.jitter * (2 * _fraction(key) - 1)))


def _fraction(key: AttemptKey) -> float:
    """A number in [0, 1) that belongs to this attempt, the same on every machine."""
    digest = blake2b(str(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def failure(fact: Exited | Refused | Lost) -> FailureKind | None:
    """How the attempt failed; None when it succeeded. The exit status is the only truth."""
    match fact:
        case Refused():
            return FailureKind.START
        case Lost():
            return FailureKind.LOST
        case Exited(exit=Exit(started=False) | Exit(stopped=StopReason.START_TIMEOUT)):
            return FailureKind.START
        case Exited(exit=Exit(stopped=StopReason.TIMEOUT)):
            return FailureKind.TIMEOUT
        case Exited(exit=end) if end.well:
            return None
        case Exited(exit=Exit(stopped=None, check=check)) if check:
            return FailureKind(check)
        case _:
            return FailureKind.EXIT
