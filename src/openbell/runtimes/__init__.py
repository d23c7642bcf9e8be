"""What a worker script finds around it, other than plain Python. A leaf: nothing of the house imports it.

Its code runs in the interpreter of the workers, which need not have anything of openbell installed: what a
runtime imports of the house is the standard library's (`worker`, `replay.layout`, `errors`).
"""
