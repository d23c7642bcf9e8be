"""`data`: what is fresh, what is stale, and who renews it; and what files say that require it."""

from __future__ import annotations

import json

from tests.cli.conftest import Desk, finish

PROVIDER = "name: desk\nmarket: XNYS\nsteps: {fetch: {run: 'true', provides: [prices]}}\n"
READER = "name: risk\nsteps: {var: {run: 'true', requires: {prices: 24h}}}\n"


def project(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/desk.yaml", PROVIDER)
    desk.write("pipelines/risk.yaml", READER)


def test_from_missing_to_fresh(desk: Desk) -> None:
    project(desk)
    first = desk.run("data", "check")
    assert first.code == 1
    assert first.out == (
        "prices has never been provided; desk/fetch provides it (required by risk/var, 24 h)\n"
    )
    assert "missing" in desk.run("data", "ls").out
    assert desk.run("run", "desk").code == 0
    assert desk.run("data", "check").code == 0
    (row,) = json.loads(desk.run("data", "ls", "-o", "json").out)
    assert (row["state"], row["providers"], row["run"]) == ("fresh", ["desk/fetch"], "desk/1")
    assert row["required_by"] == ["risk/var, 24 h"]
    assert desk.run("run", "risk").code == 0


def test_a_step_waits_for_the_data_of_another_pipeline(desk: Desk) -> None:
    project(desk)
    waiting = desk.begin("run", "risk")
    desk.until(lambda: "prices has never been provided" in desk.run("why", "risk/1/var").out)
    assert desk.run("run", "desk").code == 0  # handed over to the engine that waits
    assert finish(waiting).code == 0


def test_what_nobody_provides_is_a_finding(desk: Desk) -> None:
    project(desk)
    desk.write("pipelines/risk.yaml", READER.replace("prices", "pricse"))
    found = desk.run("validate", "risk")
    assert found.code == 65
    assert "no step of this project provides `pricse`" in found.err
    assert "did you mean `prices`?" in found.err


def test_sessions_need_a_market(desk: Desk) -> None:
    project(desk)
    desk.write("pipelines/risk.yaml", READER.replace("24h", "1 session"))
    assert "OB128" in desk.run("validate", "risk").err
    desk.write("pipelines/risk.yaml", "market: XNYS\n" + READER.replace("24h", "1 session"))
    assert desk.run("validate", "risk").code == 0
    assert desk.run("data", "check").code == 1


def test_without_data_sets_there_is_nothing_to_list(desk: Desk) -> None:
    desk.write("pipelines/a.yaml", "name: a\nsteps: {b: {run: x}}\n")
    desk.write("openbell.yaml", "")
    assert "no step of this project" in desk.run("data", "ls").out
    assert desk.run("data", "check").code == 0
