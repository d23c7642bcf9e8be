"""Run by an interpreter that has the client, against a simulated controller: what a user's program may do."""

import json
import sys
import time

from deephaven_enterprise.client.auth import AuthenticationFailedException
from deephaven_enterprise.client.controller import pq_filter
from deephaven_enterprise.client.session_manager import SessionManager

URL, USER, PASSWORD, KEY = sys.argv[1:]


def login() -> SessionManager:
    manager = SessionManager(url=URL)
    manager.password(USER, PASSWORD)
    return manager


def config(client, name: str, kind: str = "RunAndDone", script: str = "", scheduling=None):  # type: ignore[no-untyped-def]
    found = client.make_temporary_config(name, 1.0, extra_environment_vars=["A", "1"])
    found.configurationType = kind
    found.scriptCode = script
    found.timeoutNanos = 0
    if scheduling is not None:
        del found.scheduling[:]
        found.scheduling.extend(scheduling)
    return found


def status(client, serial: int) -> str:  # type: ignore[no-untyped-def]
    return str(client.status_name(client.get(serial, timeout_seconds=5).state.status))


def until(holds) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def logins() -> list[str]:
    told = []
    for word in ("wrong", ""):
        try:
            SessionManager(url=URL).password(USER, word)
        except AuthenticationFailedException:
            told.append("refused")
    manager = SessionManager(url=URL)
    manager.private_key(KEY)
    assert manager.ping()
    token = manager.auth_client.get_token("PersistentQueryController")
    manager.controller_client.authenticate(token)
    try:
        manager.controller_client.authenticate(token)
    except Exception as error:
        told.append(error.details())  # type: ignore[attr-defined]
    manager.close()
    return told


def lives() -> dict[str, object]:
    client = login().controller_client
    seen: list[str] = []
    client.add_change_listener(
        lambda action, serial, info: seen.append(client.status_name(info.state.status) if info else action)
    )
    serial = client.add_query(config(client, "batch"))
    until(lambda: seen and seen[-1] == "PQS_COMPLETED")
    order = [name.removeprefix("PQS_") for name in seen]
    client.delete_query(serial)
    until(lambda: seen[-1] == "remove")

    disabled = client.generate_disabled_scheduler()
    serial = client.add_query(
        config(client, "later", "ReplayScript", "import time; time.sleep(600)", disabled)
    )
    time.sleep(0.3)
    waits = status(client, serial)
    client.restart_query(serial)
    until(lambda: status(client, serial) == "PQS_INITIALIZING")
    client.stop_and_wait(serial)
    changed = client.get(serial).config
    changed.scriptCode = "raise ValueError('lot 7')"
    client.modify_query(changed, True)
    until(lambda: status(client, serial) == "PQS_FAILED")
    info = client.get(serial)
    assert client.fetch_script(serial) == "raise ValueError('lot 7')"
    try:
        client.add_query(config(client, "later"))
    except RuntimeError as error:
        twice = str(error)
    client.delete_query(serial)
    return {
        "order": order,
        "waits": waits,
        "version": info.config.version,
        "twice": twice,
        "error": info.state.exceptionDetails.errorMessage,
    }


def filtered() -> list[str]:
    client = login().controller_client
    serials = [client.add_query(config(client, name)) for name in ("one", "two")]
    other = SessionManager(url=URL)
    other.auth_client.password(USER, PASSWORD)
    other.controller_client.set_auth_client(other.auth_client)
    other.controller_client.subscribe(filters=[pq_filter((USER, "two"))])
    found = [info.config.name for info in other.controller_client.map().values()]
    for serial in serials:
        client.delete_query(serial)
    return found


print(json.dumps({"logins": logins(), "lives": lives(), "filtered": filtered()}))
sys.stdout.flush()
