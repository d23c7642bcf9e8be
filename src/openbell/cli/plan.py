"""`openbell plan`: what would run, in what order, and which dates are left out, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any

import click

from openbell.cli.choosing import (
    check_executors,
    load_for,
    parse_dates,
    parse_steps,
    parse_values,
    place_of,
    wanted_pipeline,
)
from openbell.cli.options import MODE, OUTPUT, STEPS
from openbell.cli.setting import Setting
from openbell.cli.words import seconds, size
from openbell.config.load import Loaded, Overrides
from openbell.core.binding import FILES
from openbell.core.graph import topological
from openbell.core.inputs import Consume, Files
from openbell.core.lanes import WHOLE
from openbell.core.matrix import Axis, label
from openbell.core.model import EXECUTORS, Call, Command, Late, OnFailure, Pipeline, Replay, Script, Step
from openbell.core.selection import dropped_needs
from openbell.core.states import TRIED, TaskState
from openbell.core.words import plural
from openbell.engine.history import Took, took
from openbell.errors import ExitCode, NotFound
from openbell.market import Closure
from openbell.report.times import local_time, opening_times

_ELSE = {Late.RUN: "", Late.SKIP: ", else skipped", Late.FAIL: ", else failed"}
_MOST_DATES = 40
_MOST_VALUES = 8


@click.command()
@click.argument("pipeline", required=False)
@MODE
@STEPS
@click.option("--on", type=click.Choice(EXECUTORS), help="Where the tasks would run.")
@click.option("--dates", "--date", help="Only these dates: A:B, or one.")
@click.option("--sample", type=click.IntRange(1), help="Only so many tasks of each step, spread evenly.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Set a key of the file.")
@OUTPUT
def plan(
    pipeline: str | None,
    mode: str | None,
    steps: tuple[str, ...],
    on: str | None,
    dates: str | None,
    sample: int | None,
    values: tuple[str, ...],
    output: str,
) -> int:
    """Show what `openbell run` would do. Nothing is started, and no secret is needed."""
    setting = Setting.of(place_of(pipeline))
    pipeline, chosen = wanted_pipeline(setting, pipeline, None, parse_steps(steps))
    overrides = Overrides(
        on, parse_dates(dates), setting.clock.now(), sample, parse_values(values), mode, chosen
    )
    return plan_for(setting, pipeline, overrides, output)


def plan_for(setting: Setting, wanted: str, overrides: Overrides, output: str) -> int:
    """Load a pipeline and print its plan."""
    loaded = load_for(setting, wanted, overrides, starting=False)
    check_executors(setting, loaded.pipeline, starting=False)
    show_plan(setting, loaded, output)
    return ExitCode.OK


def show_plan(setting: Setting, loaded: Loaded, output: str) -> None:
    """Print the plan on stdout."""
    if output == "json":
        click.echo(json.dumps(_as_json(setting, loaded), ensure_ascii=False))
        return
    first, *rest = plan_lines(setting, loaded)
    name, colon, told = first.partition(": ")
    click.secho(f"{name}{colon}", bold=True, nl=False)
    click.echo(told)
    for line in rest:
        click.secho(line, fg="yellow" if line.startswith("  note: ") else None)


def plan_lines(setting: Setting, loaded: Loaded) -> Iterator[str]:
    """The plan as text."""
    pipeline = loaded.pipeline
    told = f"{plural(pipeline.size, 'task')} in {plural(len(pipeline.steps), 'step')}"
    yield f"{pipeline.shown}: {told}  (plan {loaded.digest})"
    if session := pipeline.sessions.get("session"):
        yield f"  session      {session} of {pipeline.market}"
    for name, text in _chosen(pipeline):
        yield f"  {name:<12} {text}"
    for name in topological(pipeline.steps):
        yield from _step_lines(pipeline, pipeline.step(name))
    yield from _left_out_lines(loaded)
    yield from _limit_lines(setting, pipeline)
    yield from _history_lines(setting, loaded)


def _chosen(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """The mode and the steps, where there was a choice."""
    choice = pipeline.choice
    if choice.mode:
        yield "mode", choice.mode
    if choice.steps:
        yield "steps", ", ".join(choice.steps)
    if choice.left_out:
        yield "without", ", ".join(choice.left_out)


def _step_lines(pipeline: Pipeline, step: Step) -> Iterator[str]:
    axes = " x ".join(_width(axis) for axis in step.matrix.axes)
    volume = step.matrix.volume
    picked = f", {len(step.matrix)} of {volume} sampled" if len(step.matrix) != volume else ""
    shape = f" = {axes}" if len(step.matrix.axes) > 1 else f" ({axes})" if axes else ""
    yield ""
    yield f"  {step.name}: {plural(len(step.matrix), 'task')}{shape}{picked}"
    for axis in step.matrix.axes:
        yield f"    {axis.name:<12} {_values(axis)}"
    for name, text in _facts(pipeline, step):
        yield f"    {name:<12} {text}"


def _width(axis: Axis) -> str:
    return f"each {axis.name}" if axis.open else f"{len(axis.values)} {axis.name}"


def _values(axis: Axis) -> str:
    if axis.open:
        return "the files that are there then" if axis.source == FILES else f"what {axis.source} holds"
    values = [str(value) for value in axis.values]
    if len(values) > _MOST_VALUES:
        return f"{values[0]}, {values[1]} ... {values[-1]}"
    return ", ".join(values)


def _intake(pipeline: Pipeline, files: Files) -> Iterator[tuple[str, str]]:
    """What a step waits for, and what becomes of it."""
    globs = ", ".join(glob.removeprefix(f"{pipeline.folder}/") for glob in files.globs)
    settled = f"settled for {seconds(files.settle)}" if files.settle else "as soon as they are there"
    yield "files", f"{globs}, {'told complete' if files.signal else settled}"
    waits = f" after {seconds(files.timeout)}" if files.timeout else ""
    yield "without them", {"wait": "waits", "skip": f"skipped{waits}", "fail": f"fails{waits}"}[files.absent]
    if files.consume is not Consume.KEEP:
        archived = files.consume is Consume.ARCHIVE
        yield "afterwards", f"archived in {files.archive}" if archived else "deleted"


def _proof(step: Step) -> Iterator[tuple[str, str]]:
    """What shows that an attempt is done, and what has to hold then."""
    if step.cache:
        age = f", at most {seconds(step.cache.max_age)} old" if step.cache.max_age else ""
        unused = "" if step.cache.use else "; not looked at"
        yield "cache", f"{', '.join((*step.cache.key, *step.cache.inputs)) or 'the command'}{age}{unused}"
    if step.checkpoint:
        yield "checkpoint", "a folder that outlives the attempts of a task"
    if step.done_when:
        yield "done when", f"{step.done_when.output!r}, and ended {seconds(step.done_when.linger)} later"
    if step.outputs:
        yield "outputs", ", ".join(step.outputs)
    match step.verify:
        case Command(argv=argv):
            yield "verify", " ".join(argv)
        case Call(target=target):
            yield "verify", target


def _facts(pipeline: Pipeline, step: Step) -> Iterator[tuple[str, str]]:
    match step.work:
        case Command(argv=argv):
            yield "run", " ".join(argv)
        case Script(path=path):
            yield "script", path
        case Call(target=target):
            yield "call", target
    if step.needs:
        yield "needs", ", ".join(f"{need.step} ({need.mode.value})" for need in step.needs)
    if step.files is not None:
        yield from _intake(pipeline, step.files)
    if step.sequential:
        yield "in order", f"of {step.sequential}, each after the one before it has succeeded"
    yield from _proof(step)
    match step.mode:
        case Replay() as replay:
            speed = replay.speed if replay.speed == "max" else f"{replay.speed:g}x"
            yield "replay", f"from {replay.start} at {speed}"
        case None:
            pass
        case _:
            yield "batch", "the whole date at once"
    if step.retry.attempts > 1:
        kinds = "" if step.retry.on >= TRIED else f" after {', '.join(sorted(step.retry.on))}"
        yield "tries", f"{step.retry.attempts}{kinds}, first wait {seconds(step.retry.delay)}"
    if step.partial:
        yield "partial", "some that succeed are enough for those who need it"
    if told := _on_failure(step.on_failure):
        yield "on failure", told
    if step.timeout:
        yield "timeout", seconds(step.timeout)
    if step.demand.memory:
        how = "at most" if step.demand.memory_cap else "reserved"
        yield "memory", f"{size(step.demand.memory)} each, {how}"
    if step.openings:
        yield "when", opening_times(pipeline, step) + _ELSE[step.late]
    if step.hold:
        yield "holds", "its time: tried again when it crashes, stopped at the end"
    if step.stop_at:
        yield "ends by", local_time(pipeline, step.stop_at)
    if step.window:
        days = f"business days of {step.window.calendar}" if step.window.business_days else "every day"
        yield "window", f"{step.window.start:%H:%M}-{step.window.stop:%H:%M} {step.window.tz}, {days}"
    if step.query_name:
        yield "names", step.query_name
    yield "executor", step.executor


def _on_failure(policy: OnFailure) -> str:
    told = []
    if policy.last_success:
        told.append("those who need it go on with its last success")
    if policy.stand_in:
        told.append(f"{policy.stand_in} runs in its place")
    if policy.goes_on:
        told.append("otherwise the run goes on without it" if told else "the run goes on without it")
    return ", ".join(told)


def _left_out_lines(loaded: Loaded) -> Iterator[str]:
    if not loaded.left_out:
        return
    closures = list(loaded.left_out.values())
    weekends = sum(closure.kind == "weekend" for closure in closures)
    others = [closure for closure in closures if closure.kind != "weekend"]
    told = [plural(weekends, "weekend day")] if weekends else []
    told += [plural(len(others), "closed weekday")] if others else []
    yield ""
    yield f"  left out: {' and '.join(told)}"
    for days, closure in _spans(others)[:_MOST_DATES]:
        reason = (
            f"{closure.reason} ({closure.kind})"
            if closure.reason and closure.kind != "holiday"
            else str(closure)
        )
        yield f"    {days:<24} {reason}"
    if len(others) > _MOST_DATES:
        yield f"    and {len(others) - _MOST_DATES} more: -o json lists all"


def _spans(closures: list[Closure]) -> list[tuple[str, Closure]]:
    """Neighbouring dates with one reason as one line."""
    found = []
    numbered = ((closure.date.toordinal() - n, closure) for n, closure in enumerate(closures))
    for _, group in groupby(numbered, key=lambda one: (one[0], one[1].reason)):
        days = [closure for _, closure in group]
        first, last = days[0].date, days[-1].date
        found.append((f"{first}" if first == last else f"{first} to {last}", days[0]))
    return found


def _limit_lines(setting: Setting, pipeline: Pipeline) -> Iterator[str]:
    here = [step for step in pipeline if step.executor == "process"]
    yield ""
    if pipeline.concurrency:
        machine = f", {setting.slots} slots on this machine" if here else ""
        yield f"  at once      {pipeline.concurrency} (concurrency){machine}"
    elif here:
        yield f"  at once      {setting.slots} (slots of this machine)"
    if pipeline.max_failures is not None:
        yield f"  max failures {max(1, pipeline.max_failures)}"
    for step in here:
        for name, wanted, there in _too_large(setting, step):
            told = f"a task of {step.name} asks for {wanted} {name}, there is {there}: it will run alone"
            yield f"  note: {told}"


def _too_large(setting: Setting, step: Step) -> Iterator[tuple[str, str, str]]:
    total = setting.pools["memory"]
    if step.demand.memory > total:
        yield "of memory", size(step.demand.memory), size(total)
    if step.demand.cpu > setting.slots:
        yield "slots", f"{step.demand.cpu:g}", str(setting.slots)


def _history_lines(setting: Setting, loaded: Loaded) -> Iterator[str]:
    """What earlier runs tell: what is done already, and how long the rest may take."""
    try:
        store = setting.past()
    except NotFound:
        return
    yield from _predictions(took(store, loaded.pipeline, setting.clock.now()))
    newest = store.newest(loaded.pipeline.name, loaded.digest)
    record = store.run(newest) if newest else None
    if record is None:
        return
    done = record.count(TaskState.SUCCEEDED)
    yield f"  so far       {record.id} is {record.state.value}: {done:,} of {record.size:,} succeeded"
    left = record.size - done
    if left and record.durations.count:
        abreast = min(loaded.pipeline.concurrency or setting.slots, setting.slots)
        yield f"  estimate     {seconds(record.durations.mean * left / abreast)} for the other {left:,}"


def _predictions(known: Took) -> Iterator[str]:
    """What a task of each step will take, the longest first, which is the order in which they start."""
    longest = sorted(known.items(), key=lambda entry: -max(entry[1].values()))
    for number, (step, lanes) in enumerate(longest[:_MOST_VALUES]):
        name, most = max(lanes.items(), key=lambda entry: entry[1])
        apart = f", {name} {seconds(most)}" if name and most > 1.4 * lanes[WHOLE] else ""
        yield f"  {'' if number else 'a task takes':<12} {seconds(lanes[WHOLE])} of {step}{apart}"
    if len(longest) > _MOST_VALUES:
        yield f"  {'':<12} and of {len(longest) - _MOST_VALUES} more steps: -o json lists all"


def _took(setting: Setting, pipeline: Pipeline) -> Took:
    try:
        return took(setting.past(), pipeline, setting.clock.now())
    except NotFound:
        return {}


def _as_json(setting: Setting, loaded: Loaded) -> dict[str, Any]:
    pipeline = loaded.pipeline
    return {
        "pipeline": pipeline.shown,
        "digest": loaded.digest,
        "dialect": loaded.dialect.value,
        "session": pipeline.sessions.get("session"),
        "mode": pipeline.choice.mode or None,
        "chosen": list(pipeline.choice.steps),
        "without": list(pipeline.choice.left_out),
        "notes": dropped_needs(pipeline),
        "tasks": pipeline.size,
        "steps": [
            {
                "name": step.name,
                "tasks": len(step.matrix),
                "axes": {axis.name: list(axis.values) for axis in step.matrix.axes},
                "first": label(step.matrix.coordinates(0)) if len(step.matrix) else "",
                **dict(_facts(pipeline, step)),
            }
            for step in map(pipeline.step, topological(pipeline.steps))
        ],
        "left_out": [_left_out(day, why) for day, why in loaded.left_out.items()],
        "predicted_seconds": _took(setting, pipeline),
        "concurrency": pipeline.concurrency,
        "slots": setting.slots,
        "max_failures": pipeline.max_failures,
        "warnings": [{"code": found.code, "message": found.message} for found in loaded.warnings],
    }


def _left_out(day: date, why: Closure) -> dict[str, str]:
    return {"date": day.isoformat(), "kind": why.kind, "reason": why.reason}
