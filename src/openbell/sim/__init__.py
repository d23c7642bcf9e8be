"""The real core, engine and store in a world that lies, delays, loses and crashes.

In here: simulated time and processes, faults, the laws that must hold, and planted bugs that the
laws must catch. One seed is one world; it repeats exactly.
"""
