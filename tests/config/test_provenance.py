from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path

import pytest

from openbell.config.load import Overrides, load
from openbell.config.project import Project
from openbell.config.provenance import Commit, Inquiry, provenance
from openbell.version import __version__

PIPELINE = """
name: p
steps:
  a: {script: work/a.py}
  b: {run: [python, b.py, --fast]}
  c: {run: [echo, b.py]}
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with one commit."""
    (tmp_path / "work").mkdir()
    (tmp_path / "p.yaml").write_text(PIPELINE)
    (tmp_path / "work/a.py").write_text("1")
    (tmp_path / "b.py").write_text("2")
    git(tmp_path, "init", "-q", "-b", "trunk")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_the_commit_of_the_work_tree_and_whether_files_have_changed(tree: Path) -> None:
    head = git(tree, "rev-parse", "HEAD")
    assert Inquiry(tree).answer() == Commit(head, "trunk", False)
    (tree / "untracked").write_text("x")
    assert Inquiry(tree / "work").answer().dirty is False
    (tree / "b.py").write_text("3")
    assert Inquiry(tree / "work").answer() == Commit(head, "trunk", True)
    git(tree, "checkout", "-q", "--detach")
    assert Inquiry(tree).answer() == Commit(head, "", True)


def test_without_a_work_tree_nothing_is_known(tmp_path: Path) -> None:
    assert Inquiry(tmp_path).answer() == Commit()


def test_without_git_its_files_tell_the_commit(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git(tree, "rev-parse", "HEAD")
    git(tree, "worktree", "add", "-q", str(tree / "linked"), "-b", "other")
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", "/nowhere")
    assert Inquiry(tree).answer() == Commit(head, "trunk", None)
    assert Inquiry(tree / "linked").answer() == Commit(head, "other", None)
    monkeypatch.setenv("PATH", path)
    git(tree, "pack-refs", "--all")
    monkeypatch.setenv("PATH", "/nowhere")
    assert Inquiry(tree).answer() == Commit(head, "trunk", None)
    (tree / ".git/HEAD").write_bytes(b"\xff\xfe")
    assert Inquiry(tree).answer() == Commit()


def test_who_does_not_wait_gets_what_is_certain(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git(tree, "rev-parse", "HEAD")
    slow = tree / "bin/git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 3\n")
    slow.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
        assert Inquiry(tree).answer(0.0) == Commit(head, "trunk", None)
    asked = Inquiry(tree)
    assert asked.answer().dirty is False
    git(tree, "commit", "-q", "--allow-empty", "-m", "second")
    assert asked.answer() == Commit(git(tree, "rev-parse", "HEAD"), "trunk", None), "that answer is of before"


def test_variables_that_lead_git_astray_do_not_count(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert Inquiry(tree).answer().dirty is False


def test_a_run_knows_where_it_comes_from(tree: Path) -> None:
    overrides = Overrides(values=(("concurrency", "2"),), sample=3, on="process", steps=("+a", "b"))
    pipeline = load(tree / "p.yaml", Project(tree), {}).pipeline
    known = provenance(pipeline, Inquiry(tree), overrides.told())
    assert known.openbell == __version__
    assert known.python == platform.python_version()
    assert known.host
    assert known.user
    assert known.overrides == {"set concurrency": "2", "sample": "3", "on": "process", "steps": "+a,b"}
    assert known.files == {
        name: hashlib.sha256((tree / name).read_bytes()).hexdigest()
        for name in ("p.yaml", "work/a.py", "b.py")
    }
    (tree / "b.py").unlink()
    assert set(provenance(pipeline, Inquiry(tree)).files) == {"p.yaml", "work/a.py"}
