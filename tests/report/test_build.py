"""The whole page: parsed, searched for links to the outside, and fed with hostile text."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from openbell.core.events import Skip
from openbell.core.evolve import evolve
from openbell.core.matrix import Axis
from openbell.core.model import Need, NeedMode, Retry
from tests.report.past import DATES, LOOKBACK, PARTS, RUN, Past, sweep

VOID = {"meta", "img", "br", "hr", "input", "link"}
SECTIONS = ["Performance", "Results", "Durations", "Configuration"]
EVIL = "</script></style></pre><img src=x onerror=alert(1)>\"'&amp;"


class Page(HTMLParser):
    """The elements of a page; fails when one is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif data.strip():
            self.words.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.words)

    @property
    def titles(self) -> list[str]:
        return [word for word in self.words if word in SECTIONS]


def busy() -> Past:
    """A run with something of everything: two steps, results, failures of two kinds, a skipped step."""
    backtest = sweep(DATES, LOOKBACK, PARTS, retry=Retry(attempts=2, delay=timedelta(0)))
    after = sweep(Axis("venue", ("x", "y")), name="after", needs=(Need("backtest", NeedMode.ALL),))
    past = Past((backtest, after), title="A demo")
    cells = list(range(len(backtest.matrix)))
    for cell in cells:
        task = past.at(backtest.matrix.coordinates(cell))
        if cell < 9:
            past.end(task, {"ret": cell / 1000, "rows": 100 * cell}, elapsed=0.1 * (cell + 1))
        elif cell < 11:
            for _ in range(2):
                trace = f'Traceback (most recent call last):\n  File "w.py", line 3\nKeyError: {cell}'
                past.end(task, code=1, error=f"KeyError: {cell}", traceback=trace)
                past.clock += timedelta(minutes=1)
        else:
            for _ in range(2):
                past.refuse(task, "it could not be started: No such file or directory")
                past.clock += timedelta(minutes=1)
    evolve(past.state, Skip(past.clock, RUN, "after", "backtest failed"))
    past.close()
    return past


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(busy().page())


def test_the_page_has_every_section(page: Page) -> None:
    assert page.titles == SECTIONS
    for text in ("A demo", "partial", "Outcomes: backtest", "Outcomes: after", "3 tasks failed in 2 ways"):
        assert text in page.text
    assert "run demo/1, 2024-07-02 14:00 UTC, somebody@here" in page.text


def test_failures_are_grouped_with_their_traceback(page: Page) -> None:
    assert "2 x" in page.words
    assert " KeyError: 9" in page.words
    assert " KeyError: 10" not in page.words
    assert any(word.startswith("Traceback") for word in page.words)
    assert "backtest: date=2024-07-03, lookback=20, part=1" in page.words
    assert " it could not be started: No such file or directory" in page.words


def test_the_slowest_tasks_come_first(page: Page) -> None:
    times = page.words[page.words.index("slowest tasks") + 5 :][1:45:5]
    assert times == ["900 ms", "800 ms", "700 ms", "600 ms", "500 ms", "400 ms", "300 ms", "250 ms", "250 ms"]


def test_the_definition_and_its_file_are_shown() -> None:
    page = Page(busy().page("# mine\nname: demo"))
    assert "# mine\nname: demo" in page.words
    definition = next(word for word in page.words if word.startswith('{\n "name"'))
    assert json.loads(definition)["steps"][0]["name"] == "backtest"
    assert "demo.yaml, as it is now" in page.words


def test_without_the_file_the_definition_is_shown_still() -> None:
    page = Page(busy().page(""))
    assert "demo.yaml, as it is now" not in page.words
    assert "as this run was compiled" in page.words


def test_nothing_comes_from_outside(page: Page) -> None:
    text = busy().page()
    assert not re.search(r"(?i)(https?:)?//[a-z0-9]", text.replace("// ", ""))
    assert not re.search(r"@import|url\(", text)
    for tag, attrs in page.tags:
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "form", "a")
        assert not {"src", "href", "srcset", "action", "data", "xlink:href"} & attrs.keys()
        assert not [name for name in attrs if name.startswith("on")]


def test_the_policy_allows_our_script_only(page: Page) -> None:
    (policy,) = [a["content"] or "" for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    script = page.scripts[-1]
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def test_hostile_text_stays_text() -> None:
    axes = Axis("date", ("2024-07-01", EVIL), "date"), Axis(EVIL, (EVIL, "b"))
    past = Past((sweep(*axes, name=EVIL), sweep(name="other")), title=EVIL)
    for day in ("2024-07-01", EVIL):
        past.end(past.at({"date": day, EVIL: EVIL}, EVIL), {"ret": 0.1, EVIL: 1})
        past.end(past.at({"date": day, EVIL: "b"}, EVIL), code=1, error=EVIL, traceback=EVIL)
    past.end(past.at({}, "other"), code=1, error="", traceback="")
    past.close()
    page = Page(past.page(EVIL))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert [tag for tag, _ in page.tags].count("style") == 1
    assert EVIL in page.words  # the file, as it was written
    assert f" {EVIL}" in page.words  # the error
    assert any(word.startswith(EVIL) for word in page.words[:4])  # the title
    assert " without a word" in page.words


def test_a_run_that_goes_on_and_has_done_nothing_yet() -> None:
    page = Page(Past((sweep(DATES), sweep(name="single"))).page())
    assert page.titles == ["Configuration"]
    assert "active" in page.words
    assert "Outcomes: backtest" in page.words
    assert "Outcomes: single" not in page.words  # one task is no grid


def test_many_kinds_of_failures_are_cut() -> None:
    past = Past((sweep(Axis("n", tuple(range(60)))),))
    for n in range(60):
        past.end(past.at({"n": n}), code=1, error="x" * (n + 1))
    page = Page(past.page())
    assert "60 tasks failed in 60 ways" in page.words
    assert [tag for tag, _ in page.tags].count("details") == 50 + 2
    assert "And 10 more ways." in page.words


def test_many_tasks_of_one_kind_are_cut() -> None:
    past = Past((sweep(Axis("n", tuple(range(40)))),))
    for n in range(40):
        past.end(past.at({"n": n}), code=1, error="the same")
    page = Page(past.page())
    assert "40 tasks failed in 1 way" in page.words
    assert "and 15 more" in page.words


def test_many_curves_are_all_in_the_table() -> None:
    past = Past((sweep(DATES, Axis("n", tuple(range(40)))),))
    for n in range(40):
        past.end(past.at({"date": "2024-07-01", "n": n}), {"pnl": n})
    page = Page(past.page())
    assert {f"n={n}" for n in range(40)} <= set(page.words)
    assert [tag for tag, _ in page.tags].count("polyline") == 32
    assert "Drawn: the 32 combinations with the highest PnL. " in page.text


def test_a_huge_definition_is_cut() -> None:
    past = Past((sweep(Axis("n", tuple(range(30_000)))),))
    text = past.page()
    assert len(text) < 1_000_000
    assert "\n...</pre>" in text


def test_tables_and_pictures_say_what_they_are(page: Page) -> None:
    assert all(a.get("scope") in ("col", "row") for tag, a in page.tags if tag == "th")
    for tag, attrs in page.tags:
        if tag in ("svg", "canvas"):
            assert attrs.get("aria-label") or attrs.get("aria-hidden")
