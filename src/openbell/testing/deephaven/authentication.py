"""AuthApi: who somebody is, by password or by key; cookies, and tokens that can be used once."""

from __future__ import annotations

import secrets
import threading
from datetime import timedelta
from hmac import compare_digest
from typing import Any

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import DSA, ECC
from Cryptodome.Signature import DSS
from deephaven_enterprise.proto import auth_pb2, common_pb2

from openbell.clock import Clock
from openbell.testing.deephaven.wire import Rejected

_COOKIE = timedelta(minutes=10)
_CONTROLLER = "PersistentQueryController"
_ECC = b"EC:"


class Authentication:
    """Users with their passwords and public keys."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._passwords: dict[str, str] = {}
        self._keys: dict[str, set[bytes]] = {}
        self._nonces: dict[bytes, bytes] = {}
        self._cookies: dict[bytes, Any] = {}
        self._tokens: dict[int, Any] = {}

    def admit(self, user: str, password: str = "", public_key: bytes = b"") -> None:
        """Let somebody in by this password, by this key."""
        with self._lock:
            if password:
                self._passwords[user] = password
            if public_key:
                self._keys.setdefault(user, set()).add(public_key)

    def forget(self) -> None:
        """Nobody is known any more: as after a restart of the service."""
        with self._lock:
            self._cookies.clear()
            self._tokens.clear()

    def redeem(self, token: Any, service: str = _CONTROLLER) -> str:
        """The user that a token stands for; it is spent by that. Raises `Rejected`."""
        with self._lock:
            known = self._tokens.pop(token.token_id, None)
        if known is None or known.service != service:
            raise Rejected("PERMISSION_DENIED", "the token is not known, or has been used")
        return str(known.user_context.effectiveUser)

    # ── the calls ────────────────────────────────────────────────────────────────────────────

    def ping(self, request: Any) -> Any:  # noqa: ARG002
        reply = common_pb2.PingResponse(receiver_receive_time_millis=self._millis())
        setattr(reply, "from", "openbell testing")
        return reply

    def authenticateByPassword(self, request: Any) -> Any:
        context = request.user_context
        wanted = self._passwords.get(context.authenticatedUser)
        right = wanted is not None and compare_digest(wanted.encode(), request.password.encode())
        return auth_pb2.AuthenticateByPasswordResponse(result=self._result(context, right=right))

    def getNonce(self, request: Any) -> Any:
        nonce = secrets.token_bytes(32)
        with self._lock:
            self._nonces[request.client_id.uuid] = nonce
        return auth_pb2.GetNonceResponse(nonce=nonce, ip_address=b"\x7f\0\0\1")

    def authenticateByPublicKey(self, request: Any) -> Any:
        context = request.user_context
        with self._lock:
            nonce = self._nonces.pop(request.client_id.uuid, None)
            known = request.public_key in self._keys.get(context.authenticatedUser, ())
        right = known and nonce is not None and _signed(nonce, request.public_key, request.challenge_response)
        return auth_pb2.AuthenticateByPublicKeyResponse(result=self._result(context, right=right))

    def authenticateByDelegateToken(self, request: Any) -> Any:
        user = self.redeem(request.delegate_token, request.delegate_token.service)
        context = auth_pb2.UserContext(authenticatedUser=user, effectiveUser=user)
        return auth_pb2.AuthenticateByDelegateTokenResponse(result=self._result(context, right=True))

    def getToken(self, request: Any) -> Any:
        context = self._known(request.cookie)
        token = auth_pb2.Token(token_id=secrets.randbits(63), service=request.service, user_context=context)
        with self._lock:
            self._tokens[token.token_id] = token
        return auth_pb2.GetTokenResponse(token=token)

    def verifyToken(self, request: Any) -> Any:
        with self._lock:
            known = self._tokens.pop(request.token.token_id, None)
        return auth_pb2.VerifyTokenResponse(
            token_valid=known is not None and known.service == request.service
        )

    def refreshCookie(self, request: Any) -> Any:
        self._known(request.cookie)
        return auth_pb2.RefreshCookieResponse(
            cookie=request.cookie, cookie_deadline_time_millis=self._deadline()
        )

    def invalidateCookie(self, request: Any) -> Any:
        with self._lock:
            self._cookies.pop(request.cookie, None)
        return auth_pb2.InvalidateCookieResponse()

    def _known(self, cookie: bytes) -> Any:
        with self._lock:
            context = self._cookies.get(cookie)
        if context is None:
            raise Rejected("UNAUTHENTICATED", "the cookie is not known")
        return context

    def _result(self, context: Any, *, right: bool) -> Any:
        if not right:
            return auth_pb2.AuthenticationResult(authenticated=False)
        cookie = secrets.token_bytes(16)
        with self._lock:
            self._cookies[cookie] = context
        return auth_pb2.AuthenticationResult(
            authenticated=True,
            cookie=cookie,
            cookie_deadline_time_millis=self._deadline(),
            userContext=context,
        )

    def _millis(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _deadline(self) -> int:
        return self._millis() + int(_COOKIE.total_seconds() * 1000)


def _signed(nonce: bytes, public_key: bytes, signature: bytes) -> bool:
    try:
        ours = public_key.startswith(_ECC)
        key: Any = ECC.import_key(public_key[len(_ECC) :]) if ours else DSA.import_key(public_key)
        DSS.new(key, "fips-186-3", encoding="der").verify(SHA256.new(nonce), signature)
    except ValueError:
        return False
    return True
