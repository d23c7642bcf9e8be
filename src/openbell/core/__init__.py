"""What should happen: the pure core.

In here: the model, the one state machine, and three functions over it:

    decide(state, now)   -> what to do next, and when to ask again
    evolve(state, event)    the only writer
    explain(state, ...)  -> why a task has not started

Not in here: clocks, randomness, I/O, logging, threads. `now` is always a parameter.
"""
