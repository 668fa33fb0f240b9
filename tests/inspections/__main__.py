"""Inspect every case with pyshell and with IPython, and list what differs: `python -m tests.inspections [--write]`.

Runs in: an interpreter that has IPython, numpy and pandas.

The names of tests/worker/inspection_cases.txt, and values of the namespaces that completion is compared in. Compared
are the type, the signature, the documentation, the file and the source; spaces in signatures do not count.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pyshell.protocol import Inspection
from pyshell.worker.introspection.inspection import inspect
from pyshell.worker.introspection.sources import MAX_DOC, MAX_LINES
from tests.completions.cases import SETUPS

PAGE = Path(__file__).parents[2] / "docs" / "inspection.md"
NAMES = Path(__file__).parents[1] / "worker" / "inspection_cases.txt"
FIELDS = ("type", "signature", "doc", "file", "source")
VALUES = {
    "standard library": (
        "table", "rows", "words", "text", "number", "ratio", "flags", "nothing", "blob", "path", "when", "counter",
        "ordered", "grouped", "queue", "space", "pattern", "error", "lock", "half", "Point", "Point.moved",
        "Point.length", "Point.origin", "Point.helper", "point", "point.moved", "point.length", "point.origin",
        "point.helper", "point.x", "Colour", "Colour.RED", "colour.name", "Pair", "pair", "pair.left", "area", "outer",
        "table['nation']", "rows[0]", "words[1]", "path.parent", "path.read_text", "when.isoformat", "pattern.findall",
        "text.upper", "counter.most_common", "lock.acquire", "half.func", "os.environ", "sys.stdout", "math.pi",
    ),
    "numpy": (
        "array", "vector", "record", "generator", "scalar", "array.T", "array.shape", "array.reshape", "array.dtype",
        "record['mass']", "array[0]", "vector[1]", "generator.normal", "scalar.is_integer", "array.sum",
    ),
    "pandas": (
        "frame", "series", "labels", "wide", "grouped", "frame.index", "frame.columns", "frame['column_a']",
        "frame.column_a", "frame['column_a'].mean", "frame.groupby", "frame.head", "labels.str", "labels.str.upper",
        "series.mean", "grouped.mean", "frame.T", "frame.dtypes", "frame.shape", "frame.values", "frame.loc",
    ),
}  # fmt: skip

REASONS = {
    "written": "What its makers wrote into the documentation of something in C; `inspect`, and so IPython, has "
    "nothing, or what `object` has.",
    "nothing": "Nobody wrote how it is called: IPython shows what `object` has, pyshell nothing.",
    "default": "What a default shows of itself (`<no value>`) is its class's code; pyshell tells its type.",
    "ufunc": "numpy makes the signature when it is asked for; pyshell reads it off the documentation.",
    "text": "numpy's text begins with a signature, which has become the `__text_signature__` or is shown as it stands.",
    "partial": "Of a partial function pyshell tells what it calls, IPython of the class `partial`.",
    "property": "A property, or another descriptor that would have to be run: pyshell shows the definition of its "
    "getter, IPython the same below a comment and without the file, or what comes out when it runs.",
    "item": "IPython tells nothing of an item.",
    "class": "The class is written in C: IPython names the Python file of the module that it is said to be of, and may "
    "show the source of another class that has its name there.",
    "library": "The class is written in C: IPython names the compiled file. pyshell names files that can be read.",
    "home": "A class that is said to be of another module than it was written in, or a function that was decorated "
    "there: pyshell goes by the code of its methods, IPython by the module.",
    "frozen": "A module that is frozen into the interpreter: pyshell names the file that it was made of, and shows it.",
    "exec": "Made by `exec`, not by a cell: there is no source.",
    "cut": f"Documentation is cut at {MAX_DOC:,} characters, a source at {MAX_LINES:,} lines.",
    "other": "Not looked into.",
}
GENERIC = ("", "(self,/,*args,**kwargs)", "(*args,**kwargs)")
DESCRIPTORS = ("property", "Accessor", "AxisProperty")


class Difference(NamedTuple):
    """One field that is not the same."""

    field: str
    ours: str
    theirs: str
    reason: str


class Row(NamedTuple):
    """One name, and what differs."""

    part: str
    name: str
    differences: tuple[Difference, ...]


def main(arguments: list[str]) -> int:
    """Print the page, or write it."""
    text = page(compared())
    if arguments == ["--write"]:
        PAGE.write_text(text)
    else:
        print(text)
    return 0


def names() -> list[str]:
    lines = NAMES.read_text().splitlines()
    return [line.partition(" | ")[0] for line in lines if line and not line.startswith("#")]


def compared() -> list[Row]:
    """All cases."""
    from IPython.core.interactiveshell import InteractiveShell

    warnings.simplefilter("ignore")
    os.environ["IPYTHONDIR"] = tempfile.mkdtemp(prefix="ipython-")
    shell = InteractiveShell.instance()
    rows = []
    for part, values in {"modules": names(), **VALUES}.items():
        variables: dict[str, Any] = {"__name__": "__main__"}
        if part == "modules":
            variables.update({name.partition(".")[0]: _imported(name) for name in values})
        else:
            exec(SETUPS[part], variables)
        shell.user_ns.clear()
        shell.user_ns.update(variables)
        rows += [Row(part, name, tuple(_differences(shell, variables, name))) for name in values]
    return rows


def _imported(name: str) -> Any:
    """The top module of a dotted name, with those below it that the name leads through."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        return sys.modules[parts[0]]
    raise ImportError(name)


def _differences(shell: Any, variables: dict[str, Any], name: str) -> list[Difference]:
    found = inspect(variables, name, len(name), 1)
    ours, theirs = _ours(found), _theirs(shell, name)
    return [
        Difference(field, ours[field], theirs[field], reason(field, ours, theirs, found))
        for field in FIELDS
        if ours[field] != theirs[field]
    ]


def _ours(found: Inspection) -> dict[str, str]:
    return {
        "type": found.type.rpartition(".")[2], "signature": _plain_signature(found.signature), "doc": found.doc.strip(),
        "file": found.file, "source": found.source.strip(),
    }  # fmt: skip


def _theirs(shell: Any, name: str) -> dict[str, str]:
    """Asked twice: with the source they leave documentation away that stands in it."""
    brief, full = shell.object_inspect(name, detail_level=0), shell.object_inspect(name, detail_level=1)
    call = full["definition"] or full["init_definition"] or full["call_def"] or ""
    file = os.path.expanduser(full["file"] or "")
    return {
        "type": full["type_name"] or "", "signature": _plain_signature(call[call.find("(") :] if call else ""),
        "doc": (brief["docstring"] or "").replace("<no docstring>", "").strip(), "file": file,
        "source": (full["source"] or "").strip(),
    }  # fmt: skip


def _plain_signature(text: str) -> str:
    text = re.sub(r"(?: object)? at 0x[0-9a-f]+", "", text)
    return re.sub(r",\)", ")", re.sub(r"\s+", "", text))


def reason(field: str, ours: dict[str, str], theirs: dict[str, str], found: Inspection) -> str:
    """Why it differs, as far as that can be told from both."""
    if not theirs["type"]:
        return "item"
    if ours["type"] == "partial":
        return "partial"
    if ours["type"] in DESCRIPTORS:
        return "property"
    return _REASONS_OF[field](ours, theirs, found)


def _reason_of_signature(ours: dict[str, str], theirs: dict[str, str], found: Inspection) -> str:
    if ours["type"] == "ufunc":
        return "ufunc"
    if theirs["signature"] in GENERIC:
        return "written" if ours["signature"] else "nothing"
    hidden = re.sub(r"=(?:<[\w.]+>|sentinel\.\w+|<novalue>|<no_default>)", "=", theirs["signature"])
    return "default" if re.sub(r"=<[\w.]+>", "=", ours["signature"]) == hidden else "other"


def _reason_of_doc(ours: dict[str, str], theirs: dict[str, str], found: Inspection) -> str:
    if len(found.doc) >= MAX_DOC:
        return "cut"
    return "text" if ours["doc"].partition("(")[0] == theirs["doc"].partition("(")[0] else "other"


def _reason_of_file(ours: dict[str, str], theirs: dict[str, str], found: Inspection) -> str:
    if "<frozen" in theirs["file"] or ours["file"] in ("<string>",):
        return "exec" if ours["file"] == "<string>" else "frozen"
    if not ours["file"]:
        return "class" if theirs["file"].endswith(".py") else "library"
    return "home" if ours["file"].endswith(".py") and theirs["file"].endswith(".py") else "other"


def _reason_of_source(ours: dict[str, str], theirs: dict[str, str], found: Inspection) -> str:
    if found.source.count("\n") >= MAX_LINES or found.source.count("\n") < theirs["source"].count("\n") > MAX_LINES:
        return "cut"
    return _reason_of_file(ours, theirs, found)


_REASONS_OF: dict[str, Callable[[dict[str, str], dict[str, str], Inspection], str]] = {
    "type": lambda ours, theirs, found: "other", "signature": _reason_of_signature, "doc": _reason_of_doc,
    "file": _reason_of_file, "source": _reason_of_source,
}  # fmt: skip


def page(rows: list[Row]) -> str:
    """The whole page."""
    from importlib.metadata import version

    same = sum(not row.differences for row in rows)
    counts = Counter(difference.reason for row in rows for difference in row.differences)
    lines = [
        "<!-- Written by `python -m tests.inspections --write`. -->",
        "# Inspection beside IPython's",
        "",
        f"{len(rows)} names inspected by pyshell and by IPython {version('ipython')}, with numpy {version('numpy')} "
        f"and pandas {version('pandas')}: type, signature, documentation, file and source. In {same} of them all five "
        "are the same; the others are listed.",
        "",
        "## Why they differ",
        "",
        *(f"- **{name}** ({counts[name]} times): {REASONS[name]}" for name in REASONS if counts[name]),
        "",
        "## What differs",
        "",
        "| name | what | pyshell | IPython | why |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        for field, ours, theirs, why in row.differences:
            lines.append(f"| `{row.name}` | {field} | {_cell(field, ours)} | {_cell(field, theirs)} | {why} |")
    return "\n".join(lines) + "\n"


def _cell(field: str, text: str) -> str:
    """As code in a Markdown table, its beginning; of a file its name."""
    inside = text.rpartition("/")[2] if field == "file" else text
    lines = inside.splitlines() or [""]
    inside = (lines[0][:50] + ("…" if len(lines) > 1 or len(lines[0]) > 50 else "")).replace("|", "\\|").strip()
    return f"`` {inside} ``" if "`" in inside else f"`{inside}`" if inside else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
