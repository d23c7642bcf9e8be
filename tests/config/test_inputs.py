"""What a step takes in, as it is written: files with their options, axes out of files and results."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openbell.core.freshness import Required
from openbell.core.inputs import Absent, Consume, Files, Signal
from openbell.core.matrix import Axis
from openbell.core.model import Need
from tests.config.conftest import Folder, expect_step


def of(folder: Folder, keys: str) -> Files:
    """The files of a step with these keys."""
    files = folder.load(f"name: n\nsteps: {{a: {{run: x, {keys}}}}}\n").pipeline.steps[0].files
    assert files is not None
    return files


def test_a_pattern_is_relative_to_the_file(folder: Folder) -> None:
    here = str(folder.path)
    assert of(folder, "files: data/*.csv") == Files((f"{here}/data/*.csv",))
    assert of(folder, "files: [./a/../b/*.csv, /x/**/*.txt]").globs == (f"{here}/b/*.csv", "/x/**/*.txt")


def test_options_stand_in_the_step_or_in_files(folder: Folder) -> None:
    here = str(folder.path)
    short = of(
        folder,
        "files: x/*, settle: 0s, absent: skip, consume: archive, archive: 'done/{run}', stalled: 5m, "
        "signal: {complete: x/done*.json}",
    )
    long = of(
        folder,
        "files: {glob: x/*, settle: 0s, absent: skip, consume: archive, archive: 'done/{run}', stalled: 5m, "
        "signal: {complete: x/done*.json}}",
    )
    assert short == long
    assert short == Files(
        (f"{here}/x/*",),
        settle=timedelta(0),
        signal=Signal(f"{here}/x/done*.json"),
        stalled=timedelta(minutes=5),
        absent=Absent.SKIP,
        consume=Consume.ARCHIVE,
        archive="done/{run}",
    )


def test_who_waits_for_a_time_fails_after_it(folder: Folder) -> None:
    assert of(folder, "files: {glob: x/*, timeout: 60m}").absent is Absent.FAIL
    assert of(folder, "files: {glob: x/*, timeout: 60m, absent: skip}").absent is Absent.SKIP


def test_axes_whose_values_come_later(folder: Folder) -> None:
    text = (
        "name: n\nsteps:\n  u: {run: x}\n  a: {run: 'x {file} {sym}', matrix: {file: {files: in/*}, "
        "sym: {result: u.symbols}}, consume: delete}\n"
    )
    step = folder.load(text).pipeline.step("a")
    assert step.matrix.axes == (Axis("file", (), source="files"), Axis("sym", (), source="u.symbols"))
    assert step.needs == (Need("u"),)
    assert step.files is not None
    assert (step.files.axis, step.files.consume) == ("file", Consume.DELETE)
    assert len(step.matrix) == 1


def test_an_axis_out_of_a_file(folder: Folder) -> None:
    folder.write("Name,Sym\nA,ES\nB,NQ\nC,\n", "universe.csv")
    folder.write("\ufeffES\n\n# comment\n NQ \n", "list.txt")
    for source in ("{from_file: universe.csv, column: Sym}", "{from_file: list.txt}"):
        step = folder.load(f"name: n\nsteps: {{a: {{run: 'x {{sym}}', matrix: {{sym: {source}}}}}}}\n")
        assert step.pipeline.steps[0].matrix.axes == (Axis("sym", ("ES", "NQ")),)


@pytest.mark.parametrize(
    ("text", "axis", "code", "told"),
    [
        ("a,b\n1,2\n", "{▸from_file: u.csv}", "OB150", "several columns"),
        ("a,b\n1,2\n", "{from_file: u.csv, column: ▸c}", "OB150", "no column `c`"),
        ("a\n1\n1\n", "{from_file: ▸u.csv}", "OB109", "'1' twice, on the lines 2 and 3"),
        ("a\n", "{from_file: ▸u.csv}", "OB114", "has no values"),
        ('a\n"x', "{from_file: ▸u.csv}", "OB150", "is no CSV file"),
        ("", "{from_file: ▸v.csv}", "OB112", "does not exist"),
    ],
)
def test_what_is_wrong_with_a_file_of_values(
    folder: Folder, text: str, axis: str, code: str, told: str
) -> None:
    folder.write(text, "u.csv")
    (found,) = folder.findings(f"name: n\nsteps: {{a: {{run: x, matrix: {{s: {axis.replace('▸', '')}}}}}}}\n")
    assert found.code == code
    assert told in found.message


@pytest.mark.parametrize(
    ("keys", "codes"),
    [
        ("files: ▸5", ["OB103"]),
        ("files: ▸[]", ["OB104"]),
        ("files: ▸data/", ["OB106"]),
        ("files: [x, ▸5]", ["OB103"]),
        ("files: {▸globb: x}", ["OB101"]),
        ("files: ▸{settle: 5s}", ["OB102"]),
        ("files: {glob: x, settle: ▸5}", ["OB106"]),
        ("files: x, absent: ▸never", ["OB105"]),
        ("files: x, consume: ▸eat", ["OB105"]),
        ("▸settle: 5s", ["OB111"]),
        ("▸absent: skip", ["OB111"]),
        ("files: {glob: x, settle: 5s}, ▸settle: 5s", ["OB111"]),
        ("files: {glob: x, ▸timeout: 5s, absent: wait}", ["OB111"]),
        ("files: x, ▸archive: old", ["OB111"]),
        ("files: x, ▸stalled: 5m", ["OB111"]),
        ("files: x, signal: ▸{start: y}", ["OB102"]),
        ("▸files: x, matrix: {f: {files: y}}", ["OB111"]),
        ("matrix: {f: {files: x}, ▸g: {files: y}}", ["OB111"]),
        ("matrix: {f: {files: ▸5}}", ["OB103"]),
        ("matrix: {f: {files: x, ▸colum: y}}", ["OB101"]),
        ("matrix: {f: {result: ▸nowhere}}", ["OB106", "OB116"]),
        ("matrix: {f: {result: ▸b.symbols}}", ["OB116"]),
        ("matrix: {f: {result: ▸a.symbols}}", ["OB117"]),
        ("files: '▸in/{nothing}/*'", ["OB121"]),
        ("files: '▸in/{i}/*', matrix: {i: 3}", ["OB121"]),
        ("files: x, consume: archive, archive: '{wrong}'", ["OB121"]),
    ],
)
def test_what_is_wrong(folder: Folder, keys: str, codes: list[str]) -> None:
    found = folder.findings(f"name: n\nsteps: {{a: {{run: x, {keys.replace('▸', '')}}}}}\n")
    assert {one.code for one in found} <= set(codes)
    assert found


def test_a_cell_of_files_is_nobodys_like(folder: Folder) -> None:
    text = (
        "name: n\nsteps:\n  a: {run: x, matrix: {f: {files: y}}}\n"
        "  b: {run: x, needs: {a: same}, matrix: {f: {files: y}}}\n"
    )
    (found,) = folder.findings(text)
    assert found.code == "OB140"


def test_sessions_in_patterns_bind_the_pipeline(folder: Folder) -> None:
    text = "name: n\nmarket: XNYS\nsteps: {a: {run: x, files: 'in/{session:%Y%m%d}/*'}}\n"
    assert "session" in folder.load(text).pipeline.sessions


def test_what_is_taken_in_makes_another_plan(folder: Folder) -> None:
    digests = {
        folder.load(f"name: n\nsteps: {{u: {{run: x}}, a: {{run: x, {keys}}}}}\n").digest
        for keys in (
            "files: x/*",
            "files: y/*",
            "matrix: {f: {files: x/*}}",
            "matrix: {f: {result: u.x}}",
            "matrix: {f: {result: u.y}}",
            "env: {}",
        )
    }
    assert len(digests) == 6
    one = folder.load("name: n\nsteps: {a: {run: x, files: x/*}}\n").digest
    assert (
        one == folder.load("name: n\nsteps: {a: {run: x, files: x/*, settle: 9s, consume: delete}}\n").digest
    )


def test_a_key_that_is_wrong_is_told_once(folder: Folder) -> None:
    expect_step(folder, "run: x\nfiles: {glob: x/*, ▸setle: 5s}", "OB101")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("requires: 5", "OB103"),
        ("requires: []", "OB103"),
        ("requires: {x: soon}", "OB106"),
        ("requires: {x: 5}", "OB106"),
        ("requires: [a b]", "OB118"),
        ("requires: [prices]", "OB151"),
        ("requires: {prices: 2 sessions}, provides: [prices]", "OB128"),
    ],
)
def test_what_is_wrong_with_data_sets(folder: Folder, text: str, code: str) -> None:
    found = folder.findings(f"name: n\nsteps: {{a: {{run: x, {text}}}}}\n")
    assert [one.code for one in found] == [code]


def test_data_sets(folder: Folder) -> None:
    text = (
        "name: n\nmarket: XNYS\nsteps:\n  a: {run: x, provides: [p, q]}\n"
        "  b: {run: x, requires: {p: 90m, q: 2 sessions}}\n  c: {run: x, requires: [p]}\n"
    )
    pipeline = folder.load(text).pipeline
    assert pipeline.step("b").requires == (
        Required("p", age=timedelta(minutes=90), providers=("n/a",)),
        Required("q", sessions=2, providers=("n/a",)),
    )
    assert pipeline.step("c").requires[0].age == timedelta(hours=24)
    assert {"session", "session-2"} <= pipeline.sessions.keys()
