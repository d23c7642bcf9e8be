"""What the result of an attempt follows from, as far as the engine knows it: the key of a kept result."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openbell.config.expand import expand
from openbell.config.sources import sources
from openbell.core.intake import taken_by
from openbell.core.model import AttemptKey
from openbell.core.render import render, values
from openbell.core.state import RunRecord
from openbell.store.codec import encode_value


def cache_of(
    record: RunRecord, key: AttemptKey, argv: tuple[str, ...], needs: Mapping[str, str]
) -> dict[str, Any] | None:
    """The parts of the key, and the files whose contents belong to it; None for a step that keeps nothing.

    `argv`: what is run, filled in; `needs`: digests of what needed steps have come to.
    """
    run, step = record.run, record.groups[key.step].step
    policy = step.cache
    if policy is None:
        return None
    pipeline = run.pipeline
    parts = {
        "step": [pipeline.name, step.name, type(step.work).__name__],
        "argv": argv,
        "cell": step.matrix.coordinates(key.cell),
        "sessions": dict(pipeline.sessions),
        "mode": [pipeline.choice.mode, encode_value(step.mode)],
        "env": {name: expand(value, os.environ) for name, value in step.env.items()},
        "python": pipeline.python,
        "data": [dict(pipeline.data), pipeline.output],
        "outputs": step.outputs,
        "verify": encode_value(step.verify),
        "needs": dict(needs),
        "params": dict(pipeline.params) if "params" in policy.key else None,
    }
    known = values(run.id, pipeline, step, key.cell)
    code = sources(step.work, Path(pipeline.folder)) if "code" in policy.key else []
    return {
        "parts": json.dumps(parts, sort_keys=True, default=str),
        "files": (taken_by(run, step, key.cell) or []) if "files" in policy.key else [],
        "globs": [render(pattern, known) for pattern in policy.inputs],
        "code": [str(path) for path in code],
        "max_age": policy.max_age.total_seconds() if policy.max_age is not None else None,
        "use": policy.use,
    }
