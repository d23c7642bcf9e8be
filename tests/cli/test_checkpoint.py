"""What the attempts of a task keep for each other, with real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Desk

STEPS = {
    "run": "run: sh work.sh",
    "script": "script: jobs.py",
    "call": "call: jobs:work",
}

SHELL = """
echo x >> $OPENBELL_CHECKPOINT/tries
test $(wc -l < $OPENBELL_CHECKPOINT/tries) -ge $(cat wanted)
"""

JOBS = """
from openbell import worker

def work(ctx):
    with open(ctx.checkpoint / "tries", "a") as file:
        file.write("x\\n")
    tries = ctx.checkpoint.load(0) + 1
    ctx.checkpoint.save(tries)
    if tries < int(open("wanted").read()):
        raise RuntimeError(f"try {tries}")
    worker.result(tries=tries)

if __name__ == "__main__":
    work(worker.context())
"""


@pytest.mark.parametrize("form", STEPS)
def test_it_is_kept_over_tries_and_reruns_and_removed_after_the_success(desk: Desk, form: str) -> None:
    def kept() -> list[str]:
        root = desk.folder / ".openbell" / "checkpoints"
        return sorted(str(path.relative_to(root)) for path in root.rglob("tries"))

    desk.write("jobs.py", JOBS)
    desk.write("work.sh", SHELL)
    desk.write(
        "p.yaml",
        f"name: p\nsteps:\n  work:\n    {STEPS[form]}\n    checkpoint: true\n    matrix: {{i: 2}}\n"
        "    retry: {attempts: 2, delay: 10ms}\n",
    )
    desk.write("wanted", "5")
    assert desk.run("run", "p.yaml").code == 2
    assert kept() == ["p%2F1/work.0/tries", "p%2F1/work.1/tries"]
    assert desk.run("retry", "p/1").code == 2
    tries = desk.folder / ".openbell" / "checkpoints" / "p%2F1" / "work.1" / "tries"
    assert tries.read_text() == "x\n" * 4
    assert desk.run("run", "p.yaml").code == 0
    assert kept() == []
    assert list((desk.folder / ".openbell" / "checkpoints").iterdir()) == []


def test_without_the_key_it_is_made_when_it_is_used(desk: Desk) -> None:
    desk.write(
        "jobs.py",
        "import os\ndef idle(ctx): return os.path.exists(os.environ['OPENBELL_CHECKPOINT'])\n"
        "def used(ctx):\n    ctx.checkpoint.save(1)\n    raise ValueError('no')\n",
    )
    desk.write("p.yaml", "name: p\nsteps: {idle: {call: 'jobs:idle'}, used: {call: 'jobs:used'}}\n")
    assert desk.run("run", "p.yaml").code == 2
    assert [path.name for path in Path(desk.folder, ".openbell/checkpoints/p%2F1").iterdir()] == ["used.0"]
