"""What a callable returns becomes the result, or a clear failure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from openbell import worker
from openbell.worker.call import call, find

CTX = worker.context({})


class Answer:
    """What the callable of the tests returns."""

    value: Any = None


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "callee.py").write_text(
        "from tests.worker.test_call import Answer\ndef run(ctx): return Answer.value\nNUMBER = 5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("callee", None)


def returned(value: Any) -> dict[str, Any]:
    Answer.value = value
    return call("callee:run", CTX)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, {}),
        ({}, {}),
        ({"pnl": 1.5, "rows": [1, {"a": None}]}, {"pnl": 1.5, "rows": [1, {"a": None}]}),
        (5, {"value": 5}),
        ("text", {"value": "text"}),
        ([1, 2], {"value": [1, 2]}),
        ((1, 2), {"value": [1, 2]}),
        (False, {"value": False}),
        ({"x": (1, 2), 3: "key"}, {"x": [1, 2], "3": "key"}),
        ({"topic": "a", "message": "b"}, {"topic": "a", "message": "b"}),
    ],
)
def test_json_is_the_result(value: Any, result: dict[str, Any]) -> None:
    assert returned(value) == result


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), "value is of type object"),
        ({"day": date(2024, 7, 2)}, "day is of type date"),
        ({"a": [1, {"b": {1, 2}}]}, "a[1].b is of type set"),
        ({"x": float("nan")}, "x is nan"),
        ({"x": [float("-inf")]}, "x[0] is -inf"),
        (b"bytes", "value is of type bytes"),
        ({(1, 2): 3}, "it has the key (1, 2)"),
        (LOOP, "goes too deep"),
    ],
)
def test_anything_else_is_a_failure_that_says_where(value: Any, told: str) -> None:
    with pytest.raises(TypeError, match="callee:run returned what is no JSON value: ") as caught:
        returned(value)
    assert told in str(caught.value)


def test_a_large_result_is_refused() -> None:
    with pytest.raises(ValueError, match="callee:run returned more than 65536 bytes"):
        returned({"x": "y" * 70_000})


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy", reason="the extra `data` is not installed")
    found = returned(
        {"n": numpy.int64(7), "x": numpy.float32(0.5), "y": numpy.float64(2), "b": numpy.bool_(1)}
    )
    assert found == {"n": 7, "x": 0.5, "y": 2.0, "b": True}
    with pytest.raises(TypeError, match="x is of type ndarray"):
        returned({"x": numpy.zeros(3)})


@pytest.mark.parametrize(
    ("target", "kind", "told"),
    [
        ("no_such_module:run", ImportError, "no_such_module"),
        ("callee:nothing", AttributeError, "nothing"),
        ("callee:NUMBER", TypeError, "callee:NUMBER is not callable: it is of type int"),
    ],
)
def test_what_cannot_be_called(target: str, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        find(target)
