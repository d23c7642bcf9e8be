"""The process that holds the client: orders come in on stdin, events go out on stdout, a JSON line each.

It decides nothing. It ends when its stdin does, when its login is lost for good, and whenever it does not
know how to go on: whoever started it starts another. Its only imports are the standard library's and, once
it has been told where to connect, those of the client.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

SERVICE = "PersistentQueryController"
LOGIN_REFUSED, UNREACHABLE, UNUSABLE = "denied", "down", "unusable"
_CALL = 30.0  # seconds for a call that changes something
_PING = 5.0  # seconds for a ping
_LEAVE = 10.0  # seconds for what is still to be done when it is told to leave
_LOCK = 20.0  # seconds for another gateway of the same login to go
_CALLS = 8  # calls at once
_UNSUBSCRIBED = 3  # pings without a subscription until it counts as out of reach
_LONGEST = 20_000  # characters of an error
_AUTH_ERROR = "io.deephaven.proto.auth.autherror-bin"
_CERTAIN = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "RESOURCE_EXHAUSTED",
}
"""Statuses with which a call has certainly not been carried out."""


class Leaving(Exception):
    """The end of this gateway: `event` says how, the text why."""

    def __init__(self, event: str, reason: str) -> None:
        super().__init__(reason)
        self.event = event


class Outbox:
    """Events on their way out. Of a query only the newest state goes out: a burst is one line."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[dict[str, Any]] = []
        self._queries: dict[int, dict[str, Any] | None] = {}
        self._writing = False
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what anybody prints is no event
        threading.Thread(target=self._run, daemon=True).start()

    def put(self, ev: str, **data: Any) -> None:
        with self._changed:
            self._events.append({"ev": ev, **data})
            self._changed.notify_all()

    def query(self, serial: int, seen: dict[str, Any] | None) -> None:
        """The state of a query; None: it is gone."""
        with self._changed:
            self._queries[serial] = seen
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is out."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._events or self._queries or self._writing), _LEAVE)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._queries)
                queries, self._queries = self._queries, {}
                events, self._events = self._events, []
                self._writing = True
            lines = [
                {"ev": "query", "serial": serial, **seen} if seen else {"ev": "gone", "serial": serial}
                for serial, seen in queries.items()
            ]
            with suppress(OSError):  # nobody listens any more: the end of stdin says what follows from that
                self._file.write("".join(json.dumps(line) + "\n" for line in lines + events))
                self._file.flush()
            with self._changed:
                self._writing = False
                self._changed.notify_all()


class Gateway:
    """One login, its subscription, and the calls that are asked for."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._calls = ThreadPoolExecutor(_CALLS)
        self._authenticating = threading.Lock()
        self._names: dict[int, str] = {}
        """Queries of ours without a marker, as they have been told: of them only the name counts."""

    def open(self, order: dict[str, Any]) -> None:
        """Log in and subscribe. Raises `Leaving`."""
        _lock(order["lock"])
        try:
            import grpc

            from openbell.executors.deephaven import login
        except ImportError as error:
            told = f"{sys.executable} does not have the Enterprise client ({error})"
            raise Leaving(UNUSABLE, told) from None
        self._grpc = grpc
        try:
            self._auth, self._controller = login.log_in(order)
            self._controller.add_change_listener(self._listen)
            self._controller.subscribe()
        except login.Denied as error:
            raise Leaving(LOGIN_REFUSED, f"the login is refused: {error}") from None
        except login.Unusable as error:
            raise Leaving(UNUSABLE, str(error)) from None
        except Exception as error:  # of the network, in the words of three libraries
            certificate = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise Leaving(UNUSABLE if certificate else UNREACHABLE, self._told(error)) from None
        self._outbox.put("synced", owner=str(self._controller.effective_user))
        threading.Thread(target=self._watch, args=(order["ping"],), daemon=True).start()

    def _listen(self, action: str, serial: int, info: Any) -> None:
        """A query has changed. Called under a lock of the client: nothing but noting it."""
        if action != "put":
            self._names.pop(serial, None)
            self._outbox.query(serial, None)
            return
        if info.config.owner != self._controller.effective_user:
            return
        seen = state(info)
        if not seen["attempt"]:
            if self._names.get(serial) == seen["name"]:
                return
            self._names[serial] = seen["name"]
        self._outbox.query(serial, seen)

    # ── the calls ────────────────────────────────────────────────────────────────────────────

    def obey(self, order: dict[str, Any]) -> None:
        """Begin with what is asked for; its end is an event."""
        self._calls.submit(self._carry_out, order)

    def _carry_out(self, order: dict[str, Any]) -> None:
        try:
            match order:
                case {"op": "add", "attempt": attempt, "config": config}:
                    self._add(attempt, config)
                case {"op": "stop", "serial": serial}:
                    self._change("stopQuery", "StopQueryRequest", serials=[serial])
                case {"op": "delete", "serial": serial}:
                    self._change("removeQuery", "RemoveQueryRequest", serial=serial)
        except Exception as error:  # whatever it is: whoever has asked sees to it
            ev = "unsure" if order["op"] == "add" else "failed"
            about = {name: order[name] for name in ("attempt", "serial") if name in order}
            self._outbox.put(ev, **about, error=self._told(error))

    def _add(self, attempt: str, config: dict[str, Any]) -> None:
        """Add a query, once: whether it has been added is not known when there is no answer."""
        from deephaven_enterprise.proto import controller_pb2, persistent_query_pb2

        try:
            message = fill(persistent_query_pb2.PersistentQueryConfigMessage(), config)
            request = controller_pb2.AddQueryRequest(config=message)
            reply = self._call("addQuery", request)
        except self._grpc.RpcError as error:
            ev = "refused" if error.code().name in _CERTAIN or _auth_error(error) else "unsure"
            self._outbox.put(ev, attempt=attempt, error=self._told(error))
        except (
            ValueError,
            TypeError,
            AttributeError,
        ) as error:  # a configuration that the client does not know
            self._outbox.put("refused", attempt=attempt, error=f"{type(error).__name__}: {error}")
        else:
            self._outbox.put("added", attempt=attempt, serial=reply.querySerial)

    def _change(self, method: str, message: str, **fields: Any) -> None:
        from deephaven_enterprise.proto import controller_pb2

        reply = self._call(method, getattr(controller_pb2, message)(**fields))
        for serial, error in getattr(reply, "errorSerials", {}).items():
            self._outbox.put("failed", serial=serial, error=error)

    def _call(self, method: str, request: Any) -> Any:
        """One call with a deadline. A login that the controller has forgotten is made good once."""
        for last in (False, True):
            cookie = request.cookie = self._controller.cookie
            try:
                call = getattr(self._controller.stub, method)
                return call(request, timeout=_PING if method == "ping" else _CALL, wait_for_ready=False)
            except self._grpc.RpcError as error:
                if last or error.code().name != "UNAUTHENTICATED":
                    raise
            self._authenticate(cookie)
        raise AssertionError("unreachable")

    def _authenticate(self, stale: bytes) -> None:
        """Log in to the controller anew. When even that is refused, this gateway has done its time."""
        with self._authenticating:
            if self._controller.cookie != stale:
                return  # somebody else has
            try:
                self._controller.authenticate(self._auth.get_token(SERVICE, timeout=_CALL), _CALL)
            except self._grpc.RpcError as error:
                if error.code().name == "UNAUTHENTICATED":
                    leave(self._outbox, Leaving(UNREACHABLE, "the login has expired"))
                raise

    # ── watching ─────────────────────────────────────────────────────────────────────────────

    def _watch(self, seconds: float) -> None:
        """Tell when the controller is out of reach, and when it is back. It is asked so often."""
        from deephaven_enterprise.proto import controller_common_pb2

        out, unsubscribed = False, 0
        while True:
            time.sleep(seconds)
            reason = ""
            try:
                self._call("ping", controller_common_pb2.PingRequest())
            except Exception as error:  # whatever it is: no answer
                reason = self._told(error)
            unsubscribed = 0 if self._controller.sub_state.name == "SUBSCRIBED" else unsubscribed + 1
            if not reason and unsubscribed >= _UNSUBSCRIBED:
                reason = "the controller takes no subscription"
            if bool(reason) != out:
                out = bool(reason)
                self._outbox.put("out" if out else "reach", reason=reason)

    def leave(self) -> None:
        """Finish what has been asked for, and log out."""
        threading.Timer(_LEAVE, os._exit, (0,)).start()
        self._calls.shutdown(wait=True)
        self._outbox.flush()
        for client in (self._controller, self._auth):
            client.rpc_timeout_secs = 2
            try:
                client.close()
            except Exception:  # it is over anyhow
                continue

    def _told(self, error: Exception) -> str:
        """What went wrong, in one line."""
        if isinstance(error, self._grpc.RpcError):
            return (_auth_error(error) or f"{error.code().name}: {error.details()}")[:_LONGEST]
        return f"{type(error).__name__}: {error}"[:_LONGEST]


def _auth_error(error: Any) -> str:
    """What the controller says about it, apart from its status; empty for nothing."""
    from deephaven_enterprise.proto import auth_pb2

    for entry in error.trailing_metadata() or ():
        if entry.key == _AUTH_ERROR:
            return str(auth_pb2.AuthError.FromString(entry.value).message)
    return ""


def state(info: Any) -> dict[str, Any]:
    """What an engine has to know of a query."""
    from deephaven_enterprise.proto import persistent_query_pb2

    words = list(info.config.extraEnvironmentVariables)
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    now, details = info.state, info.state.exceptionDetails
    return {
        "name": info.config.name,
        "attempt": pairs.get("OPENBELL_ATTEMPT", ""),
        "uid": pairs.get("OPENBELL_RUN_UID", ""),
        "status": persistent_query_pb2.PersistentQueryStatusEnum.Name(now.status).removeprefix("PQS_"),
        "error": (details.errorMessage or details.shortCauses)[:_LONGEST],
        "stack": details.stackTrace[:_LONGEST],
        "details": now.statusDetails[:_LONGEST],
        "seconds": max(0, now.lastUpdateNanos - now.initializationStartNanos) / 1e9
        if now.initializationStartNanos
        else 0.0,
    }


def fill(message: Any, data: dict[str, Any]) -> Any:
    """A message of the client with these fields."""
    for name, value in data.items():
        if isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
    return message


def _lock(path: str) -> None:
    """Wait until no other gateway of this login is there. Raises `Leaving` after a while."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _LOCK
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise Leaving(UNREACHABLE, "another gateway of this login has not left yet") from None
            time.sleep(0.05)


def leave(outbox: Outbox, why: Leaving) -> None:
    """End this process, and say why."""
    outbox.put(why.event, reason=str(why))
    outbox.flush()
    os._exit(0)


def _read(orders: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Pass on what comes in on stdin. When its end comes without a word, there is nobody any more."""
    for line in sys.stdin:
        order = json.loads(line)
        orders.put(order)
        if order["op"] == "leave":
            return
    os._exit(0)


def main() -> None:
    """Obey the orders of stdin until there are none."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    outbox = Outbox()
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    gateway = Gateway(outbox)
    try:
        gateway.open(orders.get())
    except Leaving as why:
        leave(outbox, why)
    while (order := orders.get())["op"] != "leave":
        gateway.obey(order)
    gateway.leave()
    os._exit(0)


if __name__ == "__main__":
    main()
