"""What a cell does outside of its process is noted, by Python's audit events.

Runs in: tests; the watched code in processes of their own, because an audit hook stays for good.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pyshell
from pyshell.worker.outside import may_go_outside

WATCH = """
import sys
from pyshell.worker.outside import Outside
outside = Outside()
outside.begin()
code = sys.stdin.read()
outside.expect([code])
with outside:
    exec(code)
open("unwatched.txt", "w").close()
print(outside.effects)
"""


def effects(code: str, directory: Path, python: str = sys.executable) -> tuple[str, ...]:
    """What is noted of the code, run in that directory."""
    environment = {"PYTHONPATH": str(Path(pyshell.__file__).parents[1]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [python, "-c", WATCH], input=code, cwd=directory, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: tuple[str, ...] = ast.literal_eval(done.stdout.splitlines()[-1])
    return found


SEEN = {
    "open('a.txt', 'w').close(); open('a.txt').close()": ("wrote a.txt",),
    "import pathlib; p = pathlib.Path('b'); p.write_text('x'); p.rename('c')": ("wrote b", "renamed b to c"),
    "import os; os.mkdir('d'); os.rmdir('d')": ("made the directory d", "removed d"),
    "import os; open('e', 'a').close(); os.remove('e')": ("wrote e", "removed e"),
    "import subprocess; subprocess.run(['true', 'a b'])": ("ran true 'a b'",),
    "import subprocess; subprocess.run('exit 0', shell=True)": ("ran exit 0",),
    "import os; os.system('true')": ("ran true",),
    "import sqlite3; sqlite3.connect('f.db').close(); sqlite3.connect(':memory:')": ("opened the database f.db",),
    "import socket; s = socket.socket(); s.connect_ex(('127.0.0.1', 9)); s.close()": ("connected to 127.0.0.1:9",),
    "import threading; t = threading.Thread(target=lambda: open('g', 'w').close()); t.start(); t.join()": ("wrote g",),
    "open('/dev/null', 'w').close(); open('a.txt', 'x').close(); open('a.txt').close()": ("wrote a.txt",),
    "import json, http.client, importlib; open('h.py', 'w').close(); import h": ("wrote h.py",),
}


@pytest.mark.parametrize("code", SEEN)
def test_what_leads_outside_is_told_once_and_in_words(code: str, tmp_path: Path) -> None:
    sys_path = "import sys; sys.path.insert(0, '')\n"
    assert effects(sys_path + code, tmp_path) == SEEN[code]


def test_on_every_python(pythons: dict[str, str], tmp_path: Path) -> None:
    for version, python in pythons.items():
        name = version.replace(".", "_")
        assert effects(f"open('{name}', 'w').close()", tmp_path, python) == (f"wrote {name}",)


@pytest.mark.parametrize("code", ["x = 1", "data.sum()", "def f(n):\n    return n * 2", "copy.deepcopy(y)", "a != b"])
def test_plain_cells_give_no_reason_to_watch(code: str) -> None:
    assert not may_go_outside(code)


@pytest.mark.parametrize("code", ["frame.to_csv(p)", "!ls", "x = !ls", "  %cd ..", "requests.get(u)", "fig.savefig(f)"])
def test_words_and_commands_do(code: str) -> None:
    assert may_go_outside(code)
