"""What becomes of occasions: runs, queues and misses, over outages, overruns and clocks that jump."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.core.decide import decide
from openbell.core.events import (
    CloseRun,
    Event,
    Exit,
    Exited,
    Fire,
    Miss,
    OpenRun,
    Pause,
    Requested,
    Started,
    Unplanned,
    Unwatch,
    Watch,
)
from openbell.core.evolve import evolve
from openbell.core.following import label_for, remember
from openbell.core.model import Overlap, Pipeline, TaskKey
from openbell.core.occasions import occasions, request_id, unwatched
from openbell.core.requests import Submit
from openbell.core.state import Capacity, Limits, Schedule, State
from openbell.core.states import RunState, StopReason
from openbell.core.triggers import (
    AfterTrigger,
    AnchorTrigger,
    CronTrigger,
    IntervalTrigger,
    SessionTrigger,
    Trigger,
)
from openbell.market import market
from tests.builders import step

QUARTERLY = IntervalTrigger(timedelta(minutes=15), "UTC")
DAWN = datetime(2026, 11, 17, 0, 0, tzinfo=UTC)
"""A Tuesday."""


def at(text: str) -> datetime:
    """`17 14:30`: the day of November 2026 and the time in UTC."""
    day, _, clock = text.partition(" ")
    hour, _, minute = (clock or "0").partition(":")
    return datetime(2026, 11, int(day), int(hour), int(minute or 0), tzinfo=UTC)


class Desk:
    """Pipelines whose runs take as long as the test likes. Everything is done by `decide` and `evolve`."""

    def __init__(self, now: datetime = DAWN, **pipelines: dict[str, Any]) -> None:
        self.now = now
        self.journal: list[Event] = []
        self.state = State(Limits({"process": Capacity(50)}))
        self.schedule(**pipelines)

    def schedule(self, **pipelines: dict[str, Any]) -> None:
        found = {}
        for name, keys in pipelines.items():
            keys = dict(keys)
            triggers: Any = keys.pop("triggers", ())
            triggers = triggers if isinstance(triggers, tuple) else (triggers,)
            pipeline = Pipeline(name, (step(),), triggers=triggers, **keys)
            found[name] = Schedule(pipeline, market(pipeline.market) if pipeline.market else None)
        self.state.schedules = found

    def apply(self, event: Event) -> None:
        evolve(self.state, event)
        self.journal.append(event)

    def go(self, *instants: str | datetime) -> None:
        """An engine that is up passes through these instants, and all that comes in between."""
        for instant in instants:
            until = at(instant) if isinstance(instant, str) else instant
            while (wake := self._settle()) is not None and wake <= until:
                self.now = max(self.now, wake)
            self.now = until
            self._settle()

    def jump(self, instant: str | datetime) -> None:
        """Nobody is there until then."""
        self.now = at(instant) if isinstance(instant, str) else instant
        self._settle()

    def _settle(self) -> datetime | None:
        for _ in range(1000):
            decision = decide(self.state, self.now)
            for action in decision.actions:
                self.apply(action)
                if isinstance(action, Fire) and not action.queued:
                    self._open(action)
            if not decision.actions:
                return decision.wake_at
        raise AssertionError("decide() never comes to rest")

    def _open(self, fire: Fire) -> None:
        assert self.state.schedules is not None
        pipeline = self.state.schedules[fire.pipeline].pipeline
        sessions = {"session": fire.session.isoformat()} if fire.session and pipeline.market else {}
        bound = Pipeline(fire.pipeline, pipeline.steps, market=pipeline.market, sessions=sessions)
        submit = Submit(bound, "digest", key=fire.key)
        self.apply(Requested(self.now, request_id(fire.run), submit, fire.run))

    def end(self, *runs: str, code: int = 0) -> None:
        """These runs end now; all that run, without a name."""
        for name, record in list(self.state.runs.items()):
            if record.outcome is None and (not runs or name in runs):
                for group in record.groups.values():
                    for cell, live in list(group.live.items()):
                        task = TaskKey(name, group.step.name, cell)
                        self.apply(Started(self.now, task, live.attempt, "1"))
                        self.apply(Exited(self.now, task, live.attempt, Exit(code, stopped=live.stop)))
        self._settle()

    # ── what came of it ──────────────────────────────────────────────────────────────────────

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.journal if isinstance(event, kind)]

    @property
    def opened(self) -> list[str]:
        return [short(event.run.id) for event in self.of(OpenRun)]

    @property
    def missed(self) -> list[str]:
        """`first..last reason` of each record."""
        found = []
        for event in self.journal:
            if isinstance(event, Miss):
                keys = event.first if event.count == 1 else f"{event.first}..{event.last}"
                found.append(f"{short(keys)} {event.reason}")
            elif isinstance(event, Unplanned):
                found.append(f"{short(event.key)} {event.reason}")
        return found

    @property
    def running(self) -> list[str]:
        return [short(name) for name, record in self.state.runs.items() if record.outcome is None]

    @property
    def queued(self) -> list[str]:
        return [short(name) for name, fire in self.state.fired.items() if fire.queued]


def short(text: str) -> str:
    """Keys without what they have in common."""
    return text.replace("202611", "").replace("2026-11-", "").replace("00Z", "")


AWAY = "the engine was not running"

# ── an engine that is up ─────────────────────────────────────────────────────────────────────


def test_a_new_trigger_is_heeded_from_now_on() -> None:
    desk = Desk(at("17 10:07"), a={"triggers": QUARTERLY})
    desk.go("17 10:14")
    assert desk.opened == []
    desk.go("17 10:15")
    assert desk.opened == ["a/17T1015"]


def test_the_engine_wakes_at_the_occasion() -> None:
    desk = Desk(at("17 10:07"), a={"triggers": QUARTERLY})
    desk.go("17 10:08")
    assert decide(desk.state, desk.now).wake_at == at("17 10:15")


def test_forbid_misses_what_its_predecessor_overruns() -> None:
    desk = Desk(a={"triggers": QUARTERLY})
    desk.go("17 0:15", "17 0:31")
    desk.end()
    desk.go("17 0:50")
    assert desk.opened == ["a/17T0015", "a/17T0045"]
    assert desk.missed == ["17T0030 overlap: a/20261117T001500Z still runs"]


def test_queue_runs_them_one_after_the_other() -> None:
    desk = Desk(a={"triggers": QUARTERLY, "overlap": Overlap.QUEUE})
    desk.go("17 1:01")
    assert (desk.running, desk.queued) == (["a/17T0015"], ["a/17T0030", "a/17T0045", "a/17T0100"])
    for _ in range(4):
        desk.end()
    assert desk.opened == ["a/17T0015", "a/17T0030", "a/17T0045", "a/17T0100"]
    assert desk.missed == []


def test_allow_lets_them_all_run() -> None:
    desk = Desk(a={"triggers": QUARTERLY, "overlap": Overlap.ALLOW})
    desk.go("17 0:46")
    assert desk.running == ["a/17T0015", "a/17T0030", "a/17T0045"]


def test_replace_cancels_the_predecessor_and_waits_for_its_end() -> None:
    desk = Desk(a={"triggers": QUARTERLY, "overlap": Overlap.REPLACE})
    desk.go("17 0:31")
    assert (desk.running, desk.queued) == (["a/17T0015"], ["a/17T0030"])
    live = next(iter(desk.state.runs["a/20261117T001500Z"].groups["a"].live.values()))
    assert live.stop is StopReason.CANCEL
    desk.end()
    assert desk.running == ["a/17T0030"]
    assert desk.missed == []


def test_replace_does_not_pile_up_behind_one_that_does_not_end() -> None:
    desk = Desk(a={"triggers": QUARTERLY, "overlap": Overlap.REPLACE})
    desk.go("17 1:01")
    assert desk.queued == ["a/17T0100"]
    assert desk.missed == ["17T0030 replaced by the next one", "17T0045 replaced by the next one"]
    desk.end()
    assert desk.opened == ["a/17T0015", "a/17T0100"]


def test_what_is_replaced_before_it_could_start_does_not_start() -> None:
    desk = Desk(a={"triggers": QUARTERLY, "overlap": Overlap.REPLACE})
    desk.state.limits = Limits({"process": Capacity(0)})
    desk.go("17 0:16")
    desk.state.limits = Limits({"process": Capacity(5)})
    desk.state.space_low = True
    desk.go("17 0:29")
    desk.state.space_low = False
    desk.jump("17 0:30")
    assert desk.opened == ["a/17T0015", "a/17T0030"]
    assert desk.running == ["a/17T0030"]


def test_two_triggers_of_one_instant_are_queued_once() -> None:
    hourly = CronTrigger("0 * * * *", "UTC")
    desk = Desk(a={"triggers": (QUARTERLY, hourly), "overlap": Overlap.QUEUE})
    desk.go("17 1:31")
    assert desk.queued == ["a/17T0030", "a/17T0045", "a/17T0100", "a/17T0115", "a/17T0130"]
    while desk.running:
        desk.end()
    assert desk.opened == [f"a/17T{clock}" for clock in ("0015", "0030", "0045", "0100", "0115", "0130")]


def test_a_paused_run_is_no_predecessor() -> None:
    desk = Desk(a={"triggers": QUARTERLY})
    desk.go("17 0:16")
    desk.end(code=1)
    desk.go("17 0:31")
    desk.apply(Pause(desk.now, "a/20261117T003000Z", "lunch"))
    desk.end(code=1)
    desk.go("17 0:46")
    assert desk.opened == ["a/17T0015", "a/17T0030", "a/17T0045"]


def test_two_triggers_of_one_instant_are_one_run() -> None:
    hourly = CronTrigger("0 * * * *", "UTC")
    for overlap in Overlap:
        desk = Desk(a={"triggers": (QUARTERLY, hourly), "overlap": overlap})
        desk.go("17 0:55")
        desk.end()
        while desk.queued or desk.running:
            desk.end()
        desk.go("17 1:01")
        assert desk.opened.count("a/17T0100") == 1
        assert not [told for told in desk.missed if told.startswith("17T0100")]


def test_two_modes_of_one_instant_overlap() -> None:
    triggers = (CronTrigger("0 1 * * *", "UTC", mode="daily"), CronTrigger("0 1 * * 2", "UTC", mode="weekly"))
    desk = Desk(a={"triggers": triggers})
    desk.go("17 1:01")
    assert desk.opened == ["a/17T0100-daily"]
    assert desk.missed == ["17T0100-weekly overlap: a/20261117T010000Z-daily still runs"]
    queue = Desk(a={"triggers": triggers, "overlap": Overlap.QUEUE})
    queue.go("17 1:01")
    queue.end()
    assert queue.opened == ["a/17T0100-daily", "a/17T0100-weekly"]


def test_pipelines_do_not_heed_each_other() -> None:
    desk = Desk(a={"triggers": QUARTERLY}, b={"triggers": QUARTERLY})
    desk.go("17 0:16")
    assert desk.running == ["a/17T0015", "b/17T0015"]


# ── nobody was there ─────────────────────────────────────────────────────────────────────────


def outage(until: str = "17 1:20", **keys: Any) -> Desk:
    """Up until 00:05, away until 01:20: 00:15 to 01:15 have come."""
    desk = Desk(a={"triggers": QUARTERLY, **keys})
    desk.go("17 0:05")
    desk.jump(until)
    return desk


def test_catch_up_last() -> None:
    desk = outage()
    assert desk.opened == ["a/17T0115"]
    assert desk.missed == [f"17T0015..20261117T0100 {AWAY}".replace("20261117T", "17T")]


def test_catch_up_none() -> None:
    desk = outage(catch_up=0)
    assert desk.opened == []
    assert [event.count for event in desk.of(Miss)] == [5]
    desk.go("17 1:31")
    assert desk.opened == ["a/17T0130"]


def test_catch_up_some_one_after_the_other() -> None:
    desk = outage(catch_up=3)
    assert (desk.running, desk.queued) == (["a/17T0045"], ["a/17T0100", "a/17T0115"])
    desk.end()
    desk.end()
    desk.end()
    assert desk.opened == ["a/17T0045", "a/17T0100", "a/17T0115"]
    assert [event.count for event in desk.of(Miss)] == [2]


def test_catch_up_all() -> None:
    desk = outage(catch_up=9999)
    for _ in range(5):
        desk.end()
    assert desk.opened == ["a/17T0015", "a/17T0030", "a/17T0045", "a/17T0100", "a/17T0115"]
    assert desk.missed == []


def test_what_is_punctual_is_the_last_one() -> None:
    desk = outage("17 1:16")
    assert desk.opened == ["a/17T0115"]
    assert [event.count for event in desk.of(Miss)] == [4]
    none = outage("17 1:16", catch_up=0)
    assert none.opened == ["a/17T0115"], "it is not late"


def test_slots_that_come_while_it_catches_up_are_overlaps() -> None:
    """`catch_up` is for downtime only: it must not push later slots before itself for ever."""
    desk = outage(catch_up=2)
    desk.go("17 1:31")
    assert desk.missed[-1].startswith("17T0130 overlap: ")
    desk.end()
    desk.go("17 1:46")
    assert desk.missed[-1].startswith("17T0145 overlap: ")
    desk.end()
    desk.go("17 2:01")
    assert desk.opened == ["a/17T0100", "a/17T0115", "a/17T0200"]


def test_catching_up_waits_for_a_run_that_was_adopted() -> None:
    desk = Desk(a={"triggers": QUARTERLY})
    desk.go("17 0:16")
    desk.jump("17 1:20")
    assert (desk.running, desk.queued) == (["a/17T0015"], ["a/17T0115"])
    desk.end()
    assert desk.opened == ["a/17T0015", "a/17T0115"]


def test_what_was_queued_outlives_its_engine() -> None:
    desk = Desk(a={"triggers": QUARTERLY, "overlap": Overlap.QUEUE})
    desk.go("17 0:46")
    assert desk.queued == ["a/17T0030", "a/17T0045"]
    desk.jump("17 1:20")  # nobody was there for 01:00 and 01:15
    assert desk.queued == ["a/17T0030", "a/17T0045", "a/17T0115"]
    assert desk.missed == [f"17T0100 {AWAY}"]


def test_allow_catches_up_at_once() -> None:
    assert outage(catch_up=3, overlap=Overlap.ALLOW).running == ["a/17T0045", "a/17T0100", "a/17T0115"]


def test_replace_catches_up_with_the_last_one_only() -> None:
    desk = outage(catch_up=3, overlap=Overlap.REPLACE)
    assert desk.running == ["a/17T0115"]
    assert desk.missed[-1] == "17T0045..17T0100 replaced by the next one"


@pytest.mark.parametrize("overlap", list(Overlap))
def test_months_of_minutes_are_counted_and_not_run(overlap: Overlap) -> None:
    often = IntervalTrigger(timedelta(minutes=5), "UTC")
    desk = Desk(a={"triggers": often, "overlap": overlap, "catch_up": 2})
    desk.go("17 0:06")
    desk.end()
    before = len(desk.opened)
    desk.jump(DAWN + timedelta(days=80, minutes=3))
    for _ in range(5):
        desk.end()
    late = len(desk.opened) - before
    assert late == (1 if overlap is Overlap.REPLACE else 2), desk.opened[before:]
    runs = {event.run for event in desk.of(Fire)}
    assert sum(event.count for event in desk.of(Miss)) + len(runs) == 80 * 24 * 12
    assert len(desk.of(Miss)) < 20


# ── clocks ───────────────────────────────────────────────────────────────────────────────────


def test_a_clock_that_goes_back_repeats_nothing() -> None:
    desk = Desk(a={"triggers": QUARTERLY, "overlap": Overlap.ALLOW})
    desk.go("17 1:01")
    desk.jump("17 0:05")
    desk.go("17 1:16")
    assert desk.opened == [f"a/17T{clock}" for clock in ("0015", "0030", "0045", "0100", "0115")]
    assert desk.missed == []


def test_a_clock_that_goes_forward_is_an_outage() -> None:
    desk = outage("17 1:20")
    desk.jump("17 0:20")
    desk.go("17 1:31")
    assert desk.opened == ["a/17T0115"]
    assert desk.missed[-1].startswith("17T0130 overlap")


def test_an_engine_that_led_by_a_wrong_clock_was_there_all_the_same() -> None:
    desk = Desk(at("17 10:00"), a={"triggers": QUARTERLY, "catch_up": 0})
    desk.jump("17 10:01")
    desk.jump("17 9:00")
    desk.go("17 10:16")
    assert desk.opened == ["a/17T1015"]
    assert desk.missed == []


@given(
    trigger=st.sampled_from(
        [
            QUARTERLY,
            CronTrigger("*/20 * * * *", "UTC"),
            CronTrigger("10,40 1-20 * * *", "America/New_York"),
            IntervalTrigger(timedelta(hours=4), "Europe/London"),
            SessionTrigger(),
            AnchorTrigger("close+30m"),
        ]
    ),
    overlap=st.sampled_from(list(Overlap)),
    catch_up=st.sampled_from([0, 1, 2, 9999]),
    steps=st.lists(
        st.tuples(st.sampled_from(["go", "go", "go", "jump", "back", "end", "end"]), st.integers(1, 3000)),
        max_size=25,
    ),
)
@settings(max_examples=150)
def test_each_occasion_is_dealt_with_once(
    trigger: Trigger, overlap: Overlap, catch_up: int, steps: list[tuple[str, int]]
) -> None:
    keys = {"triggers": trigger, "overlap": overlap, "catch_up": catch_up, "market": "XNYS"}
    desk = Desk(DAWN, a=keys)
    desk.jump(DAWN)
    furthest = DAWN
    for word, minutes in steps:
        match word:
            case "go":
                desk.go(desk.now + timedelta(minutes=minutes / 10))
            case "jump":
                desk.jump(desk.now + timedelta(minutes=minutes))
            case "back":
                desk.jump(desk.now - timedelta(minutes=minutes))
            case "end":
                desk.end()
        furthest = max(furthest, desk.now)
        under_way = [record for record in desk.state.runs.values() if record.outcome is None]
        assert overlap is Overlap.ALLOW or len(under_way) <= 1
    _positions_never_go_back(desk.journal)
    _answers(desk, trigger, furthest)
    _folds(desk)


def _positions_never_go_back(journal: Iterable[Event]) -> None:
    known: dict[tuple[str, str], datetime] = {}
    for event in journal:
        if isinstance(event, Watch | Miss) or (isinstance(event, Fire) and event.queued):
            place, position = (event.pipeline, event.trigger), datetime.fromisoformat(event.position)
            assert position > known.get(place, DAWN - timedelta(days=3))
            known[place] = position


def _answers(desk: Desk, trigger: Any, furthest: datetime) -> None:
    """From the first look to the furthest, each occasion is run, queued or missed: one of these, once."""
    from openbell.sim.truth import due

    [watched] = desk.of(Watch)
    start = datetime.fromisoformat(watched.position).replace(second=0)
    expected = {
        one.label if isinstance(trigger, SessionTrigger) else one.at
        for one in due(trigger, market("XNYS"), start, furthest.replace(second=0, microsecond=0))
    }
    fired = {event.run: event for event in desk.of(Fire)}
    run = [
        event.session if isinstance(trigger, SessionTrigger) else event.nominal for event in fired.values()
    ]
    assert len(set(run)) == len(run)
    assert set(run) <= expected
    missed = sum(event.count for event in desk.of(Miss))
    assert len(run) + missed == len(expected)
    opened = {event.run.id for event in desk.of(OpenRun)}
    displaced = {f"a/{event.key}" for event in desk.of(Unplanned)}
    assert opened | displaced | set(desk.state.fired) == set(fired)
    assert not opened & displaced


def _folds(desk: Desk) -> None:
    folded = State(desk.state.limits)
    for event in desk.journal:
        evolve(folded, event)
    assert folded.positions == desk.state.positions
    assert folded.fired == desk.state.fired
    before = deepcopy((desk.state.positions, desk.state.fired, desk.state.ended))
    assert [*occasions(desk.state, desk.now)] == [*occasions(desk.state, desk.now)]
    assert (desk.state.positions, desk.state.fired, desk.state.ended) == before


# ── sessions ─────────────────────────────────────────────────────────────────────────────────

US: dict[str, Any] = {"market": "XNYS", "triggers": SessionTrigger()}


@pytest.mark.parametrize(
    ("now", "opened"),
    [
        ("17 13:29", []),  # before the pre-open, 08:30 in New York
        ("17 13:30", ["us/17"]),
        ("17 17:00", ["us/17"]),  # noon
        ("17 22:59", ["us/17"]),  # post-close
        ("17 23:00", []),
        ("21 17:00", []),  # a Saturday
        ("26 17:00", []),  # Thanksgiving
        ("27 17:00", ["us/27"]),  # half a day
        ("27 20:00", []),  # its post-close ends at three
    ],
)
@pytest.mark.parametrize("catch_up", [0, 1])
def test_who_starts_in_the_midst_of_a_session_gets_it(now: str, opened: list[str], catch_up: int) -> None:
    desk = Desk(at(now), us={**US, "catch_up": catch_up})
    desk.jump(now)
    assert desk.opened == opened
    assert desk.missed == []


def test_one_run_for_each_session() -> None:
    desk = Desk(at("24 0:00"), us=US)
    for day in range(24, 31):
        desk.go(f"{day} 23:30")
        desk.end()
    assert desk.opened == ["us/24", "us/25", "us/27", "us/30"]


def test_a_session_that_is_going_on_has_not_been_missed() -> None:
    desk = Desk(at("17 12:00"), us={**US, "catch_up": 0})
    desk.go("17 12:00")
    desk.jump("17 19:00")
    assert desk.opened == ["us/17"]
    desk.end()
    desk.jump("19 23:30")
    assert desk.opened == ["us/17"]
    assert desk.missed == [f"18..19 {AWAY}"]


def test_an_outage_over_sessions_runs_the_last_one() -> None:
    desk = Desk(at("17 12:00"), us=US)
    desk.go("17 20:00")
    desk.end()
    desk.jump("21 15:00")
    assert desk.opened == ["us/17", "us/20"]
    assert desk.missed == [f"18..19 {AWAY}"]


def test_a_trigger_that_is_gone_is_forgotten_and_begins_anew() -> None:
    desk = Desk(a={"triggers": QUARTERLY})
    desk.go("17 0:20")
    desk.end()
    desk.schedule()
    for action in [*unwatched(desk.state, desk.now)]:
        assert isinstance(action, Unwatch)
        desk.apply(action)
    assert desk.state.positions == {}
    desk.go("17 5:00")
    desk.schedule(a={"triggers": QUARTERLY})
    desk.go("17 5:16")
    assert desk.opened == ["a/17T0015", "a/17T0515"]
    assert desk.missed == []


# ── after others ─────────────────────────────────────────────────────────────────────────────


def after(*names: str, **keys: Any) -> AfterTrigger:
    return AfterTrigger(names, **keys)


class Chain(Desk):
    """Pipelines that succeed or fail by the test's word."""

    def came(self, run: str, outcome: RunState = RunState.SUCCEEDED) -> None:
        """A run of an upstream pipeline has ended."""
        name, _, label = run.partition("/")
        remember(self.state, name, f"2026-11-{label}" if len(label) == 2 else label, outcome)
        self._settle()


def chain(now: str = "17 0:00", *, of: str = "XNYS", **keys: Any) -> Chain:
    upstream = {"market": "XNYS"}
    found = Chain(
        at(now), us=upstream, asia={"market": "XTKS"}, eu={"market": "XLON"}, book={"market": of, **keys}
    )
    found.jump(now)
    return found


def test_after_one_runs_when_it_has_succeeded() -> None:
    desk = chain(triggers=after("us"))
    desk.came("us/17")
    assert desk.opened == ["book/17"]
    assert desk.of(OpenRun)[0].run.pipeline.sessions == {"session": "2026-11-17"}


@pytest.mark.parametrize("outcome", [RunState.FAILED, RunState.PARTIAL, RunState.CANCELLED])
def test_nothing_comes_after_what_went_wrong(outcome: RunState) -> None:
    desk = chain(triggers=after("us"))
    desk.came("us/17", outcome)
    assert desk.opened == desk.missed == []
    desk.came("us/17")
    assert desk.opened == ["book/17"], "it was retried, and went well"


def test_after_all_waits_for_the_last_of_them() -> None:
    desk = chain(triggers=after("us", "eu"))
    desk.came("eu/17")
    assert desk.opened == []
    desk.came("us/17")
    assert desk.opened == ["book/17"]


def test_after_any_comes_once_for_a_label() -> None:
    desk = chain(triggers=after("us", "eu", every_one=False))
    desk.came("eu/17")
    desk.end()
    desk.came("us/17")
    assert desk.opened == ["book/17"]


def test_a_label_that_failed_is_recorded_when_a_newer_one_comes_through() -> None:
    desk = chain(triggers=after("us"))
    desk.came("us/17", RunState.FAILED)
    desk.came("us/18")
    assert desk.opened == ["book/18"]
    assert desk.missed == ["17 2026-11-18 came first"]
    desk.end()
    desk.came("us/17")
    assert desk.opened == ["book/18"], "labels do not go back"


def test_a_backfill_of_old_dates_sets_nothing_off() -> None:
    desk = chain(triggers=after("us"))
    desk.came("us/17")
    desk.end()
    for day in ("10", "11", "12"):
        desk.came(f"us/{day}")
    assert desk.opened == ["book/17"]


def test_what_was_there_before_the_trigger_is_no_news() -> None:
    desk = Chain(at("18 0:00"), us={"market": "XNYS"}, book={"market": "XNYS", "triggers": after("us")})
    desk.state.ended = {"us": {"2026-11-16": RunState.SUCCEEDED, "2026-11-17": RunState.SUCCEEDED}}
    desk.jump("18 0:00")
    assert desk.opened == []
    desk.came("us/18")
    assert desk.opened == ["book/18"]


@pytest.mark.parametrize("overlap", [Overlap.FORBID, Overlap.QUEUE])
def test_what_comes_after_is_never_given_up_for_a_predecessor(overlap: Overlap) -> None:
    desk = chain(triggers=after("us"), overlap=overlap)
    for day in ("17", "18", "19"):
        desk.came(f"us/{day}")
    assert (desk.running, desk.queued) == (["book/17"], ["book/18", "book/19"])
    desk.end()
    desk.end()
    assert desk.opened == ["book/17", "book/18", "book/19"]
    assert desk.missed == []


def test_but_a_newer_label_replaces_where_that_is_asked_for() -> None:
    desk = chain(triggers=after("us"), overlap=Overlap.REPLACE)
    for day in ("17", "18", "19"):
        desk.came(f"us/{day}")
    desk.end()
    assert desk.opened == ["book/17", "book/19"]
    assert desk.missed == ["18 replaced by the next one"]


# Tokyo is closed on 23 November (Labor Thanksgiving Day), New York on the 26th.


def test_mismatch_wait_waits_for_the_next_session() -> None:
    desk = chain("20 0:00", triggers=after("us", "asia"))
    desk.came("us/23")
    assert desk.opened == []
    desk.came("asia/24")
    assert desk.opened == ["book/23"]
    desk.end()
    desk.came("us/24")
    assert desk.opened == ["book/23", "book/24"]


def test_mismatch_previous_takes_the_session_before() -> None:
    desk = chain("20 0:00", triggers=after("us", "asia", mismatch="previous"))
    desk.came("us/23")
    assert desk.opened == []
    desk.came("asia/20")
    assert desk.opened == ["book/23"]


def test_mismatch_skip_records_the_date() -> None:
    desk = chain("20 0:00", triggers=after("us", "asia", mismatch="skip"))
    desk.came("us/23")
    assert desk.opened == []
    assert desk.missed == ["23 XTKS has no session on 2026-11-23 (Labor Thanksgiving Day)"]
    desk.came("us/24")
    desk.came("asia/24")
    assert desk.opened == ["book/24"]


def test_a_date_that_is_no_session_of_its_own_market_has_no_run() -> None:
    desk = chain("24 0:00", triggers=after("asia"))
    desk.came("asia/26")
    assert desk.opened == []
    assert desk.missed == ["26 XNYS has no session on 2026-11-26 (Thanksgiving)"]
    desk.came("asia/27")
    assert desk.opened == ["book/27"]


def test_a_foreign_date_does_not_take_earlier_ones_with_it() -> None:
    desk = chain("24 0:00", triggers=after("asia", "eu"))
    desk.came("asia/25")
    desk.came("asia/26")  # no session in New York; London's 25th is still at work
    desk.came("eu/25")
    assert desk.opened == ["book/25"]
    desk.end()
    desk.came("eu/26")
    desk.came("asia/27")
    desk.came("eu/27")
    assert desk.opened == ["book/25", "book/27"]
    assert [told.partition(" ")[0] for told in desk.missed] == ["26"]


def test_chains_of_three() -> None:
    daily = CronTrigger("0 1 * * *", "UTC")
    desk = Desk(a={"triggers": daily}, b={"triggers": after("a")}, c={"triggers": after("b", "a")})
    for day in ("17", "18"):
        desk.go(f"{day} 1:05")
        for _ in range(3):
            desk.end()
    found = [f"{name}/{day}T0100" for day in (17, 18) for name in "abc"]
    assert desk.opened == found


def test_runs_by_hand_do_not_block_what_comes_by_the_clock() -> None:
    """A counted run ("3", "10") must not outrank every date of the century."""
    desk = Desk(a={"triggers": CronTrigger("0 1 * * *", "UTC")}, b={"triggers": after("a")})
    desk.go("17 0:30")
    for number in (9, 10):
        pipeline = Pipeline("a", (step(),))
        desk.apply(Requested(desk.now, f"1.{number}", Submit(pipeline, "d"), f"a/{number}"))
        desk.go(desk.now + timedelta(minutes=1))
        desk.end()
        desk.end()
    assert desk.opened == ["a/9", "b/17T0030", "a/10", "b/17T0031"]
    desk.go("17 1:01")
    desk.end()
    assert desk.opened[-1] == "b/17T0100"


@pytest.mark.parametrize(
    ("run", "session", "of", "label"),
    [
        ("us/2026-11-17", "2026-11-17", "XNYS", "2026-11-17"),
        ("us/3", "2026-11-17", "XNYS", "2026-11-17"),
        ("us/3", "", "XNYS", ""),
        ("a/20261117T010000Z", "", None, "20261117T010000Z"),
        ("a/20261117T010000Z-daily", "", None, "20261117T010000Z-daily"),
        ("a/3", "", None, "20261117T120000Z"),
        ("a/9f8e7d", "", None, "20261117T120000Z"),
        ("globe/2026-11-17", "", None, "2026-11-17"),
        ("globe/2026-11-17-weekly", "", None, "2026-11-17"),
    ],
)
def test_labels(run: str, session: str, of: str | None, label: str) -> None:
    assert label_for(run, session, of, datetime(2026, 11, 17, 12, tzinfo=UTC)) == label


def test_a_label_without_a_session_is_bound_to_the_one_of_its_instant() -> None:
    desk = Desk(a={"triggers": CronTrigger("0 1 * * *", "UTC")}, b={"market": "XNYS", "triggers": after("a")})
    desk.go("17 1:05")
    desk.end()
    [fire] = [event for event in desk.of(Fire) if event.pipeline == "b"]
    assert fire.session == date(2026, 11, 16)


def test_endings_are_remembered_as_far_as_needed() -> None:
    desk = Desk(a={"triggers": QUARTERLY})
    for _ in range(80):
        desk.go(desk.now + timedelta(minutes=15))
        desk.end()
    assert len(desk.of(CloseRun)) == 80
    assert len(desk.state.ended["a"]) == 60
