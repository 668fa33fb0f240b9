"""Other protocols' ways to a session: each speaks its own to a client, and pyshell's own API to the host.

Runs in: clients (Python 3.11 and newer).
"""
