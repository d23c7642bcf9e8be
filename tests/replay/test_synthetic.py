"""Synthetic quotes fit the daily bars that they were made from."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from openbell.replay.synthetic import Bar, quotes
from tests.replay.days import NINE

DAY = date(2024, 7, 2)
END = NINE + 3600 * 10**9
BARS = {"A": Bar(10.0, 12.5, 9.75, 11.0), "B": Bar(50.0, 50.0, 49.0, 49.0), "C": Bar(7.0, 7.0, 7.0, 7.0)}


@pytest.mark.parametrize("seed", range(5))
def test_the_middle_has_the_bars_open_high_low_and_close(seed: int) -> None:
    found = pl.DataFrame(quotes(BARS, DAY, NINE, END, each=500, seed=seed))
    assert found["Timestamp"].is_sorted()
    assert found["Timestamp"].dt.epoch("ns").min() == NINE
    assert found["Timestamp"].dt.epoch("ns").to_list()[-1] < END
    for symbol, bar in BARS.items():
        rows = found.filter(Sym=symbol)
        assert rows.height == 500
        middle: list[float] = ((rows["Bid"] + rows["Ask"]) / 2).round(6).to_list()
        ends = (middle[0], max(middle), min(middle), middle[-1])
        assert np.allclose(ends, bar, atol=0.011 if symbol == "C" else 1e-9)
        assert (rows["Ask"] > rows["Bid"]).all()


def test_a_seed_is_a_day_and_another_seed_another() -> None:
    one = quotes(BARS, DAY, NINE, END, each=100, seed=1)
    assert one.equals(quotes(BARS, DAY, NINE, END, each=100, seed=1))
    assert not one.equals(quotes(BARS, DAY, NINE, END, each=100, seed=2))
    alone = quotes({"B": BARS["B"]}, DAY, NINE, END, each=100, seed=1)
    assert pl.DataFrame(one).filter(Sym="B").equals(pl.DataFrame(alone))  # whoever else is there
