"""The other verbs: what they print and how they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from openbell.cli.entry import VERBS
from tests.cli.conftest import Desk, finish

PIPELINE = """
name: p
steps:
  load:
    run: [sh, -c, "echo loading {date}; echo done {date} >&2"]
    matrix: {date: {sessions: XNYS, from: 2012-10-25, to: 2012-11-02}, k: [1, 2]}
  sum:
    run: [sh, -c, "echo summing; exit 5"]
    needs: [load]
  last:
    run: echo last
    needs: [sum]
"""


@pytest.fixture
def ran(desk: Desk) -> Desk:
    """A desk on which the pipeline has run once."""
    desk.write("p.yaml", PIPELINE)
    assert desk.run("run", "p.yaml").code == 2
    return desk


# ── the command line itself ──────────────────────────────────────────────────────────────────


def test_help_names_every_verb_and_costs_nothing(desk: Desk) -> None:
    outcome = desk.run("--help")
    assert outcome.code == 0
    for verb, (_, text) in VERBS.items():
        assert f"  {verb} " in outcome.out
        assert text.split()[0] in outcome.out
    code = (
        "import sys\nfrom openbell.cli.entry import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} "
        "& {'pydantic', 'sqlalchemy', 'rich', 'asyncio', 'ruamel'}))"
    )
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert heavy.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(desk: Desk, verb: str) -> None:
    outcome = desk.run(verb, "--help")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) > 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rnu",), "There is no verb `rnu`. Did you mean `run`?"),
        (("run",), "Missing argument 'PIPELINE'"),
        (("run", "x", "--nope"), "No such option"),
        (("run", "nothing.yaml"), "nothing.yaml is no pipeline and no file"),
        (("plan", "p.yaml", "--dates", "tomorrow"), "--dates takes A:B"),
        (("plan", "p.yaml", "--set", "concurrency"), "--set takes key=value"),
        (("init", "--template", "nope"), "there is no template 'nope'"),
        (("explain", "nope.nope"), "there is no field or code"),
        (("status",), "nothing has run in"),
        (("logs", "x"), "nothing has run in"),
    ],
)
def test_wrong_usage_is_code_64(desk: Desk, words: tuple[str, ...], told: str) -> None:
    desk.write("p.yaml", PIPELINE)
    outcome = desk.run(*words)
    assert outcome.code == 64, outcome
    assert told in outcome.err
    assert "Traceback" not in outcome.err


def test_the_version(desk: Desk) -> None:
    assert desk.run("--version").out.startswith("openbell, version ")


# ── files ────────────────────────────────────────────────────────────────────────────────────


def test_validate_tells_all_findings_of_all_files(desk: Desk) -> None:
    desk.write("good.yaml", PIPELINE)
    desk.write("bad.yaml", "name: x/y\nsteps:\n  a: {rnu: 'true'}\n")
    outcome = desk.run("validate", "good.yaml", "bad.yaml")
    assert outcome.code == 65
    assert "good.yaml: valid, 12 tasks (native)" in outcome.out
    assert "error[OB118]" in outcome.err
    assert "--> bad.yaml:3:7" in outcome.err
    data = json.loads(desk.run("validate", "good.yaml", "bad.yaml", "-o", "json").out)
    assert [one["valid"] for one in data] == [True, False]
    found = {finding["code"]: (finding["line"], finding["column"]) for finding in data[1]["findings"]}
    assert found["OB118"] == (1, 7)
    assert found["OB101"] == (3, 7)


def test_validate_checks_the_project_too(desk: Desk) -> None:
    desk.write("p.yaml", PIPELINE)
    desk.write("openbell.yaml", "data: {Market: nowhere}\nstroe: x\n")
    outcome = desk.run("validate", "p.yaml")
    assert outcome.code == 65
    assert "the data folder of Market nowhere does not exist" in outcome.err
    assert "did you mean `store`?" in outcome.err
    assert desk.run("run", "p.yaml").code == 65
    assert not (desk.folder / ".openbell").exists()


def test_the_schema_accepts_what_is_valid(desk: Desk) -> None:
    from openbell.config.document import parse

    schema = json.loads(desk.run("schema", "pipeline").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    document = parse(PIPELINE, Path("p.yaml"))
    assert document.root is not None
    jsonschema.validate(document.root.data(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "p", "steps": {"a": {"rnu": "x"}}}, schema)
    for subject in ("project", "pq", "replay"):
        jsonschema.Draft202012Validator.check_schema(json.loads(desk.run("schema", subject).out))


def test_explain_knows_fields_and_codes(desk: Desk) -> None:
    assert "integer 1 to 1000" in desk.run("explain", "execution.num_partitions").out
    assert "unknown field" in desk.run("explain", "ob101").out
    assert "did you mean `attempts`" in desk.run("explain", "attemps").err


def test_the_template_is_valid_and_never_overwrites(desk: Desk) -> None:
    assert desk.run("init", "demo").code == 0
    assert (desk.folder / "demo" / "data" / "us_stocks_wiki.csv.gz").stat().st_size > 200_000
    outcome = desk.run("validate", "demo/momentum.yaml")
    assert "valid, 1,000 tasks" in outcome.out
    before = {path: path.read_bytes() for path in (desk.folder / "demo").rglob("*") if path.is_file()}
    again = desk.run("init", "demo")
    assert again.code == 64
    assert "nothing was written" in again.err
    assert before == {path: path.read_bytes() for path in before}


def test_a_sample_of_the_template_runs(desk: Desk) -> None:
    desk.run("init", "demo")
    outcome = desk.run("run", "demo/momentum.yaml", "--sample", "12")
    assert outcome.code == 0
    assert "12 tasks: 12 succeeded" in outcome.out
    assert "lookback=" in outcome.out


# ── plan ─────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_tells_what_is_left_out_and_why(desk: Desk) -> None:
    desk.write("p.yaml", PIPELINE)
    outcome = desk.run("plan", "p.yaml")
    assert outcome.code == 0
    assert "p: 12 tasks in 3 steps" in outcome.out
    assert "load: 10 tasks = 5 date x 2 k" in outcome.out
    assert "2012-10-29 to 2012-10-30 Hurricane Sandy (ad hoc)" in outcome.out
    assert "2 weekend days and 2 closed weekdays" in outcome.out
    data = json.loads(desk.run("plan", "p.yaml", "-o", "json").out)
    assert [one["date"] for one in data["left_out"]] == [
        "2012-10-27",
        "2012-10-28",
        "2012-10-29",
        "2012-10-30",
    ]
    assert data["left_out"][2] == {"date": "2012-10-29", "kind": "ad hoc", "reason": "Hurricane Sandy"}
    assert [step["name"] for step in data["steps"]] == ["load", "sum", "last"]
    assert data["steps"][0]["axes"]["date"][0] == "2012-10-25"


def test_the_year_of_the_demo_has_250_sessions(desk: Desk) -> None:
    desk.run("init", ".")
    data = json.loads(desk.run("plan", "momentum.yaml", "-o", "json").out)
    assert data["tasks"] == 1000
    assert len(data["steps"][0]["axes"]["date"]) == 250
    weekdays = [one for one in data["left_out"] if one["kind"] != "weekend"]
    assert len(weekdays) == 11
    assert 250 + 11 == 261


def test_dates_and_sample_and_set_narrow_the_plan(desk: Desk) -> None:
    desk.write("p.yaml", PIPELINE)
    words = ("plan", "p.yaml", "--dates", "2012-10-25:2012-10-26", "--set", "concurrency=7", "-o", "json")
    data = json.loads(desk.run(*words).out)
    assert data["steps"][0]["axes"]["date"] == ["2012-10-25", "2012-10-26"]
    assert data["concurrency"] == 7
    assert json.loads(desk.run("plan", "p.yaml", "--sample", "3", "-o", "json").out)["steps"][0]["tasks"] == 3
    nothing = desk.run("plan", "p.yaml", "--dates", "2013-01-01:2013-02-01")
    assert nothing.code == 65
    assert "OB114" in nothing.err


def test_a_plan_tells_what_earlier_runs_have_done(ran: Desk) -> None:
    assert "so far       p/1 is partial: 10 of 12 succeeded" in ran.run("plan", "p.yaml").out


# ── looking ──────────────────────────────────────────────────────────────────────────────────


def test_runs_are_listed_and_shown(ran: Desk) -> None:
    assert "p/1" in ran.run("runs", "ls").out
    assert json.loads(ran.run("runs", "ls", "-o", "json").out)[0]["state"] == "partial"
    shown = ran.run("runs", "show", "p").out
    assert "10 succeeded" in shown
    assert "exit code 5; last output: summing" in shown
    task = ran.run("runs", "show", "p/1/load/2012-10-31,2").out
    assert "date=2012-10-31, k=2  succeeded" in task
    assert "attempt 1" in task
    assert "exit code 0" in task
    assert "nope" in ran.run("runs", "show", "nope").err
    assert "did you mean `load`?" in ran.run("runs", "show", "p/laod").err


@pytest.mark.parametrize(
    "target", ["p/1/load/2012-10-31,2", "p/load/date=2012-10-31,k=2", "p/1/load/5", "p/load/5#1"]
)
def test_a_task_can_be_named_in_several_ways(ran: Desk, target: str) -> None:
    assert ran.run("logs", target).out == "loading 2012-10-31\ndone 2012-10-31\n"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("p/2", "there is no run p/2"),
        ("p/1/load/2012-10-29,1", "has no cell '2012-10-29,1'"),
        ("p/1/load/99", "has no cell"),
        ("p/1/load/2012-10-31", "a cell is named by its date,k, for example 2012-10-25,1"),
        ("pp", "did you mean `p`?"),
    ],
)
def test_a_wrong_target_is_told_with_the_nearest(ran: Desk, target: str, told: str) -> None:
    outcome = ran.run("logs", target)
    assert outcome.code == 64
    assert told in outcome.err


def test_an_attempt_that_is_not_there_is_told(ran: Desk) -> None:
    assert ran.run("runs", "show", "p/1/load/5#1").code == 0
    for verb in (("runs", "show"), ("logs",)):
        assert ran.run(*verb, "p/1/load/5#9").code == 64


def test_logs_of_many_tasks_have_headings(ran: Desk) -> None:
    out = ran.run("logs", "p/1/load", "--tail", "1").out
    assert out.count("── load: date=") == 10
    assert "loading" not in out
    assert ran.run("logs", "p", "--failed").out == "summing\n"


def test_logs_follow_a_running_task(desk: Desk) -> None:
    desk.write(
        "s.yaml",
        "name: s\nsteps:\n  w: {run: [sh, -c, 'for i in 1 2 3; do echo line $i; sleep 0.4; done']}\n",
    )
    process = desk.begin("run", "s.yaml")
    desk.until(lambda: "line 1" in desk.run("logs", "s/1/w").out)
    assert desk.run("logs", "s/1/w", "-f").out == "line 1\nline 2\nline 3\n"
    finish(process)


def test_logs_follow_a_run_through_the_tasks_that_start_later(desk: Desk) -> None:
    desk.write(
        "s.yaml",
        "name: s\nconcurrency: 1\nsteps:\n  w:\n    run: [sh, -c, 'sleep 0.3; echo I am {i}; sleep 0.3']\n"
        "    matrix: {i: [1, 2, 3]}\n    retry: {attempts: 2, delay: 100ms}\n",
    )
    process = desk.begin("run", "s.yaml")
    desk.until(lambda: desk.run("status").code == 0)
    outcome = desk.run("logs", "s", "-f", "-o", "json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert lines == [{"task": f"s/1/w/{i}", "attempt": 1, "line": f"I am {i}"} for i in (1, 2, 3)]
    finish(process)
    headed = desk.run("logs", "s").out
    assert headed == "".join(f"── i={i} #1\nI am {i}\n" for i in (1, 2, 3))


def test_logs_as_json(ran: Desk) -> None:
    lines = [json.loads(line) for line in ran.run("logs", "p/load/5", "-o", "json").out.splitlines()]
    assert [line["line"] for line in lines] == ["loading 2012-10-31", "done 2012-10-31"]
    assert {line["task"] for line in lines} == {"p/1/load/2012-10-31,2"}


def test_why_tells_the_gate_the_time_and_what_waits(desk: Desk) -> None:
    desk.write(
        "s.yaml",
        "name: s\nsteps:\n  a: {run: [sh, -c, 'exit 1'], retry: {attempts: 2, delay: 30m, jitter: 0}}\n"
        "  b: {run: 'true', needs: [a]}\n  c: {run: 'true', needs: [b]}\n",
    )
    process = desk.begin("run", "s.yaml")
    desk.until(lambda: "retry 2 is due then" in desk.run("why", "s/1/a").out)
    told = desk.run("why", "s/1/a").out
    assert "(in 29:5" in told or "(in 30:0" in told
    assert "waits for it: b, c" in told
    assert "needs all cells of a: 1 waiting" in desk.run("why", "s/b").out
    data = json.loads(desk.run("why", "s/1/a", "-o", "json").out)
    assert data[0]["blockers"][0]["gate"] == "not_before"
    status = desk.run("status")
    assert status.code == 0
    assert f"process {process.pid}" in status.out
    assert json.loads(desk.run("status", "-o", "json").out)["leader"]["pid"] == process.pid
    desk.run("cancel", "s")
    assert finish(process).code == 130


def test_a_report_is_one_file(ran: Desk) -> None:
    outcome = ran.run("report", "p")
    assert outcome.code == 0
    page = (ran.folder / outcome.out.strip()).read_text()
    assert "1 task failed in 1 way" in page
    assert "exit code 5; last output: summing" in page
    assert "http" not in page.replace("http-equiv", "")
    assert ran.run("report", "p", "--output", "sub/none/x.html").code != 0


def test_status_where_nothing_is_under_way(ran: Desk) -> None:
    outcome = ran.run("status")
    assert outcome.code == 3
    assert "none leads" in outcome.out


# ── the state folder ─────────────────────────────────────────────────────────────────────────


def test_the_state_folder_is_private_and_ignored_by_git(ran: Desk) -> None:
    state = ran.folder / ".openbell"
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / ".gitignore").read_text() == "*\n"
    assert not (state / "supervisor.log").read_text()


def test_a_project_is_found_from_its_folders(ran: Desk) -> None:
    ran.write("openbell.yaml", "")
    ran.write("pipelines/nightly.yaml", "name: nightly\nsteps:\n  w: {run: [sh, -c, 'pwd > ../here']}\n")
    assert ran.run("run", "nightly").code == 0
    assert ran.lines("here") == [str(ran.folder / "pipelines")]
    assert "nightly/1" in ran.run("runs", "ls", "-C", "pipelines").out
    near = ran.run("run", "nigthly")
    assert near.code == 64
    assert "did you mean `nightly`?" in near.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said_so(desk: Desk) -> None:
    desk.write("p.yaml", PIPELINE)
    desk.folder.chmod(0o500)
    outcome = desk.run("run", "p.yaml")
    desk.folder.chmod(0o700)
    assert outcome.code == 4
    assert "cannot write to" in outcome.err


def test_a_damaged_database_is_said_so_and_left_alone(ran: Desk) -> None:
    database = ran.folder / ".openbell" / "openbell.db"
    for extra in (".openbell/openbell.db-wal", ".openbell/openbell.db-shm"):
        Path(ran.folder / extra).unlink(missing_ok=True)
    database.write_bytes(b"garbage " * 1000)
    outcome = ran.run("run", "p.yaml")
    assert outcome.code == 4
    assert "not a database" in outcome.err
    assert "Traceback" not in outcome.err
    assert database.read_bytes() == b"garbage " * 1000
