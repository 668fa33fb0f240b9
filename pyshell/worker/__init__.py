"""The worker: the process that runs the user's code, in the interpreter that the user chose.

Runs in: worker (Python 3.10 and newer).

`bootstrap.py` is its first code, `start.py` puts it together, `executor.py` is the loop of its main thread, and
`cell.py` runs one cell. What is saved and loaded when is in `checkpoints`, how values become pickles in `pickles`, what
is told of them while cells run in `introspection`, the `%` commands are in `commands`.
"""
