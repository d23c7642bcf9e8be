"""What we remember: the journal, and the projections that a new engine loads.

In here: one protocol, a memory and a SQL store that pass the same contract. Not in here: policy.
Rows stay inside; what comes out are core objects and the frozen records of `records`.
"""
