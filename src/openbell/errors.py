"""Every error that openbell raises on purpose, and the exit code that each one means.

OpenbellError                     4   what the user sees: a message and what to do next
├── UsageError                   64   the command line asks for something that does not exist
│   └── NotFound                 64   no such run, step, cell, pipeline, template
├── ConfigError                  65   the files are wrong; carries every finding
├── MarketError                  65   market time
│   ├── UnknownMarket            65
│   ├── OutOfBounds              65   an instant or a date that the calendar does not cover
│   ├── NaiveInstant             65   an instant without a time zone
│   └── OverlayError             65   an overlay that cannot hold
├── InvalidTransition             4   an event that the state machine forbids: a bug of ours
├── StoreError                    4   the store cannot be read or written
│   └── Fenced                    4   another engine has taken the lead: stop writing
├── ProjectError                  4   the project folder cannot be used
├── AlreadyRunning                4   a daemon leads the project already
├── ExecutorUnavailable           4   the place where tasks should run is not there
├── ChannelError                  4   an alert could not be delivered
└── DataError                     4   a table cannot be used; names the file, and the row where it can

A message says what is wrong in one line; `hint` says what to do next.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the process tells its caller. 1 to 3 are a fold over the failed tasks of the run."""

    OK = 0
    CREATION_FAILED = 1
    EXECUTION_FAILED = 2
    BOTH_FAILED = 3
    ERROR = 4
    USAGE = 64
    CONFIG = 65
    INTERRUPTED = 130
    TERMINATED = 143


class OpenbellError(Exception):
    """An error with a next step for the user."""

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(OpenbellError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE


class NotFound(UsageError):
    """The named run, step, cell, pipeline or template does not exist."""


class ConfigError(OpenbellError):
    """A file of the user is wrong. `findings` holds all of them, in the order of the file."""

    exit_code = ExitCode.CONFIG

    def __init__(
        self, message: str, *, hint: str = "", path: Path | None = None, findings: tuple[object, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.findings = findings

    def __str__(self) -> str:
        """The message and the findings, a line each: a traceback shows nothing else."""
        return "\n  ".join([self.message, *map(str, self.findings)])


class MarketError(OpenbellError):
    """A question about market time that has no answer."""

    exit_code = ExitCode.CONFIG


class UnknownMarket(MarketError):
    """No calendar and no alias of that name."""


class OutOfBounds(MarketError):
    """The date or instant lies outside what the calendar covers."""


class NaiveInstant(MarketError, ValueError):
    """A datetime without a time zone says nothing about markets."""


class OverlayError(MarketError):
    """An overlay is malformed, or contradicts the calendar, another overlay, or itself."""


class InvalidTransition(OpenbellError):
    """The state machine forbids this event. The message tells the task's story."""


class StoreError(OpenbellError):
    """The store cannot be read or written."""


class Fenced(StoreError):
    """Another engine has taken the lead since; nothing was written."""


class ProjectError(OpenbellError):
    """The project's folder cannot hold its state."""


class AlreadyRunning(OpenbellError):
    """A daemon leads the project already."""


class ExecutorUnavailable(OpenbellError):
    """The executor that was asked for is not there."""


class ChannelError(OpenbellError):
    """A channel has not taken an alert. The message says why, in one line."""


class DataError(OpenbellError):
    """A table or one of its files cannot be used. The message names the file, and the row where it can."""

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message
