"""The thread that looks: woken by news of a folder, by the end of a settle time, or by an order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from openbell.clock import Clock
from openbell.core.inputs import InputFile, Lookout
from openbell.sensors.arrivals import Arrivals, Look
from openbell.sensors.contents import Interrupted
from openbell.sensors.notices import News, Notices, best

_TOGETHER = 0.02  # seconds in which events that belong together arrive
_SHARE = 4  # looking takes at most a fifth of the time, however much happens


@dataclass(slots=True)
class _Post:
    arrivals: Arrivals
    tell: Callable[[Look], None]
    told: Look | None = None


class Watcher:
    """Looks for files in a thread of its own. Everything else may be called from any thread.

    For the gates of steps (`files.FileSensor`), for triggers of the daemon, and for whoever else has to know
    of settled files: `look_for(key, Lookout(globs, settle), tell, known)`.

    `tell` is called in that thread: once after the first look, and then whenever what is there has changed.
    """

    def __init__(self, clock: Clock, notices: Callable[[], Notices] = best) -> None:
        self._clock = clock
        self._make = notices
        self._orders: deque[Callable[[], None]] = deque()
        self._posts: dict[Hashable, _Post] = {}
        self._notices: Notices | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def look_for(
        self,
        key: Hashable,
        lookout: Lookout,
        tell: Callable[[Look], None],
        known: Iterable[InputFile] = (),
    ) -> None:
        """Begin to look for something; what was looked for under this key is forgotten."""

        def begin() -> None:
            self._posts[key] = _Post(Arrivals(lookout, known), tell)

        self.do(begin)

    def forget(self, key: Hashable) -> None:
        """Look for it no more. A `tell` that is under way may still come."""
        self.do(lambda: (self._posts.pop(key, None), None)[1])

    def do(self, order: Callable[[], None]) -> None:
        """Carry out an order in the thread, after those before it."""
        with self._lock:
            if self._closed:
                return
            self._orders.append(order)
            if self._thread is None:
                self._notices = self._make()
                self._thread = threading.Thread(target=self._run, name="openbell-files", daemon=True)
                self._thread.start()
            elif self._notices is not None:
                self._notices.wake()

    def close(self) -> None:
        """End the thread. An order that it is at is carried out."""
        with self._lock:
            self._closed = True
            thread, notices, self._thread = self._thread, self._notices, None
        if thread is not None and notices is not None:
            notices.wake()
            thread.join()
            notices.close()

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        assert self._notices is not None
        news = News()
        while not self._closed:
            while self._orders:
                self._orders.popleft()()
            began = time.monotonic()
            try:
                self._look(news)
                while self._notices.attend(self._folders()) and not self._closed:
                    self._look(News(everywhere=True))  # what happened before we attended was no news
            except Interrupted:
                return
            took = time.monotonic() - began
            if self._orders:
                news = News()
                continue
            news = self._notices.wait(self._patience())
            if news.folders or news.everywhere:
                self._gather(news, max(_TOGETHER, _SHARE * took))

    def _gather(self, news: News, seconds: float) -> None:
        """What comes right after belongs to it."""
        assert self._notices is not None
        end = time.monotonic() + min(seconds, 1.0)
        while (left := end - time.monotonic()) > 0 and not self._closed and not self._orders:
            more = self._notices.wait(left)
            news.folders |= more.folders
            news.renamed |= more.renamed
            news.everywhere |= more.everywhere and bool(more.folders)

    def _look(self, news: News) -> None:
        now = time.monotonic()
        wall = self._clock.now().timestamp()
        for post in list(self._posts.values()):
            arrivals = post.arrivals
            due = arrivals.due is not None and arrivals.due <= now
            if post.told is None or due or news.everywhere or arrivals.folders & news.folders:
                look = arrivals.look(now, wall, news.renamed, lambda: not self._closed)
                if look != post.told:
                    post.told = look
                    post.tell(look)

    def _folders(self) -> frozenset[str]:
        return frozenset(folder for post in self._posts.values() for folder in post.arrivals.folders)

    def _patience(self) -> float | None:
        """Seconds to the end of the next settle time; None: only news matter."""
        dues = [due for post in self._posts.values() if (due := post.arrivals.due) is not None]
        return max(0.0, min(dues) - time.monotonic()) if dues else None
