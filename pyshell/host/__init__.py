"""The host: one small process per session that keeps the worker, the journal and the checkpoints.

Runs in: host. It never runs user code: no exec, no eval, no unpickling.
"""
