"""Everything together: two gRPC services on one port, `connection.json` and the controls over HTTP."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from deephaven_enterprise.client.auth import AuthClient
from deephaven_enterprise.proto import auth_service_pb2, controller_service_pb2

from openbell.clock import SystemClock
from openbell.testing.deephaven import statuses
from openbell.testing.deephaven.authentication import Authentication
from openbell.testing.deephaven.certificate import certificate
from openbell.testing.deephaven.controller import Controller
from openbell.testing.deephaven.faults import Fault, Faults, Kind
from openbell.testing.deephaven.queries import Queries
from openbell.testing.deephaven.wire import Rejected, Wire
from openbell.testing.deephaven.workers import Timed, Workers, environment

_THREADS = 64
_AUTH = auth_service_pb2.DESCRIPTOR.services_by_name["AuthApi"]
_CONTROLLER = controller_service_pb2.DESCRIPTOR.services_by_name["ControllerApi"]
_CONNECTION = "/iris/connection.json"


@dataclass(slots=True)
class Simulator:
    """A controller on loopback. `folder`: where its certificate, its key files and its workers are."""

    folder: Path
    workers: Workers = field(default_factory=Timed)
    slots: int = 1000
    step: float = 0.0
    unique: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    """Of gRPC; 0: a free one."""
    http_port: int = 0
    faults: Faults = field(default_factory=Faults, init=False)
    authentication: Authentication = field(init=False)
    controller: Controller = field(init=False)
    queries: Queries = field(init=False)
    wire: Wire = field(init=False)
    _grpc: Any = field(init=False)
    _http: ThreadingHTTPServer = field(init=False)

    def start(self) -> None:
        """Begin to serve."""
        clock = SystemClock()
        self.authentication = Authentication(clock)
        self.queries = Queries(clock, self.workers, self.faults, self.slots, self.step, self.unique)
        self.controller = Controller(self.queries, self.authentication)
        self.wire = Wire(self.faults)
        private, public = certificate(clock.now())
        (self.folder / "ca.pem").write_bytes(public)
        self._grpc = grpc.server(ThreadPoolExecutor(_THREADS), options=(("grpc.so_reuseport", 0),))
        self._grpc.add_generic_rpc_handlers(
            (
                self.wire.handler(_AUTH, self.authentication),
                self.wire.handler(_CONTROLLER, self.controller),
            )
        )
        credentials = grpc.ssl_server_credentials([(private, public)])
        self.port = self._grpc.add_secure_port(f"{self.host}:{self.port}", credentials)
        self._grpc.start()
        self._http = ThreadingHTTPServer((self.host, self.http_port), self._handler())
        self._http.daemon_threads = True
        self.http_port = self._http.server_port
        for target in (self._http.serve_forever, self.queries.run):
            threading.Thread(target=target, daemon=True).start()

    def close(self) -> None:
        """End every worker, and stop to serve."""
        self.queries.close()
        self.queries.drop_streams()
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(0.2).wait()

    @property
    def url(self) -> str:
        """What a file has as `connection_url`."""
        return f"http://{self.host}:{self.http_port}{_CONNECTION}"

    def new_key(self, user: str) -> Path:
        """A private key file that lets this user in."""
        from base64 import b64decode

        private, public = AuthClient.generate_keypair(user)
        path = self.folder / f"{user}.key"
        path.touch(0o600)
        path.write_text(private)
        self.authentication.admit(user, public_key=b64decode(public.split()[1]))
        return path

    def connection(self) -> dict[str, Any]:
        """The contents of connection.json."""
        return {
            "auth_host": [self.host],
            "auth_port": self.port,
            "controller_host": self.host,
            "controller_port": self.port,
            "truststore_url": f"file://{self.folder.resolve() / 'ca.pem'}",
        }

    # ── the controls ─────────────────────────────────────────────────────────────────────────

    def look(self) -> dict[str, Any]:
        """What there is: queries with their configurations, and how often what was called."""
        return {
            "queries": [
                {
                    "serial": query.serial,
                    "name": query.config.name,
                    "owner": query.config.owner,
                    "type": query.config.configurationType,
                    "status": statuses.name(query.state.status),
                    "error": query.state.exceptionDetails.errorMessage,
                    "fields": json.loads(query.config.typeSpecificFieldsJson or "{}"),
                    "env": environment(query.config),
                    "jvm": list(query.config.extraJvmArguments),
                    "scheduling": list(query.config.scheduling),
                    "timeout": query.config.timeoutNanos / 1e9,
                    "heap": query.config.heapSizeGb,
                    "server": query.config.serverName,
                    "profile": query.config.jvmProfile,
                }
                for query in self.queries.all()
            ],
            "calls": dict(self.wire.calls),
        }

    def control(self, order: dict[str, Any]) -> None:
        """Have something go wrong. Raises `ValueError` for what there is not, `Rejected` for no query."""
        what = order.pop("do", "")
        match what:
            case "fault":
                self.faults.add(Fault(**order | {"kind": Kind(order.get("kind", ""))}))
            case "clear":
                self.faults.clear()
            case "names":
                self.queries.unique = bool(order["unique"])
            case "drop-streams":
                self.queries.drop_streams()
            case "forget-cookies":
                self.controller.forget()
                if order.get("all"):
                    self.authentication.forget()
            case "vanish":
                self.queries.remove(int(order["serial"]))
            case "stop":
                self.queries.stop(int(order["serial"]), self.queries.get(int(order["serial"])).config.owner)
            case "break-worker":
                self.queries.break_worker(int(order["serial"]))
            case "down" | "up":
                self.wire.down = what == "down"
                if self.wire.down:
                    self.queries.drop_streams()
            case _:
                raise ValueError(f"there is no order {what!r}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                match self.path:
                    case "/iris/connection.json" if not simulator.wire.down:
                        self._answer(200, simulator.connection())
                    case "/look":
                        self._answer(200, simulator.look())
                    case _:
                        self._answer(404, {"error": "there is nothing here"})

            def do_POST(self) -> None:
                if self.headers.get("Content-Type") != "application/json":
                    self._answer(415, {"error": "application/json"})
                    return
                try:
                    simulator.control(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                    self._answer(200, {})
                except (ValueError, TypeError, KeyError, Rejected) as error:
                    self._answer(400, {"error": str(error)})

            def _answer(self, code: int, data: Any) -> None:
                body = json.dumps(data).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
