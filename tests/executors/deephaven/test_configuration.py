"""The configuration of a query: what the orchestrators of old wrote, field by field."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from openbell.core.model import AttemptKey, Batch, Replay, Script, Step, Window
from openbell.executors.deephaven.configuration import configuration, jvm_arguments
from openbell.executors.protocol import Brief
from tests.enterprise import client_python

NOW = datetime(2024, 6, 3, 23, 30, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "heap_size_gb": 4.0,
    "jvm_profile": "Default",
    "server_name": "AutoQuery",
    "language": "Python",
}
REPLAY = Replay(
    speed=100.0, start="09:30:00", buffer_rows=10_000, timestamp_columns=(("Market", "Trade", "EventTime"),)
)


def brief(step: Step) -> Brief:
    env = {
        "PATH": "/bin",
        "SIMULATION_NAME": "mysim",
        "SIMULATION_DATE": "2024-01-15",
        "PARTITION_ID": "3",
        "NUM_PARTITIONS": "10",
        "QUERY_NAME": "pq_replay_mysim_20240115_3",
        "OUT": "x",
        "OPENBELL_ATTEMPT": "mysim/1/worker/3#1",
        "OPENBELL_OUTPUT": "/home/ann/output",
    }
    key = AttemptKey("mysim/1", "worker", 3, 1)
    return Brief(key, env["QUERY_NAME"], step, ("w.py",), env, "/", uid="4ab62211")


def fields(**keys: Any) -> dict[str, Any]:
    step = Step("worker", Script("w.py"), env={"OUT": "x"}, **keys)
    told = brief(step)
    return configuration(told, told.name, "ann", "print()", NOW, SETTINGS)


def test_a_replay() -> None:
    found = fields(mode=REPLAY, start_timeout=timedelta(minutes=10))
    sent = json.loads(found.pop("typeSpecificFieldsJson"))
    assert sent == {
        "ReplaySorted": {"type": "boolean", "value": True},
        "ReplayStart": {"type": "string", "value": "09:30:00"},
        "ReplayDate": {"type": "string", "value": "2024-01-15"},
        "ReplaySpeed": {"type": "string", "value": "100.0"},
    }
    words = found.pop("extraEnvironmentVariables")
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert pairs[:6] == [
        ("SIMULATION_NAME", "mysim"),
        ("SIMULATION_DATE", "2024-01-15"),
        ("PARTITION_ID", "3"),
        ("NUM_PARTITIONS", "10"),
        ("QUERY_NAME", "pq_replay_mysim_20240115_3"),
        ("OUT", "x"),
    ]
    assert dict(pairs[6:]) == {"OPENBELL_ATTEMPT": "mysim/1/worker/3#1", "OPENBELL_RUN_UID": "4ab62211"}
    assert found.pop("scheduling")[0].endswith("IrisQuerySchedulerContinuous")
    assert found == {
        "serial": -(2**63),
        "version": 1,
        "name": "pq_replay_mysim_20240115_3",
        "owner": "ann",
        "enabled": True,
        "serverName": "AutoQuery",
        "heapSizeGb": 4.0,
        "bufferPoolToHeapRatio": 0.25,
        "detailedGCLoggingEnabled": True,
        "scriptLanguage": "Python",
        "jvmProfile": "Default",
        "workerKind": "DeephavenCommunity",
        "restartUsers": 1,
        "timeoutNanos": 600 * 10**9,
        "scriptCode": "print()",
        "configurationType": "ReplayScript",
        "extraJvmArguments": [
            "-DReplayDatabase.BufferSize=10000",
            "-DPeriodicUpdateGraph.targetCycleDurationMillis=10",
            "-DReplayDatabase.TimestampColumn.Market.Trade=EventTime",
        ],
    }


@pytest.mark.parametrize(("speed", "cycle"), [(1.0, None), (10.0, 100), (60.0, 16), (100.0, 10), ("max", 10)])
def test_the_cycle_follows_the_speed(speed: Any, cycle: int | None) -> None:
    found = jvm_arguments(replace(REPLAY, speed=speed, buffer_rows=None, timestamp_columns=()))
    wanted = [] if cycle is None else [f"-DPeriodicUpdateGraph.targetCycleDurationMillis={cycle}"]
    assert found == wanted


def test_a_batch() -> None:
    found = fields(mode=Batch(), timeout=timedelta(hours=1))
    assert found["configurationType"] == "RunAndDone"
    assert found["timeoutNanos"] == 3600 * 10**9
    assert {"typeSpecificFieldsJson", "extraJvmArguments"}.isdisjoint(found)
    assert {"StartTime=23:30:00", "StartDate=2024-06-03", "StopTime=00:30:00", "StopDate=2024-06-04"} <= set(
        found["scheduling"]
    )


@pytest.mark.slow
def test_the_schedulers_are_those_of_the_client() -> None:
    """Line by line what its own generator writes."""
    code = """
import json
from deephaven_enterprise.client.generate_scheduling import GenerateScheduling as G
print(json.dumps([
    G.generate_continuous_scheduler("00:00:00", "UTC"),
    G.generate_range_scheduler("23:30:00", "00:30:00", "2024-06-03", "2024-06-04", "UTC"),
    G.generate_daily_scheduler("09:30:00", "16:00:00", "America/New_York", True, "USNYSE"),
]))
"""
    done = subprocess.run([client_python(), "-c", code], capture_output=True, text=True, check=True)
    window = Window(time(9, 30), time(16), "America/New_York", "USNYSE")
    ours = [
        fields(mode=REPLAY)["scheduling"],
        fields(mode=Batch(), timeout=timedelta(hours=1))["scheduling"],
        fields(mode=REPLAY, window=window)["scheduling"],
    ]
    assert ours == json.loads(done.stdout)
