"""What the user wrote: YAML in, a core model out, every finding with file, line and column.

In here: the native language, the dialects of the old orchestrators, projects. Not in here: running.
"""
