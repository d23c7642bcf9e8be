from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from openbell.cli.heatmap import heat_map, places
from openbell.cli.screen import Scene, draw
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import AttemptKey, Need, NeedMode
from openbell.core.states import TaskState
from tests.builders import World, later, step

DATES = Axis("date", tuple(f"2024-01-{day:02}" for day in range(1, 31)), "date")
SWEEP = Matrix((DATES, Axis("lookback", (5, 20, 60))))


def text(scene: Scene, width: int, height: int, at: float = 5) -> list[str]:
    """The lines of the screen as they would stand on a terminal of this size."""
    console = Console(file=StringIO(), width=width, height=height, force_terminal=False, color_system=None)
    console.print(draw(scene, later(at), width, height))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def world() -> World:
    """Two cells of a sweep run, two have ended, one of them badly."""
    made = World(step("sweep", matrix=SWEEP), slots=2)
    made.act()
    (first, second) = made.live()
    made.end(0, only=[first[0]])
    made.end(1, only=[second[0]])
    made.act()
    return made


def test_the_screen_says_how_far_it_is_what_runs_and_what_holds_the_rest() -> None:
    made = world()
    scene = Scene(made.record, made.state, rate=3.0, failures={"x": (1, "KeyError: 'px'")})
    scene.progress = {AttemptKey(*task, attempt): "3/9 epochs" for task, attempt in made.live()[:1]}
    shown = "\n".join(text(scene, 100, 40))
    for part in (
        "2/90",
        "3.0 tasks/s",
        "86 waiting  2 starting  1 succeeded  1 failed",
        "2024-01-01",
        "2024-01-30",
        "date=2024-01-01, lookback=60",
        "3/9 epochs",
        "✗    1 x  KeyError: 'px'",
        "sweep: 86 wait — no room in the executor process: 2 of 2 taken",
    ):
        assert part in shown, shown


@pytest.mark.parametrize(("width", "height"), [(60, 16), (80, 24), (200, 60)])
def test_it_fits_into_the_terminal(width: int, height: int) -> None:
    made = world()
    lines = text(Scene(made.record, made.state, rate=12.3), width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= height


def test_steps_of_one_task_are_glyphs_with_names() -> None:
    made = World(step("load"), step("fit", needs=(Need("load", NeedMode.ALL),)))
    made.act()
    made.end()
    assert "✓ load  · fit" in "\n".join(text(Scene(made.record, made.state), 80, 24))


def test_the_map_shows_the_worst_of_the_cells_that_share_a_place() -> None:
    made = world()
    group = made.record.groups["sweep"]
    full = places(group, 100, 10)
    assert (len(full), len(full[0])) == (3, 30)
    assert [full[row][0] for row in range(3)] == [
        TaskState.SUCCEEDED,
        TaskState.FAILED,
        TaskState.STARTING,
    ]
    assert full[0][1] is TaskState.STARTING
    small = places(group, 10, 1)
    assert (len(small), len(small[0])) == (1, 10)
    assert small[0][0] is TaskState.FAILED
    assert small[0][9] is TaskState.WAITING


def test_the_map_names_its_rows_and_its_first_and_last_column() -> None:
    lines = heat_map(world().record.groups["sweep"], 60, 8).plain.splitlines()
    assert [line.partition("▀")[0].strip() for line in lines[:2]] == ["5, 20", "60"]
    assert lines[2].split() == ["2024-01-01", "2024-01-30"]
    assert lines[2].index("2024-01-01") == lines[0].index("▀")


def test_a_million_cells_are_drawn_at_once() -> None:
    wide = Matrix((Axis("i", tuple(range(1000))), Axis("j", tuple(range(1000)))))
    made = World(step("a", matrix=wide), slots=2)
    made.act()
    grid = places(made.record.groups["a"], 100, 20)
    assert grid[0][0] is TaskState.STARTING
    assert grid[19][99] is TaskState.WAITING


def test_times_are_those_of_the_attempts() -> None:
    made = World(step())
    made.act()
    assert "1:30" in "\n".join(text(Scene(made.record, made.state), 80, 24, timedelta(seconds=90).seconds))
