"""Writes what is made from the code: configuration.md, states.md, and the picture of market time.

`make docs` rewrites them; a test fails when they are not what the code says.
"""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from openbell.config.codes import CODES
from openbell.config.schema import SUBJECTS, describe
from openbell.core import events, gates, requests
from openbell.core.states import TRANSITIONS, FailureKind, RunState, StopReason, TaskState
from openbell.errors import ExitCode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from market_day import picture  # noqa: E402  # stands beside this file


def configuration() -> str:
    """Every key of every kind of file, and every code of a finding."""
    lines = [
        "# Configuration",
        "",
        "<!-- made by docs/generate.py: edit the shapes in src/openbell/config instead -->",
        "",
        "YAML 1.2. One file is one pipeline; `openbell.yaml` beside it, or above, holds what the pipelines",
        "of a folder share. Unknown keys are errors, with the nearest name. Paths are relative to the folder",
        "of the file that names them. Durations are `30s`, `10m`, `2h`, `1d`; sizes `500MB`, `8GB`.",
        "",
        "`${VAR}` and `${VAR:-default}` stand for environment variables, in values only; `$${` stands for",
        "`${`. An unquoted value means afterwards what its new text means: `concurrency: ${N}` is a number.",
        "",
        "`openbell validate FILE` shows every finding at once; `openbell schema` prints JSON Schema for",
        "editors; `openbell explain FIELD` prints one line of this page.",
        "",
    ]
    for subject, (shape, file) in SUBJECTS.items():
        lines += [f"## {file[0].upper()}{file[1:]}", "", f"{inspect.getdoc(shape)}", ""]
        lines += ["| key | kind | default | |", "|---|---|---|---|"]
        for field in describe("", subject):
            default = (
                "required" if field.required else f"`{field.default}`" if field.default != "none" else ""
            )
            kind = field.kind.replace("|", "\\|")
            lines.append(f"| `{field.path}` | {kind} | {default} | {field.text} |")
        lines.append("")
    lines += ["## Codes of findings", "", "| code | | |", "|---|---|---|"]
    lines += [f"| `{code}` | {text.title} | {text.text} |" for code, text in CODES.items()]
    return "\n".join(lines) + "\n"


def states() -> str:
    """The state machine, the events, the gates, the exit codes."""
    lines = [
        "# States and events",
        "",
        "<!-- made by docs/generate.py: edit src/openbell/core instead -->",
        "",
        "One task is one cell of a step of a run. `ready`, `blocked`, `retrying` and `scheduled` are no",
        "states: they are WAITING plus its blockers.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> WAITING",
    ]
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, verb), to in TRANSITIONS.items():
        arrows[state.name, to.name].append(verb.value)
    lines += [f"    {source} --> {to}: {', '.join(verbs)}" for (source, to), verbs in arrows.items()]
    lines += ["```", "", *_members(TaskState), "", "## Runs", ""]
    lines += ["A run's state is a fold of its tasks and of its brake: " + _words(RunState) + ".", ""]
    lines += ["## Failures and stops", "", "Kinds of failures:", "", *_members(FailureKind), ""]
    lines += ["Reasons for stopping an attempt:", "", *_members(StopReason), ""]
    lines += ["## Gates", "", "Asked in this order; `openbell why` tells all that do not let through.", ""]
    lines += [f"- **{name}**: {_first(function)}" for name, function in _gates()]
    lines += ["- **not_before**: a retry waits for its time.", ""]
    lines += [
        "## The journal",
        "",
        "Actions, which we decide:",
        "",
        *_classes(events.Action.__args__),
        "",
    ]
    lines += ["Facts, which the world reports:", "", *_classes(events.Fact.__args__), ""]
    lines += ["## Requests", "", *_classes(requests.Request.__args__), ""]
    lines += ["## Exit codes", "", "| code | |", "|---|---|"]
    lines += [f"| {code.value} | {code.name.lower().replace('_', ' ')} |" for code in ExitCode]
    return "\n".join(lines) + "\n"


def _gates() -> Iterator[tuple[str, object]]:
    for function in (*gates.GATES, gates.slots):
        yield function.__name__, function


def _first(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


def _classes(classes: tuple[type, ...]) -> list[str]:
    own = [cls for cls in classes if "(" not in _first(cls) or not _first(cls).startswith(cls.__name__)]
    assert len(own) == len(classes), "an event has no docstring of its own"
    return [f"- `{cls.__name__}`: {_first(cls)}" for cls in classes]


def _members(kind: type[Enum]) -> list[str]:
    """The members of an enum with the text that stands under each of them in the source."""
    texts: dict[str, str] = {}
    name = ""
    for line in inspect.getsource(kind).splitlines():
        word = line.strip().split(" = ")[0]
        if word in kind.__members__:
            name = word
        elif line.strip().startswith('"""') and name:
            texts.setdefault(name, line.strip().strip('"'))
    return [f"- **{name}**" + (f": {texts[name]}" if name in texts else "") for name in kind.__members__]


def _words(kind: type[Enum]) -> str:
    return ", ".join(f"`{member.value}`" for member in kind)


PAGES = {"configuration.md": configuration, "states.md": states, "market-day.svg": picture}


def main() -> None:
    for name, make in PAGES.items():
        (HERE / name).write_text(make())
        print(f"docs/{name}", file=sys.stderr)


if __name__ == "__main__":
    main()
