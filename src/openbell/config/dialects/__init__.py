"""The sweep files of the two Deephaven orchestrators, accepted as they are.

`pq` is the persistent query orchestrator (replay and batch), `replay` its predecessor. Both come
to a pipeline of one step with a matrix of dates and partitions.
"""
