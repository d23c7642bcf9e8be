"""What a worker script imports. Standard library only.

    from openbell import worker

    ctx = worker.context()
    for n, part in enumerate(parts):
        worker.progress(n, len(parts))
    worker.result(pnl=12.5)

The same script runs by hand: outside openbell, the context comes from the environment as far as it
is set, and what is reported is printed to stderr.
"""

from openbell.worker.checkpoint import Checkpoint
from openbell.worker.context import Context, context
from openbell.worker.reports import emit, progress, result, save_checkpoint
from openbell.worker.upstream import Result

__all__ = ["Checkpoint", "Context", "Result", "context", "emit", "progress", "result", "save_checkpoint"]
