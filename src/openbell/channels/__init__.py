"""Where alerts go. One protocol; a file, and any program.

Not in here: what is worth an alert, when it is tried again, and what is recorded of that.
"""
