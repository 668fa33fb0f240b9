"""Workers that cannot fork, because the kernel refuses it.

Runs in: tests and benchmarks, on Linux on x86-64.
"""

from __future__ import annotations

from pathlib import Path

REFUSING = """
import ctypes, errno, struct
def refuse_forks():
    "From here on the kernel refuses to fork this process; threads still start."
    load, allow = struct.pack("HBBI", 0x20, 0, 0, 0), struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
    refuse = struct.pack("HBBI", 0x06, 0, 0, 0x50000 | errno.EAGAIN)
    code = load + b"".join([struct.pack("HBBI", 0x15, 0, 1, n) + refuse for n in (56, 57, 58)]) + allow
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
    libc, program = ctypes.CDLL(None, use_errno=True), Program(len(code) // 8, code)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
refuse_forks()
"""


def write_startup(directory: Path) -> str:
    """A file for PYTHONSTARTUP: every worker that reads it has the module `refusing`, and never forks again."""
    (directory / "refusing.py").write_text(REFUSING)
    startup = directory / "startup.py"
    where = repr(str(directory))
    startup.write_text(f"import sys; sys.path.insert(0, {where}); import refusing; del refusing, sys.path[0]")
    return str(startup)
