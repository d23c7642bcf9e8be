"""`deephaven:` of a step, of `defaults`, and of `executors`: how its persistent queries are made."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from openbell.config.kinds import Flag, Shape, Text, choice, number


class QueryShape(Shape):
    """A persistent query of Deephaven Enterprise."""

    heap_size_gb: Annotated[float, number(above=0, high=512)] | None = Field(
        None, description="Heap of a query, in GB. Default 4."
    )
    jvm_profile: Text | None = Field(None, description="JVM profile. Default `Default`.")
    server_name: Text | None = Field(None, description="Query server. Default `AutoQuery`.")
    language: Annotated[str, choice("Python", "Groovy")] | None = Field(
        None, description="Language of the script. Default Python."
    )
    delete_successful_queries: Flag | None = Field(
        None, description="Delete a query that has done its work, or was cancelled. Default true."
    )
    delete_failed_queries: Flag | None = Field(
        None, description="Delete a query that has failed. Default false."
    )
    stopped: Annotated[str, choice("success", "failure")] | None = Field(
        None, description="What a query has come to that somebody else has stopped. Default success."
    )
