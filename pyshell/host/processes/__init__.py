"""One process that the host has started: its birth, its terminal, its reports, its end.

Runs in: host.
"""
