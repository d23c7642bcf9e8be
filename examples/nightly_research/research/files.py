"""Files of the desk: each is there whole, or not at all."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import polars as pl


def write(path: Path, content: pl.DataFrame | dict[str, Any] | list[Any] | str) -> Path:
    """Write a table (Parquet), data (JSON) or a text, and put it in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    match content:
        case pl.DataFrame():
            content.write_parquet(draft)
        case str():
            draft.write_text(content)
        case _:
            draft.write_text(json.dumps(content, indent=1, default=str) + "\n")
    draft.replace(path)
    return path


def read_json(path: Path) -> Any:
    """What was written as data."""
    return json.loads(path.read_text())


def newest(folder: Path, session: object, ending: str) -> Path:
    """The file of a session; where it has none, that of the last session before it."""
    found = [path for path in sorted(folder.glob(f"[0-9]*{ending}")) if path.stem <= str(session)]
    if not found:
        raise FileNotFoundError(f"{folder} has nothing of {session}, nor of a session before it")
    return found[-1]


def digest(paths: list[Path]) -> str:
    """Tells whether any of these files has changed."""
    found = hashlib.blake2b(digest_size=8)
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()
