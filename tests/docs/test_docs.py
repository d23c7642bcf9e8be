"""The documentation is true: generated pages are current, examples work, everything that exists is named."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click import Context

from openbell.cli.entry import VERBS, cli
from openbell.config.document import parse
from openbell.config.load import load
from openbell.config.project import Project
from openbell.core.render import AUTOMATIC
from openbell.errors import ExitCode
from tests.cli.conftest import Desk

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)


def blocks(language: str) -> list[tuple[Path, str]]:
    """Fenced blocks of a language, with their page."""
    found = []
    for page in PAGES:
        fences = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [(page, text) for text in fences]
    return found


def test_generated_pages_are_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, make in generate.PAGES.items():
        assert (ROOT / "docs" / name).read_text() == make(), f"docs/{name} is old: make docs"


@pytest.mark.parametrize(("page", "text"), blocks("yaml"), ids=lambda value: getattr(value, "name", ""))
def test_yaml_examples_are_valid(page: Path, text: str, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(text)
    for script in re.findall(r"script: (\S+\.py)", text):
        (tmp_path / script).write_text("")
    for module, function in re.findall(r"(?:call|verify): (\w+):(\w+)", text):
        (tmp_path / f"{module}.py").write_text(f"def {function}(ctx): ...\n")
    assert parse(text, file).findings == []
    assert load(file, Project(tmp_path), {}).pipeline.size > 0


@pytest.mark.parametrize(("page", "text"), blocks("python"), ids=lambda value: getattr(value, "name", ""))
def test_python_examples_run(page: Path, text: str, tmp_path: Path) -> None:
    ast.parse(text)
    env = {"PATH": "/usr/bin:/bin", "SIMULATION_DATE": "2012-01-03", "OPENBELL_PARAMS": '{"lookback": 5}'}
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_console_examples_name_verbs_and_options_that_exist(desk_help: dict[str, str]) -> None:
    for page, text in blocks("console"):
        for line in text.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words[:1] == ["openbell"] and len(words) > 1 and not words[1].startswith("-"):
                assert words[1] in VERBS, f"{page.name}: {line}"
                shown = desk_help.get(" ".join(words[1:3]), desk_help[words[1]])
                for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                    assert option in shown, f"{page.name}: {line}"


@pytest.fixture(scope="module")
def desk_help(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    desk = Desk(tmp_path_factory.mktemp("help"))
    commands = [[verb] for verb in VERBS]
    for verb in VERBS:
        group = cli.get_command(Context(cli), verb)
        commands += [[verb, name] for name in getattr(group, "commands", ())]
    return {" ".join(words): desk.run(*words, "--help").out for words in commands}


def test_the_readme_works_for_a_newcomer(tmp_path: Path) -> None:
    """The commands of "In two minutes", with a small sample in place of the whole sweep."""
    section = (ROOT / "README.md").read_text().partition("## In two minutes")[2]
    commands = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert commands is not None
    desk = Desk(tmp_path)
    given = [shlex.split(line, comments=True) for line in commands[1].splitlines()]
    assert [words[:2] for words in given[1:]] == [
        ["openbell", "init"],
        ["cd", "demo"],
        ["openbell", "plan"],
        ["openbell", "run"],
        ["openbell", "report"],
    ]
    for words in given[1:]:
        if words[0] == "cd":
            desk.folder = desk.folder / words[1]
            continue
        sample = ["--sample", "4"] if words[1] == "run" else []
        outcome = desk.run(*words[1:], *sample)
        assert outcome.code == 0, outcome.err
    assert (tmp_path / "demo" / "momentum-1.html").exists()


@pytest.mark.parametrize("name", [*VERBS, *AUTOMATIC, *(str(int(code)) for code in ExitCode)])
def test_everything_that_exists_is_named(name: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", TEXT), (
        f"{name} stands nowhere in the documentation"
    )


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_decisions_are_listed() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for record in (ROOT / "docs" / "adr").glob("0*.md"):
        assert record.name in index


def test_nothing_names_a_place_of_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    home = str(Path.home())
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".yaml", ".sh", "") and path.is_file():
            text = path.read_text(errors="replace")
            assert str(ROOT) not in text, name
            assert len(home) < 6 or home not in text, name
