"""The Python that has the Enterprise client: it need not be openbell's own, for the client pins a lot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

CLIENT = "deephaven_enterprise"
VARIABLE = "OPENBELL_ENTERPRISE_PYTHON"
FOLDER = ".venv-deephaven"
INSTALL = f"python3 -m venv {FOLDER} && {FOLDER}/bin/pip install deephaven-coreplus-client"
_PATIENCE = 30.0  # seconds that somebody else's Python may take to answer


@dataclass(frozen=True, slots=True)
class Client:
    """Where the client is. `folder`: the project's; `named`: the Python that its file names."""

    folder: Path
    named: str | None = None

    def interpreter(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The Python to use; None where there is none. One that somebody has named is the only one."""
        if named := self.named or environ.get(VARIABLE):
            return str(Path(named).expanduser()) if has_client(named) else None
        places = [sys.executable, *(str(at / FOLDER / "bin" / "python") for at in (self.folder, Path.cwd()))]
        return next((python for python in places if has_client(python)), None)

    def problem(self, environ: Mapping[str, str] = os.environ) -> str:
        """Why there is none; empty when there is one."""
        if self.interpreter(environ) is not None:
            return ""
        named = self.named or environ.get(VARIABLE)
        if named is None:
            return "no Python with the extra `deephaven` is known"
        return f"{named} does not have {CLIENT}" if shutil.which(named) else f"there is no program {named}"


@lru_cache(16)
def has_client(python: str) -> bool:
    """Whether this interpreter has the client. One outside of environments is asked."""
    if python == sys.executable:
        return find_spec(CLIENT) is not None
    program = shutil.which(python)
    if program is None:
        return False
    venv = Path(program).parent.parent
    if any(venv.glob(f"lib/python3*/site-packages/{CLIENT}")):
        return True
    code = f"import sys, importlib.util as u; sys.exit(u.find_spec({CLIENT!r}) is None)"
    try:
        done = subprocess.run([program, "-c", code], capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
