"""The small rooms of the core: durations, failures, templates, summaries."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.durations import Durations
from openbell.core.events import Exit, Exited
from openbell.core.failure import complaint, fingerprint
from openbell.core.failures import failure_groups
from openbell.core.matrix import Axis, Matrix, Scalar
from openbell.core.model import AttemptKey, Command, Pipeline, Run, Step, TaskKey
from openbell.core.render import environment, fields, query_name, render, values
from openbell.core.states import FailureKind, TaskState
from openbell.core.summary import summarize
from tests.builders import NOW, RUN, World, later, step


@given(st.lists(st.floats(0.001, 1e5), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_is_right_within_its_bucket(seconds: list[float], fraction: float) -> None:
    durations = Durations()
    for value in seconds:
        durations.add(value)
    exact = sorted(seconds)[max(0, -(-int(len(seconds) * fraction * 1000) // 1000) - 1)]
    assert durations.quantile(fraction) >= exact * 0.999
    assert durations.quantile(fraction) <= max(seconds) * 1.26
    assert durations.mean == pytest.approx(sum(seconds) / len(seconds))


@given(st.permutations([0.1, 0.5, 3.0, 3.1, 77.0, 1e-12, 1e9]))
def test_the_order_of_durations_does_not_matter(order: Sequence[float]) -> None:
    first, second = Durations(), Durations()
    for value in order:
        first.add(value)
    for value in sorted(order):
        second.add(value)
    assert first.buckets == second.buckets


def test_quantiles_agree_with_the_standard_library() -> None:
    durations = Durations()
    seconds = [0.05 * 1.1**n for n in range(100)]
    for value in seconds:
        durations.add(value)
    exact = quantiles(seconds, n=20)[18]
    assert exact * 0.8 <= durations.quantile(0.95) <= exact * 1.3


TRACEBACK = """Traceback (most recent call last):
  File "/w/worker.py", line 10, in <module>
    main()
  File "/w/worker.py", line 5, in main
    raise ValueError(f"bad lot {n}")
ValueError: bad lot 17"""


@pytest.mark.parametrize(
    ("log", "line", "traceback"),
    [
        (f"hello\n{TRACEBACK}\n", "ValueError: bad lot 17", TRACEBACK),
        (f"{TRACEBACK}\n\nDuring handling...\n{TRACEBACK}", "ValueError: bad lot 17", TRACEBACK),
        ("one\ntwo\n\n", "two", ""),
        ("", "", ""),
        ("Traceback (most recent call last):\n  File cut off", "File cut off", ""),
        ("a\n" + "x" * 5000, "x" * 300, ""),
    ],
)
def test_the_last_complaint_of_a_log(log: str, line: str, traceback: str) -> None:
    said = complaint(log)
    assert (said.line, said.traceback) == (line, traceback)


def test_failures_of_one_kind_are_one_group() -> None:
    first, second = (
        fingerprint("ValueError: bad lot 17", TRACEBACK),
        fingerprint("ValueError: bad lot 3", TRACEBACK),
    )
    assert first == second
    assert first != fingerprint("KeyError: 17", TRACEBACK)
    assert first != fingerprint("ValueError: bad lot 17", TRACEBACK.replace("line 5", "line 6"))


class Attempt(NamedTuple):
    key: AttemptKey
    error: str
    traceback: str


def test_failed_tasks_are_grouped_largest_first() -> None:
    world = World(step(cells=5), slots=5)
    world.act()
    world.end(1)
    errors = ["disk full", "bad 1", "bad 2", "bad 3", "disk full"]
    attempts = [Attempt(AttemptKey(RUN, "a", cell, 1), error, "") for cell, error in enumerate(errors)]
    groups = failure_groups(world.record, attempts)
    assert [(group.count, group.error) for group in groups] == [(3, "bad 1"), (2, "disk full")]


KNOWN: dict[str, Scalar] = {"date": "2024-01-02", "k": 5, "params.days": 30, "x": "a{b}"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("--d {date} -k{k}", "--d 2024-01-02 -k5"),
        ("{date:%Y%m%d}", "20240102"),
        ("{k:03}", "005"),
        ("{params.days}", "30"),
        ("{{not}} {x}", "{not} a{b}"),
        ("plain", "plain"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render(template, KNOWN) == text


@pytest.mark.parametrize("form", [">9999999999", ".999999999f", "c"])
def test_formats_that_no_machine_could_fill_in(form: str) -> None:
    with pytest.raises(ValueError, match=r"more than 1000 characters|range\(0x110000\)"):
        render("{n:" + form + "}", {"n": 3_000_000_000})


def test_what_templates_cannot_say() -> None:
    with pytest.raises(KeyError, match="nope"):
        render("{nope}", KNOWN)
    for stray in ("a { b", "a } b"):
        with pytest.raises(ValueError, match="stray"):
            render(stray, KNOWN)
        with pytest.raises(ValueError, match="stray"):
            list(fields(stray))
    assert list(fields("{a} {{b}} {c:%Y}")) == ["a", "c"]


def sweep() -> tuple[Run, Step]:
    matrix = Matrix((Axis("date", ("2024-01-15",), "date"), Axis("worker", tuple(range(4)), "partition")))
    one = Step(
        "worker", Command(("x",)), matrix=matrix, query_name="pq_replay_{{my}} sim_{date:%Y%m%d}_{partition}"
    )
    return Run("my-sim/3", Pipeline("my-sim", (one,), title="my sim"), "d", NOW), one


def test_a_task_gets_both_generations_of_variables() -> None:
    run, one = sweep()
    assert environment(run, one, AttemptKey("my-sim/3", "worker", 2, 1)) == {
        "SIMULATION_NAME": "my sim",
        "SIMULATION_DATE": "2024-01-15",
        "PARTITION_ID": "2",
        "NUM_PARTITIONS": "4",
        "WORKER_ID": "2",
        "NUM_WORKERS": "4",
        "QUERY_NAME": "pq_replay_{my} sim_20240115_2",
        "OPENBELL_SESSION": "",
        "OPENBELL_RUN_MODE": "",
        "OPENBELL_RUN_ID": "my-sim/3",
        "OPENBELL_ATTEMPT": "my-sim/3/worker/2#1",
    }


def test_later_attempts_have_names_of_their_own() -> None:
    run, one = sweep()
    assert query_name(run, one, AttemptKey("my-sim/3", "worker", 2, 3)).endswith("_20240115_2_try3")


def test_a_task_without_axes_is_partition_0_of_1() -> None:
    one = step()
    run = Run("p/1", Pipeline("p", (one,)), "d", NOW)
    found = environment(run, one, AttemptKey("p/1", "a", 0, 1))
    assert (found["PARTITION_ID"], found["NUM_PARTITIONS"], found["SIMULATION_DATE"]) == ("0", "1", "")
    assert values("p/1", run.pipeline, one, 0)["key"] == "1"


def test_a_summary_adds_up() -> None:
    world = World(step(cells=10), slots=4)
    world.act()
    world.end(0, later(2), elapsed=2.0)
    world.act(later(2))
    summary = summarize(world.record)
    assert (summary.total, summary.final, summary.live) == (10, 4, 4)
    assert summary.oldest == (AttemptKey(RUN, "a", 4, 1), later(2))
    assert summary.remaining is not None
    assert summary.remaining.total_seconds() == 3.0  # six tasks of 2 s, four at once
    world.apply(Exited(later(3), TaskKey(RUN, "a", 4), 1, Exit(1)))
    assert summarize(world.record).failures == {FailureKind.EXIT: 1}
    assert sum(summary.counts.values()) == 10
    assert summary.counts[TaskState.WAITING] == 2
