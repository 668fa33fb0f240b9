"""Take over the definitions of the session that has started this process.

Runs in: a process that multiprocessing started for a cell, while it runs the file that `handing_on.py` wrote.
"""

from __future__ import annotations

import io
import linecache
import pickle
import sys
from pathlib import Path
from typing import Any

from pyshell.worker.pickles import rebuilding
from pyshell.worker.pickles.placeholders import make_placeholder


def fill(variables: dict[str, Any], path: str) -> None:
    """Bind the definitions, and what they use, in the module that is being run."""
    attempts, lost, sources = pickle.loads(Path(path).read_bytes())
    for name, lines in sources.items():
        linecache.cache[name] = (sum(map(len, lines)), None, lines, name)
    for leaf in lost:
        variables[leaf[0]] = make_placeholder(*leaf)
    main = sys.modules["__main__"]
    # Where they look for one another while they are made; multiprocessing makes it `__main__` afterwards, too.
    sys.modules["__main__"] = sys.modules[variables["__name__"]]
    try:
        for stream, buffers in attempts:
            try:
                variables.update(_Unpickler(io.BytesIO(stream), buffers=buffers).load())
                return
            except Exception as exc:  # a value's own code may raise anything
                # A process that ends here would be started again and again by a Pool.
                sys.stderr.write(f"pyshell: not all of the session is there in this process: {exc!r}\n")
    finally:
        sys.modules["__main__"] = main


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == rebuilding.MODULE:
            return rebuilding.REBUILDERS[name]
        if module == "__main__":
            root, _, path = name.partition(".")
            owner = rebuilding.named(root)
            return rebuilding.attribute(owner, path) if path else owner
        return super().find_class(module, name)

    def persistent_load(self, key: str) -> Any:
        return rebuilding.session()
