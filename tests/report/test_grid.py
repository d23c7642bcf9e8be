"""The outcome grid: where cells lie, and what the page's script is given."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from openbell.core.events import Cancel, Skip
from openbell.core.evolve import evolve
from openbell.core.matrix import Axis, Matrix, sample
from openbell.core.model import Retry
from openbell.core.states import TaskState
from openbell.report.grid import Layout, layout, outcomes
from tests.report.past import DATES, LOOKBACK, PARTS, RUN, Past, sweep

YEAR = Axis("date", tuple(range(250)), "date")


def data(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json">(.*?)</script>', html)
    assert found is not None
    return dict(json.loads(found[1]))


def test_dates_go_across_and_parameters_down() -> None:
    place = layout(Matrix((YEAR, LOOKBACK)))
    assert place == Layout(2, 250, False, ("lookback=20", "lookback=5"), ("date=0", "date=249"))


def test_the_longer_side_goes_across() -> None:
    place = layout(Matrix((LOOKBACK, YEAR)))
    assert place == Layout(2, 250, True, ("lookback=20", "lookback=5"), ("date=0", "date=249"))


def test_further_axes_share_a_side() -> None:
    assert layout(Matrix((YEAR, LOOKBACK, PARTS))) == Layout(
        4, 250, False, ("lookback=20", "lookback=5"), ("date=0", "date=249")
    )
    assert layout(Matrix((LOOKBACK, YEAR, PARTS))) == Layout(
        2, 500, True, ("lookback=20", "lookback=5"), ("date=0, part=0", "date=249, part=1")
    )


@pytest.mark.parametrize(
    "matrix",
    [
        Matrix((YEAR,)),
        sample(Matrix((YEAR, LOOKBACK)), 10),
        Matrix((YEAR, Axis("one", (1,)))),
        Matrix((Axis("one", (1,)), YEAR)),
    ],
)
def test_a_list_of_cells_lies_in_one_row(matrix: Matrix) -> None:
    assert layout(matrix) == Layout(1, len(matrix))


def test_up_to_24_lines_are_labelled() -> None:
    for count, labelled in ((24, 24), (25, 0)):
        assert len(layout(Matrix((YEAR, Axis("x", tuple(range(count)))))).lines) == labelled


def test_outcomes_travel_as_one_byte_a_cell() -> None:
    step = sweep(DATES, LOOKBACK, retry=Retry(attempts=2, delay=timedelta(hours=1)))
    past = Past((step,))
    group = past.record.groups["backtest"]
    past.end(past.at({"date": "2024-07-01", "lookback": 20}))
    past.begin(past.at({"date": "2024-07-01", "lookback": 5}))
    past.end(past.at({"date": "2024-07-02", "lookback": 20}), code=1)  # waits for its second try
    for _ in range(2):
        past.end(past.at({"date": "2024-07-02", "lookback": 5}), code=1)
        past.clock += timedelta(hours=2)
    evolve(past.state, Cancel(past.clock, RUN, "backtest", "enough", 4))
    evolve(past.state, Skip(past.clock, RUN, "backtest", "hopeless"))

    found = data(outcomes("backtest", group))
    names = [found["states"][code] for code in base64.b64decode(found["codes"])]
    assert names == [group.state(cell).name.lower() for cell in range(6)]
    assert names == ["succeeded", "running", "skipped", "failed", "cancelled", "skipped"]
    assert found["axes"] == [
        {"name": "date", "values": list(DATES.values)},
        {"name": "lookback", "values": ["20", "5"]},
    ]
    assert (found["rows"], found["columns"], found["pick"]) == (2, 3, None)


def test_a_task_between_two_tries_is_waiting() -> None:
    past = Past((sweep(DATES, retry=Retry(attempts=2, delay=timedelta(hours=1))),))
    past.end(past.at({"date": "2024-07-01"}), code=1)
    found = data(outcomes("backtest", past.record.groups["backtest"]))
    assert set(base64.b64decode(found["codes"])) == {TaskState.WAITING}


def test_the_picture_is_put_into_words() -> None:
    past = Past((sweep(DATES),))
    past.end(past.at({"date": "2024-07-01"}))
    html = outcomes("backtest", past.record.groups["backtest"])
    assert 'aria-label="Outcome of each task: 2 waiting, 1 succeeded"' in html
    assert "<i></i>1 succeeded" in html


def test_hostile_names_stay_text() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    past = Past((sweep(Axis("date", (evil, "b", "c")), Axis(evil, (evil, "y")), name=evil),))
    html = outcomes(evil, past.record.groups[evil])
    assert "<img" not in html
    assert html.count("</script>") == 1
    assert data(html)["axes"][1] == {"name": evil, "values": [evil, "y"]}


def test_too_many_cells_are_counted_and_not_drawn() -> None:
    past = Past((sweep(Axis("n", tuple(range(2_000_001))), name="<big>"),))
    html = outcomes("<big>", past.record.groups["<big>"])
    assert "Too many cells to draw." in html
    assert "Outcomes: &lt;big&gt;" in html
    assert "<canvas" not in html
    assert "2,000,001 waiting" in html
