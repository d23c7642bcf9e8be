"""The channels of a project, as its file describes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from openbell.channels.command import CommandChannel
from openbell.channels.log import LogChannel
from openbell.channels.protocol import Channel
from openbell.config.alerting import AlertSettings, ChannelSetting
from openbell.config.expand import expand
from openbell.engine.environment import activation, inherited


def channels(settings: AlertSettings, folder: Path, state: Path) -> dict[str, Channel]:
    """By name. `folder`: the project's, where commands run; `state`: its state folder, where files are."""
    return {name: _channel(one, folder, state) for name, one in settings.channels.items()}


def _channel(setting: ChannelSetting, folder: Path, state: Path) -> Channel:
    if setting.log:
        return LogChannel(state / setting.log)
    return CommandChannel(setting.command, folder, partial(_environ, setting.env), setting.timeout)


def _environ(declared: Mapping[str, str]) -> dict[str, str]:
    """What a worker would inherit, and what the file declares. KeyError names a variable that is not set."""
    known = inherited()
    known |= activation("", known.get("PATH", os.defpath))
    return {**known, **{name: expand(value, os.environ) for name, value in declared.items()}}
