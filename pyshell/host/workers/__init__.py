"""One worker after the other: which state it gets, how it is stopped, what follows its death.

Runs in: host.
"""
