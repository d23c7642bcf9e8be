"""The deephaven executor keeps the contract of executors; the real client, a simulated controller."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.core.events import Exited, Lost, Reached, Refused, Started, Unreachable
from openbell.core.model import Replay
from openbell.core.states import StopReason
from tests.enterprise import Controller
from tests.executors.bench import run
from tests.executors.deephaven.bench import Bench

LONG = "import time; time.sleep(600)"
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.slow


def test_how_scripts_end_is_reported(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            good = bench.start("print('hello')")
            bad = bench.start("raise ValueError('lot 7')")
            replay = bench.start("", mode=Replay(speed=60.0, start="09:30:00"))
            again = bench.brief("")
            end = await bench.exit(good)
            assert (end.code, end.error, end.stopped) == (0, "", None)
            handle = (await bench.started(good)).handle
            end = await bench.exit(bad)
            assert (end.code, end.error) == (1, "FAILED: ValueError: lot 7")
            assert "worker" in end.traceback or "script.py" in end.traceback
            assert "ValueError: lot 7" in bench.log(bad)
            assert (await bench.exit(replay)).well  # STOPPED: it has ended itself
            await bench.until_there(lambda: not controller.queries(good.name + ""))
            left = controller.queries()
            assert handle not in [str(query["serial"]) for query in left]  # deleted
            assert [q["status"] for q in left if q["name"] == bad.name] == ["FAILED"]  # kept
            assert again.key not in bench.executor._attempts

    run(main())


def test_two_starts_of_one_attempt_are_one(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller, delete_successful_queries=False) as bench:
            brief = bench.start("")
            bench.executor.start(brief)
            await bench.exit(brief)
            assert len(controller.queries(brief.name)) == 1

    run(main())


def test_a_private_key_is_as_good_as_a_password(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        key = {"auth_method": "private_key", "private_key_path": controller.key, "password": ""}
        async with Bench.opened(tmp_path, controller, **key) as bench:
            assert (await bench.exit(bench.start(""))).well

    run(main())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"password": "wrong"}, "the login is refused"),
        ({"connection_url": "http://127.0.0.1:9/nothing.txt"}, "the controller was not reached within"),
        ({"auth_method": "private_key", "private_key_path": "/no/such.key"}, "/no/such.key"),
    ],
)
def test_a_login_that_cannot_be_is_a_failed_start(
    tmp_path: Path,
    controller: Controller,
    settings: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("openbell.executors.deephaven.executor._PATIENCE", 3.0)

    async def main() -> None:
        async with Bench.opened(tmp_path, controller, **settings) as bench:
            before = controller.calls("authenticateByPassword")
            for brief in (bench.start(""), bench.start("")):
                end = await bench.ended(brief)
                assert isinstance(end, Refused), end
                assert end.counted
                assert told in end.reason
                assert "wrong" not in end.reason
            late = await bench.ended(bench.start(""))  # accounts get locked: it is not tried at once again
            assert isinstance(late, Refused)
            assert controller.calls("authenticateByPassword") - before <= 1

    run(main())


def test_a_stop_is_a_stop_whoever_asks_for_it(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            ours, theirs, early = bench.start(LONG), bench.start(LONG), bench.start(LONG)
            bench.executor.stop(early.key, StopReason.CANCEL, SECOND)
            handle = (await bench.started(theirs)).handle
            await bench.started(ours)
            bench.executor.stop(ours.key, StopReason.TIMEOUT, SECOND)
            controller.order("stop", serial=handle)
            end = await bench.exit(ours)
            assert (end.stopped, end.code, end.error) == (StopReason.TIMEOUT, None, "stopped: timeout")
            assert (await bench.exit(theirs)).well  # as with the orchestrators of old
            gone = await bench.ended(early)
            assert isinstance(gone, Refused)
            assert not gone.counted
            assert not controller.queries(early.name)

        async with Bench.opened(tmp_path, controller, stopped="failure") as bench:
            strict = bench.start(LONG)
            handle = (await bench.started(strict)).handle
            controller.order("stop", serial=handle)
            assert (await bench.exit(strict)).error == f"somebody stopped query {handle}"

    run(main())


def test_a_name_that_is_taken_is_got_out_of_the_way_of(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller, delete_successful_queries=False) as bench:
            first, second = bench.brief(""), bench.brief("import os; print(os.environ['QUERY_NAME']); 1/0")
            object.__setattr__(second, "name", first.name)
            bench.executor.start(first)
            await bench.exit(first)
            bench.executor.start(second)
            await bench.exit(second)
            other = f"{first.name}_{second.uid[:8]}"
            assert [query["name"] for query in controller.queries(first.name)] == [first.name, other]
            assert f"{other}\n" in bench.log(second)

    run(main())


def test_what_is_not_there_any_more_is_lost(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            gone, broken = bench.start(LONG), bench.start(LONG)
            controller_serials = [(await bench.started(brief)).handle for brief in (gone, broken)]
            controller.order("vanish", serial=controller_serials[0])
            controller.order("break-worker", serial=controller_serials[1])
            end = await bench.ended(gone)
            assert isinstance(end, Lost)
            assert f"query {controller_serials[0]} ({gone.name}) is gone" in end.reason
            assert (await bench.exit(broken)).error == "DISCONNECTED: the worker is disconnected"

    run(main())


def test_an_engine_that_comes_after_finds_everything_again(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as first:
            runs, ends, gone = first.start(LONG), first.start("import time; time.sleep(1)"), first.start(LONG)
            never = first.brief("")
            handles = {brief.key: (await first.started(brief)).handle for brief in (runs, ends, gone)}
            first.executor._report = None  # nothing of what follows is recorded
            first.kill()
            controller.order("vanish", serial=handles[gone.key])
            await first.until_there(lambda: controller.queries(ends.name)[0]["status"] == "COMPLETED")
        async with Bench.opened(tmp_path, controller) as second:
            known = [second.orphan(ends), second.orphan(gone, handles[gone.key]), second.orphan(never)]
            second.executor.adopt([second.orphan(runs, handles[runs.key]), *known])
            assert (await second.exit(ends)).code == 0
            assert (await second.started(ends)).handle == handles[ends.key]
            assert isinstance(await second.ended(gone), Lost)
            refused = await second.ended(never)
            assert isinstance(refused, Refused)
            assert not refused.counted
            second.executor.stop(runs.key, StopReason.CANCEL, SECOND)
            assert (await second.exit(runs)).stopped is StopReason.CANCEL
            assert not [
                fact for fact in second.facts if isinstance(fact, Started) and fact.task == runs.key.task
            ]
            await second.until_there(lambda: not controller.queries(ends.name))

    run(main())


def test_out_of_reach_is_not_over(
    tmp_path: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbell.executors.deephaven.link.PING", 0.5)

    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            brief = bench.start("import time; time.sleep(1.5)")
            stopped = bench.start(LONG)
            await bench.started(brief)
            await bench.started(stopped)
            controller.order("down")
            reason = (await bench.first(Unreachable, brief)).reason
            assert "the controller is down" in reason
            bench.executor.stop(stopped.key, StopReason.CANCEL, SECOND)
            await asyncio.sleep(2)
            assert not [fact for fact in bench.facts if isinstance(fact, Exited | Lost | Refused)]
            controller.order("up")
            await bench.first(Reached, stopped)
            assert (await bench.exit(brief)).well
            assert (await bench.exit(stopped)).stopped is StopReason.CANCEL

    run(main())


def test_nobody_stays_logged_in_for_nothing(
    tmp_path: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openbell.executors.deephaven.executor._IDLE", 0.2)

    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            for _ in range(2):
                before = controller.calls("invalidateCookie")
                assert (await bench.exit(bench.start(""))).well
                await bench.until_there(lambda: controller.calls("invalidateCookie") == before + 2)  # noqa: B023
            assert bench.executor._links.all == []

    run(main())


def test_no_secret_is_written_anywhere(tmp_path: Path, controller: Controller) -> None:
    async def main() -> None:
        async with Bench.opened(tmp_path, controller) as bench:
            brief = bench.start("")
            await bench.exit(brief)
            told = json.dumps([repr(fact) for fact in bench.facts]) + repr(brief)
            assert controller.password not in told
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert controller.password.encode() not in written

    run(main())
