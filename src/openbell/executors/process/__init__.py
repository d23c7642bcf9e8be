"""Attempts as local processes, each under a supervisor of its own that outlives the engine.

    engine ── zygote ── shim (one per attempt) ── child and its descendants

`zygote`, `shim`, `child`, `logfile` and `kernel` run outside the engine: standard library only, and
importable in a millisecond. The files of an attempt are the truth: a lock that the shim holds for
its whole life, a claim that is taken once, an exit record that appears in one piece.
"""
