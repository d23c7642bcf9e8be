"""Attempts as persistent queries of Deephaven Enterprise.

    engine ── executor ── link (one per login) ═ JSON lines ═ gateway process ── the real client ── controller

The client pins versions, starts threads and may wait for minutes; it lives in a process of its own, of the
interpreter that has the extra `deephaven`. Whatever goes wrong there, the gateway ends, and the next one
begins with a login and a snapshot. A query is found again by its owner, its name and the attempt that stands
in its environment; nothing that somebody else has made is ever stopped or deleted.
"""
