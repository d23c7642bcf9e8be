"""The part of a pipeline that a run is to be: its mode, and the steps that were named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.findings import nearest
from openbell.config.mode_shapes import ModeShape
from openbell.config.shapes import PipelineShape
from openbell.core.model import Choice, Pipeline
from openbell.core.selection import UnknownStep, bare_name, narrowed, step_names

FULL = "full"
"""The mode without `--mode`, where the file names no other: all steps, unless the file says which."""

_ALL = ["all"]


def in_mode(draft: Draft, pipeline: Pipeline, shape: PipelineShape, wanted: str | None) -> Pipeline:
    """The pipeline in the mode that was asked for, or in its default one. What is wrong are findings."""
    _check(draft, pipeline, shape)
    if not shape.modes:
        if wanted is not None and not draft.meant((), "modes"):
            draft.fault("OB125", f"there is no mode `{wanted}`: the pipeline has no modes", ())
        return pipeline
    name = wanted or shape.default_mode or FULL
    known = {FULL: None, **shape.modes}
    if name not in known:
        if wanted is not None:  # a wrong default has been told
            told = f"there is no mode `{name}`"
            draft.fault("OB125", told, ("modes",), _meant(name, list(known), "modes"), key=True)
        return _in_any(pipeline, shape, name)
    mode = shape.modes.get(name, _ALL)
    words = mode.steps if isinstance(mode, ModeShape) else mode
    params = mode.params if isinstance(mode, ModeShape) else {}
    try:
        chosen = _names(pipeline, words)
    except UnknownStep:  # told by _check
        return pipeline
    pipeline = narrowed(pipeline, chosen, mode=name)
    return replace(pipeline, params={**pipeline.params, **params})


def _in_any(pipeline: Pipeline, shape: PipelineShape, name: str) -> Pipeline:
    """In place of a mode that does not exist: whatever could be asked of it is there."""
    params = dict(pipeline.params)
    for mode in shape.modes.values():
        params |= mode.params if isinstance(mode, ModeShape) else {}
    return replace(pipeline, params=params, choice=Choice(mode=name))


def with_steps(draft: Draft, pipeline: Pipeline, words: Sequence[str]) -> Pipeline:
    """The pipeline with the steps that were named only."""
    try:
        return narrowed(pipeline, step_names(pipeline.steps, words), words=words)
    except UnknownStep as unknown:
        if unknown.word in pipeline.choice.left_out:
            told = f"`{unknown.word}` is no step of the mode `{pipeline.choice.mode}`"
            draft.fault("OB125", told, ("modes", pipeline.choice.mode), key=True)
        else:
            told = f"there is no step `{unknown.word}`"
            help_ = _meant(unknown.word, [step.name for step in pipeline], "steps")
            draft.fault("OB125", told, ("steps",), help_, key=True)
        return pipeline


def _names(pipeline: Pipeline, words: list[str]) -> frozenset[str]:
    return frozenset(step.name for step in pipeline) if words == _ALL else step_names(pipeline.steps, words)


def _check(draft: Draft, pipeline: Pipeline, shape: PipelineShape) -> None:
    """Steps that modes name and that are none, and a default that is no mode."""
    names = [step.name for step in pipeline]
    for name, mode in shape.modes.items():
        place: Place = ("modes", name, "steps") if isinstance(mode, ModeShape) else ("modes", name)
        words = mode.steps if isinstance(mode, ModeShape) else mode
        for position, word in enumerate(words if words != _ALL else ()):
            if (step := bare_name(word)) not in names and not draft.doubtful(("steps", step)):
                at = (*place, position) if _is_list(draft, place) else place
                told = f"the mode `{name}` names `{step}`, which is no step"
                draft.fault("OB125", told, at, _meant(step, names, "steps"))
    for number, trigger in enumerate(shape.triggers):
        asked: str | None = getattr(trigger, "mode", None)  # `session` alone has none
        known = [FULL, *shape.modes] if shape.modes else []
        if asked is not None and asked not in known:
            told = f"the trigger names the mode `{asked}`, which the pipeline does not have"
            draft.fault("OB125", told, ("triggers", number, "mode"), _meant(asked, known, "modes"))
    default = shape.default_mode
    if default is not None and default not in {FULL, *shape.modes}:
        told = f"`default_mode` names `{default}`, which is no mode"
        draft.fault("OB125", told, ("default_mode",), _meant(default, [FULL, *shape.modes], "modes"))
    elif default is not None and not shape.modes and not draft.meant((), "modes"):
        draft.fault("OB111", "`default_mode` goes with `modes`", ("default_mode",), key=True)


def _is_list(draft: Draft, place: Place) -> bool:
    node = draft.document.root.find(place) if draft.document.root else None
    return node is not None and isinstance(node.value, list)


def _meant(word: str, known: Sequence[str], what: str) -> str:
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else f"{what}: {', '.join(known) or 'none'}"
