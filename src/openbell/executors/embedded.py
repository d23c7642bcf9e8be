"""Where the embedded engine of Deephaven is on this machine: a Python that has it, and a JDK.

The engine's packages need not be those of openbell's own environment: they pin others than the client of
Enterprise does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openbell.errors import ExecutorUnavailable

RUNTIME = "deephaven-core"
VARIABLE = "OPENBELL_DEEPHAVEN_PYTHON"
FOLDER = ".venv-deephaven-core"
_PATIENCE = 30.0  # seconds that somebody else's Python or Java may take to answer


@dataclass(frozen=True, slots=True)
class Embedded:
    """The project's settings. `recycle`: scripts after which a warm host is replaced."""

    folder: Path
    python: str | None = None
    recycle: int = 100
    heap_gb: float | None = None
    """The heap of scripts that do not say it."""

    def interpreter(self, wanted: str | None, environ: Mapping[str, str] = os.environ) -> str:
        """The Python that has the engine: `wanted` if it does, else one that is found.

        Raises ExecutorUnavailable, with what to do.
        """
        places = [*([wanted] if wanted else []), *self._places(environ)]
        found = next((python for python in places if has_engine(python)), None)
        if found is None:
            named = self.python or environ.get(VARIABLE) or wanted
            told = f"{named} has no deephaven-server" if named else "no Python with deephaven-server is known"
            make = f"python3 -m venv {FOLDER} && {FOLDER}/bin/pip install 'deephaven-server~=42.7'"
            other = f"another place: `deephaven_core: {{python: ...}}` in openbell.yaml, or {VARIABLE}"
            raise ExecutorUnavailable(
                f"the runtime `{RUNTIME}` is not there: {told}", hint=f"{make}; {other}"
            )
        if problem := java_problem(environ):
            raise ExecutorUnavailable(
                f"the runtime `{RUNTIME}` needs a JDK of Java 17: {problem}",
                hint="for example `apt-get install openjdk-17-jdk-headless`, or JAVA_HOME",
            )
        return found

    def _places(self, environ: Mapping[str, str]) -> Iterator[str]:
        """A place that somebody has named is the only one."""
        if named := self.python or environ.get(VARIABLE):
            yield str(Path(named).expanduser())
            return
        yield sys.executable
        for folder in (self.folder, Path.cwd()):
            yield str(folder / FOLDER / "bin" / "python")


def has_engine(python: str) -> bool:
    """Whether this interpreter has the engine's package. One outside of environments is asked."""
    program = shutil.which(python)
    if program is None:
        return False
    venv = Path(program).parent.parent
    if any(venv.glob("lib/python3*/site-packages/deephaven_server")):
        return True
    code = "import sys, importlib.util as u; sys.exit(u.find_spec('deephaven_server') is None)"
    return _answers([program, "-c", code]) is not None


def java_problem(environ: Mapping[str, str]) -> str:
    """What is wrong with the Java of this machine; an empty text when nothing is."""
    home = environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else environ.get("PATH"))
    if program is None:
        return (
            f"JAVA_HOME={home} has no bin/java" if home else "there is no java on the PATH, and no JAVA_HOME"
        )
    release = Path(program).resolve().parents[1] / "release"
    try:
        modules = next((line for line in release.read_text().splitlines() if line.startswith("MODULES")), "")
    except OSError:
        modules = ""
    modules = modules or _answers([program, "--list-modules"]) or ""
    return "" if "jdk.compiler" in modules else f"{program} is a JRE: it lacks the module jdk.compiler"


def _answers(argv: list[str]) -> str | None:
    """What a program prints; None when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
