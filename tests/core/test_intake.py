"""What steps take in: when files are bound, to whom, and when they are used up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from openbell.core.decide import decide, lookouts
from openbell.core.events import CloseRun, Event, Exit, Exited, OpenRun, Pause, Resume, Skip, Start, Started
from openbell.core.evolve import evolve, is_news
from openbell.core.explain import explain
from openbell.core.failures import failure_groups
from openbell.core.inputs import (
    Absent,
    Bind,
    Clear,
    Cleared,
    Consume,
    Fail,
    Files,
    FilesSeen,
    InputFile,
    Signal,
    Told,
)
from openbell.core.matrix import Axis, Matrix, sample
from openbell.core.model import Need, NeedMode, Pipeline, Run, Step, TaskKey
from openbell.core.requests import Only, RetryTasks, Submit
from openbell.core.states import RunState
from openbell.errors import InvalidTransition
from tests.builders import NOW, RUN, World, later, pipeline, step


def file(name: str = "x.csv", key: str = "", role: str = "") -> InputFile:
    return InputFile(f"/in/{name}", 3, 7, key or f"key-{name}", role)


def taking(name: str = "a", cells: int = 1, needs: tuple[Need, ...] = (), **keys: Any) -> Step:
    """A step that takes all files that match."""
    return step(name, cells, needs=needs, files=Files(("/in/*.csv",), **keys))


def each(name: str = "a", other: Axis | None = None, **keys: Any) -> Step:
    """A step with a cell for each file."""
    axes = (Axis("file", (), source="files"), *((other,) if other else ()))
    return step(name, files=Files(("/in/*.csv",), axis="file", **keys), matrix=Matrix(axes))


def seen(*files: InputFile, at: datetime = NOW, run: str = RUN, name: str = "a", **keys: Any) -> FilesSeen:
    return FilesSeen(at, run, name, files, **keys)


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def reasons(world: World, now: datetime = NOW, name: str = "a") -> list[str]:
    return [blocker.text for blocker in explain(world.state, TaskKey(RUN, name, 0), now)]


def test_nothing_starts_before_its_files_are_there() -> None:
    world = World(taking(cells=2))
    assert world.act() == []
    assert reasons(world) == ["nobody has looked for /in/*.csv yet"]
    world.apply(seen(unsettled=1))
    assert world.act() == []
    assert reasons(world) == ["no file that is ready matches /in/*.csv; 1 still being written"]
    world.apply(seen(file()))
    assert kinds(world.act()) == ["Bind", "Start", "Start"]
    assert world.record.groups["a"].step.files.bound == (file(),)  # type: ignore[union-attr]


def test_only_what_waits_for_nothing_else_is_looked_for() -> None:
    world = World(step("first"), taking(needs=(Need("first"),)))
    world.act()
    assert lookouts(world.state, NOW) == {}
    world.end()
    (found,) = lookouts(world.state, NOW).values()
    assert found.globs == ("/in/*.csv",)
    world.apply(Pause(NOW, RUN, "lunch"))
    assert lookouts(world.state, NOW) == {}


def test_templates_in_globs_are_filled_in() -> None:
    one = step(files=Files(("/in/{session:%Y%m%d}/*.csv",), signal=Signal("/in/{session}.done")))
    world = World(one, sessions={"session": "2024-07-02"})
    (found,) = lookouts(world.state, NOW).values()
    assert found.globs == ("/in/20240702/*.csv",)
    assert found.signal == Signal("/in/2024-07-02.done")


def test_what_was_seen_before_a_pause_is_looked_at_again() -> None:
    world = World(taking())
    (before,) = lookouts(world.state, NOW).values()
    world.apply(seen(unsettled=1), Pause(NOW, RUN, "lunch"), Resume(NOW, RUN))
    (after,) = lookouts(world.state, NOW).values()
    assert before != after
    assert world.record.groups["a"].intake.seen is None  # type: ignore[union-attr]


def test_a_cell_for_each_file() -> None:
    world = World(each(), folder="/in")
    assert world.record.size == 1
    world.apply(seen(file("x.csv"), file("y.csv")))
    assert kinds(world.act()) == ["Bind", "Start", "Start"]
    group = world.record.groups["a"]
    assert [group.step.matrix.coordinates(cell) for cell in range(2)] == [
        {"file": "x.csv"},  # relative to the folder in which the task works
        {"file": "y.csv"},
    ]
    assert world.record.size == 2
    assert world.record.run.pipeline.size == 2


def test_a_sample_takes_some_of_the_files_and_leaves_the_others() -> None:
    one = each(consume=Consume.DELETE)
    world = World(Step(**{**fields(one), "matrix": sample(one.matrix, 2)}))
    world.apply(seen(*(file(f"{n}.csv") for n in range(5))))
    world.act()
    assert world.states() == "ss"
    bound = world.record.groups["a"].step.files.bound  # type: ignore[union-attr]
    assert [one.path for one in bound or ()] == ["/in/0.csv", "/in/4.csv"]


def fields(one: Step) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def test_files_are_used_up_cell_by_cell() -> None:
    world = World(each(consume=Consume.ARCHIVE))
    world.apply(seen(file("x.csv"), file("y.csv")))
    world.act()
    first, second = (task for task, _ in world.live())
    world.end(only=[first])
    (cleared,) = world.act()
    assert cleared == Clear(NOW, RUN, "a", file("x.csv"), Consume.ARCHIVE, "/in/archive")
    world.end(1, only=[second])
    world.act()
    assert [chore.file.path for chore in world.state.chores.values()] == ["/in/x.csv"]


def test_a_file_that_several_cells_take_waits_for_all_of_them() -> None:
    world = World(each(other=Axis("i", (1, 2)), consume=Consume.DELETE))
    world.apply(seen(file("x.csv"), file("y.csv")))
    world.act()
    tasks = [task for task, _ in world.live()]
    world.end(only=tasks[:1])
    assert "Clear" not in kinds(world.act())
    world.end(only=tasks[1:2])
    assert kinds(world.act()) == ["Clear"]


def test_files_of_a_step_are_used_up_when_every_cell_has_succeeded() -> None:
    world = World(taking(cells=2, consume=Consume.DELETE))
    world.apply(seen(file("x.csv"), file("y.csv")))
    world.act()
    first, second = (task for task, _ in world.live())
    world.end(only=[first])
    assert "Clear" not in kinds(world.act())
    world.end(only=[second])
    assert kinds(world.act()) == ["Clear", "Clear"]


def test_a_run_closes_when_its_files_are_put_away_or_cannot_be() -> None:
    world = World(taking(consume=Consume.DELETE))
    world.apply(seen(file()))
    world.act()
    world.end()
    assert kinds(world.act()) == ["Clear"]
    assert world.act() == []
    world.apply(Cleared(NOW, RUN, "a", "/in/x.csv", "key-x.csv", error="read-only file system"))
    assert kinds(world.act()) == ["CloseRun"]
    assert world.state.chores  # the next engine tries again


def test_a_failure_uses_nothing_up() -> None:
    world = World(taking(consume=Consume.DELETE))
    world.apply(seen(file()))
    world.act()
    world.end(1)
    assert kinds(world.act()) == ["CloseRun"]
    assert world.state.chores == {}


@pytest.mark.parametrize(("absent", "ended", "state"), [("skip", Skip, "K"), ("fail", Fail, "F")])
def test_what_becomes_of_it_when_nothing_is_there(absent: str, ended: type, state: str) -> None:
    world = World(taking(absent=Absent(absent)))
    assert world.act() == []  # nobody has looked yet
    world.apply(seen())
    done = world.act()
    assert isinstance(done[0], ended)
    assert world.states() == state
    outcome = done[-1].outcome if isinstance(done[-1], CloseRun) else None
    assert outcome is (RunState.FAILED if absent == "fail" else RunState.SUCCEEDED)


def test_what_is_still_written_is_not_absent() -> None:
    world = World(taking(absent=Absent.SKIP))
    world.apply(seen(unsettled=1))
    assert world.act() == []
    world.apply(seen(file()))
    assert kinds(world.act()) == ["Bind", "Start"]


def test_a_timeout_is_waited_for_and_not_slept_through() -> None:
    world = World(taking(absent=Absent.FAIL, timeout=timedelta(minutes=60)))
    world.apply(seen())
    assert decide(world.state, NOW).wake_at == later(3600)
    assert world.act(later(3599)) == []
    assert reasons(world, later(10)) == ["no file that is ready matches /in/*.csv; then it fails"]
    world.apply(seen(unsettled=1, at=later(3000)))  # it began to wait at NOW all the same
    assert kinds(world.act(later(3600))) == ["Fail", "CloseRun"]


def test_a_retry_waits_anew() -> None:
    world = World(taking(absent=Absent.FAIL, timeout=timedelta(minutes=60)))
    world.apply(seen())
    world.act(later(3600))
    world.state.requests["r"] = (RetryTasks(RUN, Only.FAILED), RUN)
    world.act(later(5000))
    assert world.states() == "W"
    world.apply(seen(at=later(5000)))
    assert decide(world.state, later(5000)).wake_at == later(8600)


def test_a_writer_that_is_stuck_is_told_and_given_up() -> None:
    signal = Signal("/in/done*.json", "/in/start*.json", "/in/progress*.json")
    keys: dict[str, Any] = {"signal": signal, "stalled": timedelta(minutes=5)}
    told = Told("progress", NOW, "records=100000")
    world = World(taking("a", **keys), taking("b", absent=Absent.SKIP, **keys))
    world.apply(seen(unsettled=2, told=told), seen(unsettled=2, told=told, name="b"))
    assert world.act(later(299)) == []
    assert decide(world.state, later(299)).wake_at == later(300)
    (text,) = reasons(world, later(299))
    assert text.endswith("its writer told progress (records=100000)")
    (skipped,) = world.act(later(300))
    assert isinstance(skipped, Skip)
    assert skipped.reason.endswith("and nothing since 14:00:00 UTC: it is stuck")
    assert "it is stuck" in reasons(world, later(300))[0]  # this one waits on


def test_a_signal_opens_the_gate_and_is_used_up_with_the_files() -> None:
    world = World(taking(signal=Signal("/in/done*.json")))
    done = file("done.json", role="signal")
    world.apply(seen(file(), done, told=Told("complete", NOW)))
    assert kinds(world.act()) == ["Bind", "Start"]
    world.end()
    assert set(world.record.groups["a"].intake.spent) == {"key-x.csv", "key-done.json"}  # type: ignore[union-attr]


def test_files_without_an_unused_signal_are_not_taken() -> None:
    world = World(taking(signal=Signal("/in/done*.json")))
    world.apply(seen(file(), told=Told("complete", NOW)))  # the signal has been used up before
    assert world.act() == []


# ── two runs and one file ────────────────────────────────────────────────────────────────────


def second(world: World, *steps: Step) -> None:
    world.apply(OpenRun(NOW, Run("p/2", pipeline(*steps), "digest", NOW)))


def test_of_two_runs_one_takes_the_file_and_the_other_says_who() -> None:
    world = World(taking())
    second(world, taking())
    world.apply(seen(file()), seen(file(), run="p/2"))
    assert kinds(world.act()) == ["Bind", "Start"]
    bound = [r.id for r in world.state.runs.values() if r.groups["a"].step.files.bound]  # type: ignore[union-attr]
    assert len(bound) == 1


def test_the_other_run_gets_what_the_first_has_not_used_up() -> None:
    world = World(taking())
    second(world, taking())
    world.apply(seen(file()))
    world.act()
    world.apply(seen(file(), run="p/2"))
    assert world.act() == []
    text = [b.text for b in explain(world.state, TaskKey("p/2", "a", 0), NOW)]
    assert text == ["no file that is ready matches /in/*.csv; 1 bound by p/1"]
    world.end(1)
    assert kinds(world.act()) == ["CloseRun", "Bind", "Start"]
    world.end(0)
    world.act()
    assert world.state.runs["p/2"].outcome is RunState.SUCCEEDED


def test_what_the_first_run_has_used_up_the_other_does_not_get() -> None:
    world = World(taking())
    second(world, taking())
    world.apply(seen(file()))
    world.act()
    world.apply(seen(file(), file("y.csv"), run="p/2"))
    assert kinds(world.act()) == ["Bind", "Start"]  # it takes the other one
    files = world.state.runs["p/2"].groups["a"].step.files
    assert files is not None
    assert [one.path for one in files.bound or ()] == ["/in/y.csv"]


def test_a_run_that_is_tried_again_does_not_take_what_another_has_used_up_meanwhile() -> None:
    world = World(each())
    world.apply(seen(file("x.csv"), file("y.csv")))
    world.act()
    world.end(1)
    world.act()
    second(world, each())
    world.apply(seen(file("x.csv"), run="p/2"))
    world.act()
    world.end(0)
    world.act()
    world.state.requests["r"] = (RetryTasks(RUN, Only.FAILED), RUN)
    done = world.act(later(5))
    assert [event.cell for event in done if isinstance(event, Skip)] == [0]
    assert world.states() == "Ks"


# ── axes made of results ─────────────────────────────────────────────────────────────────────


def listed(**keys: Any) -> tuple[Step, Step]:
    axis = Axis("sym", (), source="universe.symbols")
    return step("universe"), step("a", matrix=Matrix((axis,)), needs=(Need("universe"),), **keys)


def give(world: World, result: Any) -> None:
    (task, attempt), *_ = world.live()
    world.apply(Started(NOW, task, attempt, "1"), Exited(NOW, task, attempt, Exit(0), {"symbols": result}))


def test_an_axis_of_what_another_step_has_found() -> None:
    world = World(*listed())
    world.act()
    give(world, ["ES", "NQ", "ES", 3])
    assert kinds(world.act()) == ["Bind", "Start", "Start", "Start"]
    matrix = world.record.groups["a"].step.matrix
    assert [matrix.coordinates(cell)["sym"] for cell in range(3)] == ["ES", "NQ", 3]


def test_an_axis_without_values_skips_or_fails_its_step() -> None:
    for keys, letter in (({}, "K"), ({"empty": Absent.FAIL}, "F")):
        world = World(*listed(**keys))
        world.act()
        give(world, [])
        world.act()
        assert world.states() == letter


@pytest.mark.parametrize("result", [None, "ES", {"a": 1}, [["ES"]], [None]])
def test_a_result_that_is_no_list_of_values_fails_the_step(result: Any) -> None:
    world = World(*listed())
    world.act()
    give(world, result)
    (failed, *_) = world.act()
    assert isinstance(failed, Fail)
    assert "universe" in failed.reason


def test_what_needs_the_end_of_such_a_step_waits_for_all_its_cells() -> None:
    last = step("last", needs=(Need("a", NeedMode.DONE),))
    world = World(each(), last)
    world.act()
    assert world.states("last") == "W"  # the placeholder is open
    world.apply(seen(file("x.csv"), file("y.csv")))
    world.act()
    world.end(1, only=[world.live()[0][0]])
    world.act()
    assert world.states("last") == "W"
    world.end(0)
    world.act()
    assert world.states("last") == "s"


# ── what is no news, and what cannot be ──────────────────────────────────────────────────────


def test_what_is_known_is_no_news() -> None:
    world = World(taking())
    assert not is_news(world.state, seen(run="p/9"))
    assert not is_news(world.state, seen(name="b"))
    world.apply(seen(unsettled=1))
    assert not is_news(world.state, seen(unsettled=1, at=later(1)))
    assert is_news(world.state, seen(unsettled=2, at=later(1)))
    world.apply(seen(file()))
    world.act()
    assert not is_news(world.state, seen(file("y.csv")))  # it has taken what it takes
    assert not is_news(world.state, Cleared(NOW, RUN, "a", "/in/x.csv", "k"))


def test_what_has_ended_cannot_be_bound() -> None:
    world = World(taking(absent=Absent.SKIP))
    world.apply(seen())
    world.act()
    with pytest.raises(InvalidTransition):
        evolve(world.state, Bind(NOW, RUN, "a", {}, (file(),)))


def test_a_definition_that_is_amended_keeps_what_is_bound() -> None:
    world = World(each())
    world.apply(seen(file("x.csv"), file("y.csv")))
    world.act()
    changed = Pipeline("p", (each(settle=timedelta(seconds=9)),))
    world.state.requests["r"] = (Submit(changed, "digest"), RUN)
    done = world.act()
    assert kinds(done)[0] == "Amend"
    assert world.states() == "ss"
    files = world.record.groups["a"].step.files
    assert files is not None
    assert len(files.bound or ()) == 2
    assert files.settle == timedelta(seconds=9)


def test_of_very_many_files_a_task_takes_as_many_as_it_can_be_told_of() -> None:
    world = World(taking())
    world.apply(seen(*(file(f"{n:0100}.csv") for n in range(1000))))
    world.act()
    bound = world.record.groups["a"].step.files.bound  # type: ignore[union-attr]
    assert bound is not None
    assert 400 < len(bound) < 1000


@pytest.mark.parametrize(("verified", "used"), [(False, []), (True, ["/in/x.csv"])])
def test_what_was_ended_after_its_marker_uses_its_files_up_only_when_verified(
    verified: bool, used: list[str]
) -> None:
    world = World(each(consume=Consume.DELETE))
    world.apply(seen(file("x.csv")))
    world.act()
    world.end(ended_after_marker=True, verified=verified)
    done = world.act()
    assert [event.file.path for event in done if isinstance(event, Clear)] == used
    assert world.states() == "S"


def test_what_fails_for_want_of_files_is_told_with_the_failures() -> None:
    world = World(taking(absent=Absent.FAIL))
    world.apply(seen())
    world.act()
    (group,) = failure_groups(world.record, [])
    assert (group.error, group.count) == ("no file that is ready matches /in/*.csv", 1)


def test_a_failure_for_want_of_files_may_be_one_too_many() -> None:
    world = World(taking("a", absent=Absent.FAIL), step("b", needs=(Need("c"),)), step("c"), max_failures=1)
    world.act()
    world.apply(seen())
    world.end(only=[task for task, _ in world.live() if task.step == "c"])
    assert not any(isinstance(event, Start) for event in world.act())
    assert world.states("b") == "X"
