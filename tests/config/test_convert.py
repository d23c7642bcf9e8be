"""orchestration.yaml as an openbell project: what each of its keys becomes, and what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openbell.config.convert import LATER, Converted, convert
from openbell.config.document import parse
from openbell.config.findings import Finding
from openbell.config.load import Overrides, load
from openbell.config.project import load_project
from openbell.config.shapes import PipelineShape, StepShape
from openbell.errors import ConfigError
from tests.config.conftest import marked, places

SOURCE = Path(__file__).with_name("orchestration.yaml")
TZ = "America/New_York"


def converted(folder: Path, text: str, **options: Any) -> Converted:
    path = folder / "orchestration.yaml"
    path.write_text(text)
    return convert(path, TZ, **{"name": "old", **options})


def tree(result: Converted, file: str = "") -> dict[str, Any]:
    where = file or f"pipelines/{result.name}.yaml"
    document = parse(result.texts[where], Path(where))
    assert document.findings == []
    assert document.root is not None
    data: dict[str, Any] = document.root.data()
    return data


@pytest.fixture(scope="module")
def whole() -> Converted:
    return convert(SOURCE, TZ, "tetra")


def test_the_project_is_valid_in_each_of_its_modes(whole: Converted, tmp_path: Path) -> None:
    for where, text in whole.texts.items():
        (tmp_path / where).parent.mkdir(exist_ok=True)
        (tmp_path / where).write_text(text)
    project = load_project(tmp_path, {})
    path = tmp_path / "pipelines" / "tetra.yaml"
    loaded = load(path, project, {})
    assert loaded.modes == ("daily", "weekly", "full", "backfill")
    sizes = {mode: load(path, project, {}, Overrides(mode=mode)).pipeline.size for mode in loaded.modes}
    assert sizes == {"daily": 1, "weekly": 4, "full": 4, "backfill": 1}
    triggers = [(str(trigger), trigger.mode) for trigger in loaded.pipeline.triggers]
    assert triggers == [
        ("cron 0 19 * * * America/New_York mode daily", "daily"),
        ("cron 0 20 * * 0 America/New_York mode weekly", "weekly"),
    ]
    assert project.pools["db"] == 30


def test_pipelines_are_steps_with_what_they_need(whole: Converted) -> None:
    steps = tree(whole)["steps"]
    assert {name: step.get("needs", []) for name, step in steps.items()} == {
        "data_pipeline": [],
        "scenarios_pipeline": ["data_pipeline"],
        "metrics_pipeline": ["scenarios_pipeline"],
        "assessment_pipeline": ["metrics_pipeline"],
    }
    assert steps["data_pipeline"]["run"] == [
        "sh",
        "-c",
        "cd .. && exec python -m src.pipelines.data_pipeline.main {params.data_pipeline_args}",
    ]


def test_tries_and_retries_are_two_things(whole: Converted) -> None:
    data = tree(whole)
    assert data["defaults"]["retry"] == {"attempts": 3, "delay": "1m", "backoff": 2, "max_delay": "1h"}
    attempts = {name: step["retry"]["attempts"] for name, step in data["steps"].items()}
    assert attempts == {
        "data_pipeline": 4,
        "scenarios_pipeline": 3,
        "metrics_pipeline": 4,
        "assessment_pipeline": 2,
    }
    assert "`max_retries: 3` counts tries, not retries" in whole.decisions
    assert "data_pipeline: `retry_count: 3` counts retries: 4 attempts" in whole.decisions


def test_shares_of_the_machine(whole: Converted) -> None:
    steps = tree(whole)["steps"]
    assert steps["metrics_pipeline"]["resources"] == {"cpu": 16, "memory": "32GB", "db": 16}
    assert steps["metrics_pipeline"]["env"] == {"PARALLELISM": 16}
    assert tree(whole)["concurrency"] == 4


LATER_KEYS: dict[str, tuple[tuple[str, str], Any]] = {
    "requires": (("metrics_pipeline", "requires"), {"scenario_definitions": "1d", "market_data": "1d"}),
    "provides": (("scenarios_pipeline", "provides"), ["scenario_definitions", "scenario_timeseries"]),
    "partial": (("metrics_pipeline", "partial"), "ok"),
    "checkpoint": (("assessment_pipeline", "checkpoint"), True),
    "cache": (("metrics_pipeline", "cache"), {"key": ["params", "code"], "max_age": "1d"}),
}


@pytest.mark.parametrize("key", LATER_KEYS)
def test_keys_are_written_as_soon_as_there_are_any(whole: Converted, key: str) -> None:
    (step, name), value = LATER_KEYS[key]
    found = tree(whole)["steps"][step]
    if key in StepShape.model_fields:
        assert found[name] == value, "this version has the key, so it has to be written"
    else:
        assert name not in found
        assert any(f"{step}: this version of openbell has no `{key}` yet" in one for one in whole.decisions)


def unwrapped(text: str) -> str:
    """Comments as one line each."""
    return " ".join(line.strip().removeprefix("# ") for line in text.splitlines())


def test_what_happens_on_failure(whole: Converted) -> None:
    text = unwrapped(whole.texts["pipelines/tetra.yaml"])
    if "on_failure" in StepShape.model_fields:
        assert tree(whole)["steps"]["data_pipeline"]["on_failure"]["fallback"] == "last_success"
    assert "fallback: last_success" in text, "as a key, or in a comment"
    assert "notify: [email, slack]" in text
    assert "assessment_pipeline: `notify: sms`: `alerting` has no such channel: left out" in whole.decisions
    assert any("`escalation: page_oncall` means the channel `pagerduty`" in one for one in whole.decisions)


def test_alerting_is_the_projects(whole: Converted) -> None:
    text = unwrapped(whole.texts["openbell.yaml"])
    for told in ("${SLACK_WEBHOOK_URL}", "ops@tetra.com"):
        assert told in text, told
    assert "PAGERDUTY_API_KEY" not in text
    assert "the channel `pagerduty` is not enabled: left out" in whole.decisions
    assert tree(whole, "openbell.yaml")["alerts"] == {
        "channels": {"email": {"log": "alerts-email.jsonl"}, "slack": {"log": "alerts-slack.jsonl"}}
    }


def test_rules_become_what_the_pipeline_says_of_its_runs(whole: Converted) -> None:
    found = tree(whole)
    assert found["on_failure"] == {"notify": ["email", "slack"], "severity": "high"}
    assert found["deadline"] == {"after": "120m", "alert": "low", "notify": ["slack"]}
    for name in ("Data Staleness", "High Error Rate"):
        assert any(f"the rule `{name}` has no counterpart" in one for one in whole.decisions)


def test_every_decision_stands_in_a_file_too(whole: Converted) -> None:
    text = " ".join(map(unwrapped, whole.texts.values()))
    for decision in whole.decisions:
        told = decision.partition("_pipeline: ")[2] or decision
        assert told in text, decision
    assert "nobody provides `calculated_metrics`" in text
    assert "waits for what it needs instead" in text
    assert "/tmp/tetra_cache" in text
    assert "`pool_timeout: 30`" in text


def test_modes_of_the_file_come_before_those_of_the_script(tmp_path: Path) -> None:
    result = converted(
        tmp_path,
        "pipelines: {a: {}, b: {dependencies: [a], max_retries: 2}}\n"
        "modes:\n  quick: [a]\n  deep: {pipelines: [a, b], args: {b: --deep}}\n",
    )
    data = tree(result)
    assert data["modes"] == {"quick": ["a"], "deep": {"steps": "all", "params": {"b_args": "--deep"}}}
    assert data["params"] == {"b_args": ""}
    assert data["steps"]["a"]["run"][2] == "cd .. && exec python -m src.pipelines.a.main"
    assert data["steps"]["b"]["retry"]["attempts"] == 2
    assert "a: its module is not named: src.pipelines.a.main, as in orchestrator.sh" in result.decisions


def test_schedules_that_are_no_chain_stay_apart(tmp_path: Path) -> None:
    text = (
        "pipeline_dependencies:\n"
        "  a: {frequency: weekly, schedule: '0 20 * * 0'}\n"
        "  b: {frequency: weekly, schedule: '0 6 * * 3'}\n"
        "  c: {frequency: hourly, schedule: '5 * * * *'}\n"
    )
    result = converted(tmp_path, text)
    assert tree(result)["triggers"] == [
        {"cron": "0 20 * * 0", "mode": "weekly"},
        {"cron": "0 6 * * 3", "mode": "weekly"},
        {"cron": "5 * * * *", "mode": "full"},
    ]
    assert "the frequency `hourly` of c is no mode: its schedule opens `full`" in result.decisions


def test_the_dependencies_alone_are_enough(tmp_path: Path) -> None:
    """The first fragment of the source, as it stands there."""
    text = SOURCE.read_text()
    start, end = text.index("pipeline_dependencies:"), text.index("max_workers:")
    result = converted(tmp_path, text[start:end])
    assert list(tree(result)["steps"]) == [
        "data_pipeline",
        "scenarios_pipeline",
        "metrics_pipeline",
        "assessment_pipeline",
    ]


@pytest.mark.parametrize(
    ("text", "code", "help_"),
    [
        ("pipelines: {a: {dependencies: [▸bb]}, b: {}}\n", "OB116", "did you mean `b`?"),
        (
            "pipelines: {a: {}}\npipeline_dependencies: {b: {depends_on: [a, ▸zzz]}}\n",
            "OB116",
            "pipelines: a, b",
        ),
        ("pipelines: {a: {}}\nmodes: {m: [▸q]}\n", "OB116", "pipelines: a"),
        ("pipelines: {a: {}}\nmodes: {m: {pipelines: [▸q]}}\n", "OB116", "pipelines: a"),
        ("▸max_workers: 3\n", "OB102", ""),
        ("pipelines: {a: {}}\nmax_workers: ▸many\n", "OB103", ""),
        ("▸pipeline_dependencies: {a: {depends_on: [b]}, b: {depends_on: [a]}}\n", "OB117", ""),
        ("pipeline_dependencies: {a: {schedule: ▸'0 25 * * *'}}\n", "OB106", ""),
        ("pipelines: {a: {}}\nresource_management: {memory: {a: ▸lots}}\n", "OB106", ""),
        ("pipelines: {a: {}}\nrecovery_procedures: {a: {failure_actions: [▸retry]}}\n", "OB103", ""),
    ],
)
def test_what_cannot_be_converted(tmp_path: Path, text: str, code: str, help_: str) -> None:
    plain, [mark] = marked(text)
    with pytest.raises(ConfigError) as caught:
        converted(tmp_path, plain)
    found = tuple(one for one in caught.value.findings if isinstance(one, Finding))
    assert [one[0] for one in places(found)] == [code]
    if code not in ("OB102", "OB117"):
        assert places(found) == [(code, *mark)]
    assert help_ in found[0].help


def test_unknown_keys_are_told_and_left_out(tmp_path: Path) -> None:
    result = converted(tmp_path, "pipelines:\n  a: {modul: x, dependencies: []}\nkubernetes: {replicas: 3}\n")
    told = [(one.code, one.message, one.span.line, one.severity.value) for one in result.warnings]
    assert told == [
        ("OB101", "unknown field `modul` in `a`", 2, "warning"),
        ("OB101", "unknown field `kubernetes` in the file", 3, "warning"),
    ]
    assert "it is left out; did you mean `module`?" in result.warnings[0].help
    assert "kubernetes" not in "".join(result.texts.values())


def test_actions_that_are_not_understood(tmp_path: Path) -> None:
    result = converted(
        tmp_path,
        "pipelines: {a: {}}\n"
        "recovery_procedures:\n"
        "  a: {failure_actions: [{retry_cout: 3}, {retry_count: often}, {escalation: boss}]}\n"
        "  b: {failure_actions: []}\n",
    )
    assert "a: the action `retry_cout` is not known: left out (`retry_count`?)" in result.decisions
    assert "a: `retry_count: often` is not understood: left out" in result.decisions
    assert "a: `escalation: boss` names no channel of `alerting`: left out" in result.decisions
    assert "`recovery_procedures` names b, which is no pipeline: left out" in result.decisions


def test_the_name_of_the_pipeline(tmp_path: Path) -> None:
    text = "pipelines: {a: {}}\n"
    assert converted(tmp_path, text, name=None).name == tmp_path.name
    assert converted(tmp_path, f"name: desk\n{text}", name=None).name == "desk"
    assert converted(tmp_path, f"name: desk\n{text}", name="mine").name == "mine"
    other = tmp_path / "night.yaml"
    other.write_text(text)
    assert convert(other, TZ).name == "night"
    assert converted(tmp_path, text, name="two words").name.startswith("two-words--")
    braces = tree(converted(tmp_path, "pipelines: {a: {module: 'x{y}'}}\n"))
    assert braces["steps"]["a"]["run"][2].endswith("'x{{y}}'"), "they are no template"


def test_what_is_written_later_is_a_key_of_some_file() -> None:
    """A key that nobody plans would stay in comments for ever."""
    planned = {"continue", "escalate", "fallback", "notify"}  # below on_failure
    steps = {"cache", "checkpoint", "on_failure", "partial", "provides", "requires"}
    assert set(LATER) == planned | steps | {"alerts"}
    assert "modes" in PipelineShape.model_fields
