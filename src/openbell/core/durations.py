"""How long tasks take, in constant memory: a histogram whose result does not depend on the order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from math import frexp, ldexp

_STEPS = 4  # buckets per doubling: a quantile is right within 19 %
_LOWEST = -10  # 2**-10 s, about a millisecond
_BUCKETS = 32 * _STEPS
_PATIENCE = timedelta(minutes=1)
_FIRST_PATIENCE = timedelta(minutes=5)  # before the first task has ended there is nothing to compare with


@dataclass(slots=True)
class Durations:
    """Counts per bucket of a logarithmic scale, and the exact sum. Seconds throughout."""

    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    count: int = 0
    total: float = 0.0

    def add(self, seconds: float) -> None:
        mantissa, exponent = frexp(max(seconds, 1e-9))
        position = (exponent - 1 - _LOWEST) * _STEPS + int((mantissa * 2 - 1) * _STEPS)
        self.buckets[min(max(position, 0), _BUCKETS - 1)] += 1
        self.count += 1
        self.total += seconds

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def quantile(self, fraction: float) -> float:
        """Upper edge of the bucket in which this fraction of all durations lies; 0.0 without any."""
        wanted = fraction * self.count
        seen = 0
        for position, found in enumerate(self.buckets):
            seen += found
            if found and seen >= wanted:
                octave, step = divmod(position, _STEPS)
                return ldexp(1 + (step + 1) / _STEPS, octave + _LOWEST)
        return 0.0

    @property
    def patience(self) -> timedelta:
        """How long a task may take before that is worth a warning: three times what is long among these."""
        if not self.count:
            return _FIRST_PATIENCE
        return max(_PATIENCE, timedelta(seconds=3 * self.quantile(0.95)))
