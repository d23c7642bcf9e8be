"""The runtime `deephaven-core`: the embedded Community engine, made to look like a worker of Enterprise.

    python -m openbell.runtimes.deephaven_core worker.py

A script finds `db`, the serial of its query, `stop_and_wait`, and the clock of its date; a replay is carried
out by the event-driven update graph on the script's own thread, step by step, so that two runs give the same.
Nothing is imported from here but by the host itself: the engine needs a Java virtual machine.
"""
