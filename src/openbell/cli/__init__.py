"""The command line: one file a group of verbs, loaded when the verb is used.

In here: words, tables, colours, exit codes. Not in here: decisions.
"""
