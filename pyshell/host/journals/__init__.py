"""What has happened, on disk: cells and events, of this session and of others.

Runs in: host.
"""
