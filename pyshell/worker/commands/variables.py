"""Commands about names: list them, remove them.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import re
from typing import Any

from pyshell.worker.commands.call import Call
from pyshell.worker.introspection.describing import line_of
from pyshell.worker.looking import is_array, shape, type_name

MAX_SHOWN = 60
COLUMNS = 80


def who(call: Call) -> None:
    """%who [TYPE …]

    Prints the names that you have bound, those of these types if any are given: `%who int DataFrame`. Names
    that begin with `_` are left out.
    """
    names = _names(call)
    if not names:
        print("No variables match your requested type." if call.text else "Interactive namespace is empty.")
        return
    line = ""
    for name in names:
        if line and len(line) + len(name) > COLUMNS:
            print(line.rstrip())
            line = ""
        line += name + "\t"
    print(line.rstrip())


def who_ls(call: Call) -> list[str]:
    """%who_ls [TYPE …]

    As `%who`, but returns a list: `names = %who_ls int`.
    """
    return _names(call)


def whos(call: Call) -> None:
    """%whos [TYPE …]

    Prints a table of names, types and values. None of your code runs for it: of objects whose `__repr__` is
    Python code only the type is shown.
    """
    names = _names(call)
    if not names:
        who(call)
        return
    rows = [(name, type_name(call.variables[name]), _described(call.variables[name])) for name in names]
    first = max(len("Variable"), *(len(name) for name, _, _ in rows))
    second = max(len("Type"), *(len(kind) for _, kind, _ in rows))
    print(f"{'Variable':{first}}   {'Type':{second}}   Data/Info")
    print("-" * (first + second + 15))
    for name, kind, text in rows:
        print(f"{name:{first}}   {kind:{second}}   {text}".rstrip())


def _names(call: Call) -> list[str]:
    wanted = set(call.text.replace(",", " ").split())
    kinds = {name: type_name(call.variables[name]) for name in call.user_names()}
    return [name for name, kind in kinds.items() if not wanted or wanted & {kind, kind.rpartition(".")[2]}]


def _described(value: Any) -> str:
    if is_array(value):
        return f"{'x'.join(map(str, value.shape))}: {value.size} elems, type `{value.dtype}`, {value.nbytes} bytes"
    if type_name(value) in ("list", "dict", "set", "tuple", "frozenset"):
        return f"n={shape(value)}"
    text = line_of(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def reset(call: Call) -> None:
    """%reset [-f] [-s] [out] [in] [array]

    Removes all names that you have bound, after asking; `-f` does not ask. The values of past cells (`_`, `_7`,
    `Out`) go too, unless `-s` is given. With `out` only these are removed, with `in` only the past code in
    `In`, with `array` only numpy arrays. `%undo` brings back what can be saved.
    """
    options, rest = call.options("fs")
    wanted = rest.split()
    unknown = [word for word in wanted if word not in ("out", "in", "array")]
    if unknown:
        who_says = f"reset knows out, in and array, not {unknown[0]}; to remove one name: del {unknown[0]}"
        raise ValueError(who_says)
    if "f" not in options and not _is_wanted(call, wanted):
        print("Nothing done.")
        return
    namespace, names = call.shell.namespace, call.user_names()
    if wanted:
        names = [name for name in names if is_array(call.variables[name])] if "array" in wanted else []
    else:
        names += [n for n in list(call.variables) if n not in namespace.hidden and re.fullmatch("_[^_].*", n)]
        names = [name for name in dict.fromkeys(names) if not re.fullmatch(r"_\d*", name)]
        namespace.bindings.lost.clear()
    for name in names:
        call.variables.pop(name, None)
    if "out" in wanted or (not wanted and "s" not in options):
        namespace.forget_outputs()
    if "in" in wanted:
        namespace.inputs[:] = [""] * len(namespace.inputs)


def _is_wanted(call: Call, wanted: list[str]) -> bool:
    what = ", ".join(wanted) if wanted else f"{len(call.user_names())} names"
    answer = input(f"Remove {what}? %undo brings back what can be saved. Proceed (y/[n])?  ")
    return answer.strip().lower() in ("y", "yes")
