"""Names of dialect files in ids and paths."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.config.dialects.shared import braced, minutes, slug
from openbell.core.render import render

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@pytest.mark.parametrize("name", ["a", "mm_2012", "mm-20240115", "mm--20240115", "A.b-c_9", "n" * 100])
def test_a_good_name_stays(name: str) -> None:
    assert slug(name) == name


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a b", "a-b--"),
        ("a/b", "a-b--"),
        ("../../etc/passwd", "etc-passwd--"),
        ("FX/EUR^2", "FX-EUR-2--"),
        ("日本", "sweep--"),
        ("_x", "x--"),
        (".hidden", "hidden--"),
        ("n" * 500, "n" * 60 + "--"),
        ("a\nb", "a-b--"),
        ("a b--0123456789ab", "a-b--0123456789ab--"),
        ("a--0123456789ab", "a--0123456789ab--"),
    ],
)
def test_another_one_is_made_safe(name: str, start: str) -> None:
    assert re.fullmatch(re.escape(start) + "[0-9a-f]{12}", slug(name))


NAMES = st.text(min_size=1, max_size=150).filter(str.strip) | st.from_regex(
    r"[ab /-]{1,4}(--[0-9a-f]{12})?", fullmatch=True
)


@given(NAMES)
def test_every_slug_is_safe(name: str) -> None:
    assert SAFE.fullmatch(slug(name))


@given(NAMES, NAMES)
def test_no_two_names_come_to_the_same(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)


@given(NAMES)
def test_a_slug_that_was_made_is_no_name_that_stays(name: str) -> None:
    assert slug(name) == name or slug(slug(name)) != slug(name)


@given(st.text())
def test_a_name_in_a_template_stays_itself(name: str) -> None:
    assert render(braced(name), {}) == name


@pytest.mark.parametrize(("count", "seconds"), [(1, 60), (0.5, 30), (1e300, 3650 * 86400)])
def test_minutes(count: float, seconds: float) -> None:
    assert minutes(count).total_seconds() == seconds
