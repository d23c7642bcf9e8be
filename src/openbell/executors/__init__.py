"""Who does it: the places where attempts run, behind one protocol.

In here: starting, stopping, finding again. Not in here: when, how often, what follows.
"""
