"""A pickle is read without running anything of it.

Runs in: tests.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from pyshell.errors import UsageError
from pyshell.inert import names_in

WRITE = """
import dill, enum, functools, collections, sys
class C:
    def __init__(self): self.v = [1]
class S(C):
    __slots__ = ('a',)
def f(n): return f(n - 1) if n else g
g = f; c = C(); text = 'a' * 200_000; raw = b'1' * 300_000; array = bytearray(300_000)
od = collections.OrderedDict(a=1); dd = collections.defaultdict(list); part = functools.partial(f, 1)
me = sys.modules['__main__']; s = {1, 2}; t = ([], {}); l = [c, c]; kind = type('Made', (), {})
dill.dump_module(sys.argv[1])
"""


class Touch:
    """Makes a file when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.pkl"


def test_the_names_of_a_program_are_told(file: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE, str(file)], check=True)
    names = [name for name in names_in(file) if not name.startswith("__")]
    assert " ".join(names) == "dill enum functools collections sys C S f g c text raw array od dd part me s t l kind"


def test_nothing_of_it_runs(file: Path, tmp_path: Path) -> None:
    victim = tmp_path / "made"
    program = f"""
import dill, os
class Touch:
    def __reduce__(self): return os.mkdir, ({str(victim)!r},)
t = Touch()
dill.dump_module({str(file)!r})
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert "t" in names_in(file) and not victim.exists()


@pytest.mark.parametrize("code", [pickle.EXT1 + b"\1.", pickle.PERSID + b"x\n.", b"cos\nsystem\n(S'true'\ntR."])
def test_whatever_a_pickle_can_ask_for_is_not_done(file: Path, code: bytes) -> None:
    file.write_bytes(code)
    with pytest.raises(UsageError, match="not one of dill.dump_module"):
        names_in(file)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_something_else_is_refused_unopened(file: Path, tmp_path: Path, protocol: int) -> None:
    victim = tmp_path / "made"
    for value in (Touch(str(victim)), {"a": 1}, [b"1" * 100_000], None, Path("x"), ValueError("x"), {1.5, "a"}):
        file.write_bytes(pickle.dumps(value, protocol))
        with pytest.raises(UsageError, match="not one of dill.dump_module"):
            names_in(file)
    assert not victim.exists()


@pytest.mark.parametrize(
    "data", [b"", b"text\n", b"\x80\x05", b"\x80\x05B\xff\xff\xff\xffab", b"\0" * 100, b"\x80\x05R."]
)
def test_what_is_no_pickle_is_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(UsageError, match="is no file of dill.dump_module"):
        names_in(file)


def test_another_modules_dump_is_refused(file: Path) -> None:
    program = f"import dill, types; m = types.ModuleType('m'); m.x = 1; dill.dump_module({str(file)!r}, module=m)"
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(UsageError, match="another module than __main__"):
        names_in(file)


def test_what_cannot_be_read_is_told(file: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        names_in(file)
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        names_in(file.parent)
