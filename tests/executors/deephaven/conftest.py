"""One simulator for all tests of this folder: each test has queries of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.enterprise import Controller


@pytest.fixture(scope="session")
def served() -> Iterator[Controller]:
    controller = Controller("--step", "0.01")
    yield controller
    controller.close()


@pytest.fixture
def controller(served: Controller) -> Iterator[Controller]:
    served.order("up")
    yield served
    served.order("clear")
    served.order("names", unique=True)
