"""A folder to load files from, and files that say themselves where they are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openbell.config.findings import Finding, Severity
from openbell.config.load import Loaded, Overrides, load
from openbell.config.project import Project
from openbell.errors import ConfigError

MARK = "▸"
"""Stands before the place of an expected finding, and is taken out before the file is written."""

Place = tuple[str, int, int]


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the line and column of each."""
    places = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        while (at := line.find(MARK)) >= 0:
            line = line[:at] + line[at + 1 :]
            places.append((number + 1, at + 1))
        lines[number] = line
    return "\n".join(lines), places


def places(findings: tuple[Finding, ...], severity: Severity = Severity.ERROR) -> list[Place]:
    """Code, line and column of the findings of this severity."""
    return [(f.code, f.span.line, f.span.column) for f in findings if f.severity is severity]


class Folder:
    """A folder with two worker scripts, and files in it as they are loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("worker.py", "simple_worker.py"):
            (path / name).write_text("print('done')\n")

    def write(self, text: str | bytes, name: str = "c.yaml") -> Path:
        target = self.path / name
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        return target

    def load(
        self,
        text: str | bytes,
        environ: Mapping[str, str] | None = None,
        *,
        on: str | None = "process",
        project: Project | None = None,
        **options: Any,
    ) -> Loaded:
        """Load this text as a file. `on="process"` unless said otherwise: no connection is needed."""
        overrides = options.pop("overrides", Overrides(on=on))
        path = self.write(text)
        return load(path, project or Project(self.path), environ or {}, overrides, **options)

    def findings(self, text: str | bytes, *args: Any, **options: Any) -> tuple[Finding, ...]:
        """What is said about a text that has to be rejected."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, *args, **options)
        assert caught.value.path == self.path / "c.yaml"
        found = tuple(f for f in caught.value.findings if isinstance(f, Finding))
        assert any(finding.fatal for finding in found), "rejected without an error"
        return found

    def errors(self, text: str | bytes, *args: Any, **options: Any) -> list[Place]:
        return places(self.findings(text, *args, **options))

    def expect(self, text: str, *codes: str, **options: Any) -> tuple[Finding, ...]:
        """The errors of a marked text are these, at its marks, and no others."""
        plain, marks = marked(text)
        found = self.findings(plain, **options)
        expected = [(code, *mark) for code, mark in zip(codes, marks, strict=True)]
        assert places(found) == expected, [f.message for f in found]
        return tuple(finding for finding in found if finding.fatal)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def one_step(keys: str, top: str = "") -> str:
    """A pipeline whose step `a` has these keys, one a line."""
    lines = "".join(f"    {line}\n" for line in keys.strip().split("\n"))
    return f"name: n\n{top}steps:\n  a:\n{lines}"


def expect_step(folder: Folder, keys: str, *codes: str) -> tuple[Finding, ...]:
    """Load it; these findings, each at its mark, have to be told."""
    return folder.expect(one_step(keys), *codes)
