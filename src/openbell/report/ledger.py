"""Holds the rows of a store against its journal: every run is folded once more, from its first event on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openbell.core.events import Event, OpenRun
from openbell.core.evolve import evolve
from openbell.core.state import Limits, State
from openbell.errors import OpenbellError
from openbell.store.loader import snapshot
from openbell.store.protocol import Store

_PAGE = 5_000
_SINCE = frozenset({"live", "doomed", "intake"})
"""What an engine had in mind, or has looked up meanwhile: the rest has to be the same in every byte."""


def differences(store: Store) -> Iterator[str]:
    """What the rows say otherwise than the journal, a line for each run. Reads all of it."""
    led = list(_entries(store, kinds=("Led",)))
    for run in store.ages():
        try:
            told = _of_run(store, run.id, led)
        except (OpenbellError, KeyError, IndexError, ValueError) as error:
            told = f"its journal cannot be folded: {type(error).__name__}: {error}"
        if told:
            yield f"{run.id}: {told}"


def _of_run(store: Store, run: str, led: list[tuple[int, Event]]) -> str:
    entries = list(_entries(store, run_id=run))
    if not any(isinstance(event, OpenRun) for _, event in entries):
        return "the journal does not tell how it was opened"
    state = State(Limits())
    for _, event in sorted(entries + led, key=lambda entry: entry[0]):
        evolve(state, event)
    record = store.run(run)
    if record is None:
        return "there is no row of it"
    folded, kept = snapshot(state.runs[run]), snapshot(record)
    wrong = [name for name in kept if name not in ("groups", "alerts") and kept[name] != folded[name]]
    wrong += [
        f"step {name}" for name in kept["groups"] if _differs(kept["groups"][name], folded["groups"][name])
    ]
    return f"its rows say otherwise than its journal: {', '.join(wrong)}" if wrong else ""


def _differs(kept: dict[str, Any], folded: dict[str, Any]) -> bool:
    return any(kept[name] != folded[name] for name in kept if name not in _SINCE)


def _entries(
    store: Store, run_id: str | None = None, kinds: tuple[str, ...] = ()
) -> Iterator[tuple[int, Event]]:
    after = 0
    while found := store.journal(after, run_id, _PAGE, kinds):
        yield from found
        after = found[-1][0]
