"""The courier: every letter arrives, nobody waits for a slow channel, and what became of it is known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

import pytest

from openbell.channels.protocol import Channel
from openbell.clock import SimClock
from openbell.core.alerts import Alerts, Bounced, Delivered, Notice
from openbell.core.events import Fact
from openbell.engine import courier as module
from openbell.engine.courier import Courier
from openbell.engine.inbox import Inbox
from openbell.errors import ChannelError
from openbell.store.memory import MemoryStore
from tests.builders import NOW, World, later, step
from tests.store.test_contract import Ledger


class Desk:
    """A channel that remembers; it may be told to fail, to hang, or to misbehave."""

    def __init__(self) -> None:
        self.got: list[Mapping[str, Any]] = []
        self.error: Exception | None = None
        self.may_go = threading.Event()
        self.may_go.set()

    def send(self, message: Mapping[str, Any]) -> None:
        self.may_go.wait(20)
        if self.error is not None:
            raise self.error
        self.got.append(message)


class Office:
    """A run that has failed, and a courier."""

    def __init__(self, *channels: str) -> None:
        self.store = MemoryStore()
        self.world = World(step(alerts=Alerts(failure=Notice(channels))))
        self.ledger = Ledger(self.store, self.world)
        self.clock = SimClock(later(10))
        self.desk, self.pager = Desk(), Desk()
        self.channels: dict[str, Channel] = {"desk": self.desk, "pager": self.pager}
        self.inbox = Inbox()
        self.facts: list[Fact] = []

    def fail(self) -> None:
        self.world.act()
        self.world.end(1, at=later(1), error="boom")
        self.world.act(later(1))
        self.ledger.write()

    def courier(self) -> Courier:
        made = Courier(lambda: self.channels, self.store, self.clock)
        made.open(self.inbox)
        return made

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self.facts += self.inbox.drain()
                await asyncio.sleep(0.005)

    async def facts_of(self, count: int) -> list[Fact]:
        await self.until(lambda: len(self.facts) >= count)
        return self.facts


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.fixture
def office() -> Office:
    return Office("desk", "pager")


def test_every_channel_is_told_and_it_is_known(office: Office) -> None:
    async def main() -> None:
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        facts = await office.facts_of(2)
        assert sorted((f.channel, f.tries) for f in facts if isinstance(f, Delivered)) == [
            ("desk", 1),
            ("pager", 1),
        ]
        assert office.desk.got[0]["text"] == "a: 1 failed: boom"
        assert office.desk.got[0]["uid"] == office.world.record.run.uid
        assert not courier.busy
        courier.close()

    run(main())


def test_a_slow_channel_holds_up_nobody(office: Office) -> None:
    async def main() -> None:
        office.desk.may_go.clear()
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        (fact,) = await office.facts_of(1)
        assert isinstance(fact, Delivered)
        assert fact.channel == "pager"
        busy = [courier.busy]
        office.desk.may_go.set()
        await office.facts_of(2)
        busy.append(courier.busy)
        assert busy == [True, False]
        courier.close()

    run(main())


def test_who_wants_to_leave_does_not_wait_for_ever(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(module, "PATIENCE", 0.05)
        office.desk.may_go.clear()
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        assert office.inbox.rung()
        await office.until(lambda: not courier.busy)
        await office.until(office.inbox.rung)  # and the engine is woken to notice that
        courier.close()
        office.desk.may_go.set()

    run(main())


def test_what_bounces_is_tried_again_and_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(module, "_WAITS", (0.01, 0.02))
        office.desk.error = ChannelError("exit code 1: busy")
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        await office.until(lambda: sum(isinstance(fact, Bounced) for fact in office.facts) >= 4)
        office.desk.error = None
        await office.until(lambda: bool(office.desk.got))
        await office.until(lambda: sum(isinstance(fact, Delivered) for fact in office.facts) == 2)
        bounced = [fact for fact in office.facts if isinstance(fact, Bounced)]
        assert [fact.tries for fact in bounced] == list(range(1, len(bounced) + 1))
        assert {fact.error for fact in bounced} == {"exit code 1: busy"}
        assert not any(fact.final for fact in bounced)
        assert len(office.desk.got) == 1
        courier.close()

    run(main())


def test_after_a_day_it_is_given_up(office: Office) -> None:
    async def main() -> None:
        office.desk.error = ChannelError("gone")
        office.clock.move(NOW + timedelta(days=2))
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        facts = await office.facts_of(2)
        (bounced,) = [fact for fact in facts if isinstance(fact, Bounced)]
        assert bounced.final
        courier.close()

    run(main())


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("the disk")])
def test_a_channel_that_misbehaves_stops_nothing(office: Office, error: Exception) -> None:
    async def main() -> None:
        office.desk.error = error
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        facts = await office.facts_of(2)
        (bounced,) = [fact for fact in facts if isinstance(fact, Bounced)]
        assert bounced.error == f"{type(error).__name__}: {error}"
        courier.close()

    run(main())


def test_a_channel_that_is_gone_is_given_up(office: Office) -> None:
    async def main() -> None:
        del office.channels["desk"]
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        facts = await office.facts_of(2)
        (bounced,) = [fact for fact in facts if isinstance(fact, Bounced)]
        assert (bounced.final, bounced.error) == (True, "there is no channel desk any more")
        courier.close()

    run(main())


def test_the_next_engine_delivers_what_is_left(office: Office) -> None:
    async def first() -> None:
        office.desk.may_go.clear()
        courier = office.courier()
        office.fail()
        courier.see(office.world.journal, office.world.state)
        office.world.apply(*await office.facts_of(1))
        office.ledger.write()
        courier.close()

    async def second() -> None:
        courier = office.courier()
        courier.see([], office.world.state)
        courier.see([], office.world.state)
        office.desk.may_go.set()
        await office.facts_of(2)
        assert [message["id"] for message in office.desk.got if message] == ["1.0.desk"]
        assert len(office.pager.got) == 1
        courier.close()

    run(first())
    office.desk = Desk()
    office.channels["desk"] = office.desk
    run(second())
