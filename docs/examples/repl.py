"""A minimal console for a session, line by line: `python repl.py NAME`. Ctrl-C interrupts, Ctrl-D leaves.

Runs in: clients. What others run in the session is shown, too, when the next cell is run.
"""

from __future__ import annotations

import queue
import sys
import threading

import pyshell
from pyshell.errors import ConnectionLost, SessionNotFound
from pyshell.protocol import Died, Display, Error, Event, InputRequest, Notice, Output, Queued, Restored, Result


def shown(event: Event, client: str) -> str:
    """What an event looks like here."""
    body = event.body
    if isinstance(body, Queued):
        return "" if event.client == client else f"[{event.client}] In [{event.cell}]: {body.code}\n"
    if isinstance(body, Output):
        return body.text
    if isinstance(body, InputRequest):
        return body.prompt
    if isinstance(body, Result):
        return f"Out[{event.cell}]: {body.text}\n"
    if isinstance(body, Error):
        return "" if body.printed else body.error.traceback
    if isinstance(body, Display):
        return f"{body.text}\n" if body.text else ""
    if isinstance(body, Died):
        return f"The worker has died: {body.exit.reason}\n"
    if isinstance(body, Restored):
        return f"{len(body.names)} names are back.\n" if body.names else ""
    return f"{body.text}\n" if isinstance(body, Notice) else ""


def follow(session: pyshell.Session, events: queue.Queue[Event | None]) -> None:
    """Runs on a thread: who waits for events should hear Ctrl-C."""
    try:
        for event in session.events(session.status().last_event):
            events.put(event)
    except ConnectionLost as exc:
        print(exc)
    events.put(None)


def read_cell(session: pyshell.Session) -> str:
    """Lines until they are a whole cell."""
    code = input(">>> ")
    while session.is_complete(code).status == "incomplete":
        code += "\n" + input("... ")
    return code


def run(session: pyshell.Session, events: queue.Queue[Event | None], code: str) -> bool:
    """Until the cell has ended; whether the session goes on."""
    cell = session.execute(code)
    while True:
        try:
            event = events.get()
            if event is None:
                return False
            print(shown(event, session.client), end="", flush=True)
            if event.cell == cell and event.kind == "input_request":
                session.input(input())
            if event.cell == cell and event.kind == "finished":
                return True
        except KeyboardInterrupt:
            session.interrupt()


def main(name: str) -> None:
    try:
        session = pyshell.connect(name, client="repl")
    except SessionNotFound:
        session = pyshell.start(name, client="repl")
    with session:
        events: queue.Queue[Event | None] = queue.Queue()
        threading.Thread(target=follow, args=(session, events), daemon=True).start()
        try:
            while run(session, events, read_cell(session)):
                pass
        except (EOFError, KeyboardInterrupt):
            print(f'\nthe session "{name}" goes on')


if __name__ == "__main__":
    main(sys.argv[1])
