"""What both dialects have in common: sections, dates, names, retries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.expand import expand
from openbell.config.findings import Severity
from openbell.config.kinds import Day, EnvironmentValue, Flag, MaybeEmpty, Shape, Text, choice
from openbell.config.worker import check_python
from openbell.core.matrix import Axis, Scalar
from openbell.core.model import Demand, Retry, Script
from openbell.errors import MarketError
from openbell.market import resolve

DEFAULT_CALENDAR = "XNYS"
"""The calendar that a file is measured against which names none."""

LANGUAGES = ("Python", "Groovy")

Environment = Annotated[
    dict[Text, EnvironmentValue],
    Field(description="Variables for every worker: text, numbers, booleans. `{}` when there are none."),
]


class DeephavenShape(Shape):
    """The connection to Deephaven Enterprise. Secrets are `${VAR}` references and stay so."""

    connection_url: MaybeEmpty | None = Field(
        None, description="URL of the server's connection.json. Default: DH_CONNECTION_URL."
    )
    auth_method: Annotated[str, choice("password", "private_key")] | None = Field(
        None, description="`password` or `private_key`."
    )
    username: MaybeEmpty | None = Field(None, description="User. Usually `${DH_USERNAME}`.")
    password: MaybeEmpty | None = Field(None, description="For `auth_method: password`.")
    private_key_path: MaybeEmpty | None = Field(
        None, description="For `auth_method: private_key`; absolute, or relative to this file."
    )


class DatesShape(Shape):
    """The dates of the sweep."""

    start: Day = Field(description="First date, YYYY-MM-DD.")
    end: Day = Field(description="Last date, included.")
    weekdays_only: Flag = Field(False, description="Skip Saturdays and Sundays (not holidays).")
    calendar: Text | None = Field(None, description="Sessions of this calendar only, e.g. XNYS or USNYSE.")


class TimestampColumnShape(Shape):
    """The timestamp column of one table."""

    namespace: Text = Field(description="Namespace of the table.")
    table: Text = Field(description="Name of the table.")
    column: Text = Field(description="Its timestamp column.")


def keeps(path: Place) -> bool:
    """References in the workers' environment and in the connection are resolved when they are used."""
    return path[:1] == ("env",) or (path[:1] == ("deephaven",) and path[1:] != ("auth_method",))


def slug(name: str) -> str:
    """A name for ids and paths. No two names come to the same.

    A name that has to be changed gets a digest, and so does one that looks as if it had got one.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) and not re.search(r"--[0-9a-f]{12}$", name):
        return name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:60].rstrip("-") or "sweep"
    return f"{plain}--{blake2b(name.encode(), digest_size=6).hexdigest()}"


def braced(text: str) -> str:
    """The text as part of a template."""
    return text.replace("{", "{{").replace("}", "}}")


def connection(
    draft: Draft, shape: DeephavenShape | None, environ: Mapping[str, str], *, needed: bool
) -> dict[str, Scalar]:
    """The connection's settings. `needed`: the sweep is to run on Deephaven, so all of it has to be there."""
    if shape is not None and shape.password and "${" not in shape.password:
        told = "`password` holds a password; files are read by more people than one thinks"
        help_ = "write `${DH_PASSWORD}` and set that variable"
        draft.fault("OB126", told, ("deephaven", "password"), help_, severity=Severity.WARNING)
    if not needed:
        draft.unused(("deephaven",))
        return {}
    if shape is None:
        if not draft.meant((), "deephaven"):
            draft.fault("OB102", "missing field `deephaven` in the file", ())
        return {}
    values = {name: value for name, value in shape.model_dump().items() if value}
    if "connection_url" not in values and environ.get("DH_CONNECTION_URL"):
        values["connection_url"] = "${DH_CONNECTION_URL}"
    _complete(draft, shape, values)
    if shape.auth_method == "private_key" and shape.private_key_path:
        _check_key(draft, shape.private_key_path, environ)
    return values


def _check_key(draft: Draft, text: str, environ: Mapping[str, str]) -> None:
    """The key has to be there when something starts; a plan does without secrets."""
    place: Place = ("deephaven", "private_key_path")
    if place not in draft.unset:
        severity = Severity.ERROR if draft.starting else Severity.WARNING
        draft.file(expand(text, environ), place, "the private key", severity)


_SECRET = {"password": "password", "private_key": "private_key_path"}
"""What each way to authenticate needs."""


def _complete(draft: Draft, shape: DeephavenShape, values: Mapping[str, Scalar]) -> None:
    """Fields of the connection that have to be there and are not."""
    secret = _SECRET.get(shape.auth_method or "")
    for name in ("connection_url", "auth_method", "username", *([secret] if secret else [])):
        if name in values or draft.meant(("deephaven",), name):
            continue
        help_ = "or set DH_CONNECTION_URL" if name == "connection_url" else ""
        if getattr(shape, name) == "":
            draft.fault("OB104", f"`{name}` must not be empty", ("deephaven", name), help_)
        else:
            told = f"missing field `{name}` in `deephaven`"
            draft.fault("OB102", told, ("deephaven", name), help_, key=True)


def worker(draft: Draft, text: str, place: Place, language: str, *, here: bool) -> tuple[Script, str]:
    """The worker script, checked as far as this machine can, and the runtime that it needs here."""
    deephaven = False
    script = draft.file(text, place, "the worker script")
    if here and language == "Groovy":
        told = "Groovy workers run on Deephaven Enterprise only"
        draft.fault("OB124", told, _language_place(draft), "use Python, or leave out `--on process`")
    elif script is not None and language == "Python":
        deephaven = check_python(draft, script, place)
    return Script(str(script or Path(text))), "deephaven-core" if deephaven else "python"


def _language_place(draft: Draft) -> Place:
    root = draft.document.root
    for section in ("execution", "replay"):
        if root is not None and root.find((section, "script_language")) is not None:
            return (section, "script_language")
    return ("execution",)


def dates_axis(draft: Draft, shape: DatesShape, hint: str | None) -> Axis:
    """The dates as an axis. `hint`: a calendar that the file names elsewhere, to warn by."""
    ends = (("dates", "start"), ("dates", "end"))
    calendar = draft.market(shape.calendar, ("dates", "calendar")) if shape.calendar else None
    if not draft.ordered(shape.start, shape.end, ends):
        return Axis("date", (), "date")
    if shape.calendar is not None:
        found = draft.sessions(calendar, shape.start, shape.end, ends) if calendar else []
    else:
        found = draft.days(shape.start, shape.end)
    if shape.weekdays_only:
        found = draft.weekdays(found, ends[0])
    if shape.weekdays_only and shape.calendar is None:
        _warn_of_holidays(draft, found, hint or DEFAULT_CALENDAR)
    return Axis("date", tuple(found), "date")


def _warn_of_holidays(draft: Draft, days: list[str], calendar: str) -> None:
    """Weekdays that are no sessions, with their reasons."""
    home = resolve(calendar, draft.markets)
    closed = []
    for text in days:
        day = date.fromisoformat(text)
        if home.valid_from <= day <= home.valid_until and (closure := home.closure(day)):
            closed.append(f"{day} ({closure})")
    if closed:
        listed = ", ".join(closed[:8]) + (f" and {len(closed) - 8} more" if len(closed) > 8 else "")
        one = len(closed) == 1
        told = (
            f"{len(closed)} of these weekdays {'is no session' if one else 'are no sessions'} of {home.name}"
        )
        draft.fault(
            "OB119",
            f"{told}: {listed}",
            ("dates", "weekdays_only"),
            f"write `calendar: {home.name}` instead of `weekdays_only` to leave them out",
            severity=Severity.WARNING,
        )


def retries(max_retries: int) -> Retry:
    """Failed creation and failed execution alike, with exponential waits."""
    return Retry(attempts=1 + max_retries, delay=timedelta(seconds=1), max_delay=timedelta(minutes=5))


def minutes(count: float) -> timedelta:
    """A millisecond to ten years: more is as good as no bound, and beyond what dates can count."""
    return max(timedelta(milliseconds=1), timedelta(minutes=min(count, 3650 * 24 * 60)))


def reservation(heap_size_gb: float, *, here: bool) -> Demand:
    """The heap: a reservation of this machine's memory, not a cap (a plain Python worker has no heap)."""
    return Demand(memory=int(heap_size_gb * 2**30), memory_cap=False) if here else Demand()


def zone(draft: Draft, calendar: str | None) -> str:
    """The zone of `replay_start`: that of the calendar which the file names, else New York's."""
    try:
        return str(resolve(calendar or DEFAULT_CALENDAR, draft.markets).tz)
    except MarketError:
        return "UTC"  # there is no such calendar: that has been said


def columns(shapes: list[TimestampColumnShape]) -> tuple[tuple[str, str, str], ...]:
    return tuple((shape.namespace, shape.table, shape.column) for shape in shapes)


def speed(value: Any, draft: Draft, *, here: bool) -> Any:
    """`max` is for executors that can."""
    if value == "max" and not here:
        told = '`replay_speed` "max" is not possible on Deephaven Enterprise'
        draft.fault("OB104", told, ("replay", "replay_speed"), "1 to 100, or `--on process`")
    return value
