"""What worlds with triggers are asked: real calendars, several pipelines, outages, clocks that jump."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random

from openbell.core.events import Fire
from openbell.core.model import Command, Late, Need, Opening, Overlap, Pipeline, Retry, Step
from openbell.core.requests import Submit
from openbell.core.state import Schedule
from openbell.core.triggers import (
    AfterTrigger,
    AnchorTrigger,
    CronTrigger,
    IntervalTrigger,
    SessionTrigger,
    Timed,
    Trigger,
)
from openbell.errors import ConfigError
from openbell.market import Market, market
from openbell.sim.scenario import Scenario
from openbell.sim.truth import Due, due

SEASONS = (
    datetime(2026, 3, 6, 22, tzinfo=UTC),  # New York goes forward on Sunday
    datetime(2026, 3, 27, 14, tzinfo=UTC),  # London goes forward
    datetime(2026, 4, 2, 11, tzinfo=UTC),  # Good Friday and Easter Monday
    datetime(2026, 5, 1, 9, tzinfo=UTC),  # Golden Week
    datetime(2026, 7, 1, 18, tzinfo=UTC),  # Independence Day on a Saturday
    datetime(2026, 10, 23, 20, tzinfo=UTC),  # London goes back
    datetime(2026, 10, 30, 15, tzinfo=UTC),  # New York goes back
    datetime(2026, 11, 20, 3, tzinfo=UTC),  # Labor Thanksgiving Day in Tokyo, Thanksgiving in New York
    datetime(2026, 11, 24, 16, tzinfo=UTC),  # Thanksgiving, and half a day after it
    datetime(2026, 12, 23, 12, tzinfo=UTC),  # half a day, and Christmas
    datetime(2026, 12, 30, 6, tzinfo=UTC),  # New Year
)
LONGEST = timedelta(days=5)
MARGIN = timedelta(days=5)
"""How far clocks and outages may lead behind the end of a stretch."""

MARKETS = ("XNYS", "XLON", "XTKS")
_NEW_YORK = "America/New_York"
ROUTINES: tuple[Timed, ...] = (
    AnchorTrigger("close+30m"),
    AnchorTrigger("next open-5m"),
    AnchorTrigger("last session of week close+60m"),
    CronTrigger("30 1 * * *", _NEW_YORK),
    CronTrigger("30 2 * * *", _NEW_YORK),
    CronTrigger("30 1 * * *", "Europe/London"),
    CronTrigger("*/30 1,2 * * 0", _NEW_YORK),
    CronTrigger("0 19 * * mon-fri", _NEW_YORK, mode="daily"),
    CronTrigger("0 20 * * sun", _NEW_YORK, mode="weekly"),
    CronTrigger("0 */9 * * *", "Asia/Tokyo"),
    CronTrigger("15 */2 * * *", _NEW_YORK, ("session",)),
    IntervalTrigger(timedelta(hours=8), _NEW_YORK),
    IntervalTrigger(timedelta(hours=12), "Europe/London"),
    IntervalTrigger(timedelta(hours=3), _NEW_YORK, ("session", "post_close")),
    IntervalTrigger(timedelta(hours=7), "UTC"),
)
"""What pipelines do by the clock; not so often that a world takes long."""

BUSY: tuple[Timed, ...] = (
    IntervalTrigger(timedelta(hours=1), _NEW_YORK),
    CronTrigger("*/20 10-12 * * *", "Asia/Tokyo"),
    IntervalTrigger(timedelta(minutes=30), _NEW_YORK, ("session",)),
)


@lru_cache(maxsize=1024)
def expected(trigger: Timed, name: str | None, season: datetime) -> tuple[Due, ...]:
    """Every occasion of a season and of what lies around it, as the clerk has it."""
    place = market(name) if name else None
    return tuple(due(trigger, place, season - timedelta(days=1), season + LONGEST + MARGIN))


@dataclass(frozen=True, slots=True)
class Timetable:
    """One world's conditions."""

    season: datetime
    end: datetime
    pipelines: tuple[Pipeline, ...]
    conditions: Scenario
    pace: float
    outages: tuple[tuple[datetime, datetime], ...]
    jumps: tuple[tuple[datetime, timedelta], ...]
    fickle: int
    """So many in a hundred occasions have a definition that cannot be used."""


@dataclass(slots=True)
class SimPlanner:
    """Knows the pipelines of a timetable. Binds them to sessions by itself."""

    table: Timetable
    intact: bool = True

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        return {one.name: Schedule(one, _market(one)) for one in self.table.pipelines}

    def plan(self, fire: Fire) -> Submit:
        if is_fickle(self.table, fire.pipeline, fire.key):
            raise ConfigError("simulated: its file does not allow it")
        [pipeline] = (one for one in self.table.pipelines if one.name == fire.pipeline)
        bound = _bound(pipeline, fire.session)
        return Submit(
            bound, f"{fire.pipeline} {fire.session}", origin=f"trigger {fire.trigger}", key=fire.key
        )


def is_fickle(table: Timetable, name: str, key: str) -> bool:
    """Whether there is no run for this occasion, whoever asks."""
    return Random(f"{name}/{key}").randrange(100) < table.fickle


def _market(pipeline: Pipeline) -> Market | None:
    return market(pipeline.market) if pipeline.market else None


def _bound(pipeline: Pipeline, session: date | None) -> Pipeline:
    place = _market(pipeline)
    if place is None or session is None:
        return pipeline
    day = place.session_of(session)
    spans = {
        "session": Opening(day.open, day.close),
        "post_close": Opening(day.close, day.close + place.windows.post_close),
        "from open": Opening(day.open + timedelta(minutes=5)),
    }
    steps = (
        replace(step, openings=(spans[step.name],)) if step.name in spans else step for step in pipeline.steps
    )
    return replace(pipeline, steps=tuple(steps), sessions={"session": session.isoformat()})


def timetable(rng: Random) -> Timetable:
    """A random one."""
    season = rng.choice(SEASONS)
    end = season + timedelta(hours=rng.choice((20, 40, 72, 72, 110)))
    busy = rng.random() < 0.15
    if busy:
        end = season + timedelta(hours=30)
    faulty = rng.random() < 0.8

    def chance(most: float) -> float:
        return rng.random() * most if faulty and rng.random() < 0.6 else 0.0

    pipelines = _pipelines(rng, busy=busy)
    conditions = Scenario(
        pipeline=pipelines[0],
        slots=rng.randint(1, 4),
        keeps_time=True,
        fail=chance(0.4),
        hang=0.0,
        refuse=chance(0.2),
        lose=chance(0.1),
        duplicate=chance(0.3),
        crash=chance(0.02),
        flaky=chance(0.08),
        jump=0.0,
        meddle=chance(0.04),
    )
    return Timetable(
        season=season,
        end=end,
        pipelines=pipelines,
        conditions=conditions,
        pace=rng.choice((1, 30, 200, 700)),
        outages=_outages(rng, season, end) if faulty else (),
        jumps=_jumps(rng, season, end) if faulty else (),
        fickle=rng.choice((0, 0, 0, 15)),
    )


def _pipelines(rng: Random, *, busy: bool) -> tuple[Pipeline, ...]:
    made: list[Pipeline] = []
    for number in range(rng.choice((1, 2, 2, 3))):
        place = rng.choice((*MARKETS, None)) if not busy else "XNYS"
        made.append(_pipeline(rng, f"p{number}", place, _triggers(rng, place, busy=busy)))
    dated = [one.name for one in made if one.market]
    undated = [one.name for one in made if not one.market]
    for number in range(rng.choice((0, 1, 1, 2))):
        above = rng.choice([names for names in (dated, undated) if names])
        names = tuple(rng.sample(above, rng.randint(1, min(2, len(above)))))
        after = AfterTrigger(names, rng.random() < 0.7, rng.choice(("wait", "skip", "previous")))
        place = rng.choice((*MARKETS, None)) if above is dated else None
        made.append(_pipeline(rng, f"a{number}", place, (after,)))
        above.append(f"a{number}")
    rng.shuffle(made)
    return tuple(made)


def _triggers(rng: Random, place: str | None, *, busy: bool) -> tuple[Trigger, ...]:
    pool = [one for one in (BUSY if busy else ROUTINES) if place or not _needs_market(one)]
    if place and not busy and rng.random() < 0.5:
        return (SessionTrigger(),)
    return tuple(rng.sample(pool, rng.choice((1, 1, 2))))


def _needs_market(trigger: Timed) -> bool:
    return isinstance(trigger, AnchorTrigger) or bool(getattr(trigger, "during", ()))


def _pipeline(rng: Random, name: str, place: str | None, triggers: tuple[Trigger, ...]) -> Pipeline:
    names = ["work"]
    if place and rng.random() < 0.7:
        names = rng.choice((["session"], ["post_close"], ["from open"], ["session", "post_close"]))
    steps: list[Step] = []
    for one in names:
        needs = (Need(steps[-1].name),) if steps and rng.random() < 0.5 else ()
        retry = Retry(attempts=rng.choice((1, 2)), delay=timedelta(seconds=30))
        late = rng.choice(list(Late))
        steps.append(Step(one, Command(("true",)), needs, retry=retry, executor="sim", late=late))
    return Pipeline(
        name,
        tuple(steps),
        market=place,
        triggers=triggers,
        catch_up=rng.choice((0, 1, 1, 1, 2, 3, 9999)),
        overlap=rng.choice(list(Overlap)),
    )


def _outages(rng: Random, season: datetime, end: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """Minutes to days, some of them over a close."""
    found = []
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        begin = season + rng.random() * (end - season)
        days = market(rng.choice(MARKETS)).sessions(season.date(), end.date())
        if days and rng.random() < 0.5:
            begin = rng.choice(days).close - timedelta(minutes=rng.choice((1, 20, 300)))
        length = rng.choice(
            (timedelta(seconds=90), timedelta(minutes=7), timedelta(hours=3), timedelta(days=2))
        )
        found.append((begin, begin + length * rng.uniform(0.5, 1.5)))
    return tuple(sorted(one for one in found if one[0] > season))


def _jumps(rng: Random, season: datetime, end: datetime) -> tuple[tuple[datetime, timedelta], ...]:
    sizes = [timedelta(minutes=minutes) for minutes in (-600, -60, -61, -3, 1, 5, 59, 60, 500)]
    count = rng.choice((0, 0, 1, 2, 3))
    moments = sorted(season + rng.random() * (end - season) for _ in range(count))
    return tuple((at, rng.choice(sizes)) for at in moments)
