"""Pipelines as people break them: each is told in one finding, at its place, in words that help."""

from __future__ import annotations

import pytest

from openbell.config.findings import Severity
from tests.config.conftest import Folder, marked, places

S = "steps: {a: {run: 'true'}}\n"
US = "name: x\nmarket: XNYS\n"


def one(keys: str, head: str = "name: x\n") -> str:
    return f"{head}steps: {{a: {{run: 'true', {keys}}}}}\n"


def two(a: str, b: str, head: str = "name: x\n") -> str:
    return f"{head}steps:\n  a: {{run: 'true'{a}}}\n  b: {{run: 'true'{b}}}\n"


BROKEN: dict[str, tuple[str, str, str]] = {
    "a trigger that is no word": (
        f"name: x\ntriggers: [▸daily]\n{S}",
        "OB103",
        "{every: 15m}, {market: close+30m}, not",
    ),
    "a typo in the word of a trigger": (
        f"name: x\ntriggers: [{{▸corn: '0 1 * * *', tz: UTC}}]\n{S}",
        "OB101",
        "did you mean `cron`?",
    ),
    "a minute that no hour has": (
        f"name: x\ntz: UTC\ntriggers: [{{cron: ▸'61 1 * * *'}}]\n{S}",
        "OB106",
        "this one has a bad minute",
    ),
    "a date that no month has": (
        f"name: x\ntz: UTC\ntriggers: [{{cron: ▸'0 1 30 2 *'}}]\n{S}",
        "OB106",
        "this one has a bad day-of-month",
    ),
    "a cron without a zone": (
        f"name: x\ntriggers: [{{cron: ▸'30 1 * * *'}}]\n{S}",
        "OB129",
        "has no time zone",
    ),
    "an anchor without its unit": (
        f"{US}triggers: [{{market: ▸close+30}}]\n{S}",
        "OB106",
        "such as close+30m",
    ),
    "an anchor of an unknown period": (
        f"{US}triggers: [{{market: ▸last session of fortnight}}]\n{S}",
        "OB106",
        "last session of month",
    ),
    "an anchor in days": (f"{US}triggers: [{{market: ▸close+2d}}]\n{S}", "OB106", "away by s, m or h"),
    "every nothing": (f"name: x\ntriggers: [{{every: ▸0s}}]\n{S}", "OB104", "longer than nothing"),
    "only in a state that the market never has": (
        f"{US}triggers: [{{every: 15m, during: ▸break}}]\n{S}",
        "OB128",
        "XNYS is never in the state break",
    ),
    "a step in a state that the market never has": (
        one("when: ▸break", US),
        "OB128",
        "XNYS is never in the state break",
    ),
    "a window that ends before it begins": (
        one("when: ▸{after: close+2h, until: close+1h}", US),
        "OB128",
        "`until: close+1h` is not after `after: close+2h`",
    ),
    "an end before the beginning": (
        one("when: {after: close+15m}, stop_at: ▸open+5m", US),
        "OB128",
        "is not after the time of the step",
    ),
    "a deadline before the beginning": (
        one("when: post_close", f"{US}deadline: {{at: ▸close-1m}}\n"),
        "OB128",
        "comes before `a` may start",
    ),
    "signals without a signal": (
        f"name: x\ntriggers: [{{files: 'in/*', ▸stalled: 5m}}]\n{S}",
        "OB111",
        "`stalled` goes with `signal`",
    ),
    "the mode of a trigger": (
        f"name: x\ntz: UTC\nmodes: {{daily: {{steps: [a]}}}}\ntriggers: [{{every: 1h, mode: ▸dayly}}]\n{S}",
        "OB125",
        "did you mean `daily`?",
    ),
    "a mode of unknown steps": (
        f"name: x\nmodes: {{daily: {{steps: [▸b]}}}}\n{S}",
        "OB125",
        "which is no step",
    ),
    "a step that needs itself": (two("", ", needs: ▸[b]"), "OB117", "`b` needs itself"),
    "a circle": (two(", needs: ▸[b]", ", needs: [a]"), "OB117", "wait for each other: a -> b -> a"),
    "an unknown need": (two("", ", needs: [▸aa]"), "OB116", "did you mean `a`?"),
    "a need of an unknown kind": (two("", ", needs: {a: ▸any}"), "OB105", "some, done, same or started"),
    "cells that do not exist": (
        two(", matrix: {k: [1, 2]}", ", matrix: {k: [1, 3]}, needs: {▸a: same}"),
        "OB140",
        "values that do not occur there: 3",
    ),
    "an order along no axis": (one("matrix: {k: [1, 2]}, sequential: ▸date"), "OB140", "its axes: k"),
    "a value twice": (one("matrix: {▸k: [eu, us, eu]}"), "OB109", "the axis `k` has eu twice"),
    "an axis without values": (one("matrix: {k: ▸[]}"), "OB104", "must not be empty"),
    "dates that run backwards": (
        one("matrix: {date: {sessions: XNYS, from: ▸2026-03-10, to: 2026-03-01}}"),
        "OB115",
        "lies after the end",
    ),
    "an axis of no result": (
        two("", ", matrix: {k: {result: ▸keys}}"),
        "OB106",
        '`result` must be `step.key`, not "keys"',
    ),
    "a word that templates do not know": (
        "name: x\nsteps: {a: {run: ▸'echo {sesion}'}}\n",
        "OB121",
        "known here: cell, key",
    ),
    "a session where there is none": (
        "name: x\nsteps: {a: {run: ▸'echo {session-1}'}}\n",
        "OB121",
        "give it a `market`",
    ),
    "a brace that is left open": (
        "name: x\nsteps: {a: {run: ▸'echo {date'}}\n",
        "OB121",
        "write `{{` and `}}`",
    ),
    "a duration in words": (one("timeout: ▸10 minutes"), "OB106", "such as 30s, 10m, 2h or 1d"),
    "a duration without a unit": (one("timeout: ▸10"), "OB106", "such as 30s, 10m, 2h or 1d"),
    "a negative duration": (one("timeout: ▸-5m"), "OB106", "such as 30s, 10m, 2h or 1d"),
    "no tries": (one("retry: {attempts: ▸0}"), "OB104", "from 1 to 1000"),
    "an unknown kind of failure": (one("retry: {on: [▸crash]}"), "OB105", '"lost", "outputs" or "verify"'),
    "two things to do": (
        "name: x\nsteps: {▸a: {run: x, script: worker.py}}\n",
        "OB111",
        "exactly one is needed",
    ),
    "nothing to do": ("name: x\nsteps: {▸a: {timeout: 1m}}\n", "OB111", "exactly one is needed"),
    "to put away what is not taken": (one("▸consume: archive"), "OB111", "this step takes none"),
    "to hold without an end": (one("▸hold: true"), "OB111", "a `when` with an end, or `stop_at`"),
    "a fallback on no step": (one("on_failure: {fallback: ▸b}"), "OB116", "`last_success`, or a step"),
    "an age of data in words": (one("requires: {prices: ▸soon}"), "OB106", "24h, or `1 session`"),
    "an unknown priority": (one("priority: ▸high"), "OB105", '"critical", "standard" or "optional"'),
    "memory without a size": (one("resources: {memory: ▸lots}"), "OB106", "500MB or 8GB"),
    "the retention of the project": (f"name: x\n▸retention: 30d\n{S}", "OB101", "known here"),
    "a bracket that is left open": ("name: x\nsteps: {a: {run: 'true'}\n▸", "OB108", "expected ',' or '}'"),
    "a step twice": ("name: x\nsteps:\n  a: {run: x}\n  ▸a: {run: y}\n", "OB109", "first in line 3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_told_once_where_it_is_and_what_would_help(folder: Folder, name: str) -> None:
    text, code, told = BROKEN[name]
    (finding,) = folder.expect(text, code)
    assert told in f"{finding.message} {finding.help}"


def test_a_pool_that_nobody_has_sized_is_a_warning(folder: Folder) -> None:
    text, [place] = marked(one("resources: {▸db: 1}"))
    (warning,) = folder.load(text).warnings
    assert places((warning,), Severity.WARNING) == [("OB152", *place)]
    assert "it bounds nothing" in warning.message
