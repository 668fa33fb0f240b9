"""What is saved: checkpoints that are committed, listed, compared and tried out.

Runs in: host.
"""
