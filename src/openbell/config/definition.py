"""A pipeline that has been read once and is bound to as many sessions as runs of it are opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from openbell.config.binding import bind_to
from openbell.config.draft import Draft
from openbell.config.findings import Finding, in_order, reject
from openbell.core.model import Pipeline
from openbell.core.state import Schedule
from openbell.errors import MarketError
from openbell.market import Market, resolve


@dataclass(frozen=True, slots=True)
class Definition:
    """A file that is in order. `pipeline` is not bound to a session yet."""

    path: Path
    pipeline: Pipeline
    draft: Draft = field(repr=False)
    warnings: tuple[Finding, ...] = ()
    modes: Mapping[str, Definition] = field(default_factory=dict)
    """The same file in the modes that its triggers name."""

    def means(self, other: Definition) -> bool:
        """Whether the other one defines the same, in every mode."""
        return (
            self.pipeline == other.pipeline
            and (self.market and self.market.digest) == (other.market and other.market.digest)
            and self.modes.keys() == other.modes.keys()
            and all(one.means(other.modes[mode]) for mode, one in self.modes.items())
        )

    @property
    def market(self) -> Market | None:
        """The market that it lives in, with the overlays of its project."""
        try:
            return resolve(self.pipeline.market, self.draft.markets) if self.pipeline.market else None
        except MarketError:
            return None

    @property
    def schedule(self) -> Schedule:
        """What its triggers need to know."""
        return Schedule(self.pipeline, self.market)

    def bound(self, session: date | None, mode: str = "") -> Pipeline:
        """The pipeline of one run. Raises `ConfigError` when this session does not allow it."""
        if mode in self.modes:
            return self.modes[mode].bound(session)
        document = replace(self.draft.document, findings=[])
        draft = replace(self.draft, document=document, calendars=dict(self.draft.calendars))
        pipeline, market = self.pipeline, self.market
        if session is not None and market is not None:
            pipeline = bind_to(draft, pipeline, market, session)
        if any(finding.fatal for finding in document.findings):
            raise reject(self.path, in_order(document.findings))
        return replace(pipeline, calendars=dict(draft.calendars))
