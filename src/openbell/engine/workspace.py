"""The state folder of a project: `.openbell/`, private to its user, on a local disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openbell.errors import ProjectError
from openbell.mounts import REMOTE, filesystem

FLOOR = 64 << 20
"""Free bytes of its disk below which nothing starts."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a project keeps its state. `create` makes the folder."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "openbell.db"

    @property
    def attempts(self) -> Path:
        return self.folder / "attempts"

    @property
    def events(self) -> Path:
        return self.folder / "events"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def socket(self) -> Path:
        return self.folder / "engine.sock"

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.folder / "engine.log"

    @property
    def board(self) -> Path:
        """What the daemon heeds, for readers in a hurry."""
        return self.folder / "board.json"

    @property
    def exists(self) -> bool:
        """Whether anything has ever run here."""
        return self.database.exists()

    def create(self) -> None:
        """Make the folder. Raises `ProjectError` when it cannot hold the state."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self.folder.chmod(0o700)
            ignore = self.folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise ProjectError(
                f"cannot write to {self.folder}: {error.strerror}",
                hint="openbell keeps its state beside the project file: use a folder that you may write to",
            ) from error
        if (kind := filesystem(self.folder)) in REMOTE:
            raise ProjectError(
                f"{self.folder} lies on a network file system ({kind}), where locks cannot be trusted",
                hint="move the project to a local disk, or set `state:` in openbell.yaml to a local folder",
            )
