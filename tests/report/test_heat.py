"""Heat maps over any two axes, against sums done by hand; drawings of workers in the page."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from openbell.core.matrix import Axis
from openbell.errors import UsageError
from openbell.report.build import build
from openbell.report.heat import Wanted, heats
from tests.report.past import DATES, PARTS, Past, sweep

DECAY = Axis("decay", ("30s", "60s"))
WIDTH = Axis("width", (1.5, 2.0, 2.5))
SEED = Axis("seed", (0, 1))


def succeed(found: Past, names: dict[str, Any], **result: Any) -> None:
    found.end(found.at(names), result)


def past(**results: float) -> Past:
    """Every cell has succeeded, and its pnl tells where it is."""
    found = Past((sweep(DATES, PARTS, DECAY, WIDTH, SEED),))
    for cell in product(DATES.values, PARTS.values, range(2), range(3), range(2)):
        date, part, decay, width, seed = cell
        pnl = 1000 * decay + 100 * width + 10 * seed + DATES.values.index(date) + int(part)
        names = {"date": date, "part": part, "decay": DECAY.values[decay]}
        names |= {"width": WIDTH.values[width], "seed": seed}
        succeed(found, names, pnl=float(pnl), **results)
    return found


def test_dates_and_partitions_are_added_and_means_are_taken_over_the_rest() -> None:
    found = past()
    [heat] = heats(found.record, list(found.attempts.values()))
    assert (heat.result, heat.across.name, heat.down.name) == ("pnl", "decay", "width")
    # six parts (three dates, two partitions): their own sum is 2 * (0 + 1 + 2) + 3 * (0 + 1) = 9
    assert heat.cells == {(d, w): 6 * (1000 * d + 100 * w + 5) + 9 for d in range(2) for w in range(3)}


def test_any_two_axes() -> None:
    found = past(trades=4.0)
    attempts = list(found.attempts.values())
    [heat] = heats(found.record, attempts, Wanted.parsed("seed,date"))
    assert heat.cells[1, 2] == pytest.approx(
        sum(2 * (1000 * d + 100 * w + 10 + 2) + 1 for d in (0, 1) for w in range(3)) / 6
    )
    [heat] = heats(found.record, attempts, Wanted.parsed("decay,width=trades"))
    assert set(heat.cells.values()) == {4.0}
    page = build(found.info, found.record, attempts, "", [Wanted.parsed("seed,width=trades")])
    assert "trades over seed and width" in page
    assert page.count('class="heat"') == 1


@pytest.mark.parametrize("text", ["decay", "decay,", "decay,decay", "a,b,c"])
def test_what_does_not_name_two_axes(text: str) -> None:
    with pytest.raises(UsageError, match="does not name two axes"):
        Wanted.parsed(text)


def test_axes_that_no_step_has() -> None:
    found = past()
    with pytest.raises(UsageError, match="no step has numbers of any result over decay and widht") as caught:
        heats(found.record, list(found.attempts.values()), Wanted.parsed("decay,widht"))
    assert "width" in caught.value.hint


def test_drawings_are_pictures_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    found = Past((sweep(DECAY),))
    succeed(found, {"decay": "30s"}, figure_a=str(tmp_path / "a.svg"), gone=str(tmp_path / "b.png"))
    page = build(found.info, found.record, list(found.attempts.values()), "")
    assert '<img class="drawing" alt="decay=30s: a" src="data:image/svg+xml;base64,' in page
    assert "alert(1)" not in page
    assert "b.png cannot be read (no such file or directory)" in page
