"""Every code of a finding, and what it means. `openbell explain CODE` prints these."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    title: str
    text: str


CODES: dict[str, Code] = {
    "OB101": Code(
        "unknown field",
        "The file has a key that does not exist at this place. A typo, most often: "
        "the nearest name is given. Keys of other programs are not skipped in silence.",
    ),
    "OB102": Code("missing field", "A key that has no default is not there."),
    "OB103": Code(
        "wrong type",
        "The value is of another kind than the key takes. A boolean is no number, a "
        "quoted number is text, and nothing (`null`) is no mapping.",
    ),
    "OB104": Code("out of range", "The value is of the right kind, but too small, too large, or empty."),
    "OB105": Code("not one of the choices", "The key takes a fixed set of words."),
    "OB106": Code(
        "bad format",
        "A date is YYYY-MM-DD, a time is HH:MM:SS, a duration is a number with a "
        "unit (30s, 10m, 2h, 1d), a size is a number with a unit (500MB, 8GB).",
    ),
    "OB107": Code(
        "environment variable not set",
        "`${VAR}` names a variable that is not set. `${VAR:-default}` "
        "gives a default, `$${` stands for the characters `${`. While nothing is started yet "
        "(validate, plan) this is a warning, unless the plan depends on the value.",
    ),
    "OB108": Code("not valid YAML", "The file cannot be parsed as YAML 1.2, or is not one mapping."),
    "OB109": Code("duplicate key", "A key occurs twice in one mapping; which one is meant is a guess."),
    "OB110": Code(
        "not accepted",
        "Tags, aliases that contain themselves or multiply without end, and files of "
        "absurd depth or size are refused: a configuration is data.",
    ),
    "OB111": Code("fields that exclude each other", "Exactly one of these keys has to be there."),
    "OB112": Code(
        "file or folder not usable",
        "A path in the file leads nowhere, or to something that cannot "
        "be read. Paths are relative to the folder of the file that names them.",
    ),
    "OB113": Code("unknown market", "No calendar and no alias of that name."),
    "OB114": Code("nothing to do", "The dates or another axis come to nothing: there is not one cell."),
    "OB115": Code("dates in the wrong order", "The start lies after the end."),
    "OB116": Code("unknown step", "`needs` names a step that this pipeline does not have."),
    "OB117": Code("cycle", "Steps wait for each other in a circle; none could ever start."),
    "OB118": Code(
        "name not usable",
        "Names become parts of paths and ids: letters, digits, `.`, `_` and `-`, "
        "the first one a letter or digit, at most 100 characters.",
    ),
    "OB119": Code(
        "weekdays that are no sessions",
        "`weekdays_only` skips Saturdays and Sundays, not holidays. "
        "The dates named here have no session; `dates: {calendar: XNYS}` leaves them out.",
    ),
    "OB120": Code(
        "executor not available",
        "The place where the tasks should run is not there. `--on process` runs them on this machine.",
    ),
    "OB121": Code(
        "template",
        "`{name}` in a command names something that the task does not have. `{{` and `}}` stand for braces.",
    ),
    "OB122": Code("reserved variable", "openbell sets this environment variable itself."),
    "OB123": Code("outside the calendar", "The calendar does not cover these dates."),
    "OB124": Code(
        "worker",
        "The worker script, or the callable, cannot run here: it is not there, does not parse, or needs a "
        "language or a library that this machine's executor does not offer.",
    ),
    "OB125": Code(
        "unknown mode or step",
        "`--mode`, `default_mode` or the steps of a mode, or `--steps`, name something that the pipeline "
        "does not have. `book` is a step, `+book` comes with all that it needs, `book+` with all that needs "
        "it.",
    ),
    "OB126": Code(
        "secret in a file",
        "Secrets belong into the environment: `${VAR}` refers to one, and its value is stored nowhere.",
    ),
    "OB127": Code(
        "overlay",
        "An overlay closes a date, changes its hours, or adds a session. This one contradicts itself, "
        "the calendar, or another overlay, or cannot be read.",
    ),
    "OB129": Code(
        "trigger",
        "What a trigger needs is missing: a cron has a time zone, its own or the pipeline's; sessions and "
        "points of a day belong to the pipeline's `market`; the pipelines of one `after` have a market all "
        "of them, or none.",
    ),
    "OB130": Code("two of one name", "Two pipelines of a project have the same name."),
    "OB131": Code("unknown pipeline", "A trigger comes `after` a pipeline that the project does not have."),
    "OB128": Code(
        "session",
        "A step with `when` and a command with `{session}` live in the sessions of the pipeline's `market`. "
        "`--date` names one; without it, it is that of now.",
    ),
    "OB160": Code(
        "channel",
        "`notify`, `escalate` and the severities of `alerts` name channels: those that `openbell.yaml` has "
        "under `alerts: {channels: ...}`, and `log`, which is always there.",
    ),
    "OB151": Code(
        "data set",
        "A step requires a data set that no step of the project provides: it would wait for ever.",
    ),
    "OB152": Code(
        "pool",
        "`resources` of a step names a pool that `openbell.yaml` gives no size: as many tasks as there are "
        "slots may take from it.",
    ),
    "OB150": Code(
        "file of values",
        "An axis takes its values from a file (`from_file`). This one cannot be read, or lacks the column.",
    ),
    "OB140": Code(
        "cells",
        "`needs: {a: same}` waits for the cell of `a` with the same coordinates: every axis of `a` has to be "
        "one of the step's, and the values of that have to occur in `a`. `sequential` names an axis of its "
        "own step.",
    ),
}
