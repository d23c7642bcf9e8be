"""No secret reaches what is recorded."""

from __future__ import annotations

import pytest

from openbell.store.codec import encode_pipeline
from tests.config.conftest import Folder
from tests.config.texts import LOGIN, PQ, PQ_BATCH, REPLAY, edited

SECRET = "correct horse battery staple"


@pytest.mark.parametrize("on", [None, "process"])
@pytest.mark.parametrize("text", [PQ, PQ_BATCH, REPLAY])
def test_no_secret_reaches_the_definition_of_a_sweep(folder: Folder, text: str, on: str | None) -> None:
    text = edited(
        text, ('CUSTOM_PARAM: "value"', "TOKEN: ${DH_PASSWORD}\n  URL: 'https://u:${DH_PASSWORD}@host'")
    )
    loaded = folder.load(text, LOGIN, on=on, starting=True)
    stored = encode_pipeline(loaded.pipeline)
    assert SECRET not in stored
    assert "somebody" not in stored
    assert loaded.pipeline.steps[0].env["URL"] == "https://u:${DH_PASSWORD}@host"


def test_no_secret_reaches_the_definition_of_a_pipeline(folder: Folder) -> None:
    text = """\
name: n
env: {A: "${PASSWORD}", B: "${ALSO:-x}"}
defaults: {env: {C: "${PASSWORD}"}}
steps:
  a:
    run: x
    env: {D: "${PASSWORD}", E: "$${PASSWORD}"}
"""
    loaded = folder.load(text, {"PASSWORD": SECRET, "ALSO": SECRET}, starting=True)
    assert SECRET not in encode_pipeline(loaded.pipeline)
    assert loaded.pipeline.steps[0].env == {
        "A": "${PASSWORD}",
        "B": "${ALSO:-x}",
        "C": "${PASSWORD}",
        "D": "${PASSWORD}",
        "E": "$${PASSWORD}",
    }


def test_the_plan_is_the_same_whatever_the_secret(folder: Folder) -> None:
    assert folder.load(PQ, LOGIN).digest == folder.load(PQ, dict.fromkeys(LOGIN, "another")).digest


def test_an_alias_of_a_secret_is_kept_too(folder: Folder) -> None:
    text = edited(PQ, ('password: "${DH_PASSWORD}"', 'password: &p "${DH_PASSWORD}"'), ('"value"', "*p"))
    assert SECRET not in encode_pipeline(folder.load(text, LOGIN).pipeline)
