"""What happens in the world of files: what has arrived and settled, and putting away what is consumed.

In here: one thread that sleeps until the kernel has news of a folder, or a settle time is over. Not in
here: which files anybody takes (that is the core's), and the journal.
"""
