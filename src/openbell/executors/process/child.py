"""The child of a supervisor: fork, make a clean process of it, then exec, or run a script in place."""

import gc
import os
import signal
import sys
from typing import Any, NoReturn

from openbell.executors.process import kernel

_RESET = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)


def launch(spec: dict[str, Any], output: int) -> tuple[int, str]:
    """Start the program of the spec: its pid, and why it could not be started, or an empty text.

    Raises OSError when there is no room for another process.
    """
    failed, failure = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError:
        os.close(failed)
        os.close(failure)
        raise
    if child == 0:
        signal.set_wakeup_fd(-1)
        become(spec, parent, output, failure)  # never returns
    os.close(failure)
    error = os.read(failed, 4096).decode(errors="replace")
    os.close(failed)
    if error:
        os.waitpid(child, 0)
    return child, error


def become(spec: dict[str, Any], parent: int, output: int, failure: int) -> NoReturn:
    """Turn this fork into the attempt's program. `failure`: where to say why that did not work."""
    try:
        os.setsid()
        kernel.die_with_parent(signal.SIGKILL, parent)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        kernel.prefer_as_victim()
        os.chdir(spec["cwd"])
        if spec.get("script"):
            kernel.set_name(spec["mark"])
            _close_ours(spec["keep"])
        else:
            os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except (OSError, ValueError) as error:
        os.write(failure, _complaint(spec, error).encode(errors="replace"))
        os._exit(127)
    _run_in_place(spec)


def _complaint(spec: dict[str, Any], error: OSError | ValueError) -> str:
    """Why the program could not be started."""
    program = spec["argv"][0]
    if not isinstance(error, FileNotFoundError):
        return f"{getattr(error, 'strerror', None) or error}: {program!r}"
    if not os.path.isdir(spec["cwd"]):
        return f"there is no folder {spec['cwd']}"
    if "/" not in program:
        return f"there is no program {program!r} on the PATH"
    if os.path.exists(program):
        return f"the interpreter that {program} names in its first line does not exist"
    return f"there is no program {program}"


def _close_ours(keep: list[int]) -> None:
    """What exec would have closed: all but what the preloaded modules hold."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:
                pass  # the descriptor of the listing itself


def _run_in_place(spec: dict[str, Any]) -> NoReturn:
    """Run the script in this interpreter, as `python script.py` would."""
    import runpy
    import threading

    os.environ.clear()
    os.environ.update(spec["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.unfreeze()
    gc.enable()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all children would draw the same numbers
    script, *arguments = spec["argv"]
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(script))
    _fresh_streams()
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as leaving:
        code = _status(leaving.code)
    except BaseException:
        code = 1
        kind, error, trace = sys.exc_info()
        while trace is not None and trace.tb_frame.f_code.co_filename != script:
            trace = trace.tb_next  # the frames above are ours and runpy's
        sys.excepthook(kind, error.with_traceback(trace), trace)  # type: ignore[arg-type, union-attr]
    threading._shutdown()  # type: ignore[attr-defined]
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    os._exit(code)


def _fresh_streams() -> None:
    """Line-buffered text streams on the descriptors of this process."""
    sys.stdin = open(0, closefd=False)
    sys.stdout = open(1, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")
    sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")


def _status(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)  # noqa: T201
    return 1
