"""From a servicer to gRPC handlers, on the messages of the installed client; faults come in here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from deephaven_enterprise.proto import auth_pb2
from google.protobuf.message_factory import GetMessageClass

from openbell.testing.deephaven.faults import Faults, Kind

_DETAILS = "io.deephaven.proto.auth.autherror-bin"


class Rejected(Exception):
    """The answer to a call is an error. `code`: the name of a gRPC status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Wire:
    """Turns the methods of servicers into handlers. `calls` counts them."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.calls: Counter[str] = Counter()
        self.down = False
        """Nobody gets an answer."""

    def handler(self, service: Any, servicer: object) -> Any:
        """What answers the calls of a service, given its descriptor. Methods that are not there are
        unimplemented."""
        found = {}
        for method in service.methods:
            answer = getattr(servicer, method.name, None)
            if answer is None:
                continue
            streams = method.server_streaming
            wrapped = self._streaming(method.name, answer) if streams else self._unary(method.name, answer)
            make = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
            found[method.name] = make(
                wrapped,
                request_deserializer=GetMessageClass(method.input_type).FromString,
                response_serializer=GetMessageClass(method.output_type).SerializeToString,
            )
        return grpc.method_handlers_generic_handler(service.full_name, found)

    def _unary(self, name: str, answer: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        def called(request: Any, context: Any) -> Any:
            self._check_up(context)
            self.calls[name] += 1
            fault = self._faults.take(name)
            if fault is not None and fault.kind is Kind.SLOW:
                time.sleep(fault.seconds)
            elif fault is not None and fault.kind is Kind.REFUSED:
                context.abort(grpc.StatusCode.UNAVAILABLE, "fault: not carried out")
            elif fault is not None and fault.kind is Kind.ERROR:
                _abort(context, Rejected("INVALID_ARGUMENT", fault.text))
            try:
                reply = answer(request)
            except Rejected as error:
                _abort(context, error)
            if fault is not None and fault.kind is Kind.LOST_REPLY:
                context.abort(grpc.StatusCode.UNAVAILABLE, "fault: carried out, and the answer is lost")
            return reply

        return called

    def _streaming(
        self, name: str, answer: Callable[[Any, Callable[..., Any]], Iterator[Any]]
    ) -> Callable[[Any, Any], Iterator[Any]]:
        def called(request: Any, context: Any) -> Iterator[Any]:
            self._check_up(context)
            self.calls[name] += 1
            fault = self._faults.take(name)
            if fault is not None and fault.kind is Kind.SLOW:
                time.sleep(fault.seconds)
            try:
                yield from answer(request, context.add_callback)
            except Rejected as error:
                _abort(context, error)

        return called

    def _check_up(self, context: Any) -> None:
        if self.down:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the controller is down")


def _abort(context: Any, error: Rejected) -> None:
    """Answer with an error. What is neither of cookies nor of the network carries its message apart."""
    if error.code not in ("UNAUTHENTICATED", "UNAVAILABLE"):
        details = auth_pb2.AuthError(message=str(error)).SerializeToString()
        context.set_trailing_metadata(((_DETAILS, details),))
    context.abort(getattr(grpc.StatusCode, error.code), str(error))
