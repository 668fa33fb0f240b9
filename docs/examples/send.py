"""Send files to a session, a `# %%` cell at a time: `python send.py NAME FILE…`. Stops at the first error.

Runs in: clients. Tracebacks name the files and their lines; the exit status is 1 after an error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pyshell
from pyshell.errors import SessionNotFound


def cells(source: str) -> Iterator[tuple[int, str]]:
    """The number of each cell's first line, and its code."""
    lines = source.splitlines(keepends=True)
    starts = [0, *(number for number, line in enumerate(lines) if re.match(r"# ?%%", line)), len(lines)]
    for start, end in zip(starts, starts[1:], strict=False):
        code = "".join(lines[start:end])
        if code.strip():
            yield start + 1, code


def send(session: pyshell.Session, path: Path) -> bool:
    """Whether all of it ran."""
    for line, code in cells(path.read_text()):
        reply = session.wait(session.execute(code, file=str(path.absolute()), line=line))
        print(reply.output, end="")
        if reply.result is not None:
            print(reply.result)
        if reply.died is not None:
            print(f"{path}:{line}: the worker died: {reply.died.reason}; {len(reply.restored)} names are back")
        if reply.error is not None:
            print(reply.error.traceback, end="")
        if reply.status != "ok":
            return False
    return True


def main(name: str, paths: list[str]) -> int:
    try:
        session = pyshell.connect(name, client="send")
    except SessionNotFound:
        session = pyshell.start(name, client="send")
    with session:
        return 0 if all(send(session, Path(path)) for path in paths) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
