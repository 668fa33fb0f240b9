"""Make faulthandler's dump readable: leave out the threads and frames that are pyshell's own. Pure.

Runs in: host.
"""

from __future__ import annotations

import re

_SECTION = re.compile(r"^(?=(?:Current thread|Thread) 0x)", re.MULTILINE)
_FRAME = re.compile(r'^  File "([^"]*)"', re.MULTILINE)
_MAIN = "/worker/bootstrap.py"
_MODULES = re.compile(r"\n*^Extension modules: .*\n?", re.MULTILINE)
"""faulthandler ends with the list of all native modules: a screenful as soon as numpy is there."""
_STARTERS = ("/threading.py", "/runpy.py", "<frozen runpy>")


def tidy(dump: str, own: str) -> str:
    """`dump` without the frames of files below the directory `own`, and without the threads that are pyshell's."""
    own = own.rstrip("/") + "/"
    head, *sections = _SECTION.split(_MODULES.sub("\n", dump))
    kept = [_without_frames(section, own) for section in sections if not _is_ours(section, own)]
    return _without_frames(head, own) + "".join(kept)


def _is_ours(section: str, own: str) -> bool:
    """A thread is pyshell's if the code it began with is; the main thread began with ours for the user."""
    files = [file for file in _FRAME.findall(section) if not file.endswith(_STARTERS)]
    return bool(files) and files[-1].startswith(own) and not files[-1].endswith(_MAIN)


def _without_frames(section: str, own: str) -> str:
    lines = section.splitlines(keepends=True)
    return "".join([line for line in lines if not ((found := _FRAME.match(line)) and found.group(1).startswith(own))])
