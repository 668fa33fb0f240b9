"""The worker: the process that runs the user's code, in the interpreter that the user chose.

Runs in: worker (Python 3.10 and newer).
"""
