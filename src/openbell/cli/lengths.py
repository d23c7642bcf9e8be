"""How long tasks take in a rehearsal: as long as is said, else as they took lately, else as is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from openbell.cli.setting import Setting
from openbell.config.catalog import Catalog
from openbell.config.findings import nearest
from openbell.core.model import Step
from openbell.errors import UsageError
from openbell.store.protocol import Store

_ASSUMED = timedelta(minutes=1)  # of a task that has never run
_RECENT = 5  # runs whose tasks tell how long they take


@dataclass(slots=True)
class Lengths:
    """The average of the tasks of a step. Of a pipeline, the store is asked once."""

    store: Store | None
    said: Mapping[str, timedelta] = field(default_factory=dict)
    """By pipeline, or by pipeline/step."""
    assumed: timedelta = _ASSUMED
    """Of tasks that never ran."""
    _known: dict[str, dict[str, timedelta]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, setting: Setting, found: Catalog, takes: Sequence[str] = (), assumed: timedelta = _ASSUMED
    ) -> Lengths:
        """Those of a project. `takes`: PIPELINE=DURATION, or PIPELINE/STEP=DURATION."""
        known = setting.workspace.exists or setting.project.store is not None
        return cls(setting.store() if known else None, dict(_said(one, found) for one in takes), assumed)

    def __call__(self, pipeline: str, step: Step) -> timedelta:
        if pipeline not in self._known:
            self._known[pipeline] = self._of(pipeline)
        whole = self.said.get(pipeline)
        if (said := self.said.get(f"{pipeline}/{step.name}", whole)) is not None:
            return said
        return self._known[pipeline].get(step.name, self.assumed)

    def _of(self, pipeline: str) -> dict[str, timedelta]:
        found: dict[str, list[float]] = {}
        for info in self.store.runs(pipeline, _RECENT) if self.store else ():
            for attempt in self.store.attempts(info.id, last_only=True) if self.store else ():
                if attempt.exit is not None and attempt.exit.code == 0:
                    found.setdefault(attempt.key.step, []).append(attempt.exit.elapsed)
        return {step: timedelta(seconds=sum(values) / len(values)) for step, values in found.items()}


def _said(text: str, found: Catalog) -> tuple[str, timedelta]:
    name, _, length = text.partition("=")
    names = {known: one.pipeline for known, one in found.definitions.items()}
    steps = [f"{known}/{step.name}" for known, one in names.items() for step in one]
    if name not in names and name not in steps:
        near = nearest(name, [*names, *steps])
        hint = f"did you mean `{near}`?" if near else "PIPELINE=5m, or PIPELINE/STEP=5m"
        raise UsageError(f"--takes {text}: there is no {name!r}", hint=hint)
    return name, duration(f"--takes {name}=...", length)


def duration(option: str, text: str) -> timedelta:
    """What an option says. Raises UsageError for what is none."""
    from pydantic import TypeAdapter, ValidationError

    from openbell.config.kinds import PositiveDuration

    try:
        return TypeAdapter(PositiveDuration).validate_python(text)
    except ValidationError:
        raise UsageError(f"{option} takes a duration such as 30s or 5m, not {text!r}") from None
