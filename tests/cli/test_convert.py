"""`openbell convert`, and what it makes, with the programs that it is about."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Desk

SOURCE = Path(__file__).parents[1] / "config" / "orchestration.yaml"

CONVERT = ("convert", "config/orchestration.yaml")

MAIN = """\
import json, os, pathlib, sys

def main(config):
    print("measured")
    with open("ran", "a") as file:
        print(NAME, json.dumps(config), os.environ.get("PARALLELISM"), file=file)

NAME = pathlib.Path(__file__).parent.name
if __name__ == "__main__":
    main(sys.argv[1:])
"""


@pytest.fixture
def tetra(desk: Desk) -> Desk:
    """The folder of source 002's platform, small: each pipeline writes down how it was called."""
    desk.write(
        "config/orchestration.yaml", SOURCE.read_text().replace("initial_delay: 60", "initial_delay: 0")
    )
    for name in ("data", "scenarios", "metrics", "assessment"):
        desk.write(f"src/pipelines/{name}_pipeline/main.py", MAIN)
    desk.env["PATH"] = f"{Path(sys.executable).parent}:{desk.env['PATH']}"
    return desk


def test_the_converted_project_runs_in_each_mode(tetra: Desk) -> None:
    done = tetra.run(
        "convert", "config/orchestration.yaml", "--output", ".", "--name", "tetra", "--tz", "UTC"
    )
    assert done.code == 0, done.err
    assert done.out.split() == ["openbell.yaml", "pipelines/tetra.yaml"]
    assert "Next: openbell plan pipelines/tetra.yaml" in done.err
    assert tetra.run("validate", "openbell.yaml", "pipelines/tetra.yaml").code == 0

    daily = tetra.run("run", "--mode", "daily")
    assert daily.code == 0, daily.err
    assert tetra.lines("ran") == ['data_pipeline ["--mode", "daily"] 4']

    tetra.folder.joinpath("ran").unlink()
    full = tetra.run("run", "--mode", "full")
    assert full.code == 0, full.err
    assert tetra.lines("ran") == [
        'data_pipeline ["--mode", "backfill", "--days", "30"] 4',
        'scenarios_pipeline ["--type", "all"] 8',
        'metrics_pipeline ["--scenario", "all", "--force"] 16',
        'assessment_pipeline {"top": 10, "label": "best of {all}"} 16',
    ]


def test_the_commands_of_the_old_orchestrator(tetra: Desk) -> None:
    tetra.run(*CONVERT, "--output", ".", "--name", "tetra", "--tz", "UTC")
    assert tetra.run("run", "--pipeline", "data_pipeline", "--mode", "daily").code == 0
    assert tetra.run("run", "--mode", "full", "--dry-run").code == 0
    forced = tetra.run("run", "--pipeline", "metrics_pipeline", "--force")
    assert forced.code == 0, forced.err
    assert [line.split()[0] for line in tetra.lines("ran")] == ["data_pipeline", "metrics_pipeline"]
    assert "data_pipeline" in tetra.run("graph").out
    assert tetra.run("logs", "--pipeline", "metrics_pipeline", "--tail", "100").out == "measured\n"
    assert tetra.run("logs", "--pipeline", "nothing").code == 64
    backfill = tetra.run("run", "--mode", "backfill")
    assert backfill.code == 0, backfill.err
    assert '"--start-date", "2020-01-01", "--end-date", "20' in tetra.lines("ran")[-1]


def test_it_prints_the_project(tetra: Desk) -> None:
    tetra.env["TZ"] = "Asia/Tokyo"
    done = tetra.run("convert", "config/orchestration.yaml")
    assert done.code == 0
    first, second = done.out.split("---\n")
    assert first.startswith("# ── openbell.yaml\n# Converted from orchestration.yaml")
    assert second.startswith("# ── pipelines/config.yaml\n")
    assert "tz: Asia/Tokyo" in second
    assert "decision: `max_retries: 3` counts tries, not retries" in done.err
    assert not (tetra.folder / "openbell.yaml").exists()


def test_nothing_is_written_over(tetra: Desk) -> None:
    tetra.write("openbell.yaml", "# mine\n")
    done = tetra.run("convert", "config/orchestration.yaml", "--output", ".")
    assert (done.code, "openbell.yaml is there already" in done.err) == (64, True)
    assert tetra.lines("openbell.yaml") == ["# mine"]
    assert not (tetra.folder / "pipelines").exists()


def test_what_is_wrong_is_told_with_its_place(desk: Desk) -> None:
    desk.write("o.yaml", "pipelines:\n  a: {dependencies: [b]}\nextra: 1\n")
    done = desk.run("convert", "o.yaml")
    assert done.code == 65
    assert "error[OB116]: `a` names `b`, which is no pipeline" in done.err
    assert "--> o.yaml:2:22" in done.err
    assert "warning[OB101]: unknown field `extra` in the file" in done.err
    assert desk.run("convert", "o.yaml", "--tz", "Mars/Phobos").code == 64
    assert desk.run("convert", "nowhere.yaml").code == 64
