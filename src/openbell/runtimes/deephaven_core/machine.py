"""The Java virtual machine of this process, and what of the engine's inside is used."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from openbell.errors import ExecutorUnavailable

_HINT = (
    "pip install 'openbell[deephaven-core]' into an environment of its own, and name its Python: `python:`"
)
_SCRATCH = "openbell-deephaven-"


def boot(heap_gb: float) -> None:
    """Start the virtual machine, and the engine without a port. Raises ExecutorUnavailable."""
    if importlib.util.find_spec("deephaven_server") is None:
        told = f"{sys.executable} has no deephaven-server"
        raise ExecutorUnavailable(told, hint=_HINT)
    _tidy()
    scratch = tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    streams = sys.stdout, sys.stderr
    try:
        with _quietly():
            from deephaven_server import Server

            Server(port=None, jvm_args=[f"-Xmx{round(heap_gb * 1024)}m", *_folders(scratch), *_OPTIONS])
    except Exception as error:
        raise ExecutorUnavailable(f"the engine does not start: {error}", hint=_jdk()) from error
    finally:
        sys.stdout, sys.stderr = streams  # else every line would be kept in the engine's log as well


_OPTIONS = ["-XX:+IgnoreUnrecognizedVMOptions", "-XX:+DisplayVMOutputToStderr"]
"""A newer Java does not know all options that the engine sets; and its last words are no output."""

_CHATTER = "compiler directives added"


def _folders(scratch: str) -> list[str]:
    """Classes that are compiled are this process's own: another one that starts clears the usual folder."""
    return [f"-Ddeephaven.{kind}Dir={scratch}/{kind}" for kind in ("cache", "config", "data")]


def _jdk() -> str:
    return "it needs a JDK of Java 17 (with the module jdk.compiler, which a JRE lacks); JAVA_HOME names one"


def _tidy() -> None:
    """Take away the folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(_SCRATCH + "*"):
        pid = folder.name[len(_SCRATCH) :].partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what it says when all is well. Its last words pass: it may take this process with it."""
    kept = [(number, os.dup(number)) for number in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    sieve = subprocess.Popen(["grep", "-v", _CHATTER], stdin=subprocess.PIPE, stdout=kept[1][1])
    assert sieve.stdin is not None
    try:
        os.dup2(nothing, 1)
        os.dup2(sieve.stdin.fileno(), 2)
        yield
    finally:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)
        sieve.stdin.close()
        sieve.wait()


def java(name: str) -> Any:
    """A class of the engine, or of Java."""
    import jpy

    found = jpy.get_type(name)
    if found is None:
        raise ExecutorUnavailable(
            f"the engine has no class {name}", hint="openbell needs deephaven-server 42.7"
        )
    return found


def hear_errors(hear: Callable[[str], None]) -> None:
    """Have failures of tables and listeners in the update graph told: the engine only logs them.

    The reporter has to stay a Java object on its way: handed to Python, it would be the Python one again.
    """
    import jpy

    notifier = java("io.deephaven.engine.table.impl.util.AsyncClientErrorNotifier")
    wanted = java("io.deephaven.engine.table.impl.UpdateErrorReporter").jclass
    python_object, handles = java("org.jpy.PyObject"), java("java.lang.invoke.MethodHandles")
    make = handles.publicLookup().unreflect(_method(python_object, "createProxy", 1))
    put = handles.publicLookup().unreflect(_method(notifier, "setReporter", 1))
    words = java("java.util.ArrayList")()
    words.add(jpy.convert(_Reporter(hear), python_object))
    words.add(wanted)
    handles.filterReturnValue(make.asType(make.type().changeReturnType(wanted)), put).invokeWithArguments(
        words
    )


class _Reporter:
    """`UpdateErrorReporter` of the engine. It is held by the proxy."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self.hear = hear

    def reportUpdateError(self, error: Any) -> None:
        self.hear(str(error.toString()))


def _method(kind: Any, name: str, parameters: int) -> Any:
    methods = kind.jclass.getMethods()
    return next(one for one in methods if one.getName() == name and one.getParameterCount() == parameters)
