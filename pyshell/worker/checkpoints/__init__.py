"""Save the namespace and bring it back: what is saved when and by whom, and what is loaded before which cell.

Runs in: worker, and in the children that save.
"""
