"""A market's day as a graph: what may run is what the gates say, what has run is what the store has."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

import openbell as ob
from openbell.core.events import OpenRun
from openbell.core.evolve import evolve
from openbell.core.gates import Scope, closed_gate, missed
from openbell.core.model import Run
from openbell.core.needs import hopeless
from openbell.core.resources import Usage
from openbell.core.state import Capacity, Limits, Live, State
from openbell.core.states import TaskState
from openbell.dag import DAG, STANDARD_DAY, JobPriority, JobStatus, build_market_dag, load_job_executions
from openbell.errors import NotFound, UsageError
from openbell.market import MarketState
from tests.cli.conftest import Desk, desk  # noqa: F401

DAY = date(2025, 12, 2)

PIPELINE = """\
name: desk
market: XTKS
steps:
  early: {run: 'true', when: pre_open, late: skip, priority: optional}
  lunch: {run: 'true', when: break}
  open: {run: 'true', when: [session, pre_open]}
  prices: {run: 'true', when: post_close, priority: critical}
  point: {run: 'true', when: {after: close+15m, until: next open-30m}, late: skip, needs: [prices]}
  some: {run: 'true', needs: {prices: some}, matrix: {i: 3}}
  done: {run: 'true', needs: {prices: done, open: done}}
  last: {run: 'true', needs: [point, some], stop_at: next open-5m, retry: {attempts: 3}, timeout: 5m}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "openbell.yaml").write_text("{}\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "desk.yaml").write_text(PIPELINE)
    return tmp_path


def ids(dag: DAG, *args: object, **keys: object) -> list[str]:
    return [job.job_id for job in dag.get_runnable_jobs(*args, **keys)]  # type: ignore[arg-type]


# ── as source 003 has it ─────────────────────────────────────────────────────────────────────────


def test_the_standard_day_has_nine_jobs(tmp_path: Path) -> None:
    dag = build_market_dag("US_EQ", DAY, folder=tmp_path)
    assert (dag.dag_id, dag.market_id, dag.as_of_date) == ("US_EQ_2025-12-02", "US_EQ", DAY)
    assert set(dag.jobs) == set(STANDARD_DAY)
    assert len(dag.jobs) == 9
    runnable = dag.get_runnable_jobs(
        completed_jobs={"ingest_prices", "ingest_factors"},
        running_jobs=set(),
        current_market_state=MarketState.POST_CLOSE,
    )
    assert [job.job_type for job in runnable] == ["compute_returns", "compute_volatility"]
    first = dag.jobs["ingest_prices"]
    assert (first.priority.name, first.required_states) == ("CRITICAL", (MarketState.POST_CLOSE,))
    assert (first.max_retries, first.retry_delay_seconds, first.timeout_seconds) == (3, 60.0, None)
    assert dag.jobs["run_signals"].dependencies == ("build_numeric_windows", "update_profiles")


def test_the_whole_day_runs_in_order(tmp_path: Path) -> None:
    dag = build_market_dag("EU_EQ", DAY, folder=tmp_path)
    done: list[str] = []
    while len(done) < 9:
        found = ids(dag, done, (), MarketState.POST_CLOSE)
        assert found, f"nothing may run after {done}"
        assert ids(dag, done, found, MarketState.POST_CLOSE) == [], "what runs is not started again"
        for job in found:
            assert set(dag.upstream(job)) <= set(done)
        done += found
    assert (done[0], done[-1]) == ("ingest_prices", "run_books")


def test_jobs_are_sorted_by_urgency_and_id(tmp_path: Path) -> None:
    steps = [ob.Step(name, run="x", priority=priority) for name, priority in
             (("z", "critical"), ("b", "optional"), ("a", "standard"), ("c", "critical"))]  # fmt: skip
    dag = build_market_dag("XNYS", DAY, pipeline=ob.Pipeline("p", steps, market="XNYS"), folder=tmp_path)
    found = dag.get_runnable_jobs((), (), MarketState.SESSION)
    assert [job.job_id for job in found] == ["c", "z", "a", "b"]
    assert found[0].priority is JobPriority.CRITICAL


@pytest.mark.parametrize("market", ["US_EQ", "EU_EQ", "ASIA_EQ", "24/7", "any(XLON, XPAR)"])
def test_every_market_has_its_day(tmp_path: Path, market: str) -> None:
    dag = build_market_dag(market, DAY, folder=tmp_path)
    for state in MarketState:
        dag.get_runnable_jobs((), (), state)


def test_a_date_without_a_session_is_the_day_before_it(tmp_path: Path) -> None:
    assert build_market_dag("US_EQ", date(2025, 12, 25), folder=tmp_path).as_of_date == date(2025, 12, 24)
    assert build_market_dag("US_EQ", date(2025, 12, 7), folder=tmp_path).dag_id == "US_EQ_2025-12-05"
    with pytest.raises(ob.MarketError):
        build_market_dag("US_EQ", date(1990, 1, 2), folder=tmp_path)
    with pytest.raises(ob.MarketError):
        build_market_dag("MARS", DAY, folder=tmp_path)


def test_circles_and_lost_dependencies_are_refused(tmp_path: Path) -> None:
    circle = ob.Pipeline(
        "p", [ob.Step("a", run="x", needs=["b"]), ob.Step("b", run="x", needs=["a"])], market="XNYS"
    )
    with pytest.raises(ob.ConfigError, match="wait for each other: a -> b -> a"):
        build_market_dag("XNYS", DAY, pipeline=circle, folder=tmp_path)
    lost = ob.Pipeline("p", [ob.Step("a", run="x", needs=["c"])], market="XNYS")
    with pytest.raises(ob.ConfigError, match="needs `c`, which is no step"):
        build_market_dag("XNYS", DAY, pipeline=lost, folder=tmp_path)


def test_names_that_are_no_jobs(tmp_path: Path) -> None:
    dag = build_market_dag("US_EQ", DAY, folder=tmp_path)
    with pytest.raises(NotFound, match="has no job 'ingest'"):
        dag.get_runnable_jobs({"ingest"}, (), MarketState.POST_CLOSE)
    assert dag.downstream("update_profiles") == ["run_signals", "run_universes", "run_books"]
    assert dag.layers()[0] == ["ingest_prices", "ingest_factors"]


# ── the same answers as the core ─────────────────────────────────────────────────────────────────


def gates_say(dag: DAG, completed: set[str], running: set[str], failed: set[str], now: datetime) -> set[str]:
    """The steps that no gate of the core holds, asked one by one, on states that are simply put there."""
    state = State(Limits({"process": Capacity(10**6)}))
    evolve(state, OpenRun(now, Run("r/1", dag.pipeline, "", now)))
    record = state.runs["r/1"]
    for names, to in (
        (completed, TaskState.SUCCEEDED),
        (failed, TaskState.FAILED),
        (running, TaskState.RUNNING),
    ):
        for name in names:
            record.groups[name].put_all((TaskState.WAITING,), to)
    for name in running:  # an attempt that lives keeps its step from being closed
        record.groups[name].live = {0: Live(1, TaskState.RUNNING, now)}
    usage = Usage()
    return {
        name
        for name, group in record.groups.items()
        if group.waiting
        and not hopeless(record, group)
        and not missed(group, now)
        and closed_gate(Scope(state, record, group, usage, now, tripped=False)) is None
    }


def test_it_says_what_the_gates_say(project: Path) -> None:
    """At every transition of the market around a session, for hundreds of histories."""
    rng = Random(7)
    for session in (date(2024, 7, 5), date(2024, 7, 8), date(2024, 12, 30)):
        dag = build_market_dag("XTKS", session, folder=project)
        at = dag.market.window(session, "pre_open")[0] - timedelta(minutes=1)
        instants = [at]
        while len(instants) < 14:
            change = dag.market.next_transition(instants[-1])
            instants += [change.at - timedelta(seconds=1), change.at]
        for now in instants:
            for _ in range(25):
                names = rng.sample(sorted(dag.jobs), k=rng.randint(0, len(dag.jobs)))
                cut, end = sorted(rng.sample(range(len(names) + 2), 2))
                completed, running, failed = set(names[:cut]), set(names[cut:end]), set(names[end:])
                state = dag.market.state(now)
                found = ids(dag, completed, running, state, failed_jobs=failed, at=now)
                assert set(found) == gates_say(dag, completed, running, failed, now), (now, names)


def test_a_time_that_has_come_has_come(project: Path) -> None:
    """By the clock of Tokyo, without asking the core."""
    dag = build_market_dag("ASIA_EQ", date(2024, 7, 5), folder=project)
    assert dag.pipeline.name == "desk", "a market by another of its names"
    expected = {
        MarketState.PRE_OPEN: {"open", "early"},
        MarketState.SESSION: {"open"},
        MarketState.BREAK: {"lunch"},  # `open` waits for the afternoon
        MarketState.POST_CLOSE: {"open", "lunch", "prices"},
        MarketState.OVERNIGHT: {"open", "lunch", "prices"},
        MarketState.HOLIDAY: {"open", "lunch", "prices"},
    }
    for state, names in expected.items():
        assert set(ids(dag, (), (), state)) == names, state
    after = datetime(2024, 7, 5, 6, 15, tzinfo=UTC)
    assert set(ids(dag, {"prices"}, (), MarketState.POST_CLOSE, at=after)) >= {"point", "some"}
    assert "point" not in ids(dag, {"prices"}, (), MarketState.POST_CLOSE, at=after - timedelta(seconds=1))
    late = datetime(2024, 7, 8, 0, 0, tzinfo=UTC)
    assert "point" not in ids(dag, {"prices"}, (), MarketState.SESSION, at=late), (
        "too late, and to be skipped"
    )


def test_the_night_before_a_session_is_not_the_night_after(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OVERNIGHT at three in the morning of a day: its market has not opened, nothing of it may run."""

    class Clock:
        def now(self) -> datetime:
            return datetime(2024, 7, 7, 18, 0, tzinfo=UTC)  # three o'clock in Tokyo, on Monday

    monkeypatch.setattr("openbell.dag.SystemClock", Clock)
    monday = build_market_dag("XTKS", date(2024, 7, 8), folder=project)
    assert ids(monday, (), (), MarketState.OVERNIGHT) == []
    friday = build_market_dag("XTKS", date(2024, 7, 5), folder=project)
    assert "prices" in ids(friday, (), (), MarketState.OVERNIGHT)


# ── what has run ─────────────────────────────────────────────────────────────────────────────────


def test_executions_are_what_the_engine_has_done(desk: Desk) -> None:  # noqa: F811
    desk.write(
        "us.yaml",
        "name: us\nmarket: US_EQ\nsteps:\n"
        "  prices: {run: 'true', when: post_close}\n"
        "  bad: {run: 'false', retry: {attempts: 2, delay: 10ms}}\n"
        "  books: {run: 'true', needs: [bad]}\n"
        "  cells: {run: 'true', matrix: {i: [1, 2]}}\n",
    )
    dag = build_market_dag("US_EQ", date(2024, 7, 3), folder=desk.folder)
    assert load_job_executions(dag.dag_id, folder=desk.folder) == []
    desk.run("run", "us.yaml", "--date", "2024-07-02")
    assert load_job_executions(dag.dag_id, folder=desk.folder) == [], "that was another day"
    desk.run("run", "us.yaml", "--date", "2024-07-03")
    found = load_job_executions(dag.dag_id, folder=desk.folder)
    assert [(one.job_id, one.status, one.attempt_number) for one in found] == [
        ("prices", JobStatus.SUCCESS, 1),
        ("bad", JobStatus.FAILED, 2),
        ("cells", JobStatus.SUCCESS, 1),
        ("cells", JobStatus.SUCCESS, 1),
        ("books", JobStatus.SKIPPED, 0),
    ]
    assert found[1].error_message == "exit code 1"
    assert (found[0].run_id, found[0].as_of_date, found[0].market_id) == ("us/2", date(2024, 7, 3), "US_EQ")
    assert found[0].started_at is not None
    assert found[0].completed_at is not None
    assert found[3].coordinates == {"i": 2}
    assert found == [
        one.__class__(**{**{name: getattr(one, name) for name in one.__slots__}, "dag_id": dag.dag_id})
        for one in load_job_executions("us/2", folder=desk.folder)
    ]
    done = {one.job_id for one in found if one.status is JobStatus.SUCCESS}
    failed = {one.job_id for one in found if one.status is JobStatus.FAILED}
    assert ids(dag, done, (), MarketState.POST_CLOSE, failed_jobs=failed) == []
    assert json.loads(desk.run("runs", "show", "us/2", "-o", "json").out)["counts"]["succeeded"] == 3


def test_whose_day_it_is(project: Path) -> None:
    assert build_market_dag("XTKS", DAY, folder=project).dag_id == "desk_2025-12-02"
    assert build_market_dag("XNYS", DAY, folder=project).dag_id == "XNYS_2025-12-02", "nobody lives there"
    with pytest.raises(UsageError, match="desk lives in XTKS, not in XNYS"):
        build_market_dag("XNYS", DAY, pipeline="desk", folder=project)
    (project / "pipelines" / "other.yaml").write_text(PIPELINE.replace("name: desk", "name: other"))
    with pytest.raises(UsageError, match="several pipelines live in XTKS: desk, other"):
        build_market_dag("XTKS", DAY, folder=project)
    assert build_market_dag("XTKS", DAY, folder=project, pipeline="other").pipeline.name == "other"
