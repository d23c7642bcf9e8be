"""What a run has left in the project's folders: files that its steps declare, tables that it wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from openbell.core.model import Run
from openbell.executors.process.proof import digest
from openbell.store.records import AttemptInfo

_PART, _SUFFIX = "part-", ".parquet"


def left_by(run: Run, attempts: Iterable[AttemptInfo]) -> Iterator[Path]:
    """The files of a run that are still as it has left them: others may have been written since."""
    seen: set[Path] = set()
    for info in attempts:
        own = info.exit.outputs if info.exit is not None and not info.exit.cached else {}
        for name, known in own.items():
            path = Path(run.pipeline.folder, name)
            if path not in seen and path.is_file() and digest(str(path)) == known:
                seen.add(path)
                yield path
    if run.pipeline.output:
        yield from _tables(run.id, Path(run.pipeline.output))


def _tables(run: str, folder: Path) -> Iterator[Path]:
    """Parts of tables that bear the name of the run: `part-<run>/<step>.parquet`, encoded."""
    for path in sorted(folder.rglob(f"{_PART}*{_SUFFIX}")):
        if unquote(path.name[len(_PART) : -len(_SUFFIX)]).rpartition("/")[0] == run:
            yield path


def remove(files: Iterable[Path], top: Path) -> int:
    """Remove files, and folders below `top` that become empty. Returns the bytes that this frees."""
    freed = 0
    for path in files:
        freed += path.stat().st_size
        path.unlink()
        for above in path.parents:
            if above == top or top not in above.parents or any(above.iterdir()):
                break
            above.rmdir()
    return freed
