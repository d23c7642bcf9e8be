"""From the address of a connection.json to the two clients, logged in. Runs in the gateway.

The client's `SessionManager` would do it too, with a second of imports, 100 MB, and deadlines that it does
not pass on; the clients of the two services are the same.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import grpc
from deephaven_enterprise.client.auth import AuthClient, AuthenticationFailedException
from deephaven_enterprise.client.controller import ControllerClient

_PATIENCE = 15  # seconds for each step
_PATH = "iris/connection.json"
_MOST_TRIES = 5  # gRPC warns of more
_AUTHORITY = "authserver"


class Unusable(Exception):
    """There is no sense in trying again: the address, the file or the key is wrong."""


class Denied(Exception):
    """The login is refused."""


def log_in(order: dict[str, Any]) -> tuple[Any, Any]:
    """The clients of the authentication service and of the controller; the second has not subscribed yet.

    Raises `Unusable`, `Denied`, and what the network comes up with.
    """
    told = _connection(order["connection_url"])
    roots = _truststore(told)
    auth = AuthClient(
        channel=_channel(told, "auth", "authentication_service_config", roots),
        client_name="openbell",
        rpc_timeout_seconds=_PATIENCE,
    )
    controller = ControllerClient(
        channel=_channel(told, "controller", "controller_service_config", roots),
        client_name="openbell",
        rpc_timeout_seconds=_PATIENCE,
    )
    try:
        if order["auth_method"] == "private_key":
            auth.private_key(order["private_key_path"])
        else:
            auth.password(order["username"], order["password"])
    except AuthenticationFailedException as error:
        raise Denied(str(error)) from None
    except (OSError, ValueError, LookupError) as error:
        raise Unusable(f"the private key file cannot be used: {error}") from None
    controller.set_auth_client(auth)
    return auth, controller


def _connection(url: str) -> dict[str, Any]:
    """The contents of connection.json. An address of a server alone is completed."""
    address = url if url.endswith(".json") else f"{url.rstrip('/')}/{_PATH}"
    address = address if "://" in address else f"https://{address}"
    try:
        found = json.loads(_fetch(address))
    except (urllib.error.HTTPError, ValueError) as error:
        raise Unusable(f"{address}: {error}") from None
    missing = [name for name in _NEEDED if not (isinstance(found, dict) and found.get(name))]
    if missing:
        raise Unusable(f"{address} has no {', '.join(missing)}")
    return dict(found)


_NEEDED = ("auth_host", "auth_port", "controller_host", "controller_port")


def _fetch(address: str) -> bytes:
    """What is at this address. Raises `OSError`, or `Unusable` where it will be no better next time."""
    if not address.startswith(("http://", "https://")):
        raise Unusable(f"{address} is no address of a server")
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            told = f"{address}: {error.reason.verify_message} (SSL_CERT_FILE names further authorities)"
            raise Unusable(told) from None
        raise


def _truststore(told: dict[str, Any]) -> bytes | None:
    """The certificates to trust; None for those that gRPC brings along."""
    url = str(told.get("truststore_url") or "")
    if url.startswith(("http://", "https://")):
        return _fetch(url)
    try:
        return Path(url.removeprefix("file://")).read_bytes() if url else None
    except OSError as error:
        raise Unusable(f"the truststore {url}: {error.strerror}") from None


def _channel(told: dict[str, Any], service: str, config: str, roots: bytes | None) -> Any:
    host = told[f"{service}_host"]
    host = host[0] if isinstance(host, list) else host
    options: list[tuple[str, Any]] = []
    if told.get(config):
        options += [("grpc.enable_retries", 1), ("grpc.service_config", _tamed(str(told[config])))]
    if told.get("override_authorities"):
        authority = told.get(f"{service}_authority") or _AUTHORITY
        options.append(("grpc.ssl_target_name_override", authority))
    credentials = grpc.ssl_channel_credentials(root_certificates=roots)
    return grpc.secure_channel(f"{host}:{int(told[f'{service}_port'])}", credentials, options)


def _tamed(config: str) -> str:
    """A service configuration that asks for no more tries than gRPC makes."""
    try:
        found = json.loads(config)
        for method in found.get("methodConfig") or ():
            policy = method.get("retryPolicy", {})
            policy["maxAttempts"] = min(policy.get("maxAttempts", _MOST_TRIES), _MOST_TRIES)
        return json.dumps(found)
    except (ValueError, AttributeError, TypeError):
        return config
