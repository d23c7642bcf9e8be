"""What needed steps have come to is written down once, and read by those who need it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from openbell import worker
from openbell.core.events import Event, Exit, Exited, Led, Skip, Started
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import AttemptKey, Need, NeedMode, Step, TaskKey
from openbell.engine.briefing import brief
from openbell.engine.upstream import Upstream
from openbell.store.memory import MemoryStore
from tests.builders import NOW, RUN, World, step

DAY = Axis("day", ("mon", "tue"))
BOOK = Axis("book", ("x", "y", "z"))


class Desk:
    """A world, its store, and the results that are written for it."""

    def __init__(self, folder: Path, *steps: Step) -> None:
        self.world = World(*steps, slots=20)
        self.store = MemoryStore()
        self.lease = self.store.lead("test", NOW)
        self.written = 0
        self.upstream = Upstream(folder / "results", self.store)
        self.folder = folder / "results"

    def commit(self) -> None:
        batch: Sequence[Event] = self.world.journal[self.written :]
        self.store.append(self.lease.epoch, self.lease.last + 1 + self.written, batch, self.world.state)
        self.written = len(self.world.journal)
        self.upstream.see(batch, self.world.state)

    def end(self, name: str, cell: int, result: dict[str, Any], code: int = 0) -> None:
        task = TaskKey(RUN, name, cell)
        live = self.world.record.groups[name].live[cell]
        self.world.apply(
            Started(NOW, task, live.attempt), Exited(NOW, task, live.attempt, Exit(code), result)
        )

    def context(self, name: str, cell: int = 0) -> worker.Context:
        """What the worker of this attempt sees."""
        env = brief(self.world.record, AttemptKey(RUN, name, cell, 1), {}, self.upstream).env
        return worker.context(env)

    @property
    def files(self) -> list[str]:
        return sorted(path.name.partition(".")[0] for path in self.folder.glob("*/*"))


def grid(name: str, *axes: Axis, **keys: Any) -> Step:
    return step(name, **{"matrix": Matrix(axes), **keys})


def test_all_cells_with_their_results_and_states(tmp_path: Path) -> None:
    desk = Desk(tmp_path, grid("a", DAY, BOOK), grid("b", DAY, needs=(Need("a", NeedMode.DONE),)))
    desk.world.act()
    for cell in range(6):
        desk.end("a", cell, {"n": cell} if cell != 3 else {}, code=int(cell == 4))
    desk.world.act()
    desk.commit()
    ctx = desk.context("b", 1)
    assert ctx.results("a") == [
        ({"day": "mon", "book": "x"}, {"n": 0}, "succeeded"),
        ({"day": "mon", "book": "y"}, {"n": 1}, "succeeded"),
        ({"day": "mon", "book": "z"}, {"n": 2}, "succeeded"),
        ({"day": "tue", "book": "x"}, {}, "succeeded"),
        ({"day": "tue", "book": "y"}, {"n": 4}, "failed"),
        ({"day": "tue", "book": "z"}, {"n": 5}, "succeeded"),
    ]
    assert ctx.results("a")[4].coordinates["book"] == "y"
    with pytest.raises(LookupError, match="no cell is like this one \\(day=tue\\)"):
        ctx.result("a")
    assert ctx.needs == {"a": {"run": RUN, "step": "a", "path": (ctx.needs or {})["a"]["path"]}}
    assert "n" not in json.dumps(ctx.needs["a"]["run"])


def test_the_like_of_a_cell(tmp_path: Path) -> None:
    desk = Desk(tmp_path, grid("a", DAY), step("one"), grid("b", BOOK, DAY, needs=(Need("a"), Need("one"))))
    desk.world.act()
    desk.end("a", 0, {"n": 0})
    desk.end("a", 1, {"n": 1})
    desk.end("one", 0, {"alone": True})
    desk.world.act()
    desk.commit()
    found = [desk.context("b", cell).result("a").result["n"] for cell in range(6)]
    assert found == [0, 1, 0, 1, 0, 1]
    assert desk.context("b", 5).result("one") == ({}, {"alone": True}, "succeeded")


def test_a_cell_that_waits_for_its_like_reads_that_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path, grid("a", BOOK, DAY), grid("b", DAY, BOOK, needs=(Need("a", NeedMode.SAME),)))
    desk.world.act()
    cell = Matrix((BOOK, DAY)).cell({"book": "y", "day": "tue"})
    desk.end("a", cell, {"n": cell})
    desk.world.act()
    desk.commit()
    own = Matrix((DAY, BOOK)).cell({"book": "y", "day": "tue"})
    ctx = desk.context("b", own)
    assert ctx.results("a") == [({"book": "y", "day": "tue"}, {"n": cell}, "succeeded")]
    assert ctx.result("a") == ctx.results("a")[0]


def test_a_sample_keeps_its_coordinates(tmp_path: Path) -> None:
    desk = Desk(tmp_path, step("a", matrix=Matrix((DAY, BOOK), (1, 5))), step("b", needs=(Need("a"),)))
    desk.world.act()
    desk.end("a", 0, {"n": 0})
    desk.end("a", 1, {"n": 1})
    desk.world.act()
    desk.commit()
    assert [(*one.coordinates.values(), one.result["n"]) for one in desk.context("b").results("a")] == [
        ("mon", "y", 0),
        ("tue", "z", 1),
    ]


def test_one_file_serves_all_and_a_retry_makes_another(tmp_path: Path) -> None:
    from openbell.core.events import Requested
    from openbell.core.requests import RetryTasks

    desk = Desk(tmp_path, grid("a", DAY), grid("b", BOOK, needs=(Need("a", NeedMode.DONE),)))
    desk.world.act()
    desk.end("a", 0, {"n": 0})
    desk.end("a", 1, {"n": 1}, code=1)
    desk.world.act()
    desk.commit()
    paths = {(desk.context("b", cell).needs or {})["a"]["path"] for cell in range(3)}
    assert len(paths) == 1
    assert desk.files == ["a"]
    for cell in range(3):
        desk.end("b", cell, {})
    desk.world.apply(Requested(NOW, "r", RetryTasks(RUN), RUN))
    desk.world.act()
    desk.end("a", 1, {"n": 2})
    desk.world.act()
    desk.commit()
    again = desk.context("b", 0)
    assert [one.result["n"] for one in again.results("a")] == [0, 2]
    assert (again.needs or {})["a"]["path"] not in paths


def test_an_engine_that_comes_anew_writes_the_same_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, step("a"), step("b", needs=(Need("a"),)))
    desk.world.act()
    desk.end("a", 0, {"n": 1})
    desk.world.act()
    desk.commit()
    first = desk.context("b").needs
    desk.upstream = Upstream(desk.folder, desk.store)
    assert desk.context("b").needs == first
    assert desk.files == ["a"]


def test_what_nobody_reads_any_more_is_removed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, step("a"), step("b", needs=(Need("a"),)))
    desk.world.act()
    desk.end("a", 0, {})
    desk.world.act()
    desk.commit()
    desk.context("b")
    (desk.folder / "gone%2F1").mkdir()
    desk.upstream.see([Led(NOW, 2, "x", adopt=True)], desk.world.state)
    assert [path.name for path in desk.folder.iterdir()] == ["p%2F1"]
    desk.end("b", 0, {})
    desk.world.act()
    desk.commit()
    assert list(desk.folder.iterdir()) == []


def test_only_what_is_needed_can_be_read(tmp_path: Path) -> None:
    desk = Desk(tmp_path, step("a"), step("c"), step("b", needs=(Need("a"),)))
    desk.world.act()
    desk.end("a", 0, {})
    desk.world.act()
    desk.commit()
    with pytest.raises(LookupError, match="b does not need a step 'c'; it needs a"):
        desk.context("b").results("c")
    with pytest.raises(LookupError, match="it needs none"):
        desk.context("a").results("c")


def test_by_hand_nothing_has_come_to_anything() -> None:
    ctx = worker.context({})
    assert ctx.results("a") == []
    with pytest.raises(LookupError, match="by hand"):
        ctx.result("a")


def test_states_of_all_kinds_are_told(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path, step("a"), step("b", needs=(Need("a"),)), step("c", needs=(Need("b", NeedMode.DONE),))
    )
    desk.world.act()
    desk.end("a", 0, {}, code=1)
    desk.world.act()
    assert any(isinstance(event, Skip) for event in desk.world.journal)
    desk.commit()
    assert desk.context("c").results("b") == [({}, {}, "skipped")]
