"""Carries a request to its end, and shows it on the way."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

from openbell.cli.setting import Setting
from openbell.core.requests import Request
from openbell.engine.conduct import Conductor, Ending, View
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
    setting: Setting, store: Store, request: Request, view: View, *, patient: bool = True
) -> Ending:
    """Carry a request to its end, leading or following."""
    gc.freeze()  # what has been imported stays
    gc.enable()  # from here on it may take days
    conductor = Conductor(
        workspace=setting.workspace,
        store=store,
        clock=setting.clock,
        executors=setting.executors,
        view=view,
        pools=setting.pools,
        patient=patient,
    )
    ending = asyncio.run(conductor.conduct(request))
    if ending.answer is not None and not ending.answer.accepted and ending.record is None:
        raise OpenbellError(ending.answer.message)
    return ending
