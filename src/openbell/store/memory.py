"""A store in memory: a peer of the SQL one, for simulation and tests.

It keeps the same rows, not the objects that they came from, so loading from it proves as much.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from openbell.core.events import Answer, Event, Prune, Requested
from openbell.core.freshness import Dataset
from openbell.core.group import MARKED, OUTDATED
from openbell.core.inputs import InputFile
from openbell.core.model import AttemptKey, Run, TaskKey
from openbell.core.requests import Request
from openbell.core.retention import Aged
from openbell.core.state import Limits, RunRecord, State
from openbell.core.states import RunState, TaskState
from openbell.core.telling import run_of as about
from openbell.errors import Fenced
from openbell.store.changes import Changes, Relay, Row, Sweep
from openbell.store.codec import decode_fire, decode_request, encode_request
from openbell.store.inputs import CONSUMED_KEY, chore, keys_of, recall, recall_ends
from openbell.store.loader import TaskRow, build, run_of
from openbell.store.post import Post, alert_info, escalating, letter_info, standing
from openbell.store.projection import NEWEST_WINS, project
from openbell.store.records import AlertInfo, AttemptInfo, Lease, LetterInfo, MissInfo, RunInfo, TaskInfo
from openbell.store.rows import Namespace, attempt_info, run_info, task_info


class MemoryStore:
    """Rows in dictionaries."""

    def __init__(self) -> None:
        self._epoch = 0
        self._journal: list[tuple[int, Event]] = []
        self._runs: dict[str, Row] = {}
        self._groups: dict[tuple[str, str], Row] = {}
        self._tasks: dict[TaskKey, Row] = {}
        self._attempts: dict[AttemptKey, Row] = {}
        self._requests: dict[str, Row] = {}
        self._cursors: dict[tuple[str, str], str] = {}
        self._fires: dict[str, str] = {}
        self._alerts: dict[int, Row] = {}
        self._outbox: dict[str, Row] = {}
        self._misses: dict[tuple[str, str, str], Row] = {}
        self._consumed: dict[tuple[str, ...], Row] = {}
        self._datasets: dict[str, Row] = {}

    def close(self) -> None:
        """Nothing to release."""

    # ── the leader's side ────────────────────────────────────────────────────────────────────

    def lead(self, holder: str, at: datetime) -> Lease:  # noqa: ARG002
        self._epoch += 1
        return Lease(self._epoch, self.last())

    def append(self, epoch: int, first: int, events: Sequence[Event], state: State) -> None:
        if epoch != self._epoch:
            raise Fenced(f"engine {self._epoch} has taken the lead from engine {epoch}")
        if self.last() >= first:
            return
        self._journal.extend(enumerate(events, first))
        self._apply(project(events, state))

    def load(self, limits: Limits) -> State:
        state = State(limits)
        for run_id, row in sorted(self._runs.items(), key=lambda item: (item[1]["opened_at"], item[0])):
            if not RunState(row["state"]).final:
                state.runs[run_id] = self._record(row)
        for row in sorted(self._requests.values(), key=lambda row: row["at"]):
            if row["taken"] and row["answered_at"] is None:
                state.requests[row["id"]] = (decode_request(row["request"]), row["run"])
        state.positions = dict(self._cursors)
        state.fired = {run: decode_fire(fire) for run, fire in self._fires.items()}
        state.datasets = {one.name: one for one in self.datasets()}
        for row in self._consumed.values():
            if row["consume"] != "keep" and row["done_at"] is None:
                state.chores[row["run"], row["step"], row["path"]] = chore(Namespace(row))
        open_alerts = [row for row in self._alerts.values() if row["escalate_at"] and not _seen_to(row)]
        state.alerts = {row["number"]: escalating(Namespace(row)) for row in open_alerts}
        state.next_alert = 1 + max(self._alerts, default=0)
        state.epoch = self._epoch
        return state

    # ── everybody's side ─────────────────────────────────────────────────────────────────────

    def ask(self, request_id: str, request: Request, at: datetime) -> None:
        row = {"id": request_id, "at": at, "request": encode_request(request), "run": None}
        self._requests.setdefault(request_id, {**row, "taken": False, "answered_at": None})

    def asked(self) -> list[tuple[str, Request]]:
        rows = sorted((row["at"], row["id"]) for row in self._requests.values() if not row["taken"])
        return [(key, decode_request(self._requests[key]["request"])) for _, key in rows]

    def answer(self, request_id: str) -> Answer | None:
        row = self._requests.get(request_id)
        if row is None or row["answered_at"] is None:
            return None
        return Answer(row["answered_at"], request_id, row["accepted"], row["message"], row["run"])

    def run(self, run_id: str) -> RunRecord | None:
        row = self._runs.get(run_id)
        return self._record(row) if row else None

    def definition(self, run_id: str) -> Run | None:
        row = self._runs.get(run_id)
        return run_of(row) if row else None

    def newest(self, name: str, digest: str | None = None) -> str | None:
        found = [row for row in self._newest_first(name) if digest in (None, row["digest"])]
        return str(found[0]["id"]) if found else None

    def next_key(self, name: str) -> int:
        numbers = [row["number"] or 0 for row in self._runs.values() if row["name"] == name]
        return max(numbers, default=0) + 1

    def runs(self, name: str | None = None, limit: int = 100) -> list[RunInfo]:
        return [run_info(Namespace(row)) for row in self._newest_first(name)[:limit]]

    def info(self, run_id: str) -> RunInfo | None:
        row = self._runs.get(run_id)
        return run_info(Namespace(row)) if row else None

    def last_success(self, name: str, step: str, before: datetime) -> str | None:
        for row in self._newest_first(name):
            of_step = [task for key, task in self._tasks.items() if key[:2] == (row["id"], step)]
            group = self._groups.get((row["id"], step))
            ended = row["closed_at"] is not None and row["opened_at"] < before
            succeeded = {task["state"] for task in of_step} == {TaskState.SUCCEEDED}
            marked = any(task["flags"] & MARKED for task in of_step)
            if ended and group and succeeded and not marked and group["rest"] == TaskState.WAITING:
                return str(row["id"])
        return None

    def misses(self, name: str | None = None, limit: int = 100) -> list[MissInfo]:
        rows = [MissInfo(**row) for row in self._misses.values() if name in (None, row["pipeline"])]
        return sorted(rows, key=lambda row: (row.at, row.first), reverse=True)[:limit]

    def tasks(self, run_id: str) -> Iterator[TaskInfo]:
        for key, row in sorted(self._tasks.items()):
            if key.run == run_id:
                yield task_info(Namespace(row))

    def attempts(self, run_id: str, *, last_only: bool = False) -> Iterator[AttemptInfo]:
        for key, row in sorted(self._attempts.items()):
            newest = key.attempt == self._tasks[key.task]["tries"]
            if key.run == run_id and (newest or not last_only):
                yield attempt_info(Namespace(row))

    def results(
        self, run_id: str, step: str, cells: Sequence[int] | None = None
    ) -> Iterator[tuple[int, str]]:
        for key, row in sorted(self._attempts.items()):
            wanted = (key.run, key.step) == (run_id, step) and (cells is None or key.cell in cells)
            task = self._tasks[key.task]
            if wanted and row["result"] and key.attempt == task["tries"] and not task["flags"] & MARKED:
                yield key.cell, row["result"]

    def elapsed(self, run_id: str, most: int) -> Iterator[tuple[str, int, float]]:
        seen: Counter[str] = Counter()
        for key, row in sorted(self._attempts.items()):
            well = key.run == run_id and row["elapsed"] and row["kind"] is None
            if well and '"cached":""' in row["exit"] and seen[key.step] < most:
                seen[key.step] += 1
                yield key.step, key.cell, row["elapsed"]

    def journal(
        self,
        after: int = 0,
        run_id: str | None = None,
        limit: int = 1000,
        kinds: Sequence[str] = (),
        name: str | None = None,
    ) -> list[tuple[int, Event]]:
        found = (
            entry
            for entry in self._entries(run_id, name)
            if entry[0] > after and (not kinds or type(entry[1]).__name__ in kinds)
        )
        return list(islice(found, limit))

    def before_last(self, count: int, run_id: str | None = None, name: str | None = None) -> int:
        numbers = [seq for seq, _ in self._entries(run_id, name)]
        return numbers[-count - 1] if count < len(numbers) else 0

    def _entries(self, run_id: str | None, name: str | None) -> Iterator[tuple[int, Event]]:
        """Journal entries about a run, or about runs of a pipeline."""
        for entry in self._journal:
            run = about(entry[1])
            of_name = name is None or (run in self._runs and self._runs[run]["name"] == name)
            if run_id in (None, run) and of_name:
                yield entry

    def consumed(self, pipeline: str, step: str, keys: Sequence[str]) -> dict[str, str]:
        return {
            row["key"]: row["run"]
            for row in self._consumed.values()
            if (row["pipeline"], row["step"]) == (pipeline, step) and row["key"] in keys
        }

    def consumed_files(self, pipeline: str, step: str, limit: int = 20_000) -> list[InputFile]:
        of_step = [r for r in self._consumed.values() if (r["pipeline"], r["step"]) == (pipeline, step)]
        newest = sorted(of_step, key=lambda row: row["at"], reverse=True)[:limit]
        return [InputFile(row["path"], row["size"], row["mtime_ns"], row["key"]) for row in newest]

    def datasets(self) -> list[Dataset]:
        return [Dataset(**self._datasets[name]) for name in sorted(self._datasets)]

    def alerts(
        self, run_id: str | None = None, *, open_only: bool = False, limit: int = 100
    ) -> list[AlertInfo]:
        found = [alert_info(Namespace(row)) for _, row in sorted(self._alerts.items(), reverse=True)]
        chosen = (one for one in found if run_id in (None, one.run) and (one.open or not open_only))
        return list(islice(chosen, limit))

    def letters(self, alert: int | None = None, *, waiting: bool = False) -> list[LetterInfo]:
        rows = sorted(self._outbox.values(), key=lambda row: (row["at"], row["id"]))
        found = (letter_info(Namespace(row)) for row in rows if alert in (None, row["alert"]))
        return [one for one in found if one.waits or not waiting]

    def ages(self) -> list[Aged]:
        rows = self._newest_first(None)
        return [Aged(r["id"], r["name"], r["opened_at"], r["closed_at"], r["size"]) for r in rows]

    def references(self) -> set[str]:
        found = {row["run"] for row in self._datasets.values()} | set(self._fires)
        found |= {row["fallback"] for row in self._groups.values() if row["fallback"]}
        consumed = self._consumed.values()
        found |= {row["run"] for row in consumed if row["consume"] != "keep" and row["done_at"] is None}
        found |= {one.letter.run for one in self.letters(waiting=True)}
        escalating = (row for row in self._alerts.values() if row["escalate_at"] and not _seen_to(row))
        found |= {row["run"] for row in escalating}
        found |= {self._alerts[max(self._alerts)]["run"]} if self._alerts else set()
        for row in self._runs.values():
            counted = row["number"] is not None and row["number"] + 1 == self.next_key(row["name"])
            found |= {row["id"]} if counted else set()
            if row["past"] and row["state"] != RunState.SUCCEEDED.value:
                found |= set((json.loads(row["past"]) or {}).get("successes", {}).values())
        return found

    def last(self) -> int:
        return self._journal[-1][0] if self._journal else 0

    def epoch(self) -> int:
        return self._epoch

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _newest_first(self, name: str | None) -> list[Row]:
        rows = [row for row in self._runs.values() if name in (None, row["name"])]
        return sorted(rows, key=lambda row: (row["opened_at"], row["number"] or 0, row["id"]), reverse=True)

    def _record(self, row: Row) -> RunRecord:
        run_id = row["id"]
        groups = [group for key, group in self._groups.items() if key[0] == run_id]
        tasks: list[TaskRow] = [
            (t["step"], t["cell"], t["state"], t["tries"], t["base"], t["not_before"], t["kind"], t["flags"])
            for key, t in self._tasks.items()
            if key.run == run_id
        ]
        attempts = [attempt for key, attempt in self._attempts.items() if key.run == run_id]
        live = [attempt for attempt in attempts if attempt["ended_at"] is None]
        elapsed = [(a["step"], a["elapsed"]) for a in attempts if a["elapsed"] is not None]
        last_end = max((a["ended_at"] for a in attempts if a["ended_at"]), default=None)
        record = build(row, groups, tasks, live, elapsed, last_end)
        own = (alert for alert in self._alerts.values() if alert["run"] == run_id)
        record.alerts = standing(alert for alert in own if alert["resolved_at"] is None)
        attempts.sort(key=lambda attempt: attempt["attempt"])
        ended = (a for a in attempts if a["ended_at"])
        recall_ends(record, ((a["step"], a["cell"], a["result"], a["exit"]) for a in ended))
        for step, keys in keys_of(record).items():
            recall(record, step, self.consumed(record.run.pipeline.name, step, keys))
        return record

    def _apply(self, changes: Changes) -> None:
        for row in changes.requested:
            self._requests.setdefault(row["id"], {**row, "answered_at": None})
            self._requests[row["id"]] |= {"taken": True, "run": row["run"]}
        self._runs |= {row["id"]: dict(row) for row in changes.opened}
        self._groups |= {(row["run"], row["step"]): dict(row) for row in changes.groups}
        for sweep in changes.sweeps:
            self._sweep(sweep)
        for run_id, row in changes.runs.items():
            self._runs[run_id] |= row
        self._tasks |= {key: dict(row) for key, row in changes.tasks.items()}
        for (task, attempt), row in changes.attempts.items():
            known = self._attempts.setdefault(AttemptKey(*task, attempt), dict(row))
            for name, value in row.items():
                if value is not None and (known[name] is None or name in NEWEST_WINS):
                    known[name] = value
        for run_id, past in changes.pasts.items():
            self._runs[run_id]["past"] = past
        for (run, step), cells in changes.outdated.items():
            for cell in cells:
                self._tasks[TaskKey(run, step, cell)]["flags"] |= OUTDATED
        for key, outdates in changes.outdating.items():
            self._groups[key]["outdates"] = outdates
        for key, source in changes.fallbacks.items():
            self._groups[key]["fallback"] = source
        for row in changes.answered:
            self._requests[row["key"]] |= row
        _replace(self._cursors, changes.cursors)
        _replace(self._fires, changes.fires)
        for row in changes.misses:
            self._misses.setdefault((row["pipeline"], row["trigger"], row["first"]), row)
        for place, row in changes.waits.items():
            self._groups[place] |= {"since": row["since"], "refused": row["refused"]}
        self._datasets |= changes.datasets
        for row in changes.consumed:
            self._consumed.setdefault(tuple(row[name] for name in CONSUMED_KEY), dict(row))
        for row in changes.cleared:
            self._clear(row)
        self._post(changes.post)
        for event in changes.pruned:
            self._prune(event)

    def _prune(self, event: Prune) -> None:
        if "runs" in event.parts:
            gone = set(event.runs)
            asked = {e.id for _, e in self._journal if isinstance(e, Requested) and e.run in gone}
            self._requests = {key: row for key, row in self._requests.items() if key not in asked}
            self._journal = [entry for entry in self._journal if about(entry[1]) not in gone]
            self._runs = {key: row for key, row in self._runs.items() if key not in gone}
            self._groups = {key: row for key, row in self._groups.items() if key[0] not in gone}
            self._tasks = {key: row for key, row in self._tasks.items() if key.run not in gone}
            self._attempts = {key: row for key, row in self._attempts.items() if key.run not in gone}
            self._alerts = {key: row for key, row in self._alerts.items() if row["run"] not in gone}
            self._outbox = {key: row for key, row in self._outbox.items() if row["run"] not in gone}
        if event.before is not None:
            self._forget_the_old(event.before)

    def _forget_the_old(self, before: datetime) -> None:
        last = min([before, *(row["opened_at"] for row in self._runs.values())])

        def is_old(event: Event) -> bool:
            return about(event) not in self._runs and event.at < last and not isinstance(event, Prune)

        gone = {e.id for _, e in self._journal if isinstance(e, Requested) and is_old(e)}
        self._requests = {key: row for key, row in self._requests.items() if key not in gone}
        self._journal = [entry for entry in self._journal if not is_old(entry[1])]
        self._misses = {key: row for key, row in self._misses.items() if row["at"] >= last}

    def _post(self, post: Post) -> None:
        self._alerts |= {row["number"]: dict(row) for row in post.raised}
        for number, marks in post.marked.items():
            self._alerts[number] |= marks
        for run, (at, numbers) in post.standing.items():
            for number, row in self._alerts.items():
                if row["run"] == run and row["resolved_at"] is None and number not in numbers:
                    row["resolved_at"] = at
        self._outbox |= {row["id"]: dict(row) for row in post.letters}
        for letter, row in post.posted.items():
            self._outbox[letter] |= row

    def _clear(self, cleared: Row) -> None:
        for row in self._consumed.values():
            if all(row[name] == cleared[f"key_{name}"] for name in ("run", "step", "path", "key")):
                row |= {"done_at": cleared["done_at"], "note": cleared["note"]}

    def _sweep(self, sweep: Sweep | Relay) -> None:
        if isinstance(sweep, Relay):
            place = (sweep.run, sweep.step)
            self._tasks = {key: row for key, row in self._tasks.items() if (key.run, key.step) != place}
            self._groups[place] |= {"rest": int(TaskState.WAITING), "flags": 0}
            return
        reopening = sweep.to is TaskState.WAITING
        for key, row in self._tasks.items():
            of_step = (key.run, key.step) == (sweep.run, sweep.step)
            if of_step and row["state"] in sweep.states and not row["flags"] & MARKED:
                kind = sweep.kind.value if sweep.kind else None
                row |= {"state": int(sweep.to), "not_before": None, "kind": kind, "flags": sweep.flags}
                row |= {"base": row["tries"], "finished_at": None} if reopening else {"finished_at": sweep.at}
        group = self._groups[sweep.run, sweep.step]
        if group["rest"] in sweep.states and not group["flags"] & MARKED:
            kind = sweep.kind.value if sweep.kind else None
            group |= {"rest": int(sweep.to), "kind": kind, "flags": sweep.flags}


def _seen_to(alert: Row) -> bool:
    return any(alert[name] for name in ("escalated_at", "acknowledged_at", "resolved_at"))


def _replace(known: dict[Any, str], changed: Mapping[Any, str | None]) -> None:
    """Take over what has changed; None removes."""
    for key, value in changed.items():
        known.pop(key, None)
        if value is not None:
            known[key] = value
