"""`openbell alerts`: what has been told to whom, who sees to it, and whether channels work."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from openbell.cli.carry import carry_out
from openbell.cli.lines import Lines
from openbell.cli.options import OUTPUT, PROJECT
from openbell.cli.setting import Setting, actor
from openbell.cli.targets import find
from openbell.cli.words import columns, moment
from openbell.config.findings import nearest
from openbell.core.requests import AckAlert
from openbell.errors import ChannelError, ExitCode, NotFound
from openbell.store.protocol import Store
from openbell.store.records import AlertInfo, LetterInfo


@click.group()
def alerts() -> None:
    """Alerts: what was told to whom, and who sees to it."""


@alerts.command("ls")
@click.option("--all", "every", is_flag=True, help="Also those that somebody has seen to, and successes.")
@click.option("--run", "target", help="Only of this run.")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, help="At most so many.")
@OUTPUT
@PROJECT
def ls(every: bool, target: str | None, limit: int, output: str, project: str) -> None:
    """List alerts that nobody has seen to, newest first, and how their letters fare."""
    store = Setting.of_the_past(Path(project)).past()
    run_id = find(store, target).record.id if target else None
    found = store.alerts(run_id, open_only=not every, limit=limit)
    if output == "json":
        click.echo(json.dumps([_as_json(store, one) for one in found], ensure_ascii=False))
        return
    if not found:
        click.echo("no alerts" if every else "no open alerts (--all shows what was)")
        return
    rows = [_row(one, store.letters(one.number)) for one in found]
    for line in columns(("ALERT", "AT", "SEVERITY", "RUN", "WHAT", "TOLD", "STATE"), rows, "><<<<<<"):
        click.echo(line)


def _row(alert: AlertInfo, letters: list[LetterInfo]) -> tuple[str, ...]:
    where = f"{alert.run}/{alert.step}" if alert.step else alert.run
    told = ", ".join(_fate(info) for info in letters)
    return (str(alert.number), moment(alert.at), alert.severity.value, where, alert.text, told, _state(alert))


def _fate(info: LetterInfo) -> str:
    if info.delivered_at is not None:
        return info.letter.channel
    fate = "given up" if info.given_up_at is not None else "waits"
    return f"{info.letter.channel} ({fate}: {info.error or 'not tried yet'})"


def _state(alert: AlertInfo) -> str:
    if alert.acknowledged_at is not None:
        return f"seen to by {alert.acknowledged_by}" + (f": {alert.note}" if alert.note else "")
    if alert.resolved_at is not None:
        return "over"
    if alert.escalated_at is not None:
        return "escalated"
    return f"escalates at {moment(alert.escalate_at)}" if alert.escalate_at is not None else ""


def _as_json(store: Store, alert: AlertInfo) -> dict[str, Any]:
    data = {name: _plain(value) for name, value in asdict(alert).items()}
    return {**data, "open": alert.open, "letters": [_letter(info) for info in store.letters(alert.number)]}


def _letter(info: LetterInfo) -> dict[str, Any]:
    return {
        "id": info.letter.id,
        "channel": info.letter.channel,
        "escalation": info.letter.level > 0,
        "tries": info.letter.tries,
        "error": info.error,
        "tried_at": _plain(info.tried_at),
        "delivered_at": _plain(info.delivered_at),
        "given_up_at": _plain(info.given_up_at),
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


@alerts.command("ack")
@click.argument("numbers", nargs=-1, required=True, type=int)
@click.option("--reason", default="", help="What is being done about it.")
@OUTPUT
@PROJECT
def ack(numbers: tuple[int, ...], reason: str, output: str, project: str) -> int:
    """Say that you see to alerts: they do not escalate any more. It is recorded who, when and why."""
    setting = Setting.of(Path(project))
    store = setting.past()
    known = {one.number: one for one in store.alerts(limit=10**6)}
    if missing := [number for number in numbers if number not in known]:
        raise NotFound(f"there is no alert {missing[0]}", hint="`openbell alerts ls --all` lists them")
    for number in numbers:
        request = AckAlert(known[number].run, number, actor(), reason)
        ending = carry_out(setting, store, request, Lines(setting.vitals), patient=False)
        answer = ending.answer.message if ending.answer is not None else "asked"
        accepted = ending.answer.accepted if ending.answer is not None else None
        told = {"alert": number, "run": request.run, "accepted": accepted, "message": answer}
        click.echo(json.dumps(told) if output == "json" else f"alert {number}: {answer}")
    return ExitCode.OK


@alerts.command("test")
@click.argument("channel", required=False)
@OUTPUT
@PROJECT
def test(channel: str | None, output: str, project: str) -> int:
    """Send a test through a channel (through all of them without a name), now. Exit code 4 when one fails."""
    setting = Setting.of(Path(project))
    setting.workspace.create()
    known = setting.channels()
    if channel is not None and channel not in known:
        near = nearest(channel, known)
        hint = f"did you mean `{near}`?" if near else f"channels: {', '.join(sorted(known))}"
        raise NotFound(f"there is no channel {channel!r}", hint=hint)
    now = setting.clock.now()
    failed = False
    for name in [channel] if channel is not None else known:
        told = {"id": f"test.{name}", "topic": "test", "severity": "low", "subject": "openbell: a test"}
        text = {"text": f"A test, asked for by {actor()}.", "timestamp": now.isoformat()}
        error = ""
        try:
            known[name].send(told | text)
        except ChannelError as bounced:
            error, failed = bounced.message, True
        if output == "json":
            click.echo(json.dumps({"channel": name, "delivered": not error, "error": error or None}))
        else:
            click.echo(f"{name}: {error or 'delivered'}")
    return ExitCode.ERROR if failed else ExitCode.OK
