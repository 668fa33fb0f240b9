"""Write the pages of the protocol, the commands, the keys and the settings: `python docs/generate.py [--check]`.

Runs in: the documentation build and a test.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from schema import page as jsonrpc_page  # noqa: E402
from schema import schema as jsonrpc_schema  # noqa: E402

from pyshell import config, plain, protocol  # noqa: E402  (found by the line above: from this tree, not from an installed one)
from pyshell.console.bindings import TABLES, named  # noqa: E402
from pyshell.console.keymap import label  # noqa: E402
from pyshell.protocol import Message, Operation  # noqa: E402
from pyshell.worker.commands.table import COMMANDS, Command  # noqa: E402

DOCS = ROOT / "docs"

HEAD = """\
<!-- Written by docs/generate.py from pyshell/protocol.py. Change that, then run it again. -->

# The wire

Version {version}. This page is normative and generated: an implementation that follows it can talk to a host, and a
page that is behind the code fails the tests.

## Values

A message on the wire is a tuple `(tag, field, field, …)`. The tag is the message's name as the headings below have it;
the fields follow in the order of the table, each one present. A field is one of

| written here | on the wire |
|---|---|
| `bool`, `int`, `float`, `str`, `bytes` | exactly that: `1` is no `bool`, `True` is no `int`, `1` is no `float` |
| `"a"` or `"b"` | one of these strings |
| `T` or `None` | a `T`, or nothing |
| many `T` | a tuple of any length, each item a `T` |
| a message's name | that message, as a tuple of its own |

Anything else (a field too few or too many, an unknown tag, a subclass of a type) is refused with `ProtocolError`, and
the connection of a client that sends it may be closed.

## Transport

RPyC's brine carries the tuples, over a connection that knows three requests: ping, close, and *invoke an operation by
name*. No object is ever passed by reference; a frame is never compressed and has at most {frame} bytes, tuples nest at
most {depth} deep, an integer has at most {bits} bits, and lone surrogates in a string are escaped.

A client connects to the session's unix socket. Both ends look up who the other is (the socket's peer credentials) and
go on only with their own user. Then, before the first RPyC frame, big-endian and unpadded:

| who | bytes |
|---|---|
| host | `pyshell` and a NUL, the version as 16 bits, 32 random bytes |
| client | `pyshell` and a NUL, the version as 16 bits, HMAC-SHA-256 of those random bytes under the session's token |
| host | one byte: 0 welcome, 1 another version, 2 wrong token |

The token is a file beside the socket that only its user can read. Times are seconds, sizes are bytes, cell numbers and
event numbers start at 1, and event numbers grow by one.

"""

KEYS_HEAD = """\
<!-- Written by docs/generate.py from pyshell/console/keymap.py. Change that, then run it again. -->

# Keys

F1 shows this table in the console, as your configuration has it. `$XDG_CONFIG_HOME/pyshell/config.toml` gives a
command other keys:

```toml
[keys]
search_history = ["ctrl r", "f5"]
redo = "alt r"
mouse = []              # none
```

A command that is named there loses the keys that it had, and a key that is given to it is taken from whichever
command had it. `alt`, `ctrl` and `shift` may be written in any order, with spaces or hyphens; a letter stands
for itself. What cannot be meant is told with its line before the console opens. The commands of the transcript and of
the panels, further below, are given keys in the same table.

"""

KEYS_TAIL = """
## vi

```toml
[console]
editing = "vi"
```

The status line says INSERT, NORMAL, VISUAL, VISUAL LINE or REPLACE, and what is typed of a command. A cell
begins in insert mode, where the table above holds. In normal mode there are

- the motions `h j k l w b e W B E 0 ^ $ | f F t T ; , % gg G { } / ? n N`, `j` and `k` going through the
  history at the ends;
- the operators `d c y > <` with a motion, twice for lines, or with a text object: `iw aw iW aW`, `i( a( ib`,
  `i[ i{ i<`, `i" i'`, `ip`;
- `x X D C Y S s r R p P J ~ i a I A o O u . Ctrl-R`, and counts before all of these;
- `v`, which opens the editor of F2 as shells do, `V`, which selects lines, and `gv`, which selects characters.

`.` repeats a change with the text that it inserted. On an empty prompt `/` searches the history. There are no
named registers, macros and marks, and no `:` commands.
"""

KEYS_TITLES = {
    "browse": "In the transcript (F5)", "panel": "In all panels",
    **{name: f"In the panel: {name}" for name in TABLES if name not in ("", "browse", "panel")},
}  # fmt: skip

CONFIGURATION_HEAD = """\
<!-- Written by docs/generate.py from pyshell/config.py. Change that, then run it again. -->

# Configuration

`$XDG_CONFIG_HOME/pyshell/config.toml`, by default `~/.config/pyshell/config.toml`. `pyshell config` shows every setting
with what it means and what your file says of it; `pyshell config --create` writes that file if there is none, every
setting in it and commented out. What cannot be meant is told before anything starts, with file, line and what there can
be. `pyshell doctor` says whether the file is read, what the terminal can do, and what is missing in the installation.

The environment says the rest: `VISUAL` or `EDITOR` for F2, `PAGER` for F6, `NO_COLOR` for no colours at all,
`COLORTERM=truecolor` for 16 million of them, `TERM=dumb` for lines only. `--plain` and `--no-images` hold for one
console.

"""

KEYS_ARE = "[All commands and their keys](keys.md).\n"

COMMANDS_HEAD = """\
<!-- Written by docs/generate.py from pyshell/worker/commands. Change that, then run it again. -->

# Commands

What is no Python may be a command. [How to use them](howto/commands.md) tells of `!`, `?` and the rules; this page
lists them, as `%help` and `%NAME?` do.

"""

EVENTS = """\
## The events

Every event is an [`event`](#event) with one of these bodies. They are kept in the session's journal and can be read
again from any number on. A cell's events come in this order: `queued`, `started`, any number of `output`, perhaps
`result` or `error`, `finished`; then `saved` or `save_failed`. A cell under which the worker dies has `died`, then
`restored`, then `finished` with the status `died`.
"""

SECTIONS = [
    ("HOST_OPERATIONS", "What a client may ask the host"),
    ("WORKER_OPERATIONS", "What the host may ask the worker"),
    ("REPORT_OPERATIONS", "What the worker may ask the host"),
]


def protocol_page() -> str:
    """The whole page."""
    parts = [head(), "## Operations\n"]
    for variable, title in SECTIONS:
        parts.append(f"### {title}\n\n{operations_table(getattr(protocol, variable))}")
    parts.append(events_section())
    parts.append("## Messages\n")
    parts += [message_section(cls) for cls in protocol.messages().values()]
    return "\n".join(parts).rstrip() + "\n"


def head() -> str:
    """What comes before the tables, with the limits as the transport has them."""
    limits = {"frame": plain.MAX_FRAME, "depth": plain.MAX_DEPTH, "bits": plain.MAX_INT_BITS}
    return HEAD.format(version=protocol.VERSION, **limits)


def operations_table(operations: dict[str, Operation]) -> str:
    """One line per operation: what goes, what comes."""
    rows = [
        f"| `{name}` | {link(op.request)} | {link(op.reply)} | {op.summary} |" for name, op in operations.items()
    ]
    return "\n".join(["| operation | request | reply | |", "|---|---|---|---|", *rows, ""])


def events_section() -> str:
    """The bodies that an event can have."""
    rows = [f"| {link(cls)} | {summary(cls)} |" for cls in typing.get_args(protocol.EventBody)]
    return "\n".join([EVENTS, "| body | |", "|---|---|", *rows, ""])


def message_section(cls: type[Message]) -> str:
    """A heading, what the message means, and its fields in their order."""
    notes = field_notes(cls)
    hints = typing.get_type_hints(cls)
    lines = [f"### `{cls.TAG}`\n\n{inspect.getdoc(cls)}\n"]
    rows = [
        f"| {place} | `{field.name}` | {type_text(hints[field.name])} | {notes.get(field.name, '')} |"
        for place, field in enumerate(dataclasses.fields(cls), 1)  # type: ignore[arg-type]
    ]
    if rows:
        lines += ["| | field | type | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def field_notes(cls: type[Message]) -> dict[str, str]:
    """The string under each field, which Python itself does not keep."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    notes = {}
    for statement, following in zip(body.body, body.body[1:]):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            assert isinstance(statement.target, ast.Name) and isinstance(following.value, ast.Constant)
            notes[statement.target.id] = escaped(" ".join(str(following.value.value).split()))
    return notes


def type_text(hint: Any) -> str:
    """A field's type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return f"many {type_text(arguments[0])}"
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if origin in (Union, types.UnionType):
        if set(arguments) == set(typing.get_args(protocol.EventBody)):
            return "one of [the events](#the-events)"
        return " or ".join(type_text(argument) for argument in arguments)
    if hint is type(None):
        return "`None`"
    return link(hint) if issubclass(hint, Message) else f"`{hint.__name__}`"


def link(cls: type[Message]) -> str:
    return f"[`{cls.TAG}`](#{cls.TAG})"


def summary(cls: type[Message]) -> str:
    return escaped((inspect.getdoc(cls) or "").splitlines()[0])


def escaped(text: str) -> str:
    return text.replace("|", "\\|")


def commands_page() -> str:
    """All commands: a line for each, then each one's own text."""
    commands = COMMANDS.values()
    rows = [f"| [`{marked(command)}`](#{anchor(command)}) | {command.help} |" for command in commands]
    parts = [COMMANDS_HEAD + "\n".join(["| command | |", "|---|---|", *rows, ""])]
    parts += [command_section(command) for command in commands]
    return "\n".join(parts).rstrip() + "\n"


def command_section(command: Command) -> str:
    usage, _, text = command.usage.partition("\n\n")
    return f"({anchor(command)})=\n## `{marked(command)}`\n\n```text\n{usage}\n```\n\n{text}\n"


def marked(command: Command) -> str:
    return ("%" if command.is_line else "%%") + command.name


def anchor(command: Command) -> str:
    return f"command-{command.name if command.name.isidentifier() else 'shell'}"


def keys_page() -> str:
    """The table of keys, as the console binds them."""
    parts = [KEYS_HEAD, keys_table(""), KEYS_TAIL]
    parts += [f"\n## {title}\n\n{keys_table(table)}" for table, title in KEYS_TITLES.items()]
    return "".join(parts)


def keys_table(table: str) -> str:
    rows = [
        f"| {', '.join(label(key) for key in binding.keys if key != '<0>')} | `{name}` | {binding.help} |"
        for name, binding in named(table).items()
    ]
    return "\n".join(["| keys | command | |", "|---|---|---|", *rows, ""])


def configuration_page() -> str:
    """The table of settings, as the file is checked with it."""
    parts = []
    for table, about in config.TABLES.items():
        parts += [f"## [{table}]\n", f"{about[:1].upper()}{about[1:].rstrip('.')}.\n"]
        rows = [
            f"| `{setting.name}` | `{setting.example or config.toml(setting.default)}`"
            f"{' (an example)' if setting.example else ''} | {setting.help}; {setting.kind.must} |"
            for setting in config.SETTINGS
            if setting.table == table
        ]
        parts.append("\n".join(["| setting | by itself | |", "|---|---|---|", *rows, ""]) if rows else KEYS_ARE)
    return CONFIGURATION_HEAD + "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "protocol.md": protocol_page,
    "commands.md": commands_page,
    "keys.md": keys_page,
    "configuration.md": configuration_page,
    "jsonrpc.md": jsonrpc_page,
    "jsonrpc.schema.json": lambda: jsonrpc_schema(field_notes),
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` only say whether they are as the code has them."""
    status = 0
    for name, make in PAGES.items():
        page = make()
        if arguments != ["--check"]:
            (DOCS / name).write_text(page)
        elif not (DOCS / name).exists() or (DOCS / name).read_text() != page:
            print(f"docs/{name} is not what the code says: run `python docs/generate.py`", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
