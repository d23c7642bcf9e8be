"""The native language: what is wrong in a file, and how it is told."""

from __future__ import annotations

import pytest

from openbell.core.model import (
    Pipeline,
)
from tests.config.conftest import Folder, expect_step
from tests.config.texts import NATIVE, edited

STEPS = "steps: {a: {run: x}}\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("name: ▸a/b\n" + STEPS, ["OB118"]),
        ("name: ▸../x\n" + STEPS, ["OB118"]),
        ('name: ▸"n\\n"\n' + STEPS, ["OB118"]),
        ("name: ▸5\n" + STEPS, ["OB103"]),
        ("name: ▸''\n" + STEPS, ["OB118"]),
        ("▸name:\n" + STEPS, ["OB103"]),
        ("▸" + STEPS, ["OB102"]),
        ("▸name: n\n", ["OB102"]),
        ("name: n\nsteps: ▸{}\n", ["OB104"]),
        ("name: n\nsteps: ▸[]\n", ["OB103"]),
        ("name: n\nsteps: ▸5\n", ["OB103"]),
        ("name: n\n▸steps:\n", ["OB103"]),
        ("name: n\nsteps: {▸a:}\n", ["OB103"]),
        ("name: n\nsteps: {a: ▸x}\n", ["OB103"]),
        ("name: n\nsteps: {▸a b: {run: x}}\n", ["OB118"]),
        ("name: n\nsteps: {▸a/b: {run: x}, c: {run: x, needs: [▸d]}}\n", ["OB118", "OB116"]),
        ("name: n\n▸stpes: {a: {run: x}}\n", ["OB101"]),
        ("name: n\ntriggers: [▸session]\n" + STEPS, ["OB129"]),
        ("name: n\nmarket: ▸XNYZ\n" + STEPS, ["OB113"]),
        ("name: n\nmarket: ▸''\n" + STEPS, ["OB104"]),
        ("name: n\ntz: ▸Mars/Base\n" + STEPS, ["OB105"]),
        ("name: n\nconcurrency: ▸0\n" + STEPS, ["OB104"]),
        ("name: n\nconcurrency: ▸100001\n" + STEPS, ["OB104"]),
        ("name: n\nconcurrency: ▸true\n" + STEPS, ["OB103"]),
        ("name: n\nmax_failures: ▸-1\n" + STEPS, ["OB104"]),
        ("name: n\nexecutor: ▸kubernetes\n" + STEPS, ["OB105"]),
        ("name: n\nexecutor: ▸Process\n" + STEPS, ["OB105"]),
        ("name: n\npython: ▸nope/python\n" + STEPS, ["OB112"]),
        ("name: n\npython: ▸no-such-python\n" + STEPS, ["OB112"]),
        ("name: n\npython: ▸./worker.py\n" + STEPS, ["OB112"]),
        ("name: n\nparams: {x: ▸[1]}\n" + STEPS, ["OB103"]),
        ("name: n\nparams: {x: ▸.nan}\n" + STEPS, ["OB104"]),
        ("name: n\nparams: {▸a b: 1}\n" + STEPS, ["OB118"]),
        ("name: n\n▸env: null\n" + STEPS, ["OB103"]),
        ("name: n\nenv: {▸QUERY_NAME: x}\n" + STEPS, ["OB122"]),
        ("name: n\nenv: {▸OPENBELL_X: x}\n" + STEPS, ["OB122"]),
        ("name: n\nenv: {▸QUERY_NAME: '${UNSET}'}\n" + STEPS, ["OB122"]),
        ("name: n\ndefaults: {env: {▸A=B: x}}\n" + STEPS, ["OB118"]),
        ("name: n\ndefaults: {▸run: x}\n" + STEPS, ["OB101"]),
        ("name: n\nname: m\n".replace("\nname", "\n▸name") + STEPS, ["OB109"]),
        ("name: n\nsteps:\n  a: {run: x}\n  ▸a: {run: y}\n", ["OB109"]),
    ],
)
def test_a_pipeline_that_is_wrong(folder: Folder, text: str, codes: list[str]) -> None:
    folder.expect(text, *codes)


@pytest.mark.parametrize(
    ("keys", "codes"),
    [
        ("run: ▸''", ["OB104"]),
        ("run: ▸[]", ["OB104"]),
        ("run: ▸5", ["OB103"]),
        ("run: [echo, ▸true]", ["OB103"]),
        ("run: ▸echo 'x", ["OB106"]),
        ("▸rnu: x", ["OB101"]),
        ("▸scirpt: worker.py", ["OB101"]),
        ("script: ▸wroker.py", ["OB112"]),
        ("script: ▸.", ["OB112"]),
        ("run: x\n▸when: post_close", ["OB128"]),
        ("run: x\ntimeout: ▸5", ["OB106"]),
        ("run: x\ntimeout: ▸0s", ["OB104"]),
        ("run: x\nstart_timeout: ▸-1s", ["OB106"]),
        ("run: x\ngrace: ▸1w", ["OB106"]),
        ("run: x\npriority: ▸urgent", ["OB105"]),
        ("run: x\nretry: ▸3", ["OB103"]),
        ("run: x\nretry: {attempts: ▸0}", ["OB104"]),
        ("run: x\nretry: {attempts: ▸1001}", ["OB104"]),
        ("run: x\nretry: {backoff: ▸0.5}", ["OB104"]),
        ("run: x\nretry: {backoff: ▸101}", ["OB104"]),
        ("run: x\nretry: {jitter: ▸1.1, ▸delai: 1s}", ["OB104", "OB101"]),
        ("run: x\nretry: {on: [exit, ▸crash, ▸5]}", ["OB105", "OB103"]),
        ("run: x\nresources: {cpu: ▸0, memory: ▸8, db: ▸x}", ["OB104", "OB106", "OB103"]),
        ("run: x\nresources: ▸[cpu]", ["OB103"]),
        ("run: x\nneeds: ▸5", ["OB103"]),
        ("run: x\nneeds: ▸b", ["OB116"]),
        ("run: x\nneeds: [▸b]", ["OB116"]),
        ("run: x\nneeds: {▸b: some}", ["OB116"]),
        ("run: x\nneeds: [{b: ▸most}]", ["OB105"]),
        ("run: x\nneeds: ▸a", ["OB117"]),
        ("run: x\nenv: {▸WORKER_ID: 1}", ["OB122"]),
        ("run: x\n▸preload: [json]", ["OB111"]),
        ("script: worker.py\npreload: [▸'']", ["OB104"]),
        ("run: x\nbatch: ▸false", ["OB103"]),
        ("run: x\nreplay: {}\n▸batch: true", ["OB111"]),
        ("run: x\nreplay: {speed: ▸0.5}", ["OB104"]),
        ("run: x\nreplay: {start: ▸'25:00'}", ["OB106"]),
        ("run: x\nreplay: {timestamp_columns: {▸Trade: T}}", ["OB106"]),
        ("run: x\nreplay: {buffer_rows: ▸0}", ["OB104"]),
        ("run: x\nmatrix: {▸a b: 1}", ["OB118"]),
        ("run: x\nmatrix: {p: ▸0}", ["OB104"]),
        ("run: x\nmatrix: {p: ▸1000001}", ["OB104"]),
        ("run: x\nmatrix: {p: ▸true}", ["OB103"]),
        ("run: x\nmatrix: {p: ▸ten}", ["OB103"]),
        ("run: x\nmatrix: {p: ▸[]}", ["OB104"]),
        ("run: x\nmatrix: {p: [1, ▸[2]]}", ["OB103"]),
        ("run: x\nmatrix: {p: [1, ▸null]}", ["OB103"]),
        ("run: x\nmatrix: {▸p: [1, 2, 1]}", ["OB109"]),
        ("run: x\nmatrix: {▸p: [1, '1']}", ["OB109"]),
        ("run: x\nmatrix: {▸date: {from: 2024-01-02, to: 2024-01-03}}", ["OB102"]),
        ("run: x\nmatrix: {▸date: {sessions: XNYS}}", ["OB102"]),
        ("run: x\nmatrix: {date: {▸sesions: XNYS, from: 2024-01-02, to: 2024-01-03}}", ["OB101"]),
        ("run: x\nmatrix: {date: {sessions: XNYS, ▸form: 2024-01-02, to: 2024-01-03}}", ["OB101"]),
        ("run: x\nmatrix: {date: {sessions: ▸XNYZ, from: 2024-01-02, to: 2024-01-03}}", ["OB113"]),
        ("run: x\nmatrix: {date: {sessions: XNYS, from: ▸2024-01-03, to: 2024-01-02}}", ["OB115"]),
        ("run: x\nmatrix: {date: {sessions: XNYS, from: ▸2024-01-06, to: 2024-01-07}}", ["OB114"]),
        ("run: x\nmatrix: {date: {days: weekdays, from: ▸2024-01-06, to: 2024-01-07}}", ["OB114"]),
        ("run: x\nmatrix: {date: {days: ▸sundays, from: 2024-01-06, to: 2024-01-07}}", ["OB105"]),
        ("run: x\nmatrix: {date: {days: all, from: 1900-01-01, to: ▸2024-01-07}}", ["OB104"]),
        ("run: x\nmatrix: {date: {sessions: XNYS, from: ▸1700-01-01, to: 1700-02-01}}", ["OB123"]),
        ("run: x\nmatrix: {▸date: {sessions: XNYS, days: all, from: 2024-01-02, to: 2024-01-03}}", ["OB111"]),
        ("run: x\nmatrix: ▸[date]", ["OB103"]),
    ],
)
def test_a_step_that_is_wrong(folder: Folder, keys: str, codes: list[str]) -> None:
    expect_step(folder, keys, *codes)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("▸a:\n    timeout: 5s", "neither `run`, `script` nor `call`"),
        ("▸a:\n    run: x\n    script: worker.py", "both `run` and `script`"),
    ],
)
def test_exactly_one_thing_to_do(folder: Folder, keys: str, what: str) -> None:
    [finding] = folder.expect(f"name: n\nsteps:\n  {keys}\n", "OB111")
    assert finding.message == f"`a` has {what}; exactly one is needed"


def test_a_mistyped_market_is_one_finding(folder: Folder) -> None:
    [finding] = folder.expect(edited(NATIVE, ("\nmarket:", "\n▸markt:")), "OB101")
    assert finding.help == "did you mean `market`?"


def test_an_unknown_market_is_one_finding(folder: Folder) -> None:
    """The dates that live in it have no finding of their own."""
    folder.expect(edited(NATIVE, ("market: XNYS", "market: ▸NOPE")), "OB113")


def test_an_empty_axis_of_the_home_market(folder: Folder) -> None:
    [finding] = folder.expect(
        edited(NATIVE, ("from: 2024-01-01, to: 2024-01-05", "from: ▸2024-01-01, to: 2024-01-01")), "OB114"
    )
    assert finding.message == "XNYS has no session from 2024-01-01 to 2024-01-01"
    assert finding.help == "2024-01-01: New Year's Day"


def test_independent_mistakes_are_told_together_and_in_order(folder: Folder) -> None:
    text = """\
name: ▸a b
tz: ▸Nowhere
concurrency: ▸none
env: {▸QUERY_NAME: x}
steps:
  ingest:
    run: python x.py {▸}
    ▸timout: 5s
    matrix: {date: {sessions: XNYS, from: ▸2024-02-30, to: 2024-03-01}}
  book:
    script: ▸nope.py
    needs: [▸ingst]
  ▸empty: {}
"""
    text = text.replace("run: python x.py {▸}", "run: ▸python x.py {")
    folder.expect(
        text, "OB118", "OB105", "OB103", "OB122", "OB121", "OB101", "OB106", "OB112", "OB116", "OB111"
    )


def test_keys_of_the_plan_alone(folder: Folder) -> None:
    """What a pipeline holds is plain data: equal files, equal plans."""
    assert isinstance(folder.load(NATIVE).pipeline, Pipeline)
    assert folder.load(NATIVE).pipeline == folder.load("# a comment\n" + NATIVE).pipeline
