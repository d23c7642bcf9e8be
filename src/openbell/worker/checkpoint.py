"""A folder that outlives the attempts of a task: what one of them keeps there, the next one finds."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_STATE = "state.json"


class Checkpoint:
    """The folder, as a path: `open(ctx.checkpoint / "rows.csv")`; with help for a little JSON.

    It is removed when the task has succeeded. By hand there is none: nothing is loaded, and what is saved is
    printed.
    """

    __slots__ = ("_folder",)

    def __init__(self, folder: str = "") -> None:
        self._folder = folder

    @property
    def path(self) -> Path:
        """The folder. It is made when it is not there yet. Raises LookupError by hand."""
        from pathlib import Path

        if not self._folder:
            raise LookupError("by hand there is no folder for checkpoints: set OPENBELL_CHECKPOINT to one")
        os.makedirs(self._folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        return Path(self._folder)

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name

    def load(self, default: Any = None) -> Any:
        """What was saved last, by this attempt or one before it; `default` when there is nothing.

        A file that a power cut has spoiled counts as nothing, and that is printed.
        """
        if not self._folder:
            return default
        try:
            with open(os.path.join(self._folder, _STATE), encoding="utf-8") as file:  # noqa: PTH118, PTH123
                return json.load(file)
        except (FileNotFoundError, NotADirectoryError):
            return default
        except ValueError as error:
            told = f"the checkpoint cannot be read, so this attempt starts anew: {error}"
            print(told, file=sys.stderr)  # noqa: T201
            return default

    def save(self, state: Any) -> None:
        """Save JSON data, in place of what was saved before: all of it or nothing.

        Raises TypeError for anything else, which would not come back as it was.
        """
        text = json.dumps(state)
        if not self._folder:
            print(f"checkpoint: {text}", file=sys.stderr)  # noqa: T201
            return
        draft = self.path / f".{_STATE}.{os.getpid()}.{threading.get_native_id()}"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.path / _STATE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checkpoint) and other._folder == self._folder

    def __hash__(self) -> int:
        return hash(self._folder)

    def __repr__(self) -> str:
        return f"Checkpoint({self._folder!r})"
