"""`openbell validate` of a whole project."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Desk

STEPS = "steps: {a: {run: 'true'}}\n"


@pytest.fixture
def project(desk: Desk) -> Desk:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/us.yaml", f"name: us\nmarket: XNYS\ntriggers: [session]\n{STEPS}")
    desk.write("pipelines/book.yaml", f"name: book\ntriggers: [{{after: us}}]\n{STEPS}")
    return desk


@pytest.mark.parametrize("words", [(), (".",), ("pipelines",)])
def test_all_is_well(project: Desk, words: tuple[str, ...]) -> None:
    done = project.run("validate", *words)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "openbell.yaml: valid (project)",
        "pipelines/book.yaml: valid, 1 task (native)",
        "pipelines/us.yaml: valid, 1 task (native)",
    ]


def test_what_pipelines_say_about_each_other(project: Desk) -> None:
    project.write(
        "pipelines/book.yaml", f"name: book\ntriggers: [session, {{after: uss}}]\nmarket: XNYS\n{STEPS}"
    )
    project.write("pipelines/us2.yaml", f"name: us\n{STEPS}")
    done = project.run("validate")
    assert done.code == 65
    assert "error[OB130]: `us` is the name of us.yaml too" in done.err
    assert "pipelines/us2.yaml:1:7" in done.err
    project.run("validate")
    (project.folder / "pipelines/us2.yaml").unlink()
    done = project.run("validate", "-o", "json")
    assert done.code == 65
    found = {one["file"]: one for one in json.loads(done.out)}
    assert [name for name, one in found.items() if not one["valid"]] == ["pipelines/book.yaml"]
    [finding] = found["pipelines/book.yaml"]["findings"]
    assert (finding["code"], finding["line"], finding["column"]) == ("OB131", 2, 29)
    assert finding["help"] == "did you mean `us`?"


def test_a_circle_is_told_in_each_of_its_files(project: Desk) -> None:
    project.write("pipelines/us.yaml", f"name: us\ntriggers: [{{after: book}}]\n{STEPS}")
    done = project.run("validate")
    assert done.code == 65
    assert "these pipelines wait for each other: us -> book -> us" in done.err
    assert "these pipelines wait for each other: book -> us -> book" in done.err


def test_each_file_is_told_once(project: Desk) -> None:
    project.write("pipelines/bad.yaml", f"name: bad\ntriggers: [sesion]\nstepz: 1\n{STEPS}")
    project.write("pipelines/torn.yaml", "name: [torn\n")
    done = project.run("validate")
    assert done.code == 65
    assert (
        done.err.count("error[OB103]")
        == done.err.count("error[OB101]")
        == done.err.count("error[OB108]")
        == 1
    )
    assert "pipelines/us.yaml: valid" in done.out


def test_the_files_of_a_single_folder(desk: Desk) -> None:
    desk.write("us.yaml", f"name: us\n{STEPS}")
    desk.write("notes.yaml", "just: notes\n")
    done = desk.run("validate")
    assert (done.code, done.out) == (0, "us.yaml: valid, 1 task (native)\n")


def test_a_project_that_is_wrong_itself(project: Desk) -> None:
    project.write("openbell.yaml", "stroe: x\n")
    done = project.run("validate")
    assert done.code == 65
    assert "did you mean `store`?" in done.err


def test_a_folder_without_pipelines(desk: Desk) -> None:
    done = desk.run("validate")
    assert done.code == 64
    assert "there is no pipeline in" in done.err


def test_variables_that_are_not_set_are_warnings(project: Desk) -> None:
    project.write("pipelines/us.yaml", f"name: us\nenv: {{X: '${{NOT_SET_ANYWHERE}}'}}\n{STEPS}")
    done = project.run("validate")
    assert (done.code, "warning[OB107]" in done.err) == (0, True), done.err
