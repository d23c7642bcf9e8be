"""The shell around the core: it carries facts in and actions out, and decides nothing.

In here: the inbox, the turn, recovery, who leads, what a signal does.
"""
