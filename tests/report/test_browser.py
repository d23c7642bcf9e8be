"""The report in a real browser: its script runs, draws what the run came to, and complains of nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html import unescape
from pathlib import Path

import pytest

from openbell.core.matrix import Axis, label, sample
from openbell.core.model import Step
from tests.report.past import DATES, LOOKBACK, PARTS, Past, sweep
from tests.report.test_build import busy

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--enable-logging=stderr", "--window-size=1000,800"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed"),
]

PROBE = """
<script>
const found = [];
for (const host of document.querySelectorAll(".outcomes")) {
  const canvas = host.querySelector("canvas"), box = canvas.getBoundingClientRect();
  const drawn = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data, said = {};
  for (let y = 1; y < box.height; y += 2) for (let x = 1; x < box.width; x += 2) {
    canvas.dispatchEvent(new MouseEvent("mousemove", {clientX: box.left + x, clientY: box.top + y}));
    const at = 4 * (y * canvas.width + x), colour = drawn.slice(at, at + 3).join();
    const seen = said[host.querySelector("output").textContent] ??= {};
    seen[colour] = (seen[colour] ?? 0) + 1;
  }
  found.push(said);
}
document.body.dataset.found = JSON.stringify(found);
</script></body>
"""
"""Moves the mouse over every grid, and notes what is said, and how often which colour is seen there."""

COLOURS = {"waiting": "220,222,226", "succeeded": "116,199,170", "failed": "196,73,0"}
GAP = "0,0,0"  # nothing is drawn there


def visit(tmp_path: Path, page: str) -> tuple[str, list[str]]:
    """The document after its scripts have run, and what the console said."""
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def probe(tmp_path: Path, past: Past) -> dict[str, Counter[str]]:
    """What the only grid of the page says about its cells, with the colours that are seen there."""
    page = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", past.page())
    document, console = visit(tmp_path, page.replace("</body>", PROBE))
    assert console == []
    found = re.search(r'data-found="([^"]*)"', document)
    assert found is not None
    (said,) = json.loads(unescape(found[1]))
    return {text: Counter(colours) for text, colours in said.items()}


def test_the_script_runs_and_nothing_complains(tmp_path: Path) -> None:
    document, console = visit(tmp_path, busy().page())
    assert console == []
    heights = re.findall(r'<canvas [^>]*style="height: ([\d.]+)px;?"', document)
    assert len(heights) == 2
    assert all(float(height) >= 10 for height in heights)


def test_a_complaint_would_be_seen(tmp_path: Path) -> None:
    for broken in ("<script>alert(1)</script></body>", "<img src='http://127.0.0.1:9/x.png'></body>"):
        _, console = visit(tmp_path, busy().page().replace("</body>", broken))
        assert any("Content Security Policy" in line for line in console)


DAYS = Axis("date", tuple(f"2024-07-{n:02}" for n in range(1, 31)), "date")


@pytest.mark.parametrize(
    "step",
    [
        sweep(DAYS, LOOKBACK),
        sweep(LOOKBACK, DAYS),
        sweep(DAYS, LOOKBACK, PARTS),
        sweep(LOOKBACK, DATES, PARTS),
        sweep(DAYS),
        sweep(Axis("n", tuple(range(350)))),
        sweep(DAYS, LOOKBACK, pick=sample(sweep(DAYS, LOOKBACK).matrix, 7).pick),
    ],
    ids=["across", "down", "three", "three-down", "row", "wrapped", "sample"],
)
def test_each_cell_is_drawn_where_it_says_it_is(tmp_path: Path, step: Step) -> None:
    past = Past((step,))
    group = past.record.groups[step.name]
    for cell in range(0, group.size, 3):
        past.end(past.at(step.matrix.coordinates(cell)), code=cell % 2)
    said = probe(tmp_path, past)
    said.pop("Point at a cell to see which one it is.", None)  # right of the last cell of a last line
    for cell in range(group.size):
        state = group.state(cell).name.lower()
        colours = said.pop(f"{label(step.matrix.coordinates(cell))}: {state}")
        assert colours.most_common(1)[0][0] == COLOURS[state]  # edges are rounded to pixels
    assert said == {}


def test_a_failure_is_seen_among_more_cells_than_pixels(tmp_path: Path) -> None:
    step = sweep(Axis("date", tuple(range(4000)), "date"), LOOKBACK)
    past = Past((step,))
    for cell in range(len(step.matrix)):
        past.end(past.at(step.matrix.coordinates(cell)), code=int(cell == 2002))
    colours = {colour for seen in probe(tmp_path, past).values() for colour in seen}
    assert colours - {GAP} == {COLOURS["succeeded"], COLOURS["failed"]}
