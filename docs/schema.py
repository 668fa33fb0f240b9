"""The page and the schema of the JSON-RPC bridge, from what the code has; docs/generate.py writes them.

Runs in: the documentation build and a test.
"""

# ruff: noqa: E501  (the lines of the exchange and of the tables are what they are)

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, Literal, Union

from pyshell.bridges import faults, framing, jsonrpc
from pyshell.bridges.objects import messages_of
from pyshell.protocol import CheckedOut, CompletenessReply, Event, Message

Notes = Callable[[type[Message]], dict[str, str]]

HEAD = """\
<!-- Written by docs/generate.py. Change docs/schema.py or the code that it reads, then run it again. -->

# JSON-RPC

`pyshell serve NAME --stdio` serves a session to a program in any language: JSON-RPC 2.0 on standard input and output.
This page is normative; every method's fields are in [jsonrpc.schema.json](jsonrpc.schema.json), which is generated from
the same code, and what they mean is on the page of [the wire](protocol.md), whose messages these are.

```sh
pyshell serve fit --stdio              # started if it does not run; --python EXE then says in what
pyshell serve fit --stdio --attach     # only if it runs
pyshell serve fit --socket             # a unix socket, whose path is printed
```

The session outlives the bridge and its client. A client that comes back asks for the events after the last one that
it has seen, and has missed nothing.

## Framing

The first byte that comes decides, and the answers have the same form: with a letter begins
`Content-Length: 123\\r\\n\\r\\n` and so many bytes, as language servers do it; with anything else one message per line.
Text is UTF-8; what the bridge writes is ASCII. A message has up to {limit} bytes: a longer one is passed over and
refused, and the next one is read. Headers without a length end the conversation.

## Requests

`params` are an object with the request's fields by name. A field that has a default may be missing; a field that does
not exist is refused. A message inside of a message is an object, too; where there may be several, as in an event's
`body`, its `kind` says which. Bytes are text in base64. Numbers that JSON does not have are `null`.

Requests are served side by side: a completion is answered while a question for events waits. Of those that change
something the order is kept. `client`, who submits a cell, is by itself what `initialize` has said.
Up to {unanswered} requests may wait for an answer, and up to {waiting} of them for `events`. Batches are refused.

What is added to the session's operations:

| method | params | result |
|---|---|---|
| `initialize` | `client`: a name, shown to others who use the session; `subscribe`: as `from` of `subscribe`, or `null`; \
`token`: on a socket | `version`, `protocol`, `session`, `status` (as `status` has it), `capabilities`: `methods`, \
`notifications`, `framing` |
| `subscribe` | `from`: the number of the first event that is wanted, 1 for all; without it those that come | `{{}}`; then \
each event comes as a notification `event`, in order, once. A second one takes the place of the first |
| `is_complete` | `code` | `status`: `complete`, `incomplete` or `invalid`; `indent` |
| `undo`, `redo`, `restore` | `checkpoint`, for `restore` | [`checked_out`](protocol.md#checked_out), when it is done |
| `$/cancelRequest` | `id` | none: it is a notification. The request is answered with the error {cancelled}; what it \
has begun goes on (`cancel` takes a cell out of the queue, `interrupt` stops it) |
| `shutdown` | | `null`; after it only `exit` is understood |
| `exit` | | none: the conversation is over, the session runs on |

`initialize` may be left out on standard input. Notifications that the bridge sends:

| notification | params |
|---|---|
| `event` | an [`event`](protocol.md#event) |
| `ended` | `kind`, `message`: no more events will come: the session has ended (`SessionStopped`) or its host is gone |

An event of a cell may come before the answer to the `execute` that it is from: `queued` has the cell's number, its code
and its client.

## Places in files

`execute` takes `file`, `line` and `column` of where its code begins: `line` counts from 1, as editors show it, `column`
from 0, in characters. Tracebacks, warnings and breakpoints then name the file and its own lines; the text that a traceback
shows is what is on disk. A piece of an indented block can be sent as it is: give the column of its first character, or
whole lines with column 0. The cell's code begins with a line that tells the place: `# %% /home/me/fit.py:12:4 [sent]`.

## Variables in a debugger's view

`variables`, `children` and `table` are made for the Debug Adapter Protocol, and are answered while a cell runs:

| there | here |
|---|---|
| `name`, `type`, `value` | `name`, `type`, `preview` |
| `indexedVariables`, `namedVariables` | `indexed`, `named`: one of the two is 0, and both where there is nothing to open |
| `evaluateName` | the `name` of a variable, the `path` of a child; where that is empty nothing can name it |
| `variablesReference` | a number of yours for that path, which is what `children` takes |
| `start`, `count` | `start`, `count`, with up to 1000 in an answer; `filter` is right or wrong for all of them |

A path is asked for again each time: what it names may be another value by then, or none (`found`). Nothing of a value's own code
runs, so that one whose `repr` raises is shown by its class. Arrays of several dimensions consist of their rows, frames of their
columns, and these of their cells; `table` shows windows of both.

`docs/examples/dap.py` is a whole adapter, of 150 lines: VS Code, nvim-dap and others that speak the Debug Adapter Protocol
show with it the variables of a session. The tests check its answers against the protocol's schema.

## On a socket

The socket lies beside the session's own, in a directory that only its user can enter; another path must lie in such a
directory, too. The kernel tells who connects: another user is refused. The first message is `initialize` within
5 seconds, with `token`: the {token_size} bytes of the file `NAME.token` beside the session's socket, as hexadecimal digits.

## Errors

| code | |
|---|---|
{errors}

`data.kind` of pyshell's own errors is the class's name, as on the page of the [API](api.md#errors). A cell that raises, or
kills its worker, is no error of a request: its events tell.

## A real exchange

The tests have this conversation. `…` stands for what differs from run to run; events that are not shown are left out.

```text
{exchange}
```

## Operations

| method | params | result | |
|---|---|---|---|
{operations}
"""

EXCHANGE = r"""
--> {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"client":"tour"}}
<-- {"jsonrpc":"2.0","id":1,"result":{"version":"…","protocol":"…","session":"tour","status":"…","capabilities":"…"}}
--> {"jsonrpc":"2.0","id":2,"method":"subscribe","params":{"from":1}}
<-- {"jsonrpc":"2.0","id":2,"result":{}}
--> {"jsonrpc":"2.0","id":3,"method":"execute","params":{"code":"print('hi')\nthe_answer = 6 * 7\nthe_answer"}}
<-- {"jsonrpc":"2.0","id":3,"result":{"cell":1}}
<-- {"jsonrpc":"2.0","method":"event","params":{"seq":"…","epoch":1,"cell":1,"client":"tour","time":"…","body":{"kind":"output","text":"hi\n","stream":"stdout"}}}
<-- {"jsonrpc":"2.0","method":"event","params":{"seq":"…","epoch":1,"cell":1,"client":"tour","time":"…","body":{"kind":"result","text":"42","type":"int"}}}
--> {"jsonrpc":"2.0","id":4,"method":"execute","params":{"code":"    1 / 0","file":"/tmp/no such/fit.py","line":12}}
<-- {"jsonrpc":"2.0","id":4,"result":{"cell":2}}
<-- {"jsonrpc":"2.0","method":"event","params":{"seq":"…","epoch":1,"cell":2,"client":"tour","time":"…","body":{"kind":"error","error":{"kind":"ZeroDivisionError","message":"division by zero","traceback":"Traceback (most recent call last):\n  File \"/tmp/no such/fit.py\", line 12, in <module>\nZeroDivisionError: division by zero\n"},"printed":false}}}
--> {"jsonrpc":"2.0","id":5,"method":"complete","params":{"code":"the_an","cursor_pos":6}}
<-- {"jsonrpc":"2.0","id":5,"result":{"matches":[{"text":"the_answer","kind":"…","type":"int","signature":""}],"start":0,"end":6,"source":"…"}}
--> {"jsonrpc":"2.0","id":6,"method":"peek","params":{"checkpoint":999}}
<-- {"jsonrpc":"2.0","id":6,"error":{"code":-32051,"message":"…","data":{"kind":"CheckpointNotFound"}}}
--> {"jsonrpc":"2.0","id":7,"method":"dance"}
<-- {"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"…"}}
--> {"jsonrpc":"2.0","id":8,"method":"kill"}
<-- {"jsonrpc":"2.0","id":8,"result":{}}
<-- {"jsonrpc":"2.0","method":"ended","params":{"kind":"SessionStopped","message":"the session \"tour\" has ended"}}
--> {"jsonrpc":"2.0","method":"exit"}
""".strip()

STANDARD = {
    faults.PARSE_ERROR: "no JSON: also a name that stands twice in an object, `NaN`, and what is nested too deep",
    faults.INVALID_REQUEST: "JSON, but no request; or one over the limit, or after `shutdown`",
    faults.METHOD_NOT_FOUND: "no such method",
    faults.INVALID_PARAMS: "a field is missing, unknown or of another type",
    faults.CANCELLED: "cancelled by `$/cancelRequest`",
}


def page() -> str:
    """docs/jsonrpc.md."""
    from pyshell.lanes import MAX_WAITING
    from pyshell.private import SIZE

    own = {code: f"`{cls.__name__}`: {_first_line(cls)}" for cls, code in faults.CODES.items()}
    return HEAD.format(
        limit=framing.MAX_MESSAGE, unanswered=jsonrpc.MAX_UNANSWERED, waiting=MAX_WAITING, cancelled=faults.CANCELLED,
        token_size=SIZE, exchange=EXCHANGE,
        errors="\n".join(f"| {code} | {text} |" for code, text in {**STANDARD, **own}.items()),
        operations="\n".join(
            f"| `{name}` | {_link(one.request)} | {_link(one.reply)} | {one.summary} |"
            for name, one in jsonrpc.OPERATIONS.items()
        ),
    )  # fmt: skip


def _link(cls: type[Message]) -> str:
    return f"[`{cls.TAG}`](protocol.md#{cls.TAG})"


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").splitlines()[0]


def schema(notes: Notes) -> str:
    """docs/jsonrpc.schema.json: JSON Schema of every method's params and result, and of the notifications."""
    methods: dict[str, Any] = {
        name: {"summary": one.summary, "params": _ref(one.request), "result": _ref(one.reply)}
        for name, one in jsonrpc.OPERATIONS.items()
    } | OWN  # fmt: skip
    used = [one for operation in jsonrpc.OPERATIONS.values() for one in (operation.request, operation.reply)]
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pyshell serve: JSON-RPC 2.0",
        "methods": {name: methods[name] for name in jsonrpc.METHODS},
        "notifications": {"event": _ref(Event), "ended": _object(kind=_STRING, message=_STRING)},
        "errors": {cls.__name__: code for cls, code in faults.CODES.items()},
        "$defs": {cls.TAG: _definition(cls, notes(cls)) for cls in _all([*used, Event, CheckedOut, CompletenessReply])},
    }
    return json.dumps(document, indent=1) + "\n"


_STRING = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}
_MAYBE_NUMBER = {"anyOf": [_NUMBER, {"type": "null"}]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _ref(cls: type[Message]) -> dict[str, str]:
    return {"$ref": f"#/$defs/{cls.TAG}"}


OWN: dict[str, Any] = {
    "initialize": {
        "params": _object(client=_STRING, subscribe=_MAYBE_NUMBER, token=_STRING),
        "result": _object(
            version=_STRING, protocol=_NUMBER, session=_STRING, status={"$ref": "#/$defs/status"},
            capabilities=_object(
                methods={"type": "array", "items": _STRING}, notifications={"type": "array", "items": _STRING},
                framing={"enum": ["headers", "lines"]},
            ),
        ),
    },
    "subscribe": {"params": _object(**{"from": _MAYBE_NUMBER}), "result": _object()},
    "is_complete": {"params": _object(code=_STRING), "result": _ref(CompletenessReply)},
    "undo": {"params": _object(client=_STRING), "result": _ref(CheckedOut)},
    "redo": {"params": _object(client=_STRING), "result": _ref(CheckedOut)},
    "restore": {"params": _object(checkpoint=_NUMBER, client=_STRING), "result": _ref(CheckedOut)},
    "$/cancelRequest": {"params": _object(id={"type": ["string", "number"]})},
    "shutdown": {"params": _object(), "result": {"type": "null"}},
    "exit": {"params": _object()},
}  # fmt: skip


def _all(classes: Iterable[type[Message]]) -> list[type[Message]]:
    """These, and those within them, each once."""
    found: dict[type[Message], None] = {}
    waiting = list(classes)
    while waiting:
        cls = waiting.pop(0)
        if cls not in found:
            found[cls] = None
            waiting += [inner for hint in typing.get_type_hints(cls).values() for inner in messages_of(hint)]
    return list(found)


def _definition(cls: type[Message], notes: dict[str, str]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    properties = {}
    for name in cls._field_names:
        about = {"description": notes[name]} if name in notes else {}
        default = {"default": vars(cls)[name]} if name in vars(cls) else {}
        properties[name] = {**_type(hints[name]), **about, **default}
    required = [name for name in cls._field_names if name not in vars(cls) and name != "client"]
    return {
        "type": "object", "description": inspect.getdoc(cls), "properties": properties, "required": required,
    }  # fmt: skip


def _type(hint: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        several = len(messages_of(hint)) > 1
        return {"anyOf": [_tagged(one) if several and one is not type(None) else _type(one) for one in arguments]}
    if issubclass(hint, Message):
        return _ref(hint)
    if hint is bytes:
        return {"type": "string", "contentEncoding": "base64"}
    names = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    return {"type": names[hint]}


def _tagged(cls: type[Message]) -> dict[str, Any]:
    return {"allOf": [_ref(cls), {"properties": {"kind": {"const": cls.TAG}}, "required": ["kind"]}]}
