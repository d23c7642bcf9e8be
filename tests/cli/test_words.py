from __future__ import annotations

from datetime import timedelta

import pytest

from openbell.cli.words import condition, seconds, size
from openbell.core.model import TaskKey
from openbell.core.render import task_label, task_path
from openbell.executors.process.vitals import Vitals
from tests.builders import pipeline, step


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.312, "0.31 s"),
        (42, "42 s"),
        (187, "3:07"),
        (8109, "2:15:09"),
        (timedelta(days=3, hours=4, minutes=10), "3 d 04:10"),
    ],
)
def test_durations(value: float | timedelta, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(512, "512 B"), (4_200_000, "4.2 MB"), (1.5e9, "1.5 GB"), (2e12, "2000.0 GB")]
)
def test_sizes(value: float, text: str) -> None:
    assert size(value) == text


def test_a_task_is_called_by_its_cell_and_by_its_step_where_there_are_several() -> None:
    alone = pipeline(step("a", 3))
    assert task_label(alone, TaskKey("p/1", "a", 2)) == "i=2"
    several = pipeline(step("a", 3), step("b"))
    assert task_label(several, TaskKey("p/1", "a", 2)) == "a: i=2"
    assert task_label(several, TaskKey("p/1", "b", 0)) == "b"
    assert task_path(several, TaskKey("p/1", "a", 2)) == "p/1/a/2"
    assert task_path(several, TaskKey("p/1", "b", 0)) == "p/1/b"


def test_a_condition_tells_the_last_output_and_the_memory() -> None:
    assert condition(Vitals("epoch 3", 120_000_000)) == "last output: epoch 3; memory 120.0 MB"
    assert condition(Vitals("", 5000)) == "it has printed nothing; memory 5.0 kB"
