"""What a persistent query goes through, in order, as far as a client can know."""

from __future__ import annotations

from deephaven_enterprise.proto import persistent_query_pb2 as pq

UNINITIALIZED = pq.PQS_UNINITIALIZED
INITIALIZING = pq.PQS_INITIALIZING
EXECUTING = pq.PQS_EXECUTING
RUNNING = pq.PQS_RUNNING
STOPPING = pq.PQS_STOPPING
STOPPED = pq.PQS_STOPPED
COMPLETED = pq.PQS_COMPLETED
FAILED = pq.PQS_FAILED
ERROR = pq.PQS_ERROR
DISCONNECTED = pq.PQS_DISCONNECTED

BEFORE = (
    UNINITIALIZED,
    pq.PQS_FINDING_DISPATCHER,
    pq.PQS_CONNECTING,
    pq.PQS_AUTHENTICATING,
    pq.PQS_ACQUIRING_WORKER,
    INITIALIZING,
)
"""Until its worker is there. From ACQUIRING_WORKER on, it holds a slot of a server."""

WAITS_FOR_A_SLOT = pq.PQS_FINDING_DISPATCHER
FINAL = frozenset({STOPPED, COMPLETED, FAILED, ERROR, DISCONNECTED})

REPLAY = "ReplayScript"
BATCH = "RunAndDone"


def name(status: int) -> str:
    """The status in one word: `RUNNING`."""
    return str(pq.PersistentQueryStatusEnum.Name(status)).removeprefix("PQS_")
