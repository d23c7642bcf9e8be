"""One worker script after the other in one process, each as if it were alone."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Mapping
from types import CodeType, TracebackType
from typing import Any

from openbell.errors import OpenbellError
from openbell.runtimes.deephaven_core import enterprise
from openbell.runtimes.deephaven_core.database import Database
from openbell.runtimes.deephaven_core.machine import boot, hear_errors
from openbell.runtimes.deephaven_core.settings import heap_gb, settings
from openbell.runtimes.deephaven_core.timeline import Leave, Timeline, install_sleep

UNABLE = 3
"""Exit status: this interpreter or this machine cannot."""


class Stage:
    """The engine of this process, and the one script that is on."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Boots the engine. When that is not possible, every script hears why."""
        self._timeline: Timeline | None = None
        names = sys.modules["__main__"].__dict__.items()
        self._bare = {name: value for name, value in names if name.startswith("__")}
        self._error = ""
        try:
            boot(heap_gb(environ))
        except (OpenbellError, ValueError) as error:
            self._error = str(error)
            return
        install_sleep(lambda: self._timeline)
        hear_errors(self._hear)

    def _hear(self, told: str) -> None:
        if self._timeline is not None and Leave.__name__ not in told:  # a listener may end the query
            self._timeline.failures.append(told)

    def play(self, path: str, environ: Mapping[str, str]) -> int:
        """The exit status that the script has. What goes wrong is told on stderr."""
        if self._error:
            return _told(f"error: {self._error}", UNABLE)
        try:
            told = settings(environ)
            with open(path, "rb") as file:  # noqa: PTH123
                code = compile(file.read(), path, "exec", dont_inherit=True)
        except ValueError as error:
            return _told(f"error: {error}", 1)
        except (OSError, SyntaxError):
            traceback.print_exc(limit=0)
            return 1
        sys.modules["__main__"].__dict__.clear()
        timeline = self._timeline = Timeline(told)
        modules = set(sys.modules)
        enterprise.install(told, timeline)
        try:
            names = {"db": Database(told, timeline), "__PERSISTENT_QUERY_SERIAL_NUMBER": told.serial}
            with timeline.entered():
                status = _carried_out(path, code, self._bare | names, timeline)
                self._clear(modules)
            return status
        finally:
            self._timeline = None

    def _clear(self, modules: set[str]) -> None:
        """Forget what the script has left: its names, and the modules that are not of a library."""
        space = sys.modules["__main__"].__dict__
        space.clear()
        space.update(self._bare)
        enterprise.uninstall()
        for name in set(sys.modules) - modules:
            if not _of_library(sys.modules[name]):
                del sys.modules[name]
        gc.collect()


def _carried_out(path: str, code: CodeType, names: Mapping[str, Any], timeline: Timeline) -> int:
    """Run it as Python runs a script, and let its replay come to its end."""
    space = sys.modules["__main__"].__dict__
    space.update({**names, "__file__": path, "__name__": "__main__"})
    sys.argv = [path]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120
    try:
        exec(code, space)
        timeline.finish()
        return 0
    except SystemExit as leaving:
        if timeline.stopped and not timeline.failures:
            return 0
        return _status(leaving.code)
    except BaseException:
        kind, error, trace = sys.exc_info()
        assert error is not None
        traceback.print_exception(kind, error, _from(path, trace))
        return 1
    finally:
        sys.path.remove(sys.path[0])


def _status(code: Any) -> int:
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    return _told(str(code), 1)


def _from(path: str, trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins in the script."""
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename != path:
        found = found.tb_next
    return found or trace


def _of_library(module: Any) -> bool:
    """Whether a module is installed, so that the next script finds it as it was."""
    file = getattr(module, "__file__", None)
    if file is None:
        return not getattr(module, "__path__", None)
    return any(file.startswith(place + os.sep) for place in {sys.prefix, sys.base_prefix})


def _told(text: str, status: int) -> int:
    sys.stderr.write(text + "\n")
    return status
