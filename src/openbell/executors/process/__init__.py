"""Attempts as local processes, each under a supervisor of its own that outlives the engine.

    engine ── zygote ─┬─ shim (one per attempt) ── child and its descendants
                      └─ host (one attempt at a time) ── warm worker and its descendants

What runs outside the engine (`zygote`, `shim`, `host`, `hand`, `watch`, `slate`, `child`, `logfile`,
`kernel`) imports the standard library only, and in a millisecond. The files of an attempt are the truth: a
lock that its shim holds for its whole life, a claim that is taken once, an exit record that appears in one
piece. A host has all three on its slate, for the attempt that it has in hand.
"""
