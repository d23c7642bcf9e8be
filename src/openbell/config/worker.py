"""A Python worker script, as far as it can be judged without running it."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path

from openbell.config.document import Path as Place
from openbell.config.draft import Draft
from openbell.config.findings import Severity

_DEEPHAVEN = re.compile(r"deephaven(?:_\w+)?(?:\.|$)")


def check_python(draft: Draft, script: Path, place: Place, *, plain: bool = False, ours: bool = True) -> bool:
    """Its syntax, and whether it is written for Deephaven; on a `plain` Python, that is an error.

    `ours`: it will be run by a Python such as this one; another one may know more syntax.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the script, and not for the reader of findings
            tree = ast.parse(script.read_bytes(), script.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error) or "too complex"
        told = f"the worker script {script.name} does not parse{line}: {said}"
        draft.fault("OB124", told, place, severity=Severity.ERROR if ours else Severity.WARNING)
        return False
    found = any(_DEEPHAVEN.match(name) for name in _imports(tree))
    if found and plain:
        told = f"the worker script {script.name} imports deephaven, which plain Python does not have"
        draft.fault("OB124", told, place, "`runtime: deephaven-core` runs it on the embedded engine")
    return found


def _imports(tree: ast.AST) -> set[str]:
    """Names of the modules that are imported anywhere in the script."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
    return found
