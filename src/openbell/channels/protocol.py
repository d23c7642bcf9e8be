"""The protocol of every channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Channel(Protocol):
    """A place that alerts can be sent to."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Deliver a message: JSON data, with an `id` that is the same at every try.

        Takes as long as it takes, on a thread of its own. Raises `ChannelError` when it was not delivered.
        """
        ...
