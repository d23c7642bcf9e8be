"""Turns the intent to start an attempt into what its executor needs to know."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openbell.config.expand import beside, expand
from openbell.core.intake import taken_by
from openbell.core.matrix import Scalar
from openbell.core.model import AttemptKey, Call, Command, Run, Script, Step
from openbell.core.needs import source
from openbell.core.render import environment, query_name, render, values
from openbell.core.state import Live, RunRecord
from openbell.engine.caching import cache_of
from openbell.engine.environment import activation
from openbell.engine.upstream import Told, Upstream
from openbell.executors.protocol import Brief, Orphan
from openbell.store.codec import encode_value


def brief(
    record: RunRecord, key: AttemptKey, passed_on: Mapping[str, str], upstream: Upstream | None = None
) -> Brief:
    """The brief of one attempt. KeyError names an environment variable that is not set.

    `upstream` writes down what the steps that it needs have come to.
    """
    step = record.groups[key.step].step
    run = record.run
    told = upstream.of(record, key) if upstream is not None else None
    argv = _argv(run, step, key.cell)
    digests = {name: one.digest for name, one in told.items()} if told else {}
    return Brief(
        key=key,
        name=query_name(run, step, key),
        step=step,
        argv=argv,
        env={
            **passed_on,
            **activation(run.pipeline.python or "", passed_on.get("PATH", os.defpath)),
            **_env(run, step, key),
            "OPENBELL_NEEDS": _needs(record, key, told),
        },
        cwd=run.pipeline.folder,
        python=run.pipeline.python,
        settings=settings_of(run, step),
        uid=run.uid,
        cache=cache_of(record, key, argv, digests),
        **_proof(run, step, key.cell),
    )


def settings_of(run: Run, step: Step) -> dict[str, Scalar]:
    """What pipeline and step say about its executor, references resolved. KeyError names a variable."""
    found: dict[str, Scalar] = {}
    for name, value in {**run.pipeline.settings.get(step.executor, {}), **step.settings}.items():
        text = expand(value, os.environ) if isinstance(value, str) else value
        named = isinstance(text, str) and name.endswith("_path")
        found[name] = str(beside(Path(run.pipeline.folder), str(text))) if named else text
    return found


def orphan(record: RunRecord, key: AttemptKey, live: Live) -> Orphan:
    """What is told about an attempt that a former engine started. KeyError as for `brief`."""
    step, run = record.groups[key.step].step, record.run
    return Orphan(
        key=key,
        step=step,
        handle=live.handle,
        stop=live.stop,
        name=query_name(run, step, key),
        settings=settings_of(run, step),
        uid=run.uid,
        heard=live.heard,
    )


def _needs(record: RunRecord, key: AttemptKey, told: Mapping[str, Told] | None) -> str:
    """For each needed step, the run and the step whose results count, and where they are to be read."""
    found: dict[str, dict[str, str]] = {}
    if told is not None:
        found = {name: {"run": one.run, "step": one.step, "path": one.path} for name, one in told.items()}
    else:
        for need in record.groups[key.step].step.needs:
            run, step = source(record, need)
            found[need.step] = {"run": run, "step": step}
    return json.dumps(found)


def _argv(run: Run, step: Step, cell: int) -> tuple[str, ...]:
    match step.work:
        case Command(argv=argv):
            known = values(run.id, run.pipeline, step, cell)
            return tuple(render(word, known) for word in argv)
        case Script(path=path):
            return (path,)
        case Call(target=target):
            return (target,)


def _proof(run: Run, step: Step, cell: int) -> dict[str, tuple[str, ...]]:
    """What has to hold when it has ended well."""
    if not step.outputs and step.verify is None:
        return {}
    known = values(run.id, run.pipeline, step, cell)
    match step.verify:
        case Command(argv=argv):
            verify = tuple(render(word, known) for word in argv)
        case Call(target=target):
            verify = (target,)
        case None:
            verify = ()
    return {"outputs": tuple(render(name, known) for name in step.outputs), "verify": verify}


def _env(run: Run, step: Step, key: AttemptKey) -> dict[str, str]:
    declared = {name: expand(value, os.environ) for name, value in step.env.items()}
    taken = taken_by(run, step, key.cell)
    about = {
        "OPENBELL_FILES": json.dumps(taken) if taken is not None else "",
        "OPENBELL_STEP": step.name,
        "OPENBELL_COORDINATES": _object(step.matrix.coordinates(key.cell)),
        "OPENBELL_PARAMS": _object(run.pipeline.params),
        "OPENBELL_MODE": encode_value(step.mode) if step.mode else "",
        "OPENBELL_DATA": _object(run.pipeline.data),
        "OPENBELL_OUTPUT": run.pipeline.output,
    }
    return {**declared, **environment(run, step, key), **about}


def _object(data: Mapping[str, Any]) -> str:
    return json.dumps(dict(data)) if data else "{}"
