"""Complete every case with pyshell and with IPython, and list what differs: `python -m tests.completions [--write]`.

Runs in: an interpreter that has IPython, numpy and pandas.

What is compared is the text that would stand there, so that it does not matter which part of it is replaced.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from pyshell.protocol import MAX_MATCHES
from pyshell.worker.introspection.completion import _complete
from tests.completions.cases import SETUPS, cases

PAGE = Path(__file__).parents[2] / "docs" / "completion.md"
SHOWN = 4

REASONS = {
    "magic": "IPython offers its magics among names; here they come after `%` only.",
    "private": "Names with `_` in front come when `_` is typed, or if there are no others.",
    "fuzzy": "Nothing begins with what is typed: names that have its letters in this order. IPython offers none.",
    "case": "Names that begin with it in another case come after those that do in this one. IPython minds the case.",
    "static": "Only running code, or reading its source, tells what is before the dot. IPython does; pyshell asks "
    "jedi, where that is installed, which is not counted here.",
    "property": "A property of a library's class: running it would tell, and may take any time. pyshell does not.",
    "lazy": "A module that is imported when somebody asks for it. pyshell does not import anything for a completion.",
    "key": "Keys and places are offered as they would be typed, before names.",
    "parameter": "Keywords of the function that is called, read off its code or its documentation.",
    "evaluated": "The value is stored and was read. IPython's limits on what it evaluates keep it from looking.",
    "listing": "Modules that lie on `sys.path` and are not imported, or names that stand in the source of one.",
    "text": "In a comment, and after a number, there is nothing to complete; IPython lists what it knows.",
    "hidden file": "Files whose names begin with a dot come when the dot is typed.",
    "limit": f"At most {MAX_MATCHES} are listed, the best ones.",
    "typed": "Names that the text itself binds, and names for which it gives another meaning.",
    "space": "IPython writes a space behind a word of the language.",
    "stub": "Jedi's stubs name what this system does not have.",
    "other": "Not looked into.",
}


class Row(NamedTuple):
    """One case: what only one of the two offers."""

    part: str
    code: str
    both: int
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    reasons: tuple[str, ...]


def main(arguments: list[str]) -> int:
    """Print the page, or write it."""
    warnings.simplefilter("ignore")
    os.environ["IPYTHONDIR"] = tempfile.mkdtemp(prefix="ipython-")
    rows = [row for part in SETUPS for row in compared(part)]
    text = page(rows)
    if arguments == ["--write"]:
        PAGE.write_text(text)
    else:
        print(text)
    return 0


def compared(part: str) -> list[Row]:
    """All cases of one part, with namespaces of their own."""
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.user_ns.clear()
    shell.user_ns.update(__name__="__main__")
    exec(SETUPS[part], shell.user_ns)
    variables: dict[str, Any] = {"__name__": "__main__"}
    exec(SETUPS[part], variables)
    rows = []
    for code, _ in cases(part):
        found = _complete(variables, code, len(code))
        ours = {code[: found.start] + match.text for match in found.matches}
        with provisionalcompleter():
            theirs = {code[: c.start] + c.text for c in shell.Completer.completions(code, len(code))}
        rows.append(row(part, code, ours, theirs))
    return rows


def row(part: str, code: str, ours: set[str], theirs: set[str]) -> Row:
    """What differs, and why as far as that can be told from the texts."""
    more, less = sorted(ours - theirs), sorted(theirs - ours)
    reasons = {reason_for_more(code, text) for text in more} | {reason_for_less(code, text, ours) for text in less}
    return Row(part, code, len(ours & theirs), tuple(more), tuple(less), tuple(sorted(reasons)))


def reason_for_more(code: str, text: str) -> str:
    """Why only pyshell offers it."""
    added = text[len(os.path.commonprefix([code, text])) :]
    if text.endswith("="):
        return "parameter"
    if code.lstrip().startswith(("import", "from")):
        return "listing"
    if "[" in code and (not text[-1].isalpha() or code.endswith("[")):
        return "key"
    if not text.startswith(code):
        return "case" if text.lower().startswith(code.lower()) else "fuzzy"
    if "\n" in code and added:
        return "typed"
    return "evaluated"


def reason_for_less(code: str, text: str, ours: set[str]) -> str:
    """Why only IPython offers it."""
    added = text[len(os.path.commonprefix([code, text])) :]
    word = text[: len(text)].replace("(", " ").replace("[", " ").replace(".", " ").split(" ")[-1]
    if "%" in text and "%" not in code:
        return "magic"
    if text.endswith(" "):
        return "space"
    if "handle_inheritable" in text:
        return "stub"
    if "\\" in added:
        return "key"
    if word.startswith("_") and not code.endswith("_"):
        return "private"
    if len(ours) >= MAX_MATCHES:
        return "limit"
    if "\n" in code and not ours:
        return "typed"
    if any(lazy in code for lazy in ("np.fft.", "np.polynomial.", "np.testing.")):
        return "lazy"
    if not text.lower().startswith(code.lower()):
        return "fuzzy"
    if not text.startswith(code):
        return "case"
    if "#" in code or "..." in code or code[-2:-1].isdigit():
        return "text"
    if not ours and "." in code:
        return "property" if "()" not in code and "(" not in code else "static"
    if code.endswith(("x", "path")) or not ours:
        return "text"
    return "parameter" if text.endswith("=") else "other" if added else "text"


def page(rows: list[Row]) -> str:
    """The whole page."""
    from importlib.metadata import version

    same = sum(not row.ours and not row.theirs for row in rows)
    counts = Counter(reason for row in rows for reason in row.reasons)
    lines = [
        "<!-- Written by `python -m tests.completions --write`. -->",
        "# Completion beside IPython's",
        "",
        f"{len(rows)} pieces of code with the cursor at their end, completed by pyshell and by IPython "
        f"{version('ipython')} as it is installed (with jedi {version('jedi')}), in the same namespace, with numpy "
        f"{version('numpy')} and pandas {version('pandas')}. In {same} of them both offer the same. pyshell answers "
        "from the live namespace alone here; what it asks jedi for in a session is not in the table.",
        "",
        "## Why they differ",
        "",
        *(f"- **{name}** ({counts[name]} cases): {REASONS[name]}" for name in REASONS if counts[name]),
        "",
    ]
    for part in SETUPS:
        lines += [f"## The {part}" if part == "standard library" else f"## {part}", ""]
        lines += ["| code | both | only pyshell | only IPython | why |", "|---|---:|---|---|---|"]
        for row in (row for row in rows if row.part == part):
            fields = [cell(row.code), str(row.both), sample(row.ours, row.code), sample(row.theirs, row.code)]
            lines.append("| " + " | ".join([*fields, ", ".join(row.reasons)]) + " |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def sample(texts: tuple[str, ...], code: str) -> str:
    """Some of them, without what was typed before the last word."""
    shown = [cell(text[len(code) - tail(code) :]) for text in texts[:SHOWN]]
    return " ".join(shown) + (f" … ({len(texts)})" if len(texts) > SHOWN else "")


def tail(code: str) -> int:
    """How long the last word of the code is."""
    count = 0
    while count < len(code) and (code[-1 - count].isalnum() or code[-1 - count] == "_"):
        count += 1
    return count


def cell(text: str) -> str:
    """As code in a Markdown table."""
    inside = text.replace("\n", "⏎").replace("|", "\\|")
    return f"`` {inside} ``" if "`" in inside else f"`{inside}`" if inside else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
