"""How an attempt ended, as its supervisor saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from openbell.core.states import StopReason


@dataclass(frozen=True, slots=True)
class Exit:
    """How an attempt ended, as its supervisor saw it. The exit status is the only truth."""

    code: int | None
    """Exit status; None when it died by a signal or never ran."""
    signal: str = ""
    elapsed: float = 0.0
    """Seconds by a monotonic clock."""
    started: bool = True
    """False: the program never ran (no such file, not executable)."""
    stopped: StopReason | None = None
    """The stop that it was asked to end by. None when it had ended before the stop reached it."""
    error: str = ""
    """One line: the last exception, the signal, what the system said."""
    traceback: str = ""
    """The last traceback of its log, where there is one."""
    peak_rss: int = 0
    """Bytes, of the largest process of the tree that was waited for."""
    cpu: float = 0.0
    """User and system seconds."""
    stragglers: int = 0
    """Processes that it left behind and that were killed."""
    log_bytes: int = 0
    log_dropped: int = 0
    check: str = ""
    """What did not hold although it had ended well: `outputs` or `verify`; empty for nothing."""
    verified: bool = False
    """Its check has passed."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """The files that it declares, with the SHA-256 of their contents."""
    cached: str = ""
    """The earlier attempt whose result this is: nothing has run. Empty: it has run itself."""
    ended_after_marker: bool = False
    """It lingered after it had said that it was done, and was ended. Its inputs count as taken only if it was
    `verified`."""

    @property
    def well(self) -> bool:
        """Whether this is a success."""
        done = self.stopped is None and (self.code == 0 or self.ended_after_marker)
        return self.started and not self.check and (done or self.stopped is StopReason.END)
