"""Keeps one warm worker and lets it carry out one call at a time; outlives the engine while one is under way.

It is to calls what a shim is to programs, with this difference: its child goes on to the next call. When
the child dies, that is the end of its call and of no other. When the engine goes, the host finishes what
it has in hand, writes it down, and leaves.
"""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn

from openbell.executors.process import kernel
from openbell.executors.process.cache import consult, outcome
from openbell.executors.process.hand import Hand, bury
from openbell.executors.process.proof import prove
from openbell.executors.process.slate import Slate
from openbell.executors.process.watch import Watch, ring, wake_pipe

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_IDLE = 60.0  # seconds after which a worker without anything to do is let go
_FRESH = 1.0  # seconds for which the kernel's count of memory kills is good enough
_MUTE = 1.0  # seconds that a worker which cannot speak any more may take to end


def serve(spec: dict[str, Any], link: socket.socket) -> NoReturn:
    """Be a host: take attempts from the link until the engine closes it."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    kernel.become_subreaper()
    kernel.set_name("openbell-host")
    _Host(spec, link).serve()
    os._exit(0)


class _Host:
    """`spec`: slate, boot, label, worker (argv, env, cwd), recycle, bell."""

    def __init__(self, spec: dict[str, Any], link: socket.socket) -> None:
        self.spec = spec
        self.link: socket.socket | None = link
        self.received = b""
        self.runs: list[dict[str, Any]] = []
        self.stops: dict[str, tuple[str, float]] = {}
        self.slate = Slate(spec["slate"])
        self.wake = wake_pipe()
        self.ooms, self.counted = kernel.oom_kills(), time.monotonic()
        self.hand: Hand | None = None
        self.watch: Watch | None = None
        self.began: dict[str, Any] = {}

    def serve(self) -> None:
        self._tell({"ready": os.getpid()})
        self._hire()
        while (spec := self._next()) is not None:
            self._carry_out(spec)
        self._dismiss()

    # ── the engine ───────────────────────────────────────────────────────────────────────────

    def _next(self) -> dict[str, Any] | None:
        """The next attempt; None when there will be none."""
        while not self.runs:
            if self.link is None:
                return None
            poller = select.poll()
            for descriptor in (self.link.fileno(), self.wake, *(self.hand.descriptors if self.hand else ())):
                poller.register(descriptor, select.POLLIN)
            ready = [descriptor for descriptor, _ in poller.poll(_IDLE * 1000 if self.hand else None)]
            if self.wake in ready:
                return None  # somebody wants us gone
            if self.link.fileno() in ready:
                self._hear()
            elif self.hand is not None and (not ready or not self.hand.idles()):
                self._dismiss()
        return self.runs.pop(0)

    def _hear(self) -> bool:
        """Take what the engine says. True when it is gone."""
        assert self.link is not None
        try:
            data = self.link.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.link.close()
            self.link = None
            return True
        *lines, self.received = (self.received + data).split(b"\n")
        for said in map(json.loads, lines):
            if "run" in said:
                self.runs.append(said["run"])
            elif self.watch is not None and self.watch.spec["id"] == said["stop"]:
                self.watch.stop(said["reason"], said["grace"])
            else:
                self.stops[said["stop"]] = (said["reason"], said["grace"])
        return False

    def _tell(self, what: dict[str, Any]) -> None:
        if self.link is None:
            return
        try:
            self.link.sendall(_ENCODER.encode(what).encode(errors="replace") + b"\n")
        except OSError:
            pass  # that it is gone is heard

    def _announce(self) -> bool:
        """The attempt runs for long enough to be talked of."""
        assert self.watch is not None
        if self.link is None:
            return ring(self.spec["bell"], "attempt " + self.watch.spec["id"])
        self._tell({"began": self.watch.spec["id"], **self.began})
        return True

    # ── the worker ───────────────────────────────────────────────────────────────────────────

    def _hire(self) -> str:
        """See to it that there is a worker. Why there is none, or an empty text."""
        if self.hand is not None and not self.hand.idles():
            self._dismiss()
        if self.hand is not None:
            return ""
        try:
            self.hand, error = Hand.hired(self.spec["worker"])
        except OSError as full:
            return f"cannot fork: {full.strerror}"
        return error

    def _dismiss(self) -> None:
        if self.hand is not None:
            self.hand.dismiss()
            self.hand = None

    # ── one attempt ──────────────────────────────────────────────────────────────────────────

    def _carry_out(self, spec: dict[str, Any]) -> None:
        """One attempt, from its claim to its record."""
        if time.monotonic() - self.counted > _FRESH:
            self.ooms, self.counted = kernel.oom_kills(), time.monotonic()
        watch = self.watch = Watch(spec, output=-1, wake=self.wake, ooms=self.ooms, announce=self._announce)
        record = watch.close(self._attempt(watch)) | {"id": spec["id"]}
        self.watch = None
        self.stops.clear()
        self.slate.exit(record, power=spec["power"])
        self._tell({"ended": spec["id"], "record": record, "leaves": watch.reason == "terminated"})
        if self.hand is not None and self._worn(spec):
            self._dismiss()
        if watch.reason == "terminated" and self.link is not None:
            self.link.close()
            self.link = None
        if self.link is None:
            ring(self.spec["bell"], "attempt " + spec["id"])

    def _attempt(self, watch: Watch) -> dict[str, Any]:
        """What it comes to."""
        spec = watch.spec
        claim = {"id": spec["id"], "shim": os.getpid(), "boot": self.spec["boot"], "mark": spec["mark"]}
        key = ""
        if spec["cache"] is not None:
            self.slate.claim(claim)
            key, entry = consult(spec, watch.wall)
            if entry is not None:
                return watch.recalled(outcome(entry, time.monotonic() - watch.began))
        if error := self._hire():
            self.slate.claim(claim)
            refused = error.startswith("cannot fork")
            return {"refused": error} if refused else {"code": None, "started": False, "error": error}
        assert self.hand is not None
        self.began = {"child": self.hand.pid, "at": watch.wall}
        self.slate.claim({**claim, "label": self.spec["label"], **self.began})
        end = self._call(watch)
        if watch.reason or watch.lingered:  # it has been asked to end, whatever it has made of that
            self._dismiss()
        spared = self.hand.pid if self.hand is not None else 0
        prove(watch, end, self.spec["worker"]["env"] | spec["env"], lambda: bury(spared), self._engine)
        return end | {"began": watch.wall, "child": self.began["child"], "cache_key": key}

    def _worn(self, spec: dict[str, Any]) -> bool:
        """Whether the worker has to be replaced: it has had its share of calls, or of memory."""
        assert self.hand is not None
        cap = spec["memory"] * self.spec["worker"].get("wear", 0.5)
        return self.hand.calls >= self.spec["recycle"] or bool(cap and kernel.memory([self.hand.pid]) > cap)

    def _call(self, watch: Watch) -> dict[str, Any]:
        """Let the worker carry it out: what it says, or what has become of it."""
        assert self.hand is not None
        hand = self.hand
        watch.output = hand.output
        watch.child = hand.pid
        hand.ask(watch.spec)
        if asked := self.stops.pop(watch.spec["id"], None):
            watch.stop(*asked)
        while True:
            status = watch.until_end(hand.pid, self._others(hand), hand.end)
            if status is not None:
                hand.hear()
                return self._gone(watch, hand, *status)
            if hand.said is None:
                continue
            if hand.said.get("stale"):
                return self._anew(watch)
            if not hand.said["leave"]:
                return self._returned(watch, hand)

    def _others(self, hand: Hand) -> dict[int, Callable[[], bool]]:
        """Who else may have something to say while a call is under way."""
        found = self._engine()
        if not hand.mute and hand.said is None:
            found[hand.line.fileno()] = hand.hear
        elif hand.mute and hand.said is None and self.watch is not None and self.watch.kill_at is None:
            self.watch.kill_at = time.monotonic() + _MUTE
        return found

    def _engine(self) -> dict[int, Callable[[], bool]]:
        return {self.link.fileno(): self._hear} if self.link is not None else {}

    def _anew(self, watch: Watch) -> dict[str, Any]:
        """Modules have changed since the worker has imported them: another one carries it out."""
        self._dismiss()
        if error := self._hire():
            return {"code": None, "started": False, "error": error}
        assert self.hand is not None
        self.began["child"] = self.hand.pid
        return self._call(watch)

    def _returned(self, watch: Watch, hand: Hand) -> dict[str, Any]:
        """The call has returned, and its worker is there for the next."""
        ended = time.monotonic()
        assert hand.said is not None
        said = hand.said
        watch.drain_all()
        stragglers = bury(hand.pid)
        if stragglers:
            watch.drain_all()
        return {
            "code": said["code"],
            "signal": "",
            "stopped": watch.reason or None,
            "ended_after_marker": watch.lingered and not watch.reason,
            "elapsed": ended - watch.began,
            "peak_rss": said["peak_rss"],
            "cpu": said["cpu"],
            "stragglers": stragglers,
            "result": said["result"],
        }

    def _gone(self, watch: Watch, hand: Hand, status: int, usage: Any) -> dict[str, Any]:
        """The worker has ended: after its call, as Python does, or in the middle of it."""
        ended = time.monotonic()
        stragglers = bury()
        watch.drain_all()
        end = watch.outcome(status, usage, ended) | {"stragglers": stragglers}
        said, self.hand = hand.said, None
        hand.close()
        if said is not None and "result" in said:
            return end | {name: said[name] for name in ("result", "peak_rss", "cpu")}
        if end["code"] == 0 and not end["ended_after_marker"]:
            told = "its process ended (exit code 0) before the call had returned"
            return end | {"code": None, "error": told}
        return end
