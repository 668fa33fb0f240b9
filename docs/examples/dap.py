"""Show a session's variables in an editor's debugger view: `python dap.py NAME` is a debug adapter on standard input.

Runs in: clients. It only looks, also while a cell runs, and asks through `pyshell serve`, as it could in any language.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, BinaryIO

Object = dict[str, Any]
PAGE = 1000
# A debugger's view is filled when something stops. The session goes on: only its variables are looked at.
PAUSE = {"reason": "pause", "threadId": 1, "allThreadsStopped": True, "preserveFocusHint": True}
STOPPED = {"type": "event", "event": "stopped", "body": PAUSE}
FIXED: dict[str, Object] = {
    "initialize": {"supportsConfigurationDoneRequest": True, "supportsEvaluateForHovers": True},
    "threads": {"threads": [{"id": 1, "name": "session"}]},
    "stackTrace": {"stackFrames": [{"id": 1, "name": "__main__", "line": 0, "column": 0}], "totalFrames": 1},
    "setBreakpoints": {"breakpoints": []},
    **{command: {} for command in ("setExceptionBreakpoints", "configurationDone", "disconnect")},
}
AFTER = {"attach": {"type": "event", "event": "initialized"}, "configurationDone": STOPPED}


def write(stream: BinaryIO, message: Object) -> None:
    """Both protocols have the same framing."""
    body = json.dumps(message).encode()
    stream.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    stream.flush()


def read(stream: BinaryIO) -> Iterator[Object]:
    length = 0
    while line := stream.readline():
        if line.strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        else:
            yield json.loads(stream.read(length))


class Served:
    """The session, by JSON-RPC; `renew` is called when its variables may be others."""

    def __init__(self, name: str, renew: Callable[[], None]) -> None:
        command = [sys.executable, "-m", "pyshell", "serve", name, "--stdio", "--attach"]
        self._serving = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers: SimpleQueue[Object] = SimpleQueue()
        threading.Thread(target=self._read, args=(renew,), daemon=True).start()

    def ask(self, method: str, **params: Any) -> Any:
        assert self._serving.stdin
        write(self._serving.stdin, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = self._answers.get()
        if "error" in answer:
            raise LookupError(answer["error"]["message"])
        return answer["result"]

    def _read(self, renew: Callable[[], None]) -> None:
        assert self._serving.stdout is not None
        for message in read(self._serving.stdout):
            if "id" in message:
                self._answers.put(message)
            elif message["params"].get("body", {}).get("kind") in ("finished", "restored", "checked_out"):
                renew()
        self._answers.put({"error": {"message": "the session has ended"}})


class Adapter:
    """One editor's view. Requests are answered one after the other, by the method of their name."""

    def __init__(self, name: str, out: BinaryIO) -> None:
        self._out, self._lock, self._seq = out, threading.Lock(), 0
        self._served = Served(name, lambda: self._say(STOPPED))
        self._paths = [""]  # what can be opened, first all names; a `variablesReference` is a place here, from 1

    def serve(self, requests: Iterator[Object]) -> None:
        for request in requests:
            command = request["command"]
            answer: Object = {"type": "response", "request_seq": request["seq"], "command": command, "success": True}
            try:
                do = getattr(self, f"do_{command}", None)
                answer["body"] = do(request.get("arguments") or {}) if do else FIXED[command]
            except LookupError as exc:  # also of all that would do more than look
                answer |= {"success": False, "message": str(exc)}
            self._say(answer)
            if command in AFTER:
                self._say(AFTER[command])

    def do_attach(self, _: Object) -> Any:
        self._served.ask("initialize", client="debugger")
        return self._served.ask("subscribe")

    def do_scopes(self, _: Object) -> Object:
        total = self._served.ask("variables", count=0)["more"]
        return {"scopes": [{"name": "Session", "expensive": False, "variablesReference": 1, "namedVariables": total}]}

    def do_variables(self, arguments: Object) -> Object:
        path, place = self._paths[arguments["variablesReference"] - 1], arguments.get("start") or 0
        stop, found = place + (arguments.get("count") or sys.maxsize), []
        while place < stop:
            rows, total, kind = self._page(path, place, min(PAGE, stop - place))
            found += [self._variable(row, n) for n, row in enumerate(rows, place)]
            place, stop = place + len(rows), min(stop, total) if rows else 0
        return {"variables": found if arguments.get("filter", kind) == kind else []}

    def do_evaluate(self, arguments: Object) -> Object:
        path = arguments["expression"].strip()
        about = self._served.ask("inspect", code=path, cursor_pos=len(path))
        parts = self._served.ask("children", path=path, count=0)
        if not parts["found"]:
            raise LookupError(f"{path}: only names, attributes and items can be looked at")
        kind = "indexed" if parts["indexed"] else "named"
        return {"result": about["preview"], "type": about["type"], **self._opening(path, kind, parts["total"])}

    def _page(self, path: str, start: int, count: int) -> tuple[list[Object], int, str]:
        if path:
            found = self._served.ask("children", path=path, start=start, count=count)
            return found["children"], found["total"], "indexed" if found["indexed"] else "named"
        found = self._served.ask("variables", start=start, count=count)
        rows = [{**row, "path": row["name"]} for row in found["variables"]]
        return rows, start + len(rows) + found["more"], "named"

    def _variable(self, row: Object, place: int) -> Object:
        path, kind = row["path"], "indexed" if row["indexed"] else "named"
        name = row["name"].removeprefix(".") or f"[{place}]"  # what is in a set has none
        named = {"evaluateName": path, **self._opening(path, kind, row[kind])} if path else {"variablesReference": 0}
        return {"name": name, "type": row["type"], "value": row["preview"], **named}

    def _opening(self, path: str, kind: str, total: int) -> Object:
        if not total:
            return {"variablesReference": 0}
        if path not in self._paths:
            self._paths.append(path)
        return {"variablesReference": self._paths.index(path) + 1, f"{kind}Variables": total}

    def _say(self, message: Object) -> None:
        with self._lock:
            self._seq += 1
            write(self._out, {"seq": self._seq, **message})


if __name__ == "__main__":
    Adapter(sys.argv[1], sys.stdout.buffer).serve(read(sys.stdin.buffer))
