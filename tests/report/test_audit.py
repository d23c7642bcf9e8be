from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from openbell.core.events import OpenRun, Requested
from openbell.core.model import Forced, Need, Retry
from openbell.core.provenance import Provenance
from openbell.core.requests import CancelTasks, PauseRun, Request, ResumeRun, RetryTasks, Submit
from openbell.report.audit import SCHEMA, audit, schema
from openbell.store.memory import MemoryStore
from tests.builders import RUN, World, later, step
from tests.store.test_contract import Ledger

ORIGIN = Provenance("1.0", "3.11.7", "vm", "ann", "c0ffee", "main", True, {"p.yaml": "00"}, {"sample": "3"})


def report(store: MemoryStore) -> dict[str, Any]:
    info, record = store.info(RUN), store.run(RUN)
    assert info is not None
    assert record is not None
    found: dict[str, Any] = json.loads("".join(audit(store, info, record)))
    Draft202012Validator(schema()).validate(found)
    return found


@pytest.fixture
def store() -> MemoryStore:
    """A run that failed, was paused, resumed and opened again."""
    store = MemoryStore()
    world = World(
        step("a", 3, retry=Retry(attempts=2, delay=timedelta(seconds=1))),
        step("b", needs=(Need("a"),)),
        slots=2,
    )
    ledger = Ledger(store, world)

    def ask(at: float, request: Request) -> None:
        world.apply(Requested(later(at), f"r{at}", request, RUN))
        world.act(later(at))

    world.act()
    world.end(1, later(1), error="boom")
    world.act(later(5))
    world.end(0, later(6))
    world.act(later(7))
    ask(8, PauseRun(RUN, "lunch", "ann@vm"))
    world.end(1, later(9), error="boom")
    ask(10, ResumeRun(RUN, "bob@vm"))
    world.act(later(20))
    world.end(1, later(21), error="boom")
    world.act(later(22))
    ask(23, RetryTasks(RUN, actor="ann@vm"))
    ask(
        24, Submit(world.record.run.pipeline, "digest", "cid", forced=Forced("cid", "now"), provenance=ORIGIN)
    )
    ask(25, CancelTasks(RUN, "b", actor="dan@vm"))
    ledger.write()
    return store


def test_who_asked_for_what_and_why(store: MemoryStore) -> None:
    found = report(store)["requests"]
    assert [(one["request"], one["actor"], one["reason"], one["accepted"]) for one in found] == [
        ("PauseRun", "ann@vm", "lunch", True),
        ("ResumeRun", "bob@vm", "", True),
        ("RetryTasks", "ann@vm", "", True),
        ("Submit", "cid", "", True),
        ("CancelTasks", "dan@vm", "", True),
    ]
    assert found[2]["said"] == {"only": "failed", "step": None, "cell": None, "downstream": True}
    assert found[3]["said"]["forced"] == {"by": "cid", "reason": "now"}
    assert found[3]["said"]["provenance"]["commit"] == "c0ffee"


def test_every_task_with_its_attempts(store: MemoryStore) -> None:
    found = report(store)
    record = store.run(RUN)
    assert record is not None
    assert [one["task"] for one in found["tasks"]] == ["p/1/a/0", "p/1/a/1", "p/1/a/2", "p/1/b"]
    told = [(one["step"], one["cell"], each["attempt"]) for one in found["tasks"] for each in one["attempts"]]
    assert told == [info.key[1:] for info in store.attempts(RUN)]
    first = found["tasks"][0]["attempts"][0]
    assert (first["kind"], first["error"], first["exit"]["code"]) == ("exit", "boom", 1)
    states = {one["task"]: one["state"] for one in found["tasks"]}
    assert states == {f"p/1/a/{cell}": record.groups["a"].state(cell).name.lower() for cell in range(3)} | {
        "p/1/b": record.groups["b"].state(0).name.lower()
    }


def test_what_was_decided_in_order(store: MemoryStore) -> None:
    told = report(store)["history"]
    words = [line["msg"] for line in told]
    for text in ("Pipeline run started", "Paused: lunch", "Resumed", "Forced by cid: now"):
        assert text in words, words
    assert [line["seq"] for line in told] == sorted(line["seq"] for line in told)
    assert not any(word.startswith(("Started", "Succeeded", "Will be tried")) for word in words)


def test_where_it_comes_from() -> None:
    store, world = MemoryStore(), World(step())
    opened = world.journal[0]
    assert isinstance(opened, OpenRun)
    world.state.runs[RUN].run = run = replace(world.record.run, provenance=ORIGIN)
    world.journal[0] = replace(opened, run=run)
    Ledger(store, world)
    found = report(store)
    assert found["provenance"] == {
        "openbell": "1.0",
        "python": "3.11.7",
        "host": "vm",
        "user": "ann",
        "commit": "c0ffee",
        "branch": "main",
        "dirty": True,
        "files": {"p.yaml": "00"},
        "overrides": {"sample": "3"},
    }
    assert (found["schema"], found["run"]["uid"]) == (SCHEMA, run.uid)
    assert found["definition"]["digest"] == "digest"
    assert found["definition"]["compiled"]["steps"][0]["name"] == "a"
    info = store.info(RUN)
    assert info is not None
    assert info.provenance == ORIGIN


def test_a_large_run_is_written_piece_by_piece() -> None:
    store, world = MemoryStore(), World(step(cells=50_000))
    Ledger(store, world)
    info, record = store.info(RUN), store.run(RUN)
    assert info is not None
    assert record is not None
    pieces: Iterator[str] = audit(store, info, record)
    assert max(map(len, pieces)) < 10_000 + 50_000 * 8  # the definition itself lists its cells
    assert len(report(store)["tasks"]) == 50_000


def test_each_part_of_the_document_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/audit.md").read_text()
    told = set(re.findall(r"`(\w+)`", text))
    assert set(schema()["properties"]) <= told
    assert set(schema()["properties"]["provenance"]["properties"]) <= told
    assert SCHEMA in text
