"""The process executor: asks zygotes for shims, follows the shims, reads what they leave."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from openbell.clock import Clock
from openbell.core.events import Fact, Lost, Refused, Reported, Started
from openbell.core.model import AttemptKey
from openbell.core.state import Capacity
from openbell.core.states import StopReason
from openbell.doorbell import Doorbell
from openbell.errors import ExecutorUnavailable
from openbell.executors.embedded import Embedded
from openbell.executors.process import kernel
from openbell.executors.process.attempt import Attempt
from openbell.executors.process.events import read_events
from openbell.executors.process.files import AttemptFiles, Claim, claim_of, read_claim
from openbell.executors.process.hosts import HostPool
from openbell.executors.process.keepsakes import Keepsakes
from openbell.executors.process.leftovers import sweep
from openbell.executors.process.outcome import NO_ROOM, ended
from openbell.executors.process.slates import Fate
from openbell.executors.process.specification import specify, specify_hosted
from openbell.executors.process.zygotes import ZygotePool
from openbell.executors.protocol import Brief, Orphan, Report

_AUDIT = 60.0  # seconds between looks at attempts of which nothing is heard
_SOON = 0.05  # seconds until the next look where the kernel gives no notice
_ALMOST = 0.9  # of the time that a start may take: then nobody's word is waited for any more
_MOST_REPORTS = 10_000  # events of one attempt that go into the journal


class ProcessExecutor:
    """Runs attempts as processes of this machine. `folder`: the project's state folder."""

    def __init__(
        self,
        folder: Path,
        doorbell: Doorbell,
        clock: Clock,
        *,
        slots: int,
        log_cap: int = 16 << 20,
        power: bool = False,
        recycle: int = 1000,
        embedded: Embedded | None = None,
    ) -> None:
        self._folder = folder
        self._root = folder / "attempts"
        self._clock = clock
        self._slots = slots
        self._log_cap = log_cap
        self._power = power
        self._embedded = embedded or Embedded(folder.parent)
        self._attempts: dict[str, Attempt] = {}
        self._keepsakes = Keepsakes(folder)
        self._zygotes = ZygotePool(folder, self)
        self._hosts = HostPool(folder, self._zygotes, self, most=max(4, 2 * slots), recycle=recycle)
        self._audit: asyncio.TimerHandle | None = None
        self._report: Report | None = None
        doorbell.listen("attempt", self._rung)

    @property
    def capacity(self) -> Capacity:
        return Capacity(self._slots, keeps_time=True)

    def open(self, report: Report) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        self._report = None
        for attempt in self._attempts.values():
            self._unwatch(attempt)
        self._hosts.close()
        self._zygotes.close()
        if self._audit is not None:
            self._audit.cancel()

    # ── starting ─────────────────────────────────────────────────────────────────────────────

    def start(self, brief: Brief) -> None:
        key = brief.key
        attempt = self._attempts[str(key)] = Attempt.of(self._root, key, brief.step)
        files = attempt.files
        if attempt.hosted:
            try:
                spec = specify_hosted(brief, files, self._folder, self._log_cap, self._power, self._embedded)
            except ExecutorUnavailable as error:
                self._loop.call_soon(partial(self.refused, str(key), str(error), counted=True))
                return
            self._hosts.start(*spec)
        else:
            own = specify(brief, files, self._folder, log_cap=self._log_cap, power=self._power)
            self._zygotes.ask(brief, own)
        if limit := brief.step.start_timeout:
            self._loop.call_later(limit.total_seconds() * _ALMOST, self._rung, str(key))
        self._keep_auditing()

    def forked(self, name: str, shim: int) -> None:
        """A zygote has forked the shim of this attempt."""
        if known := self._attempts.get(name):
            self._follow(known, shim)

    def hosted(self, number: int, pid: int, link: int) -> None:
        """A zygote has forked a host."""
        self._hosts.hosted(number, pid, link)

    def unhosted(self, number: int, reason: str) -> None:
        """A zygote could not fork a host."""
        self._hosts.unhosted(number, reason)

    def orphaned(self, name: str) -> None:
        """The zygote that had been asked for this attempt, or the host that had it in hand, has died."""
        self._investigate(name)

    def begun(self, name: str, child: int, at: float) -> None:
        """A host has begun with this attempt."""
        if (attempt := self._attempts.get(name)) is not None and not attempt.told:
            attempt.told = True
            key = attempt.key
            self._tell(Started(datetime.fromtimestamp(at, UTC), key.task, key.attempt, str(child)))

    def over(self, name: str, record: dict[str, Any]) -> None:
        """A host has done with this attempt."""
        attempt = self._attempts.get(name)
        if attempt is not None:
            if "child" in record:
                self.begun(name, record["child"], record["began"])
            self._reports(attempt)
            self._end(attempt, record)

    def refused(self, name: str, reason: str, *, counted: bool) -> None:
        """Nothing of this attempt has begun, and nothing will."""
        attempt = self._attempts.get(name)
        if attempt is not None:
            key, wait = attempt.key, 0.0 if counted else NO_ROOM
            self._forget(attempt)
            self._tell(Refused(self._clock.now(), key.task, key.attempt, reason, counted, wait))

    # ── following ────────────────────────────────────────────────────────────────────────────

    def _follow(self, attempt: Attempt, shim: int) -> None:
        """Be told by the kernel when the shim is gone."""
        attempt.shim = shim
        try:
            attempt.watch = os.pidfd_open(shim)
        except ProcessLookupError:
            self._loop.call_soon(self._over, str(attempt.key))
            return
        except (AttributeError, OSError):
            self._loop.call_later(_SOON, self._look, str(attempt.key))  # this kernel gives no notice
        else:
            self._loop.add_reader(attempt.watch, self._over, str(attempt.key))
        if attempt.stop is not None:
            self._signal(attempt)

    def _look(self, name: str) -> None:
        """Whether the shim is gone, where nobody tells."""
        attempt = self._attempts.get(name)
        if attempt is None or self._report is None:
            return
        self._rung(name)
        with attempt.files.locked() as ours:
            if not ours:
                self._loop.call_later(_SOON, self._look, name)
                return
        self._over(name)

    def _rung(self, name: str) -> None:
        """The attempt has news: it began, or its worker has reported."""
        attempt = self._attempts.get(name)
        if attempt is not None:
            self._began(attempt)
            self._reports(attempt)

    def _began(self, attempt: Attempt) -> None:
        if attempt.told:
            return
        claim = claim_of(self._root, attempt.key)
        if claim is not None and claim.child is not None and claim.began is not None:
            self.begun(str(attempt.key), claim.child, claim.began.timestamp())

    def _reports(self, attempt: Attempt) -> None:
        """Pass on what the worker has said since; of a flood, the beginning."""
        if attempt.reports > _MOST_REPORTS:
            return
        key, now = attempt.key, self._clock.now()
        for said in read_events(attempt.files.events, attempt.heard):
            attempt.heard = said.end
            if said.topic == "result":
                continue
            attempt.reports += 1
            if attempt.reports > _MOST_REPORTS:
                return
            message = said.message
            if attempt.reports == _MOST_REPORTS:
                message = f"{_MOST_REPORTS} events: what follows is not recorded"
            self._tell(Reported(now, key.task, key.attempt, said.topic, message, said.data, said.end))

    def _over(self, name: str) -> None:
        """The shim is gone: there is an exit record, or it has died."""
        attempt = self._attempts.get(name)
        if attempt is None:
            return
        self._unwatch(attempt)
        record = None if attempt.hosted else attempt.files.exit()
        if record is None:
            self._investigate(name)
            return
        self._rung(name)
        self._end(attempt, record)

    def _end(self, attempt: Attempt, record: dict[str, Any]) -> None:
        self._forget(attempt)
        fact = ended(attempt.key, attempt.step, attempt.files, record, self._clock.now())
        self._keepsakes.note(attempt.key, record, fact)
        self._tell(fact)

    # ── finding out ──────────────────────────────────────────────────────────────────────────

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        self._hosts.adopt([str(orphan.key) for orphan in orphans])
        for orphan in orphans:
            attempt = Attempt.of(self._root, orphan.key, orphan.step)
            attempt.heard = orphan.heard
            if orphan.stop is not None:
                attempt.stop = (orphan.stop, orphan.step.grace.total_seconds())
            attempt.told = bool(orphan.handle)
            self._attempts[str(orphan.key)] = attempt
            self._investigate(str(orphan.key))
        self._keep_auditing()

    def _investigate(self, name: str) -> None:
        """What has become of an attempt: over, alive, never begun, or lost. The lock knows."""
        attempt = self._attempts.get(name)
        if attempt is None or self._report is None:
            return
        if attempt.hosted:
            self._investigate_call(attempt)
            return
        try:
            with attempt.files.locked() as ours:
                if not ours:  # a shim lives: nothing else in the folder is the truth yet
                    self._rejoin(attempt)
                elif (record := attempt.files.exit()) is not None:
                    self._rung(name)
                    self._end(attempt, record)
                else:
                    self._without_a_word(attempt)
        except OSError:
            self._loop.call_later(NO_ROOM, self._investigate, name)  # no room, or no right, to look

    def _without_a_word(self, attempt: Attempt) -> None:
        """Nobody supervises it, and there is no record: it was lost, or it never began."""
        files = attempt.files
        never = files.take_claim() or files.barred
        self._bury(attempt, files.claim(), never=never)

    def _bury(self, attempt: Attempt, claim: Claim | None, *, never: bool) -> None:
        """End what is left of it. `never`: by all that is written, it has not begun."""
        key = attempt.key
        left = sweep(attempt.files, claim)
        if left is None:
            self._loop.call_later(NO_ROOM, self._investigate, str(key))  # something of it will not die
            return
        self._forget(attempt)
        if never and not left and not attempt.told:
            reason = "it had not begun when its engine ended"
            self._tell(Refused(self._clock.now(), key.task, key.attempt, reason, counted=False))
            return
        reason = "its supervisor died, and what was left of it has been ended"
        self._tell(Lost(self._clock.now(), key.task, key.attempt, reason))

    def _investigate_call(self, attempt: Attempt) -> None:
        """The same for one that a host has, or had, in hand: the slates know."""
        name = str(attempt.key)
        if self._hosts.has(name):
            return
        found = self._hosts.find(name)
        match found.fate:
            case Fate.OVER:
                self.over(name, found.record or {})
            case Fate.ALIVE:
                self._rejoin(attempt)
            case Fate.UNCLEAR:
                self._loop.call_later(_SOON, self._investigate, name)
            case fate:
                self._bury(attempt, read_claim(found.claim or {}), never=fate is Fate.NEVER)

    def _rejoin(self, attempt: Attempt) -> None:
        """A shim or a host holds the lock: follow it, as soon as it has said who it is.

        When that process does not exist, somebody whom it has left behind holds on to the lock.
        """
        claim = claim_of(self._root, attempt.key)
        if claim is not None and not kernel.exists(claim.shim):
            sweep(attempt.files, claim)
        if claim is None or not kernel.exists(claim.shim):
            self._loop.call_later(_SOON, self._investigate, str(attempt.key))
            return
        self._rung(str(attempt.key))
        if attempt.stop is not None:
            reason, grace = attempt.stop
            attempt.files.ask_to_stop(reason.value, grace)
        if attempt.watch is None:
            self._follow(attempt, claim.shim)

    def _keep_auditing(self) -> None:
        if self._audit is None and self._attempts:
            self._audit = self._loop.call_later(_AUDIT, self._audit_all)

    def _audit_all(self) -> None:
        """Rings may be lost, and not every kernel tells of an end."""
        self._audit = None
        for name, attempt in list(self._attempts.items()):
            if attempt.watch is not None:
                self._rung(name)
            elif attempt.shim is not None or attempt.hosted:
                self._investigate(name)
        self._keep_auditing()

    # ── ending ───────────────────────────────────────────────────────────────────────────────

    def stop(self, key: AttemptKey, reason: StopReason, grace: timedelta) -> None:
        attempt = self._attempts.get(str(key))
        if attempt is None:
            return
        attempt.stop = (reason, grace.total_seconds())
        if attempt.shim is not None:
            self._signal(attempt)
        elif attempt.hosted:
            if self._hosts.stop(str(key), reason.value, grace.total_seconds()) is False:
                told = f"stopped ({reason.value}) before a worker was there"
                self.refused(str(key), told, counted=reason is StopReason.START_TIMEOUT)
        elif self._zygotes.withdraw(str(key)):
            told = f"stopped ({reason.value}) while its modules were being imported"
            self.refused(str(key), told, counted=reason is StopReason.START_TIMEOUT)

    def _signal(self, attempt: Attempt) -> None:
        """Tell the shim why, then wake it. One without a start to its name is told when it has one."""
        assert attempt.stop is not None
        reason, grace = attempt.stop
        attempt.files.ask_to_stop(reason.value, grace)
        try:
            if attempt.watch is not None:
                signal.pidfd_send_signal(attempt.watch, signal.SIGTERM)
                signal.pidfd_send_signal(attempt.watch, signal.SIGCONT)  # whoever may have stopped it
            elif attempt.shim is not None:
                os.kill(attempt.shim, signal.SIGTERM)
                os.kill(attempt.shim, signal.SIGCONT)
        except ProcessLookupError:
            pass  # it has just ended; its record says how

    def settle(self, key: AttemptKey) -> None:
        AttemptFiles(self._root, key).tidy()
        self._keepsakes.settle(key)
        self._hosts.settle(str(key))

    def _forget(self, attempt: Attempt) -> None:
        self._unwatch(attempt)
        self._attempts.pop(str(attempt.key), None)

    def _unwatch(self, attempt: Attempt) -> None:
        if attempt.watch is not None:
            self._loop.remove_reader(attempt.watch)
            os.close(attempt.watch)
            attempt.watch = None

    def _tell(self, fact: Fact) -> None:
        if self._report is not None:
            self._report(fact)
