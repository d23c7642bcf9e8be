"""Forty attempts while everything goes wrong at random: each has one outcome, and one query that ran."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openbell.core.events import Exited, Lost, Refused
from openbell.executors.protocol import Brief
from tests.enterprise import Controller
from tests.executors.bench import run
from tests.executors.deephaven.bench import Bench

pytestmark = pytest.mark.slow

ATTEMPTS = 40
CALLS = ("addQuery", "stopQuery", "removeQuery", "ping", "getToken", "authenticate", "subscribe")


@pytest.fixture(scope="module")
def timed() -> Iterator[Controller]:
    controller = Controller("--step", "0.02", "--work", "0.3")
    yield controller
    controller.close()


def mishap(rng: random.Random, controller: Controller, bench: Bench) -> str:
    """Something goes wrong."""
    what = rng.choice(
        ("lost-reply", "refused", "slow", "capacity", "streams", "cookies", "logins", "gateway")
    )
    match what:
        case "capacity":
            controller.order("fault", call="worker", kind="capacity")
        case "streams":
            controller.order("drop-streams")
        case "cookies" | "logins":
            controller.order("forget-cookies", all=what == "logins")
        case "gateway":
            bench.kill()
        case _:
            controller.order(
                "fault", call=rng.choice(CALLS[:3]), kind=what, seconds=0.5, count=rng.randint(1, 3)
            )
    return what


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("unique", [True, False])
def test_each_attempt_has_one_outcome_and_one_query(
    tmp_path: Path, timed: Controller, seed: int, unique: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbell.executors.deephaven.executor._SETTLE", 1.0)
    monkeypatch.setattr("openbell.executors.deephaven.executor._FULL", 0.2)
    monkeypatch.setattr("openbell.executors.deephaven.link.PING", 0.5)
    rng = random.Random(seed)

    async def main() -> None:
        async with Bench.opened(tmp_path, timed, delete_successful_queries=False) as bench:
            timed.order("clear")
            timed.order("names", unique=unique)
            briefs = [bench.brief("") for _ in range(ATTEMPTS)]
            told = []
            for number, brief in enumerate(briefs):
                bench.executor.start(brief)
                if number % 5 == 4:
                    told.append(mishap(rng, timed, bench))
                    await asyncio.sleep(rng.uniform(0.0, 0.6))
            timed.order("clear")
            for brief in briefs:
                end = await bench.ended(brief)
                assert isinstance(end, Exited), (told, end)
                assert end.exit.well, (told, end)
            ends = [fact for fact in bench.facts if isinstance(fact, Exited | Lost | Refused)]
            assert len(ends) == ATTEMPTS, told
            await bench.until_there(lambda: len(ours(timed, briefs)) == ATTEMPTS)
            assert {query["status"] for query in ours(timed, briefs)} == {"COMPLETED"}

    run(main())


def ours(controller: Controller, briefs: list[Brief]) -> list[dict[str, Any]]:
    """The queries of these attempts that are there."""
    marks = {brief.uid for brief in briefs}
    return [query for query in controller.queries() if query["env"].get("OPENBELL_RUN_UID") in marks]
