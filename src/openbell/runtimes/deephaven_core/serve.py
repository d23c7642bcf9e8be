"""A warm host of the embedded engine: takes one script after the other from its supervisor."""

import os

from openbell.runtimes.deephaven_core.script import Stage
from openbell.worker import serve


def main(descriptor: int) -> None:
    """Serve the line until it is closed. The engine boots while the first script is on its way."""
    stage = Stage(os.environ)
    serve.main(descriptor, lambda path, environ: (stage.play(path, environ), {}))


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]))
