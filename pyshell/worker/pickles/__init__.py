"""How a value becomes a pickle and comes back: by name or by value, whole, in part, or with a reason why not.

Runs in: worker, and in the children that save.
"""
