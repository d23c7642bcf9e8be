"""Files that set out to break the reader."""

from __future__ import annotations

import pytest

from openbell.config.expand import malformed
from openbell.config.findings import Severity
from tests.config.conftest import Folder, places
from tests.config.texts import PQ, edited


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("${A:-${B}}", "${A:-${B}"),
        ("${NP-x}", "${NP-x}"),
        ("a ${ X }", "${ X }"),
        ("${open", "${open"),
        ("${}", "${}"),
        ("${A} $${B} ${C:-d}", None),
        ("$HOME $5", None),
    ],
)
def test_what_looks_like_a_reference_and_is_none(text: str, wrong: str | None) -> None:
    assert malformed(text) == wrong


def test_it_is_refused_even_among_the_secrets(folder: Folder) -> None:
    text = edited(PQ, ('password: "${DH_PASSWORD}"', 'password: "${DH-PASSWORD}"'))
    assert [code for code, *_ in folder.errors(text)] == ["OB106"]


@pytest.mark.parametrize("dates", ["{start: 2025-01-01, end: 2024-01-05, calendar: NOPE}"])
def test_wrong_dates_do_not_hide_an_unknown_calendar(folder: Folder, dates: str) -> None:
    native = f"name: p\nsteps:\n  a: {{run: x, matrix: {{date: {dates}}}}}\n"
    native = native.replace("start:", "from:").replace("end:", "to:").replace("calendar:", "sessions:")
    assert {code for code, *_ in folder.errors(native)} == {"OB113", "OB115"}


def test_one_mistake_behind_an_anchor_is_one_finding(folder: Folder) -> None:
    text = (
        "name: p\nsteps:\n  a: {run: x, retry: &r {attempts: 0}}\n  b: {run: x, retry: *r}\n"
        "  c: {run: x, retry: *r}\n"
    )
    assert folder.errors(text) == [("OB104", 3, 36)]


@pytest.mark.parametrize("form", [":c", ":>9999999999", ":.999999999f"])
def test_formats_that_no_machine_could_fill_in(folder: Folder, form: str) -> None:
    text = f'name: p\nsteps:\n  a:\n    run: [echo, "{{n{form}}}"]\n    matrix: {{n: [3000000000]}}\n'
    assert [code for code, *_ in folder.errors(text)] == ["OB121"]


def test_nothing_is_suggested_for_what_is_there(folder: Folder) -> None:
    (folder.path / "job.py").mkdir()
    text = "name: p\nsteps: {a: {script: job.py}}\n"
    (found,) = folder.findings(text)
    assert "did you mean" not in found.help


def test_a_module_whose_name_begins_alike_is_not_deephaven(folder: Folder) -> None:
    (folder.path / "w.py").write_text("import deephavenly\n")
    loaded = folder.load("name: p\nsteps: {a: {script: w.py}}\n")
    assert places(loaded.warnings, Severity.WARNING) == []


def test_a_password_in_the_file_is_warned_of_and_kept_nowhere(folder: Folder) -> None:
    loaded = folder.load(edited(PQ, ('password: "${DH_PASSWORD}"', "password: hunter2")))
    assert [finding.code for finding in loaded.warnings if finding.code == "OB126"] == ["OB126"]
    assert "hunter2" not in repr(loaded.pipeline)
