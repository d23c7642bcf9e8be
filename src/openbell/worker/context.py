"""What a task knows about itself, out of its environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Context:
    """One task. `params`: the pipeline's parameters and this task's coordinates, by name."""

    name: str
    """The pipeline's name (SIMULATION_NAME)."""
    date: date | None
    """The session date, where the task has one."""
    partition: int
    num_partitions: int
    attempt: int
    """1 for the first try."""
    run: str
    step: str
    params: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    checkpoint: Any = None
    """What an earlier attempt of this task has saved last; None when there is nothing."""
    mode: Mapping[str, Any] = field(default_factory=dict)
    """Replay or batch settings: `kind`, `speed`, `start` ...; empty for neither."""


def context(environ: Mapping[str, str] | None = None) -> Context:
    """The context of this process. By hand, whatever the environment does not say has a plain default."""
    env = os.environ if environ is None else environ
    day = env.get("SIMULATION_DATE")
    return Context(
        name=env.get("SIMULATION_NAME", ""),
        date=date.fromisoformat(day) if day else None,
        partition=int(env.get("PARTITION_ID") or env.get("WORKER_ID") or 0),
        num_partitions=int(env.get("NUM_PARTITIONS") or env.get("NUM_WORKERS") or 1),
        attempt=int(env.get("OPENBELL_ATTEMPT", "#1").rpartition("#")[2]),
        run=env.get("OPENBELL_RUN_ID", ""),
        step=env.get("OPENBELL_STEP", ""),
        params={**_json(env, "OPENBELL_PARAMS", {}), **_json(env, "OPENBELL_COORDINATES", {})},
        env=dict(env),
        checkpoint=_checkpoint(env.get("OPENBELL_CHECKPOINT")),
        mode=_json(env, "OPENBELL_MODE", {}),
    )


def _json(env: Mapping[str, str], name: str, default: Any) -> Any:
    text = env.get(name)
    return json.loads(text) if text else default


def _checkpoint(path: str | None) -> Any:
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return json.load(file)
    except FileNotFoundError:
        return None
