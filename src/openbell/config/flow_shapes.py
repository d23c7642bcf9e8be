"""The keys of a step that say how its tasks follow each other, and what their failure means to others."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from openbell.config.alert_shapes import NoticeShape, OnSuccessShape
from openbell.config.kinds import Flag, Name, Shape, choice


class OnFailureShape(NoticeShape):
    """What becomes of those who need a step that has failed for good, and who is told."""

    fallback: Name | None = Field(
        None,
        description="`last_success`: they go on with the results of its last success in an earlier run, "
        "where there is one. The name of a step: that one runs then, in its place.",
    )
    goes_on: Flag = Field(
        False, alias="continue", description="They go on without it, and the run is `partial` at worst."
    )


class FlowShape(Shape):
    """How the tasks of a step follow each other, and what their failure means to others."""

    hold: Flag = Field(
        False,
        description="A long-running step: started when its time begins, again when it crashes, stopped when "
        "its time ends (`when` with an end, or `stop_at`), and then it has succeeded.",
    )
    sequential: Name | None = Field(
        None,
        description="An axis whose cells run in order, each after the one before it has succeeded: `date`.",
    )
    on_failure: OnFailureShape | None = Field(
        None,
        description="What those who need it can expect when it has failed (default: they are skipped), and "
        "who is told.",
    )
    on_success: OnSuccessShape | None = Field(None, description="Who is told when all of it has succeeded.")
    partial: Annotated[str, choice("ok", "fail")] = Field(
        "fail",
        description="Whether some of its tasks are enough for `needs: [it]`: `ok`, or `fail` (default).",
    )
