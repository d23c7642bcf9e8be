"""The deephaven executor: one persistent query per attempt, found again by its mark, never assumed dead.

Level-triggered: whatever is heard, `_advance` looks at an attempt and at what the controller says of its
query, and does the next thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from openbell.clock import Clock
from openbell.core.events import Fact, Lost, Reached, Refused, Reported, Started, Unreachable
from openbell.core.matrix import Scalar
from openbell.core.model import AttemptKey, Script
from openbell.core.state import Capacity
from openbell.core.states import StopReason
from openbell.executors.deephaven.attempt import Attempt
from openbell.executors.deephaven.configuration import configuration
from openbell.executors.deephaven.diary import Diary
from openbell.executors.deephaven.link import BEGUN, REFUSED, Link, Mark, Query
from openbell.executors.deephaven.links import Links
from openbell.executors.deephaven.outcome import closes, ended, name_taken, no_capacity
from openbell.executors.protocol import Brief, Orphan, Report

SLOTS = 1000
"""Queries at once, unless something else is said."""

_SETTLE = 2.0  # seconds in which a change may be on its way
_NEWS = 30.0  # seconds in which the controller tells of a query that it has added
_INSIST = 5.0  # seconds until a stop is asked for again
_PATIENCE = 60.0  # seconds until an attempt is refused whose controller nobody has reached
_SLACK = 30.0  # seconds over the time for a start, which the controller keeps itself
_FULL, _FULLEST = 5.0, 60.0  # seconds to wait for capacity, at first and at most
_IDLE = 60.0  # seconds until nobody is logged in any more
_STARTING = ("CONNECTING", "AUTHENTICATING", "ACQUIRING_WORKER")
_CANCELLING = (StopReason.CANCEL, StopReason.INTERRUPT, StopReason.WINDOW)


class DeephavenExecutor:
    """Runs attempts as persistent queries. `folder`: the project's state folder; `python`: an interpreter
    with the Enterprise client; `settings`: of the project, for whatever a pipeline does not say."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        python: str,
        *,
        slots: int = SLOTS,
        settings: Mapping[str, Scalar] | None = None,
    ) -> None:
        self._clock = clock
        self._slots = slots
        self._settings = dict(settings or {})
        self._diary = Diary(folder / "attempts", clock)
        self._links = Links(folder, python, self._hear)
        self._attempts: dict[AttemptKey, Attempt] = {}
        self._marks: dict[Mark, Attempt] = {}
        self._ended: dict[AttemptKey, tuple[Link, int]] = {}
        """Queries to delete as soon as the end of their attempt is recorded."""
        self._strays: set[Mark] = set()
        """Attempts that have been given up as not begun: a query of theirs that comes late has to go."""
        self._asked: dict[str, Attempt] = {}
        """Those that wait for the answer to `add`."""
        self._report: Report | None = None

    @property
    def capacity(self) -> Capacity:
        return Capacity(self._slots, keeps_time=False, keeps_start=True)

    def open(self, report: Report) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        self._report = None
        self._links.leave()

    def start(self, brief: Brief) -> None:
        if brief.key in self._attempts:
            return
        settings = self._settings | dict(brief.settings)
        attempt = self._take(brief.key, brief.step, brief.name, brief.uid, settings)
        attempt.brief = brief
        if not isinstance(brief.step.work, Script):
            self._refuse(attempt, "only worker scripts (`script:`) run as persistent queries", counted=True)
            return
        self._advance(attempt)
        self._loop.call_later(_limit(attempt), self._advance_if_there, attempt)

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        for orphan in orphans:
            settings = self._settings | dict(orphan.settings)
            attempt = self._take(orphan.key, orphan.step, orphan.name, orphan.uid, settings)
            attempt.handle, attempt.told, attempt.stop = orphan.handle, bool(orphan.handle), orphan.stop
            attempt.wait_until = float("inf")  # nothing is known until there is a snapshot
            if attempt.link.ready:
                self._wait(attempt, _SETTLE)
            self._advance(attempt)

    def stop(self, key: AttemptKey, reason: StopReason, grace: timedelta) -> None:  # noqa: ARG002
        if (attempt := self._attempts.get(key)) is not None:
            attempt.stop, attempt.stop_again = reason, 0.0
            self._advance(attempt)

    def settle(self, key: AttemptKey) -> None:
        self._diary.tidy(key)
        link, serial = self._ended.pop(key, (None, 0))
        if link is not None:
            link.doom(serial)

    def _take(self, key: AttemptKey, step: Any, name: str, uid: str, settings: dict[str, Scalar]) -> Attempt:
        attempt = Attempt(key, step, name, uid, settings, self._links.of(settings), self._loop.time())
        self._attempts[key] = self._marks[attempt.mark] = attempt
        return attempt

    # ── what a link tells ────────────────────────────────────────────────────────────────────

    def _hear(self, link: Link, ev: str, event: dict[str, Any]) -> None:
        if self._report is None:
            return
        if ev in ("synced", "lost", "out", "reach"):
            for attempt in [one for one in self._attempts.values() if one.link is link]:
                if ev == "lost":
                    attempt.flying = False
                elif ev == "synced" and attempt.serial is None and (attempt.sent or not attempt.brief):
                    self._wait(attempt, _SETTLE)
                self._advance(attempt)
        elif ev in ("query", "gone"):
            self._changed(link, event["serial"])
        elif (answered := self._asked.pop(event["attempt"], None)) is not None and answered.flying:
            self._answered(answered, ev, event)

    def _changed(self, link: Link, serial: int) -> None:
        query = link.table.queries.get(serial)
        if query is None:
            for attempt in [one for one in self._attempts.values() if one.serial == serial]:
                self._advance(attempt)
            return
        known = self._marks.get(query.mark)
        if known is not None and known.link is link:
            twice = known.sent > 1 and known.serial not in (None, serial)
            if twice and serial not in known.dead and known.is_named(query.name):
                known.dead.add(serial)  # both answers to `add` were lost, and both were carried out
                link.doom(serial)
            self._advance(known)
        elif query.mark in self._strays and not query.final:
            link.doom(serial)

    def _answered(self, attempt: Attempt, ev: str, event: dict[str, Any]) -> None:
        attempt.flying = False
        error = event.get("error", "")
        if ev == "added":
            attempt.serial = event["serial"]
        elif ev == "unsure":
            self._note(attempt, f"no answer to its creation ({error}): looking for it")
            self._wait(attempt, _SETTLE * min(2**attempt.sent, 16))
        elif no_capacity(error):
            self._wait_for_room(attempt, error)
        elif name_taken(error):
            attempt.taken.add(attempt.free_name())
            self._wait(attempt, _SETTLE / 4)
        else:
            self._refuse(attempt, f"the query was not created: {error}", counted=True)
            return
        self._advance(attempt)

    # ── the next thing ───────────────────────────────────────────────────────────────────────

    def _advance_if_there(self, attempt: Attempt) -> None:
        if self._report is not None and self._attempts.get(attempt.key) is attempt:
            self._advance(attempt)

    def _advance(self, attempt: Attempt) -> None:
        link = attempt.link
        self._tell_reach(attempt)
        if attempt.serial is None and link.ready and (found := attempt.found()) is not None:
            attempt.serial = found.serial
        if attempt.serial is not None:
            self._follow(attempt, attempt.serial)
        elif not link.ready:
            self._without_link(attempt)
        elif attempt.flying:
            return
        elif attempt.stop is not None and (attempt.full or not attempt.sent) and attempt.brief:
            self._stopped_before(attempt)
        elif self._loop.time() < attempt.wait_until:
            return  # there is a timer
        elif attempt.brief is None:
            self._vanished(attempt)
        elif attempt.stop is not None:
            self._stopped_before(attempt)
        else:
            self._add(attempt, attempt.brief)

    def _tell_reach(self, attempt: Attempt) -> None:
        """That the controller does not answer, and that it does again: what runs there, may run on."""
        link, key = attempt.link, attempt.key
        out = not link.ready and bool(link.reason)
        if out != attempt.unreachable:
            attempt.unreachable = out
            now = self._clock.now()
            self._note(attempt, f"out of reach: {link.reason}" if out else "within reach again")
            self._tell(
                Unreachable(now, key.task, key.attempt, link.reason)
                if out
                else Reached(now, key.task, key.attempt)
            )

    def _without_link(self, attempt: Attempt) -> None:
        """Nobody can be asked. What may live, waits; what has never been asked for, not for ever."""
        if attempt.brief is None or attempt.sent:
            if attempt.link.refusal:
                self._loop.call_later(REFUSED, attempt.link.open)
        elif attempt.stop is not None:
            self._stopped_before(attempt)
        elif attempt.link.refusal:
            self._refuse(attempt, attempt.link.refusal, counted=True)
        elif self._loop.time() - attempt.since >= _limit(attempt):
            told = f"the controller was not reached within {_limit(attempt):g} s: {attempt.link.reason}"
            self._refuse(attempt, told, counted=True)

    def _add(self, attempt: Attempt, brief: Brief) -> None:
        try:
            script = Path(brief.argv[0]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(attempt, f"the worker script cannot be read: {error}", counted=True)
            return
        name, link = attempt.free_name(), attempt.link
        if name != attempt.name:
            self._note(attempt, f"there is another query {attempt.name}: this one is called {name}")
        found = configuration(brief, name, link.owner, script, self._clock.now(), attempt.settings)
        attempt.flying = True
        attempt.sent += 1
        self._asked[str(attempt.key)] = attempt
        link.add(str(attempt.key), found)

    def _follow(self, attempt: Attempt, serial: int) -> None:
        link, now = attempt.link, self._loop.time()
        query = link.table.queries.get(serial)
        if query is None:
            if link.ready:
                self._missed(attempt)
            return
        attempt.seen, attempt.gone_since = True, None
        self._note_status(attempt, query)
        if query.final:
            self._over(attempt, query)
            return
        if query.status in BEGUN:
            self._begun(attempt)
        elif query.status in _STARTING:
            self._check_start(attempt)
        if attempt.stop is not None and link.ready and now >= attempt.stop_again:
            attempt.stop_again = now + _INSIST
            link.stop(serial)
            self._loop.call_later(_INSIST, self._advance_if_there, attempt)

    def _check_start(self, attempt: Attempt) -> None:
        """A server has it, and it does not get on: the controller should have ended it by now."""
        now, limit = self._loop.time(), attempt.step.start_timeout
        if limit is None or attempt.stop is not None:
            return
        if not attempt.placed:
            attempt.placed = now
            later = limit.total_seconds() + _SLACK
            self._loop.call_later(later + 0.01, self._advance_if_there, attempt)
        elif now - attempt.placed >= limit.total_seconds() + _SLACK:
            attempt.stop = StopReason.START_TIMEOUT

    def _missed(self, attempt: Attempt) -> None:
        """Its query is not there. A new one may not have been told of yet, a snapshot may be behind."""
        now = self._loop.time()
        attempt.gone_since = attempt.gone_since or now
        left = attempt.gone_since + (_SETTLE if attempt.seen else _NEWS) - now
        if left <= 0:
            self._vanished(attempt)
        else:
            self._loop.call_later(left + 0.01, self._advance_if_there, attempt)

    def _over(self, attempt: Attempt, query: Query) -> None:
        """Its query has ended. It is deleted, where it is to be, when that has been recorded."""
        if (
            query.status == "STOPPED"
            and attempt.stop is None
            and closes(attempt.step.window, self._clock.now())
        ):
            return  # the controller's scheduler was a little quicker than our own word, which is on its way
        if attempt.stop is None and no_capacity(query.error + query.stack):
            attempt.dead.add(query.serial)
            attempt.link.doom(query.serial)
            attempt.serial = None
            self._wait_for_room(attempt, query.error)
            return
        self._begun(attempt)
        if query.stack or query.error:
            self._note(attempt, query.stack or query.error)
        fact = ended(
            attempt.key,
            query,
            attempt.stop,
            self._clock.now(),
            elapsed=self._loop.time() - attempt.began,
            strict=attempt.settings.get("stopped") == "failure",
            log_bytes=self._diary.size(attempt.key),
        )
        unwanted = fact.exit.well or attempt.stop in _CANCELLING
        policy = "delete_successful_queries" if unwanted else "delete_failed_queries"
        if attempt.settings.get(policy, unwanted):
            self._ended[attempt.key] = (attempt.link, query.serial)
        self._forget(attempt)
        self._tell(fact)

    def _begun(self, attempt: Attempt) -> None:
        attempt.full = 0
        if not attempt.told:
            attempt.told, attempt.began = True, self._loop.time()
            key = attempt.key
            self._tell(Started(self._clock.now(), key.task, key.attempt, str(attempt.serial)))
        elif not attempt.began:
            attempt.began = self._loop.time()

    def _wait_for_room(self, attempt: Attempt, error: str) -> None:
        """There is no capacity: the same again, later, under the same attempt. It counts as nothing."""
        attempt.full += 1
        seconds = min(_FULL * 2 ** (attempt.full - 1), _FULLEST) * (1 + attempt.key.cell % 10 / 20)
        self._note(attempt, f"no capacity ({error}): again in {seconds:.0f} s")
        if attempt.brief is None:
            self._refuse(attempt, f"no capacity: {error}", counted=False, after=seconds)
            return
        self._wait(attempt, seconds)
        key = attempt.key
        told = f"no capacity: again in {seconds:.0f} s"
        self._tell(Reported(self._clock.now(), key.task, key.attempt, "log", told))
        self._advance(attempt)

    def _wait(self, attempt: Attempt, seconds: float) -> None:
        attempt.wait_until = self._loop.time() + seconds
        self._loop.call_later(seconds + 0.01, self._advance_if_there, attempt)

    # ── its end ──────────────────────────────────────────────────────────────────────────────

    def _vanished(self, attempt: Attempt) -> None:
        """There is no query of it. It had one, which somebody has deleted; or it never began."""
        key, now = attempt.key, self._clock.now()
        if attempt.serial is None and not attempt.handle:
            self._refuse(attempt, "it had not begun when its engine ended", counted=False)
            return
        told = f"query {attempt.serial or attempt.handle} ({attempt.name}) is gone: somebody deleted it"
        self._forget(attempt)
        self._tell(Lost(now, key.task, key.attempt, told))

    def _stopped_before(self, attempt: Attempt) -> None:
        assert attempt.stop is not None
        told = f"stopped ({attempt.stop.value}) before it had a query"
        self._refuse(attempt, told, counted=attempt.stop is StopReason.START_TIMEOUT)

    def _refuse(self, attempt: Attempt, reason: str, *, counted: bool, after: float = 0.0) -> None:
        key = attempt.key
        self._note(attempt, reason)
        if attempt.sent:
            self._strays.add(attempt.mark)
        self._forget(attempt)
        self._tell(Refused(self._clock.now(), key.task, key.attempt, reason, counted, after))

    def _forget(self, attempt: Attempt) -> None:
        self._attempts.pop(attempt.key, None)
        self._marks.pop(attempt.mark, None)
        if not any(one.link is attempt.link for one in self._attempts.values()):
            self._loop.call_later(_IDLE, self._log_out, attempt.link)

    def _log_out(self, link: Link) -> None:
        self._links.drop(link, lambda: any(one.link is link for one in self._attempts.values()))

    def _note_status(self, attempt: Attempt, query: Query) -> None:
        if query.status == attempt.status:
            return
        attempt.status, key = query.status, attempt.key
        self._note(attempt, f"query {query.serial} ({query.name}): {query.status}")
        told = f"query {query.serial}: {query.status}"
        self._tell(Reported(self._clock.now(), key.task, key.attempt, "log", told))

    def _note(self, attempt: Attempt, text: str) -> None:
        self._diary.note(attempt.key, text)

    def _tell(self, fact: Fact) -> None:
        if self._report is not None:
            self._report(fact)


def _limit(attempt: Attempt) -> float:
    """Seconds in which an attempt that nobody has been asked for has to be asked for."""
    return max(_PATIENCE, attempt.step.start_timeout.total_seconds() if attempt.step.start_timeout else 0.0)
