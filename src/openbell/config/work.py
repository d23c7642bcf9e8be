"""What one attempt of a step is, out of its keys: a command, a worker script, or a callable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from openbell.config.callables import check_callable
from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.shapes import StepShape
from openbell.config.work_shapes import CacheShape
from openbell.config.worker import check_python
from openbell.core.model import Cache, Call, Command, Marker, Script, Work

_FORMS = ("run", "script", "call")


def work(
    draft: Draft,
    shape: StepShape,
    place: Place,
    *,
    here: bool,
    ours: bool,
    env: Mapping[str, str],
    runtime: str,
) -> Work:
    """The work. `here`: it runs on this machine; `ours`: by this Python; `env`: with these variables."""
    given = [form for form in _FORMS if getattr(shape, form) is not None]
    if len(given) != 1 and not draft.meant(place, *_FORMS):
        told = (
            f"has both `{given[0]}` and `{given[1]}`" if given else "has neither `run`, `script` nor `call`"
        )
        draft.fault("OB111", f"`{place[-1]}` {told}; exactly one is needed", place, key=True)
    if shape.script is not None:
        at = (*place, "script")
        script = draft.file(shape.script, at, "the worker script")
        if runtime == "deephaven-core" and shape.script.endswith(".groovy"):
            told = "Groovy workers run on Deephaven Enterprise only"
            draft.fault("OB124", told, at, "the embedded engine runs Python workers")
        elif script is not None:
            plain = here and runtime == "python"
            check_python(draft, script, at, plain=plain, ours=ours and runtime == "python")
        return Script(str(script or shape.script))
    if shape.call is not None:
        call = Call(shape.call)
        check_callable(draft, call, (*place, "call"), sure=here and ours and "PYTHONPATH" not in env)
        return call
    return Command(shape.run or ())


def proof(draft: Draft, shape: StepShape, place: Place, *, sure: bool) -> dict[str, Any]:
    """What shows that an attempt is done, and what has to hold then. `sure`: as for callables."""
    if isinstance(shape.verify, Call):
        check_callable(draft, shape.verify, (*place, "verify"), sure=sure)
    marker = shape.done_when
    return {
        "outputs": tuple(shape.outputs or ()),
        "verify": shape.verify,
        "checkpoint": shape.checkpoint,
        "cache": _cache(shape.cache) if shape.cache is not None else None,
        "done_when": Marker(marker.output, _LINGER if marker.linger is None else marker.linger)
        if marker
        else None,
    }


def _cache(shape: CacheShape) -> Cache:
    plain = Cache()
    return Cache(
        key=plain.key if shape.key is None else tuple(shape.key),
        inputs=tuple(shape.inputs or ()),
        max_age=shape.max_age,
    )


_LINGER = timedelta(seconds=10)
