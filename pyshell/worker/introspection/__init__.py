"""What is told of names and values while cells run: completion, signatures, variables. No code of theirs is run.

Runs in: worker.
"""
