"""Which files of the user a result follows from."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbell.config.sources import sources
from openbell.core.model import Call, Command, Script, Work

FILES = {
    "work.py": "import os, helper\nfrom desk import book\nfrom desk.deep.part import f as g\n",
    "helper.py": "def late():\n    import lazy\n",
    "lazy.py": "import helper  # in a circle\n",
    "alone.py": "x = 1\n",
    "broken.py": "def f(:\n",
    "uses_broken.py": "import broken\n",
    "run.sh": "python work.py\n",
    "desk/__init__.py": "",
    "desk/__main__.py": "from . import jobs\n",
    "desk/book.py": "from .jobs import run\nfrom ..outside import x\n",
    "desk/jobs.py": "from .deep import part\n",
    "desk/deep/__init__.py": "",
    "desk/deep/part.py": "from .. import book\n",
    "scripts/tool.py": "import beside, helper\n",
    "scripts/beside.py": "",
    "json.py": "",
}

DESK = ["desk/__init__.py", "desk/book.py", "desk/deep/__init__.py", "desk/deep/part.py", "desk/jobs.py"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("work", "names"),
    [
        (Script("work.py"), ["work.py", *DESK, "helper.py", "lazy.py"]),
        (Script("alone.py"), ["alone.py"]),
        (Script("broken.py"), ["broken.py"]),
        (Script("uses_broken.py"), ["uses_broken.py", "broken.py"]),
        (Script("scripts/tool.py"), ["scripts/tool.py", "helper.py", "lazy.py", "scripts/beside.py"]),
        (Call("work:run"), ["work.py", *DESK, "helper.py", "lazy.py"]),
        (Call("desk.deep.part:run"), ["desk/deep/part.py", *[one for one in DESK if "part" not in one]]),
        (Call("xml.dom:run"), []),
        (Command(("python", "work.py", "alone.py")), ["work.py", *DESK, "helper.py", "lazy.py"]),
        (Command(("python3", "-m", "desk", "x")), ["desk/__main__.py", *DESK]),
        (Command(("python", "-m", "helper")), ["helper.py", "lazy.py"]),
        (Command(("python", "-m", "{params.module}")), []),
        (Command(("sh", "run.sh")), ["run.sh"]),
        (Command(("/bin/true",)), []),
        (Command(("sleep", "alone.py")), []),
    ],
    ids=str,
)
def test_the_files_of_an_attempt(folder: Path, work: Work, names: list[str]) -> None:
    if isinstance(work, Script):
        work = Script(str(folder / work.path))
    found = [str(path.relative_to(folder)) for path in sources(work, folder)]
    assert found[:1] == names[:1]
    assert sorted(found) == sorted(names)
