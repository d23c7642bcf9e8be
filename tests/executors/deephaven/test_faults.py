"""What a network and a controller can do to an attempt, one after the other: it ends once, and rightly."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.core.events import Exited, Lost, Refused
from openbell.core.states import StopReason
from tests.enterprise import Controller
from tests.executors.bench import run
from tests.executors.deephaven.bench import Bench

LONG = "import time; time.sleep(600)"
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbell.executors.deephaven.executor._SETTLE", 0.5)
    monkeypatch.setattr("openbell.executors.deephaven.executor._FULL", 0.2)


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("kind", ["lost-reply", "refused"])
def test_an_answer_that_does_not_come_creates_no_second_query(
    tmp_path: Path, controller: Controller, kind: str, unique: bool
) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller, delete_successful_queries=False) as bench:
            controller.order("names", unique=unique)
            controller.order("fault", call="addQuery", kind=kind, count=2)
            brief = bench.start("")
            assert (await bench.exit(brief)).well
            assert [query["status"] for query in controller.queries(brief.name)] == ["COMPLETED"]
            assert "no answer to its creation" in bench.log(brief)

    run(main())


def test_a_query_that_comes_after_all_is_no_second_one(tmp_path: Path, controller: Controller) -> None:
    """The answer is lost, and the stream is down: it is asked for again, and then both are there."""

    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            await bench.exit(bench.start(""))
            controller.order("names", unique=False)
            controller.order("fault", call="subscribe", kind="slow", seconds=4)
            controller.order("fault", call="addQuery", kind="lost-reply")
            controller.order("drop-streams")
            before = controller.calls("addQuery")
            brief = bench.start(LONG)
            await bench.started(brief)
            assert controller.calls("addQuery") == before + 2
            await bench.until_there(lambda: len(controller.queries(brief.name)) == 1)
            serial = controller.queries(brief.name)[0]["serial"]
            assert (await bench.started(brief)).handle == str(serial)
            bench.executor.stop(brief.key, StopReason.CANCEL, SECOND)
            assert (await bench.exit(brief)).stopped is StopReason.CANCEL

    run(main())


def test_what_the_controller_does_not_want_is_a_failed_start(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            controller.order("fault", call="addQuery", kind="error", text="no server group Nope")
            end = await bench.ended(bench.start(""))
            assert isinstance(end, Refused)
            assert end.counted
            assert end.reason == "the query was not created: no server group Nope"

    run(main())


def test_no_capacity_is_waited_out_under_the_same_name(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller, delete_successful_queries=False) as bench:
            controller.order("fault", call="worker", kind="capacity", count=2)
            full = "No dispatcher resources available"
            controller.order("fault", call="addQuery", kind="error", text=full)
            brief = bench.start("")
            assert (await bench.exit(brief)).well
            assert not [fact for fact in bench.facts if isinstance(fact, Refused | Lost)]
            found = controller.queries(brief.name)
            assert [(query["name"], query["status"]) for query in found] == [(brief.name, "COMPLETED")]
            assert bench.log(brief).count("no capacity") == 3

            controller.order("fault", call="worker", kind="capacity", count=1000)
            waits = bench.start("")
            await bench.until(lambda fact: "no capacity" in getattr(fact, "message", ""))
            await bench.until_there(lambda: "no capacity" in bench.log(waits))
            bench.executor.stop(waits.key, StopReason.CANCEL, SECOND)
            end = await bench.ended(waits)
            assert not getattr(end, "counted", False)
            await bench.until_there(lambda: not controller.queries(waits.name))

    run(main())


def test_a_slow_controller_keeps_nobody_from_anything(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            runs = bench.start(LONG)
            await bench.started(runs)
            controller.order("fault", call="addQuery", kind="slow", seconds=3)
            slow = bench.start("")
            bench.executor.stop(runs.key, StopReason.CANCEL, SECOND)
            assert (await bench.exit(runs)).stopped is StopReason.CANCEL
            assert not [
                fact for fact in bench.facts if isinstance(fact, Exited) and fact.task == slow.key.task
            ]
            assert (await bench.exit(slow)).well

    run(main())


def test_streams_cookies_and_gateways_come_and_go(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            brief = bench.start(LONG)
            await bench.started(brief)
            controller.order("drop-streams")
            controller.order("forget-cookies")
            other = bench.start("")  # its creation is the first to hear of it
            assert (await bench.exit(other)).well
            controller.order("forget-cookies", all=True)
            third = bench.start("")
            assert (await bench.exit(third)).well
            bench.kill()
            fourth = bench.start("")
            assert (await bench.exit(fourth)).well
            bench.executor.stop(brief.key, StopReason.CANCEL, SECOND)
            assert (await bench.exit(brief)).stopped is StopReason.CANCEL
            await asyncio.sleep(0.6)
            ends = [fact for fact in bench.facts if isinstance(fact, Exited | Refused | Lost)]
            assert len(ends) == 4

    run(main())


def test_a_stop_that_is_lost_is_asked_for_again(
    tmp_path: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbell.executors.deephaven.executor._INSIST", 0.3)

    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            brief = bench.start(LONG)
            await bench.started(brief)
            controller.order("fault", call="stopQuery", kind="refused", count=2)
            controller.order("fault", call="removeQuery", kind="refused", count=1)
            bench.executor.stop(brief.key, StopReason.CANCEL, SECOND)
            assert (await bench.exit(brief)).stopped is StopReason.CANCEL
            await bench.until_there(lambda: not controller.queries(brief.name))

    run(main())
