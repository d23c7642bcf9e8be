"""`orchestration.yaml` of the pipeline orchestrator, section by section. Only `convert` reads it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from openbell.config.kinds import Flag, Kind, Name, Shape, Size, Text, number, shown, whole, wrong
from openbell.config.trigger_shapes import CronText


def _anything(value: Any) -> Any:
    return value


def _actions(value: Any) -> list[tuple[int | str, str, Any]]:
    """A list of one-key mappings, or one mapping: (position or key, action, its value)."""
    if isinstance(value, dict):
        return [(key, key, item) for key, item in value.items()]
    if not isinstance(value, list):
        raise wrong("OB103", f"must be a list of actions, not {shown(value)}")
    found: list[tuple[int | str, str, Any]] = []
    for position, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise wrong("OB103", f"must be an action with its value, not {shown(entry)}", at=(position,))
        found += [(position, key, item) for key, item in entry.items()]
    return found


Anything = Annotated[Any, Kind(_anything, {}, "x", "anything")]
Actions = Annotated[list[tuple[int | str, str, Any]], Kind(_actions, {"type": "array"}, [], "actions")]
Hours = Annotated[float, number(above=0, high=24 * 3650)]
Seconds = Annotated[float, number(low=0, high=86400 * 3650)]
Count = Annotated[int, whole(0, 100_000)]
Cores = Annotated[float, number(above=0)]


class PipelineEntry(Shape):
    """One of `pipelines`."""

    module: Text | None = Field(None, description="Its Python module.")
    dependencies: list[Text] = Field(default_factory=list)
    config: dict[Text, Anything] = Field(default_factory=dict, description="What `main` is given.")
    max_data_age_hours: Hours | None = None
    max_cache_age: Seconds | None = None
    max_retries: Annotated[int, whole(1, 1000)] | None = Field(None, description="Tries in all.")


class DependencyEntry(Shape):
    """One of `pipeline_dependencies`."""

    depends_on: list[Text] = Field(default_factory=list)
    requires: list[Name] = Field(default_factory=list)
    provides: list[Name] = Field(default_factory=list)
    frequency: Text | None = None
    schedule: CronText | None = None


class ModeEntry(Shape):
    """A mode, with the arguments of its pipelines."""

    pipelines: list[Text]
    args: dict[Text, Annotated[str, Kind(lambda value: str(value), {"type": "string"})]] = Field(
        default_factory=dict
    )


class RetryEntry(Shape):
    """The retry strategy. `max_retries` counts tries: `range(max_retries)`."""

    max_retries: Annotated[int, whole(1, 1000)] = 3
    initial_delay: Seconds = 60.0
    backoff_factor: Annotated[float, number(low=1, high=100)] = 2.0
    max_delay: Seconds = 3600.0


class RecoveryEntry(Shape):
    """One of `recovery_procedures`."""

    failure_actions: Actions


class RuleEntry(Shape):
    """One of the rules of `alerting`."""

    name: Text
    condition: Text
    severity: Text = "medium"
    channels: list[Text] = Field(default_factory=list)


class AlertingEntry(Shape):
    """Channels and rules."""

    channels: dict[Name, dict[Text, Anything]] = Field(default_factory=dict)
    rules: list[RuleEntry] = Field(default_factory=list)


class ConnectionsEntry(Shape):
    """The pool of database connections."""

    pool_size: Count = 0
    max_overflow: Count = 0
    pool_timeout: Seconds | None = None


class ResourcesEntry(Shape):
    """`resource_management`."""

    cpu: dict[Text, Cores] = Field(default_factory=dict)
    memory: dict[Text, Size] = Field(default_factory=dict)
    parallelism: dict[Text, Annotated[int, whole(1, 100_000)]] = Field(default_factory=dict)
    db_connections: ConnectionsEntry | None = None


class CacheEntry(Shape):
    """The cache of intermediate results."""

    enabled: Flag = True
    cache_dir: Text | None = None
    max_age: Seconds | None = None


def _mode_kind(value: Any) -> str:
    return "mode" if isinstance(value, dict) else "list"


class OrchestrationShape(Shape):
    """The whole file."""

    name: Name | None = None
    pipelines: dict[Name, PipelineEntry] = Field(default_factory=dict)
    pipeline_dependencies: dict[Name, DependencyEntry] = Field(default_factory=dict)
    modes: dict[
        Name,
        Annotated[
            Annotated[list[Text], Tag("list")] | Annotated[ModeEntry, Tag("mode")], Discriminator(_mode_kind)
        ],
    ] = Field(default_factory=dict)
    max_workers: Annotated[int, whole(1, 100_000)] = 4
    retry_strategy: RetryEntry = Field(RetryEntry.model_construct())
    recovery_procedures: dict[Name, RecoveryEntry] = Field(default_factory=dict)
    alerting: AlertingEntry = Field(AlertingEntry.model_construct())
    resource_management: ResourcesEntry = Field(ResourcesEntry.model_construct())
    cache: CacheEntry | None = None

    @property
    def names(self) -> list[str]:
        """Every pipeline that a section defines, in the order of the file."""
        return list(dict.fromkeys([*self.pipelines, *self.pipeline_dependencies]))
