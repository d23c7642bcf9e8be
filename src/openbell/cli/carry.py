"""Carries a request to its end, and shows it on the way."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from openbell.cli.entry import sheltered
from openbell.cli.lean import asyncio
from openbell.cli.setting import Setting
from openbell.core.events import Answer, Event
from openbell.core.requests import Request
from openbell.core.state import RunRecord, State
from openbell.engine.conduct import Conductor, Ending, View
from openbell.engine.leader import Holder
from openbell.errors import OpenbellError
from openbell.store.protocol import Store


def choose_view(setting: Setting, store: Store, output: str, *, verbose: bool) -> View:
    """The live view on a terminal, plain lines elsewhere, JSON when asked for."""
    from openbell.cli.lines import Lines

    if output == "json":
        from openbell.cli.jsonlines import JsonLines

        return JsonLines(setting.vitals)
    if sys.stderr.isatty() and not verbose and os.environ.get("TERM") != "dumb":
        from openbell.cli.live import LiveView

        return LiveView(store, setting.vitals)
    return Lines(setting.vitals, verbose=verbose)


def carry_out(
    setting: Setting,
    store: Store,
    request: Request,
    view: View,
    *,
    patient: bool = True,
    lasting: bool = True,
) -> Ending:
    """Carry a request to its end, leading or following (how far: see `Conductor`)."""
    gc.freeze()  # what has been imported stays
    gc.enable()  # from here on it may take days
    conductor = Conductor(
        workspace=setting.workspace,
        store=store,
        clock=setting.clock,
        executors=setting.executors,
        sensor=setting.sensor,
        channels=setting.channels,
        view=Sheltered(view),
        pools=setting.pools,
        heartbeat=setting.project.heartbeat,
        patient=patient,
        lasting=lasting,
    )
    return asyncio.run(conductor.conduct(request))


def accepted(ending: Ending) -> Ending:
    """The ending of a request that has to be accepted. Raises `OpenbellError` when it was not."""
    if ending.answer is not None and not ending.answer.accepted:
        raise OpenbellError(ending.answer.message)
    return ending


class Sheltered:
    """A view whose terminal or pipe may go away: the engine goes on without it."""

    def __init__(self, view: View) -> None:
        self._view = view

    def opened(self, record: RunRecord, answer: Answer) -> None:
        with sheltered():
            self._view.opened(record, answer)

    def see(self, events: Sequence[Event], state: State) -> None:
        with sheltered():
            self._view.see(events, state)

    def look(self, record: RunRecord) -> None:
        with sheltered():
            self._view.look(record)

    def follows(self, leader: Holder) -> None:
        with sheltered():
            self._view.follows(leader)

    def signalled(self, record: RunRecord, count: int) -> None:
        with sheltered():
            self._view.signalled(record, count)

    def close(self) -> None:
        with sheltered():
            self._view.close()
