"""What `import openbell as ob` offers to scripts and notebooks: define, plan, run, and read what came out.

It says nothing of its own: definitions go the way of every file, runs that of the command line, and what
is read is what the store has.
"""
