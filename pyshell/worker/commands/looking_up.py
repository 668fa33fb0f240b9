"""`obj?`, `obj??` and `%help`: say what is known.

Runs in: worker, on its main thread. To find `a.b` properties and `__getattr__` may run; to describe it, nothing does.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from pyshell.errors import UsageError
from pyshell.worker.commands.call import Call
from pyshell.worker.commands.table import COMMANDS, Command
from pyshell.worker.introspection.describing import dtype_of, line_of, shape_of
from pyshell.worker.introspection.signatures import signature_of
from pyshell.worker.introspection.sources import doc_of, place_of, source_of
from pyshell.worker.looking import class_name, type_name


def help_page(call: Call) -> None:
    """%help [COMMAND]

    Lists the commands, or tells more about one; `%COMMAND?` does the same. `NAME?` tells what is known of an
    object, `NAME??` shows its source, `np.*load*?` lists the names that fit.
    """
    name = call.text.lstrip("%!")
    if name:
        print(_page(call, name))
        return
    print("%NAME? tells more about a command.\n")
    for command in COMMANDS.values():
        print(f"  {_marked(command):14} {command.help}")
    print("\n  !PROGRAM       run a program; x = !PROGRAM takes what it prints as a list of lines")
    print("  OBJECT?        what is known of an object; OBJECT?? shows its source")
    print("\nAny other %NAME is IPython's, where that is installed.")


def _marked(command: Command) -> str:
    return ("%" if command.is_line else "%%") + command.name


def _page(call: Call, name: str) -> str:
    command = COMMANDS.get(name)
    if command is not None:
        return f"{_marked(command)}: {command.help}.\n\n{command.usage}"
    ipython = call.shell.start_ipython()
    usage = ipython.usage(name) if ipython is not None else ""
    if not usage:
        raise UsageError(f"there is no %{name}; %help lists what there is")
    return f"%{name} is IPython's.\n\n{usage}"


def help_on(call: Call) -> None:
    """What `f?`, `f??`, `%time?` and `?` alone mean."""
    name = call.text.rstrip("?")
    wants_source = call.text.endswith("??") and len(call.text) - len(name) > 1
    if not name:
        help_page(Call(call.shell, call.frame, "help", "", None))
    elif name.startswith("%"):
        print(_page(call, name.lstrip("%")))
    elif "*" in name:
        print("\n".join(_fitting(call, name)))
    else:
        print("\n".join(_described(name, _find(call, name), wants_source)))


def _find(call: Call, name: str) -> Any:
    try:
        return call.evaluate(name)
    except NameError:
        if name in COMMANDS:
            raise UsageError(f"there is no object {name}; of the command tells %{name}?") from None
        raise UsageError(f"there is no object {name}") from None
    except (AttributeError, KeyError, IndexError) as exc:
        raise UsageError(f"there is no object {name}: {exc}") from None


def _fitting(call: Call, pattern: str) -> list[str]:
    owner, dot, last = pattern.rpartition(".")
    names = dir(_find(call, owner)) if owner else [*call.frame.f_globals, *dir(sys.modules["builtins"])]
    found = sorted({name for name in names if fnmatchcase(name, last) and (last[0] == "_" or name[0] != "_")})
    return [owner + dot + name for name in found] or [f"nothing fits {pattern}"]


def _described(name: str, value: Any, wants_source: bool) -> Iterator[str]:
    signature = str(signature_of(value) or "") if callable(value) else ""
    file, line = place_of(value)
    is_data = not callable(value) and not isinstance(value, types.ModuleType)
    source = source_of(value) if wants_source else ""
    rows = {
        "Signature": name.rpartition(".")[2] + signature if signature else "",
        "Type": type_name(value),
        "Bases": ", ".join(_bases(value)) if isinstance(value, type) else "",
        "Shape": shape_of(value),
        "Dtype": dtype_of(value),
        "Value": line_of(value) if is_data else "",
        "File": f"{file}, line {line}" if file else "",
    }
    yield from [f"{what + ':':12} {text}" for what, text in rows.items() if text]
    if source:
        yield f"Source:\n{source.rstrip()}"
    else:
        yield f"Docstring:\n{doc_of(value) or '<no docstring>'}"


def _bases(cls: type) -> list[str]:
    return [class_name(base) for base in cls.__bases__ if base is not object]
