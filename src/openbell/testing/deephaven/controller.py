"""ControllerApi: add, remove, modify, restart, stop; and whoever subscribes is told."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

from deephaven_enterprise.proto import auth_pb2, controller_common_pb2, controller_pb2

from openbell.testing.deephaven.authentication import Authentication
from openbell.testing.deephaven.queries import Queries, Query, told
from openbell.testing.deephaven.wire import Rejected

_WORKER_KIND = "DeephavenCommunity"


class Controller:
    """The calls about queries."""

    def __init__(self, queries: Queries, authentication: Authentication) -> None:
        self._queries = queries
        self._authentication = authentication
        self._lock = threading.Lock()
        self._users: dict[bytes, str] = {}

    def forget(self) -> None:
        """Nobody is known any more: as after a restart of the controller."""
        with self._lock:
            self._users.clear()

    # ── the calls ────────────────────────────────────────────────────────────────────────────

    def ping(self, request: Any) -> Any:
        if request.cookie:
            self._user(request)
        return controller_common_pb2.PingResponse()

    def authenticate(self, request: Any) -> Any:
        user = self._authentication.redeem(request.token)
        cookie = secrets.token_bytes(16)
        with self._lock:
            self._users[cookie] = user
        return controller_pb2.AuthenticationResponse(
            authenticated=True, cookie=cookie, config=configuration()
        )

    def invalidateCookie(self, request: Any) -> Any:
        with self._lock:
            self._users.pop(request.cookie, None)
        return auth_pb2.InvalidateCookieResponse()

    def getConfiguration(self, request: Any) -> Any:
        self._user(request)
        return controller_pb2.GetConfigurationResponse(config=configuration())

    def subscribe(self, request: Any, when_gone: Callable[[Callable[[], None]], Any]) -> Iterator[Any]:
        self._user(request)
        wanted = _matcher(list(request.filters))
        stream = self._queries.subscribe(wanted)
        when_gone(lambda: stream.put(None))  # else its thread would wait for ever
        try:
            for event in told(stream):
                if not event.HasField("queryInfo") or wanted(event.queryInfo):
                    yield event
        finally:
            self._queries.unsubscribe(stream)

    def addQuery(self, request: Any) -> Any:
        serial = self._queries.add(request.config, self._user(request))
        return controller_pb2.AddQueryResponse(querySerial=serial)

    def removeQuery(self, request: Any) -> Any:
        self._queries.remove(request.serial, self._user(request))
        return controller_pb2.RemoveQueryResponse()

    def modifyQuery(self, request: Any) -> Any:
        self._queries.modify(request.config, self._user(request), restart=request.doRestart)
        return controller_pb2.ModifyQueryResponse()

    def restartQuery(self, request: Any) -> Any:
        return self._each(request, self._queries.restart, controller_pb2.RestartQueryResponse())

    def stopQuery(self, request: Any) -> Any:
        return self._each(request, self._queries.stop, controller_pb2.StopQueryResponse())

    def getScript(self, request: Any) -> Any:
        self._user(request)
        config = self._queries.get(request.querySerial).config
        return controller_pb2.GetScriptResponse(scriptBody=config.scriptCode)

    def _each(self, request: Any, act: Callable[[int, str], None], reply: Any) -> Any:
        """What holds for one serial does not hold for all of them."""
        user = self._user(request)
        for serial in request.serials:
            try:
                act(serial, user)
                reply.successSerials.append(serial)
            except Rejected as error:
                reply.errorSerials[serial] = str(error)
        return reply

    def _user(self, request: Any) -> str:
        with self._lock:
            user = self._users.get(request.cookie)
        if user is None:
            raise Rejected("UNAUTHENTICATED", "the cookie is not known")
        return user


def configuration() -> Any:
    """What the controller says about itself."""
    return controller_pb2.ControllerConfigurationMessage(
        maxHeapSizeGb=512,
        min_heap_size_gb=0.1,
        jvmProfileNames=["Default"],
        defaultJvmProfileName="Default",
        dbServers=[controller_pb2.PQDBServerConfigMessage(name="AutoQuery", host="localhost", port=1)],
        supported_worker_kinds=[controller_pb2.WorkerKind(name=_WORKER_KIND, title=_WORKER_KIND)],
        default_worker_kind=_WORKER_KIND,
    )


def _matcher(filters: list[Any]) -> Callable[[Query | Any], bool]:
    """Whether a query is one of those that a subscriber asks for: any of its filters holds."""
    serials = {one.serial for one in filters if one.WhichOneof("match") == "serial"}
    names = {(one.ownerAndName.owner, one.ownerAndName.name) for one in filters}

    def wanted(query: Query | Any) -> bool:
        config = query.config
        return not filters or config.serial in serials or (config.owner, config.name) in names

    return wanted
