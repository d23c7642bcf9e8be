"""Checks of a machine and of a project: what is found, whether that will do, and what to do about it.

A check is a function from a `Place` to verdicts, and a line in `checks.CHECKS`. It changes nothing and asks
nobody but this machine.
"""
