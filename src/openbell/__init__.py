"""openbell: a market-aware orchestrator for quant teams.

Importing it costs nothing: names are loaded when they are first used.
"""

from __future__ import annotations

from openbell.version import __version__

TYPE_CHECKING = False  # importing `typing` for this would be most of what this file costs
if TYPE_CHECKING:
    from typing import Any

    from openbell import worker
    from openbell.api.definitions import Pipeline, Step
    from openbell.api.handle import RunHandle
    from openbell.api.running import Plan, load, plan, run, runs
    from openbell.errors import ConfigError, MarketError, OpenbellError
    from openbell.market import (
        Market,
        MarketState,
        Overlay,
        Session,
        Transition,
        get_all_market_states,
        get_market_state,
        get_next_state_transition,
        market,
    )

__all__ = [
    "ConfigError",
    "Market",
    "MarketError",
    "MarketState",
    "OpenbellError",
    "Overlay",
    "Pipeline",
    "Plan",
    "RunHandle",
    "Session",
    "Step",
    "Transition",
    "__version__",
    "get_all_market_states",
    "get_market_state",
    "get_next_state_transition",
    "load",
    "market",
    "plan",
    "run",
    "runs",
    "worker",
]

_HOMES = {
    "ConfigError": "openbell.errors",
    "Market": "openbell.market",
    "MarketError": "openbell.errors",
    "MarketState": "openbell.market",
    "OpenbellError": "openbell.errors",
    "Overlay": "openbell.market",
    "Pipeline": "openbell.api.definitions",
    "Plan": "openbell.api.running",
    "RunHandle": "openbell.api.handle",
    "Session": "openbell.market",
    "Step": "openbell.api.definitions",
    "Transition": "openbell.market",
    "get_all_market_states": "openbell.market",
    "get_market_state": "openbell.market",
    "get_next_state_transition": "openbell.market",
    "load": "openbell.api.running",
    "plan": "openbell.api.running",
    "run": "openbell.api.running",
    "runs": "openbell.api.running",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("market", "worker"):
        return import_module(f"openbell.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'openbell' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
