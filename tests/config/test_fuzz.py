"""Whatever a file holds, loading it gives a plan or findings that have a place, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.config.document import parse
from openbell.config.findings import Finding, render
from openbell.config.load import Dialect, Loaded, Overrides, load
from openbell.config.project import Project, load_project
from openbell.core.model import AttemptKey, Command, Run
from openbell.core.render import query_name, values
from openbell.core.render import render as filled
from openbell.errors import ConfigError
from openbell.store.codec import decode_pipeline, encode_pipeline
from tests.builders import NOW
from tests.config.test_schema import MANY, PROJECT
from tests.config.texts import NATIVE, PQ, PQ_BATCH, PQ_LEAST, REPLAY, REPLAY_LEAST

ENVIRON = {"SET": "5", "TEXT": "a b", "EMPTY": ""}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        for name in ("worker.py", "simple_worker.py"):
            (Path(folder) / name).write_text("pass\n")
        yield Path(folder)


def check(place: Path, text: str, **options: Any) -> Loaded | None:
    """Load the text; what is said about it has a place in it and can be shown."""
    path = place / "c.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    loaded: Loaded | None = None
    try:
        loaded = load(path, Project(place), ENVIRON, **options)
        findings: tuple[object, ...] = loaded.warnings
        assert not any(isinstance(found, Finding) and found.fatal for found in findings)
    except ConfigError as error:
        findings = error.findings
        assert any(isinstance(found, Finding) and found.fatal for found in findings)
    lines = parse(text, path).lines
    for found in findings:
        assert isinstance(found, Finding)
        assert 1 <= found.span.line <= len(lines)
        assert 1 <= found.span.column <= len(lines[found.span.line - 1]) + 1
        assert found.span.length >= 1
        assert render(found, "c.yaml", lines).startswith(("error[OB1", "warning[OB1"))
    return loaded


def check_tasks(loaded: Loaded) -> None:
    """A plan that was accepted can be stored, and its tasks can be told what to do."""
    pipeline = loaded.pipeline
    assert decode_pipeline(encode_pipeline(pipeline)) == pipeline
    run = Run(f"{pipeline.name}/1", pipeline, loaded.digest, NOW)
    for step in pipeline:
        for cell in {0, len(step.matrix) - 1}:
            query_name(run, step, AttemptKey(run.id, step.name, cell, 1))
            if isinstance(step.work, Command) and "${" not in str(step.work):
                for word in step.work.argv:
                    filled(word, values(run.id, pipeline, step, cell))


DIALECTS = st.sampled_from(Dialect)


@given(text=st.text(max_size=60), assume=DIALECTS)
@settings(max_examples=150)
def test_any_text(place: Path, text: str, assume: Dialect) -> None:
    check(place, text, assume=assume)


@given(text=st.text(alphabet="ab:-?[]{}&*!|>'\"%@ \n\t\\~<.01$é", max_size=40), assume=DIALECTS)
@settings(max_examples=150)
def test_any_text_that_looks_like_yaml(place: Path, text: str, assume: Dialect) -> None:
    check(place, text, assume=assume)


WORDS = """
name steps execution replay batch dates env deephaven scheduler market matrix run script needs defaults
params retry start end from to num_workers num_partitions date partition a b x
"""
KEYS = st.sampled_from(WORDS.split())
LEAVES = st.sampled_from(
    [None, True, False, 0, 1, 2000, "a", "", "2024-01-02", "${SET}", "${NO}", "worker.py"]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(tree=TREES, assume=DIALECTS, starting=st.booleans())
@settings(max_examples=150)
def test_any_tree(place: Path, tree: Any, assume: Dialect, starting: bool) -> None:
    check(place, json.dumps(tree), assume=assume, starting=starting)


# ── good files with something changed ────────────────────────────────────────────────────────────


def tree_of(text: str) -> Any:
    root = parse(text, Path("x.yaml")).root
    assert root is not None
    return root.data()


GOOD = [tree_of(text) for text in (PQ, PQ_BATCH, PQ_LEAST, REPLAY, REPLAY_LEAST, NATIVE, MANY)]

TEXTS = """
max 09:30:00 25:00:00 2024-01-01 2024-02-30 1700-01-01 9999-12-31 XNYS 24-7 5GB 1s process deephaven
${SET} ${NO} ${NO:-3} $${SET} ${TEXT} ${EMPTY} {date} { {x:d} {date:%Y} ~no/x worker.py Groovy a/b x \x1b[2J
"""
ODD: list[Any] = [None, True, False, 0, -1, 1, 3, 1001, 1e300, -0.5, 10**80, "", " ", "\n", "x" * 300]
NESTED: list[Any] = [[], {}, [1], [None], ["a", "a"], [[]], [{}], {"a": 1}, {"": 1}, {"A=B": "x"}]
NESTED += [{"SIMULATION_DATE": "x"}, {"from": "2024-01-01", "to": "2024-01-09"}]
VALUES = st.sampled_from([*TEXTS.split(), *ODD, *NESTED])
NAMES = KEYS | st.sampled_from(
    ["nmae", "exection", "a b", "", "num_partitons", "<<", "[key]", "dates", "count"]
)


def spots(tree: Any) -> list[tuple[Any, Any]]:
    """Every container below this one, with each of its keys."""
    found = []
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        found += [(tree, key), *spots(tree[key])]
    return found


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A good file after one to three changes."""
    tree = deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        inside, key = draw(st.sampled_from(spots(tree) or [({}, "x")]))
        match draw(st.sampled_from(["value", "value", "remove", "rename", "add"])):
            case "remove" if tree:
                del inside[key]
            case "rename" if isinstance(inside, dict) and key in inside:
                inside[draw(NAMES)] = inside.pop(key)
            case "add" if isinstance(inside, dict):
                inside[draw(NAMES)] = deepcopy(draw(VALUES))
            case _:
                inside[key] = deepcopy(draw(VALUES))
    return tree


OVERRIDES = st.builds(
    Overrides,
    on=st.sampled_from([None, "process", "process", "deephaven"]),
    dates=st.sampled_from([None, None, (date(2024, 1, 2), date(2024, 1, 4))]),
    sample=st.sampled_from([None, None, 1, 5]),
    values=st.sampled_from(
        [(), (), (("name.x", "1"),), (("execution.num_partitions", "${NO}"),), (("a..b", ""),)]
    ),
)


@given(tree=changed(), overrides=OVERRIDES, assume=DIALECTS, starting=st.booleans())
@settings(max_examples=300)
def test_any_change_of_a_good_file(
    place: Path, tree: Any, overrides: Overrides, assume: Dialect, starting: bool
) -> None:
    loaded = check(place, json.dumps(tree), overrides=overrides, assume=assume, starting=starting)
    if loaded is not None:
        check_tasks(loaded)


@given(key=st.sampled_from(sorted(tree_of(PROJECT))), value=TREES | VALUES)
@settings(max_examples=100)
def test_any_change_of_a_project(place: Path, key: str, value: Any) -> None:
    (place / "data").mkdir(exist_ok=True)
    (place / "openbell.yaml").write_text(json.dumps({**tree_of(PROJECT), key: value}))
    with suppress(ConfigError):
        load_project(place, ENVIRON)
