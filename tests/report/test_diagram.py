"""The graph of a pipeline in each of its forms."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from openbell.core.model import Need, NeedMode, Opening, Pipeline, Step
from openbell.core.state import RunRecord
from openbell.report.diagram import FORMATS
from tests.builders import World, step

CLOSE = Opening(datetime(2024, 7, 3, 17, tzinfo=UTC), datetime(2024, 7, 3, 19, tzinfo=UTC))
STEPS = (
    step("prices", openings=(CLOSE,)),
    step("factors"),
    step("returns", needs=(Need("prices"),)),
    step("books", cells=3, needs=(Need("returns"), Need("factors", NeedMode.SOME))),
)
EDGES = {("prices", "returns"), ("returns", "books"), ("factors", "books")}


def pipeline(*steps: Step) -> Pipeline:
    return Pipeline(
        "desk",
        steps or STEPS,
        title='The "desk" & <others>',
        tz="America/New_York",
        sessions={"session": "2024-07-03"},
    )


def finished() -> RunRecord:
    world = World(*STEPS, slots=9)
    world.act(CLOSE.start)
    world.end(0)
    world.act(CLOSE.start)
    return world.record


def test_text_has_a_line_for_each_step_by_layer() -> None:
    assert FORMATS["ascii"](pipeline()) == (
        " 1  prices   13:00 to 15:00 EDT\n"
        "    factors\n"
        " 2  returns                      <- prices\n"
        " 3  books    3 tasks             <- returns, factors (some)\n"
    )


def test_mermaid_has_every_step_and_edge() -> None:
    text = FORMATS["mermaid"](pipeline())
    names = dict(re.findall(r'^    (s\d)\["(\w+)', text, re.MULTILINE))
    found = re.findall(r"^    (s\d) (-- some -->|-->) (s\d)$", text, re.MULTILINE)
    assert {(names[a], names[b]) for a, _, b in found} == EDGES
    assert [names[a] for a, arrow, _ in found if "some" in arrow] == ["factors"]


def test_dot_has_every_step_and_edge() -> None:
    text = FORMATS["dot"](pipeline())
    assert text.startswith('digraph "The \\"desk\\" & <others>" {')
    assert set(re.findall(r'^    "(\w+)" -> "(\w+)"', text, re.MULTILINE)) == EDGES
    assert '"factors" -> "books" [label="some"];' in text


def test_svg_is_well_formed_and_says_everything() -> None:
    root = ElementTree.fromstring(FORMATS["svg"](pipeline()))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert texts[0] == 'The "desk" & <others>'
    assert set(texts[1:]) == {"prices, 13:00 to 15:00 EDT", "factors", "returns", "books, 3 tasks"}
    paths = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if p.get("marker-end")]
    assert len(paths) == len(EDGES)


def test_boxes_do_not_overlap_and_lie_inside() -> None:
    wide = pipeline(
        *(step(f"s{n}") for n in range(9)), step("end", needs=tuple(Need(f"s{n}") for n in range(9)))
    )
    root = ElementTree.fromstring(FORMATS["svg"](wide))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    boxes = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("rx")]
    places = [tuple(float(box.get(key, "")) for key in ("x", "y", "width", "height")) for box in boxes]
    assert len(places) == 10
    for x, y, w, h in places:
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
    for a in places:
        for b in places:
            apart = a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
            assert a is b or apart


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_shows_its_states(form: str) -> None:
    record = finished()
    text = FORMATS[form](record.run.pipeline, record)
    assert "succeeded" in text
    assert "waiting" in text or "starting" in text
