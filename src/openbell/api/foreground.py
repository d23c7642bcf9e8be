"""Carries a request to its end in this process, wherever it is called: in a script, a thread, a notebook.

In the main thread, signals drain the run as they do on the command line, and then mean what they meant
before. Outside of the main thread they are left alone.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from openbell.cli.setting import Setting
from openbell.core.events import Answer, Event
from openbell.core.requests import Request
from openbell.core.state import RunRecord, State
from openbell.engine.conduct import SIGNALS, Conductor, Ending, View, heard_signals
from openbell.engine.leader import Holder


class Unseen:
    """A view that shows nothing."""

    def opened(self, record: RunRecord, answer: Answer) -> None:
        pass

    def see(self, events: Sequence[Event], state: State) -> None:
        pass

    def look(self, record: RunRecord) -> None:
        pass

    def follows(self, leader: Holder) -> None:
        pass

    def signalled(self, record: RunRecord, count: int) -> None:
        pass

    def close(self) -> None:
        pass


def carry_out(setting: Setting, request: Request, view: View) -> Ending:
    """Carry the request to its end, leading or following.

    Raises `KeyboardInterrupt` after a run that Ctrl-C has drained.
    """
    if threading.current_thread() is not threading.main_thread():
        return _Apart(setting, request, view).result()
    with _handlers_kept():
        below = _below_a_loop()
        ending = _Apart(setting, request, view).heeding() if below else _conduct(setting, request, view)
    if ending.signal == signal.SIGINT and below:  # to a loop, the signal would only be a word
        raise KeyboardInterrupt
    if ending.signal:
        signal.raise_signal(ending.signal)
    return ending


def _below_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Afterwards signals do again what the script wants of them."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # one of C's
                signal.signal(number, handler)


def _conduct(
    setting: Setting, request: Request, view: View, begun: Callable[[Conductor], None] = lambda _: None
) -> Ending:
    store = setting.store()  # of this thread: a connection of SQLite stays in the thread that made it

    async def conduct() -> Ending:
        conductor = Conductor(
            workspace=setting.workspace,
            store=store,
            clock=setting.clock,
            executors=setting.executors,
            sensor=setting.sensor,
            channels=setting.channels,
            view=view,
            pools=setting.pools,
            heartbeat=setting.project.heartbeat,
        )
        begun(conductor)
        return await conductor.conduct(request)

    try:
        return asyncio.run(conduct())
    finally:
        store.close()


class _Apart:
    """A thread of its own, for whoever cannot lend it a loop."""

    def __init__(self, setting: Setting, request: Request, view: View) -> None:
        self._ending: Ending | None = None
        self._error: BaseException | None = None
        self._early: list[int] = []
        """Signals that came before there was anything to leave."""
        self._signal: Callable[[int], object] = self._early.append
        self._thread = threading.Thread(target=self._run, args=(setting, request, view), name="openbell")
        self._thread.start()

    def _run(self, setting: Setting, request: Request, view: View) -> None:
        try:
            self._ending = _conduct(setting, request, view, self._begun)
        except BaseException as error:  # it is raised where somebody waits for it
            self._error = error

    def _begun(self, conductor: Conductor) -> None:
        loop = asyncio.get_running_loop()
        self._signal = lambda number: loop.call_soon_threadsafe(conductor.signalled, number)
        for number in self._early:
            conductor.signalled(number)

    def heeding(self) -> Ending:
        """What it came to. Until then signals, such as a notebook's stop button, drain the run."""
        for number in heard_signals():
            signal.signal(number, self._heed)
        return self.result()

    def _heed(self, number: int, _frame: object) -> None:
        with suppress(RuntimeError):  # it has ended just now
            self._signal(number)

    def result(self) -> Ending:
        """What it came to. Raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._ending is not None
        return self._ending
