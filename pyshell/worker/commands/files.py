"""Commands about files of code: run, load, save, edit, write them.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import ast
import inspect
import os
import runpy
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

from pyshell.errors import UsageError
from pyshell.protocol import Draft
from pyshell.worker.commands import foreground, timing
from pyshell.worker.commands.call import Call
from pyshell.worker.commands.past import cells_of
from pyshell.worker.commands.source import parse_with_commands

EDITORS = ("VISUAL", "EDITOR")


def run(call: Call) -> None:
    """%run [-i] [-n] [-t] [-e] FILE [ARGUMENTS], %run -m MODULE [ARGUMENTS]

    Runs a file as `python FILE` would, and leaves what it has bound in your namespace. It does not see your
    names, unless `-i` is given; where it binds one of them, yours is replaced. `-n` runs it as an import does,
    not as `__main__`; `-t` says how long it took; `-e` passes over its `sys.exit()`. Its functions see your
    names afterwards, as functions typed at the prompt do.
    """
    options, rest = call.options("intem!")
    words = shlex.split(call.filled(rest))
    if "m" not in options and not words:
        raise UsageError("which file? %run FILE [ARGUMENTS]")
    module = options.get("m")
    path = None if module else _script(words[0])
    arguments = [module or "", *words] if module else [str(path), *words[1:]]
    call.shell.runner.note(None)
    started = time.perf_counter()
    with _as_program(arguments, path), _own_names(call, "i" in options):
        try:
            if module:
                call.variables.update(_public(runpy.run_module(module, run_name="__main__", alter_sys=True)))
            else:
                assert path is not None
                _run_file(call, path, "__main__" if "n" not in options else path.stem)
        except SystemExit as exc:
            if "e" not in options and exc.code not in (None, 0):
                raise
    if "t" in options:
        print(f"Wall time: {timing.readable(time.perf_counter() - started)}")


def _script(word: str) -> Path:
    path = Path(word).expanduser()
    found = [candidate for candidate in (path, path.with_name(path.name + ".py")) if candidate.is_file()]
    if not found:
        raise UsageError(f"there is no file {word} in {os.getcwd()}; %cd goes elsewhere")
    return found[0].absolute()


def _run_file(call: Call, path: Path, name: str) -> None:
    variables = call.variables
    code = _compiled(path)
    call.shell.runner.watch(code)
    variables.update(__name__=name, __file__=str(path))
    try:
        exec(code, variables)
    finally:
        variables["__name__"] = "__main__"
        variables.pop("__file__", None)


def _compiled(path: Path) -> CodeType:
    try:
        return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as exc:  # what %save has written may have commands in it
        tree = parse_with_commands(path.read_text(), str(path), ast.PyCF_ONLY_AST, exc)
        return compile(tree, str(path), "exec", dont_inherit=True)


@contextmanager
def _as_program(arguments: list[str], path: Path | None) -> Iterator[None]:
    """What a program finds in `sys`."""
    argv, entries = sys.argv[:], sys.path[:]
    sys.argv[:] = arguments
    if path is not None:
        sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        sys.argv[:] = argv
        if path is not None and str(path.parent) in sys.path:
            sys.path.remove(str(path.parent))
        sys.path.extend(entry for entry in entries if entry not in sys.path)


@contextmanager
def _own_names(call: Call, sees_all: bool) -> Iterator[None]:
    """Take the user's names away meanwhile. The dict stays the same: what the file defines belongs to the session."""
    kept = {} if sees_all else {name: call.variables.pop(name) for name in _all_names(call)}
    try:
        yield
    finally:
        made = {name: call.variables[name] for name in _all_names(call)} if kept else {}
        for name in made:
            del call.variables[name]
        call.variables.update(kept)  # in the order in which they were bound
        call.variables.update(made)


def _all_names(call: Call) -> list[str]:
    hidden = call.shell.namespace.hidden
    return [name for name in list(call.variables) if name not in hidden and not _is_special(name)]


def _public(names: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if not _is_special(name)}


def _is_special(name: object) -> bool:
    return type(name) is not str or (name.startswith("__") and name.endswith("__") and len(name) > 4)


def load(call: Call) -> None:
    """%load FILE | URL | CELLS | NAME

    Puts code at the console's prompt, where you can read it, change it and run it: a file's, that of past cells
    (`%load 3-5`), or the source of a function. Nothing runs.
    """
    _, rest = call.options("yr:s:n")
    call.shell.around.report(Draft(_source(call, call.filled(rest).strip())))


def _source(call: Call, what: str) -> str:
    if not what:
        raise UsageError("what is to be loaded? %load FILE, or the numbers of cells: %load 3 5-7")
    path = Path(what).expanduser()
    if path.is_file():
        return path.read_text()
    if what.startswith(("http://", "https://")):
        from urllib.request import urlopen  # 20 ms that most never need

        with urlopen(what) as answer:
            return str(answer.read().decode())
    if what[:1].isdigit():
        return "\n".join(code for _, code in cells_of(call, what))
    if what.replace(".", "").isidentifier() and call.knows(what.partition(".")[0]):
        return inspect.getsource(call.evaluate(what))
    raise UsageError(f"{what} is no file in {os.getcwd()}, no number of a cell and no name of yours")


def save(call: Call) -> None:
    """%save [-f] [-a] FILE CELLS

    Writes the code of past cells to a file (`.py` is added): `%save fit 3 5-7`. A file that is there is
    replaced after asking, or at once with `-f`; `-a` adds to it.
    """
    options, rest = call.options("far")
    name, _, cells = call.filled(rest).partition(" ")
    if not name or not cells.strip():
        raise UsageError("%save FILE CELLS, for instance: %save fit 3 5-7")
    path = Path(name).expanduser()
    path = path if path.suffix in (".py", ".ipy") else path.with_name(path.name + ".py")
    code = "".join(code.rstrip("\n") + "\n" for _, code in cells_of(call, cells))
    asks = path.exists() and not options.keys() & {"f", "a"}
    if asks and input(f"{path} exists. Overwrite it (y/[n])?  ").strip().lower() not in ("y", "yes"):
        print("Nothing done.")
        return
    with open(path, "a" if "a" in options else "w", encoding="utf-8") as file:
        file.write(code)
    print(f"The following commands were written to file `{path}`:\n{code}", end="")


def edit(call: Call) -> Any:
    """%edit [-x] [FILE | CELLS | NAME]

    Opens an editor (`$VISUAL`, `$EDITOR`, else vi) on a file, or on a new one that holds the code of past cells
    or of a function. When you leave it, the file is run, unless `-x` is given. In the console, F4 sends your
    keys to the editor.
    """
    options, rest = call.options("xp")
    what = call.filled(rest).strip()
    path = Path(what).expanduser() if what and ("/" in what or what.endswith(".py")) else None
    is_temporary = path is None
    if path is None:
        number, name = tempfile.mkstemp(suffix=".py", prefix="pyshell-edit-")
        os.close(number)
        path = Path(name)
        path.write_text(_source(call, what) if what else "")
    editor = next((os.environ[variable] for variable in EDITORS if os.environ.get(variable)), "vi")
    try:
        status = foreground.run([foreground.shell(), "-c", f"{editor} {shlex.quote(str(path))}"], call.held)
        if status:
            raise UsageError(f"{editor} ended with status {status}; set another with %env EDITOR=…")
        code = path.read_text()
    finally:
        if is_temporary:
            path.unlink()
    if "x" in options or not code.strip():
        return None
    print(code.rstrip("\n"))
    return call.shown(call.run(code, 1))


def writefile(call: Call) -> None:
    """%%writefile [-a] FILE

    Writes the cell below to a file, or with `-a` adds it to the file.
    """
    options, rest = call.options("a", "append")
    name = call.filled(rest).strip().strip("\"'")
    if not name:
        raise UsageError("into which file? %%writefile FILE")
    path = Path(name).expanduser()
    adds = bool(options)
    print(f"{'Appending to' if adds else 'Overwriting' if path.exists() else 'Writing'} {name}")
    with open(path, "a" if adds else "w", encoding="utf-8") as file:
        file.write((call.body or "").rstrip("\n") + "\n")
