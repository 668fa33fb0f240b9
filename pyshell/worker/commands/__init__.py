"""What people type that is no Python: `%time f()`, `!ls`, `f?`. The table of commands, and one file per kind of them.

Runs in: worker, on its main thread. Imported when the first command is typed.
"""
