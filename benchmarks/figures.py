"""What a benchmark gives: figures with a budget, and how they are shown."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `better`: "more" or "less"; `beside`: the peer or limit of the same run."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    better: str = "less"
    beside: str = ""

    @property
    def kept(self) -> bool:
        """Whether the budget is kept."""
        if self.budget is None:
            return True
        return self.value >= self.budget if self.better == "more" else self.value <= self.budget


def show(figures: Iterable[Figure]) -> None:
    """A markdown table on stdout."""
    print("| what | measured | budget | beside, in the same run |")
    print("|---|---|---|---|")
    for figure in figures:
        sign = ">=" if figure.better == "more" else "<="
        budget = f"{sign} {figure.budget:g} {figure.unit}" if figure.budget is not None else ""
        mark = "" if figure.kept else " (missed)"
        print(
            f"| {figure.name} | {figure.value:.4g} {figure.unit} | {budget}{mark} | {figure.beside} |",
            flush=True,
        )


def machine() -> str:
    """What this was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}"


def openbell(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """One command of ours in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "openbell", *words], cwd=cwd, capture_output=True, text=True, check=check
    )


def seconds(command: Sequence[str], cwd: Path, times: int = 7, code: int = 0) -> float:
    """The median time of a whole process, after one that does not count. It must end with `code`."""
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        took.append(time.perf_counter() - began)
        if done.returncode != code:
            sys.exit(f"{command} gave {done.returncode}: {done.stderr}")
    return statistics.median(took[1:])


def process_status(pid: int) -> dict[str, int]:
    """The numbers of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {
        key: int(value.split()[0]) for key, value in pairs if value.split() and value.split()[0].isdigit()
    }
