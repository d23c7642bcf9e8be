"""The examples as somebody finds them: a copy of their folder, the commands of their README."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Desk, Outcome

__all__ = ["ROOT", "Example", "Outcome"]

ROOT = Path(__file__).parents[2] / "examples"
MADE = shutil.ignore_patterns("out", "feed", "raw", "processed", "analyzer_runs", ".openbell", "__pycache__")


class Example(Desk):
    """A copy of an example in which commands are given; `python` is the one that runs the tests."""

    def __init__(self, name: str, parent: Path) -> None:
        super().__init__(parent / name)
        shutil.copytree(ROOT / name, self.folder, ignore=MADE)
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.env['PATH']}"

    def python(self, *words: str, **env: str) -> Outcome:
        """Run one of the example's programs by hand."""
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.env | env, capture_output=True, text=True
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def follow_the_readme(self) -> str:
        """Give the commands of its first block, each of which has to work; returns what they print."""
        text = (ROOT / self.folder.name / "README.md").read_text()
        block = re.search(r"(?:^    .+\n)+", text, re.MULTILINE)
        assert block is not None
        printed = []
        for line in block[0].splitlines():
            program, *words = shlex.split(line, comments=True)
            outcome = self.python(*words) if program == "python" else self.run(*words, timeout=180)
            assert outcome.code == 0, f"{line}\n{outcome.out}\n{outcome.err}"
            printed.append(outcome.out)
        return "".join(printed)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file; what is to be changed has to be there."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} does not have {old!r}"
        path.write_text(text.replace(old, new))

    def succeeds(self, *words: str) -> Outcome:
        """Give a command that has to work."""
        outcome = self.run(*words, timeout=180)
        assert outcome.code == 0, f"{words}\n{outcome.out}\n{outcome.err}"
        return outcome


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Callable[[str], Example]]:
    """Makes copies of examples, and ends what they leave running."""
    made: list[Example] = []

    def make(name: str) -> Example:
        made.append(Example(name, tmp_path / str(len(made))))
        return made[-1]

    yield make
    for one in made:
        one.close()
