"""The subcommands of `pyshell`, which `cli` hands over to.

Runs in: clients (Python 3.11 and newer).
"""
