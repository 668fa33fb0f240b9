"""THE wire: every message between two processes, and who may ask whom for what. No I/O.

Runs in: every process (Python 3.10 and newer). How a message becomes a plain tuple is in codec.py.
"""

from __future__ import annotations

import typing
from typing import Literal, Union

from pyshell import codec
from pyshell.codec import Message as Message
from pyshell.codec import from_json as from_json
from pyshell.codec import from_wire as from_wire
from pyshell.codec import message
from pyshell.codec import messages as messages
from pyshell.codec import to_json as to_json
from pyshell.codec import to_wire as to_wire
from pyshell.frozen import dataclass

VERSION = 7
"""Raised whenever a message changes; both sides must agree."""
MAX_COMM = 4 << 20
"""Characters of what a comm says in one message, with its buffers; it must fit into a message of ours."""
COMM_CELL = (1 << 32) - 1
"""What stands for a cell's number while the worker hears a comm."""
CELL_PARENT = "pyshell-cell-"
"""With a cell's number: what the worker calls the message that a notebook sent the cell in. Who speaks with the
notebook knows that message's own id."""

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
"""Names a model that a comm has opened: frontends that know widgets show the absence of one in place of the text."""

State = Literal["starting", "idle", "busy", "restarting", "dead", "stopped"]
CellStatus = Literal["ok", "error", "died", "aborted", "interrupted"]
Completeness = Literal["complete", "incomplete", "invalid"]
CompletionSource = Literal["live", "static", "summary"]
TerminalUse = Literal["lines", "keys", "screen"]
Stream = Literal["stdout", "stderr"]
CommAction = Literal["open", "message", "close"]

KEPT_OUT = "# kept out of the history"
"""What there is of the code of a cell that began with a space, everywhere but in the worker while that lives."""

# --- values that several messages carry ---------------------------------------------------------


@message
class ExitInfo(Message):
    """Why a worker ended, as far as can be known."""

    reason: str
    """One sentence for a person."""
    signal: str | None
    """`SIGSEGV` and the like, when a signal ended it."""
    code: int | None
    """The exit code, when it ended by itself."""
    out_of_memory: bool
    """Whether the kernel's memory killer was seen at work."""
    peak_rss: int
    """The most memory the process ever held, in bytes; 0 when unknown."""
    stack: str
    """What faulthandler wrote: the stacks at the moment of death; may be empty."""
    cell: int | None
    """The cell that was running."""


@message
class Unsaved(Message):
    """A name whose value is not in a checkpoint, or could not be brought back from one."""

    name: str
    type: str
    reason: str
    cell: int | None
    """The cell that bound the name, when known: running it again recreates the value."""


@message
class ErrorInfo(Message):
    """An exception that a cell did not catch."""

    kind: str
    """The class name, as the traceback's last line shows it."""
    message: str
    traceback: str
    """The rendered traceback with its last line, without colours."""


# --- events: what the journal keeps and every client sees -----------------------------------------


@message
class Queued(Message):
    """A cell was submitted. It is in the journal from here on."""

    code: str


@message
class Started(Message):
    """The worker began to run the cell."""


@message
class Output(Message):
    """Text from the worker's terminal; `\\r\\n` is already `\\n`, escape sequences are kept."""

    text: str
    stream: Stream = "stdout"
    """`stderr`: it was written to sys.stderr, by the worker itself. What programs write is not told apart."""


@message
class Result(Message):
    """The value of the cell's last expression."""

    text: str
    type: str


@message
class MimeData(Message):
    """One representation of a value: text as it is, other data in base64, as in Jupyter's protocol."""

    mime: str
    data: str


@message
class Display(Message):
    """Something to look at: a figure, a table. The text comes first, for those who can show nothing else."""

    text: str
    """Empty where the `result` event before it has said it."""
    data: tuple[MimeData, ...]
    metadata: str
    """A JSON object, by MIME type."""
    display_id: str
    """A later display of the same id may replace this one; empty where none will."""
    update: bool
    """It replaces the one before with its id."""
    of_result: bool
    """More about the value of the cell's last expression."""


@message
class ClearOutput(Message):
    """What the cell has shown so far is to be taken away, where that can be done: `clear_output()`."""

    wait: bool
    """Not before it shows something else."""


@message
class Error(Message):
    """The cell raised. `printed` says that the user's own excepthook showed it already."""

    error: ErrorInfo
    printed: bool


@message
class Evaluated(Message):
    """What an expression that was sent with the cell came to, or raised; in the order that they were sent in."""

    expression: str
    value: Display | None
    error: ErrorInfo | None


@message
class InputRequest(Message):
    """The cell waits for a line of input, or a program that it has started does: then what it asks is in the output."""

    prompt: str
    password: bool
    """Do not echo what is typed."""


@message
class InputDone(Message):
    """It got its line, or waits no longer."""


@message
class Changes(Message):
    """What a cell did to the namespace, as far as that is known when it ends."""

    created: tuple[str, ...]
    changed: tuple[str, ...]
    """Names that mean another value now, and containers of another length that the cell's code names."""
    deleted: tuple[str, ...]
    more: int
    """How many names the lists leave out."""
    memory_before: int
    """Bytes of the worker's that were in memory; 0 where the system does not tell."""
    memory_after: int


@message
class Finished(Message):
    """Nothing more will come from this cell. After a death it comes when the state is back."""

    status: CellStatus
    seconds: float
    changes: Changes | None = None
    """None: the cell did not run to its end."""
    effects: tuple[str, ...] = ()
    """What it did outside of its process, as far as that was seen: `wrote out.csv`, `connected to example.org:443`."""
    saves: bool = True
    """Whether what it did is going to be saved; no in a session where only its person does that."""


@message
class Saved(Message):
    """A checkpoint was committed: from here on the state after the cell survives anything."""

    checkpoint: int
    unsaved: tuple[Unsaved, ...]
    seconds: float
    written: int
    """Bytes that this checkpoint added to the store."""
    line: int | None = None
    """The line of the cell that was running; None: the cell had ended."""


@message
class SaveFailed(Message):
    """No checkpoint was made after the cell; the one before still holds."""

    reason: str


@message
class Died(Message):
    """The worker ended without being asked to."""

    exit: ExitInfo


@message
class Restored(Message):
    """A new worker has the namespace of a checkpoint; None where it starts with nothing."""

    checkpoint: int | None
    names: tuple[str, ...]
    """Those that come back; what is large may be loaded after the first cells."""
    not_restored: tuple[Unsaved, ...]
    seconds: float


@message
class CheckedOut(Message):
    """The namespace is at another checkpoint, which the next one follows. What is the same in both kept its objects."""

    checkpoint: int
    left: int
    """The checkpoint that holds the state that was left: going there undoes this."""
    cell: int | None
    """The cell after which the checkpoint was taken."""
    names: tuple[str, ...]
    """Those that were loaded."""
    removed: tuple[str, ...]
    """Those that the checkpoint does not have."""
    not_restored: tuple[Unsaved, ...]
    seconds: float


@message
class Loaded(Message):
    """Single names were bound to their values in a checkpoint, and definitions that these need and that were absent."""

    checkpoint: int
    names: tuple[str, ...]
    not_restored: tuple[Unsaved, ...]
    seconds: float


@message
class CheckoutFailed(Message):
    """What was asked of a checkpoint was not done; the namespace is what it was before."""

    kind: str
    """The error's name, as in `pyshell.errors`."""
    reason: str


@message
class StateChanged(Message):
    """The session's state; `pid` is the worker's, None where there is none."""

    state: State
    pid: int | None


@message
class Held(Message):
    """The queue waits for somebody to say go, because the worker died under it."""

    cells: tuple[int, ...]


@message
class Released(Message):
    """The queue runs again."""


@message
class Reordered(Message):
    """Somebody has put a cell that waits at another place in the queue."""

    cells: tuple[int, ...]


@message
class Stack(Message):
    """Where the cell is, shown while an interrupt takes long to be obeyed."""

    text: str


@message
class Notice(Message):
    """A sentence for the person that fits no other event."""

    text: str


@message
class TerminalUsed(Message):
    """How the program in front uses the worker's terminal, from here on until that changes or the cell ends.

    `lines`: as a stream of text. `keys`: it wants each key as it is typed. `screen`: it draws on the alternate screen.
    The text of the output events in between is as it was written; here `\\r\\n` is not yet `\\n`.
    """

    use: TerminalUse


@message
class Draft(Message):
    """Code that a cell puts at the prompt of the client who ran it: to be read, changed and run."""

    code: str


@message
class Rerun(Message):
    """One cell that could run again, to make what did not come back."""

    cell: int
    code: str
    """Its first line."""
    names: tuple[str, ...]
    """What it would make."""
    inputs: tuple[str, ...]
    """What it would take from the saved state before it, because these have other values now."""
    state: int
    """That state's number; 0: none."""
    effects: tuple[str, ...]
    """What it did outside of its process."""
    never: bool
    """It is never to run again."""


@message
class Remakeable(Message):
    """Cells that could run again after a restore, in their order. Who shows it asks; `%replay` does it."""

    steps: tuple[Rerun, ...]


@message
class NeverReplayed(Message):
    """The person wants these cells never to be run again by themselves; or, with `never` False, no longer that."""

    cells: tuple[int, ...]
    never: bool


@message
class Background(Message):
    """Which cells run in the background from here on. They have finished; what they show comes under their numbers."""

    cells: tuple[int, ...]


@message
class Leave(Message):
    """The cell called exit(): the console that ran it leaves, and the session goes on."""


@message
class Comm(Message):
    """What one half of a comm says to the other: an object in the worker, mostly a widget, and its view in a notebook.

    Comms end with their worker, which is not told one by one.
    """

    action: CommAction
    comm: str
    """Its id."""
    target: str
    """What is to be on the other side of one that is opened: `jupyter.widget`."""
    data: str
    """A JSON value."""
    metadata: str
    """A JSON object."""
    buffers: tuple[str, ...]
    """In base64."""


@message
class CommTaken(Message):
    """The worker hears a message of a comm: what is shown from here on and belongs to no cell comes from that."""

    message: str


@message
class CommDone(Message):
    """Nothing more will come from that message; `aborted`: the worker it was meant for has ended before its turn."""

    message: str
    status: CellStatus


EventBody = Union[
    Queued, Started, Output, Result, Display, ClearOutput, Error, Evaluated, InputRequest, InputDone, Finished, Saved,
    SaveFailed, Died, Restored, CheckedOut, Loaded, CheckoutFailed, StateChanged, Held, Released, Reordered, Stack,
    Notice, TerminalUsed, Draft, Leave, Remakeable, NeverReplayed, Background, Comm, CommTaken, CommDone,
]  # fmt: skip


@message
class Event(Message):
    """A numbered record of something that happened. Numbers grow by one and never go back."""

    seq: int
    epoch: int
    """How many workers the session had had, this one included."""
    cell: int | None
    client: str
    """Who submitted the cell, or caused what happened; empty for the session itself."""
    time: float
    """Seconds since 1970, by the host's clock."""
    body: EventBody

    @property
    def kind(self) -> str:
        """`started`, `output`, … : the body's tag."""
        return self.body.TAG


# --- requests and replies ---------------------------------------------------------------------------


@message
class Nothing(Message):
    """A request without fields, or a reply that only says "done"."""


@message
class Execute(Message):
    """Run `code` as the next cell, under its file's name and line numbers if it is a piece of one."""

    code: str
    client: str = ""
    file: str = ""
    """The path; empty: tracebacks name the cell."""
    line: int = 1
    """Where in the file the code begins, counted from 1."""
    column: int = 0
    """Characters before it in that line. Code of an indented block is taken out of it."""
    expressions: tuple[str, ...] = ()
    """Evaluated when it has run without an error: an `evaluated` event for each, before the cell has finished. They are
    not in the history, and those of a cell that waits when its host is killed are forgotten."""


@message
class Submitted(Message):
    """The number of a cell that is now in the journal."""

    cell: int


@message
class ReadEvents(Message):
    """Events with a number over `after`, oldest first; waits up to `timeout` seconds for the first."""

    after: int = 0
    cell: int | None = None
    """Only this cell's events, if given."""
    limit: int = 1000
    timeout: float = 0.0


@message
class Events(Message):
    """A run of events; empty when the time ran out."""

    events: tuple[Event, ...]
    last: int
    """The newest number in the journal."""
    stopped: bool
    """The session has ended: nothing will come after `last`."""


@message
class SendComm(Message):
    """Let the worker's half of a comm hear something, when no cell runs: before the cells that wait."""

    said: Comm
    message: str
    """Its id, which must be the only one of its kind: `comm_taken` and `comm_done` name it."""
    client: str = ""


@message
class OpenComm(Message):
    """A comm with a half in the worker."""

    comm: str
    target: str


@message
class OpenComms(Message):
    """The comms of the present worker, oldest first; of very many the newest."""

    comms: tuple[OpenComm, ...]


@message
class CellRef(Message):
    """Names one cell by its number."""

    cell: int


@message
class QueuedCell(Message):
    """A cell that has not run yet."""

    cell: int
    client: str
    code: str
    expressions: tuple[str, ...] = ()
    """Those that are evaluated after it; a listing leaves them out."""


@message
class Queue(Message):
    """The cells that have not run yet, first to run first."""

    cells: tuple[QueuedCell, ...]
    held: bool


@message
class MoveCell(Message):
    """Put a queued cell at another place in the queue; 0 is next."""

    cell: int
    position: int = 0


@message
class Status(Message):
    """The session at this moment."""

    name: str
    state: State
    epoch: int
    pid: int | None
    python: str
    """The interpreter's version, `3.12.1`; empty before the first worker is ready."""
    executable: str
    cwd: str
    cell: int | None
    """The running cell."""
    next_cell: int
    queued: tuple[int, ...]
    held: bool
    clients: int
    checkpoint: int | None
    """The newest committed checkpoint."""
    saved_cell: int | None
    """The cell after which it was taken."""
    verified_cell: int | None
    """The cell after which everything was compared with the namespace; of later cells only what they name was saved.
    None: not since this worker came up or another state was restored."""
    unsaved: tuple[Unsaved, ...]
    waiting_for_input: InputRequest | None
    started: float
    last_event: int
    background: tuple[int, ...] = ()
    """Cells that run in the background, beside the running one."""
    not_restored: tuple[Unsaved, ...] = ()
    """Names that a restored state should have had, and that nobody has bound again or deleted since."""


@message
class Glance(Message):
    """What a session's journal says of it, whether its host runs or not."""

    name: str
    cwd: str
    cells: int
    """The number of the newest."""
    time: float
    """Of the newest event; 0 if there is none."""
    cell: int | None
    """The cell that runs, also under a worker whose host was killed."""
    since: float
    """When that cell began."""
    pid: int | None
    """The worker's, if it is there."""
    last_line: str
    """What was shown last, with its escape sequences."""
    executable: str = ""
    """The interpreter that runs its code."""


@message
class Glances(Message):
    """All that were asked for, in their order."""

    glances: tuple[Glance, ...]


@message
class Recorded(Message):
    """One cell of the past with what it has shown, from the journal of a session whose host runs or does not."""

    session: str
    directory: str
    """The session's."""
    cell: int
    code: str
    status: CellStatus | None
    """None: it has not finished."""
    time: float
    """When it was sent."""
    seconds: float | None
    """How long it ran, if it has ended."""
    client: str
    shown: tuple[Output | Result | Display | Error, ...]
    """In its order. Of much output only the beginning."""


@message
class Records(Message):
    """Cells, oldest first."""

    records: tuple[Recorded, ...]
    unread: tuple[str, ...] = ()
    """Sentences about journals that cannot be read."""


@message
class Code(Message):
    """A piece of source and where the cursor is in it, counted in characters."""

    code: str
    cursor_pos: int
    detail: int = 0


MAX_MATCHES = 100
"""Nobody reads more, and they would take longer on their way than all the rest."""


@message
class Match(Message):
    """One completion."""

    text: str
    kind: str
    """`module class function property instance keyword param key path command`"""
    type: str
    """Of the value; of a path `directory` or `file`; empty where it is not known."""
    signature: str
    """In one line; of a command what it does; empty where it is not known."""


@message
class Completions(Message):
    """What could stand at the cursor: replace `code[start:end]` by a match's text."""

    matches: tuple[Match, ...]
    """Best first; at most 100, so that where there are so many others may fit as well."""
    start: int
    end: int
    source: CompletionSource
    """Who answered: the namespace as it is, a static analysis, or what the worker had told before it became busy."""


@message
class Call(Message):
    """The call that the cursor is in."""

    name: str
    """What is called, as it is written."""
    signature: str
    parameters: tuple[str, ...]
    """Each as the signature shows it; none where it could not be taken apart."""
    current: int | None
    """The one that the cursor is at."""


@message
class Child(Message):
    """An item of a container, an attribute, a column: described without running any of its code."""

    name: str
    """As it would be written after what it belongs to: `[0]`, `['key']`, `.attribute`."""
    path: str
    """What names it for the next question; empty where nothing can."""
    type: str
    shape: str
    size: int
    preview: str
    indexed: int
    """How many items it has that are told apart by their number: of a list, a set, an array, a column."""
    named: int
    """How many parts that have names: entries of a dictionary, attributes, columns. One of the two is 0."""


@message
class Inspection(Message):
    """What is known of the object under the cursor, or else of what is called there; not `found` where nothing is."""

    found: bool
    name: str
    type: str
    signature: str
    doc: str
    file: str
    line: int
    source: str
    """With `detail` 1."""
    preview: str
    shape: str = ""
    """Of arrays and frames `(1000, 3)`, of containers and texts the length."""
    dtype: str = ""
    size: int = 0
    """Bytes; see `variable`."""
    children: tuple[Child, ...] = ()
    """The first items of a container."""
    call: Call | None = None
    answered: CompletionSource = "live"


@message
class CompletenessReply(Message):
    """Whether Enter should run the code, and how far the next line is indented otherwise."""

    status: Completeness
    indent: str


@message
class Variable(Message):
    """One name of the namespace, described without running any of its code."""

    name: str
    type: str
    shape: str
    size: int
    """Bytes: of an array or a frame all, of other values an estimate from what lies directly in them."""
    preview: str
    cell: int | None = None
    """The last cell that bound it, when known."""
    changed: bool = False
    """Whether the last cell did, or changed its length."""
    saved: bool = True
    """Whether the newest checkpoint has it as the last cell that is known to have changed it left it."""
    reason: str = ""
    """Why not."""
    indexed: int = 0
    """As in `child`."""
    named: int = 0


@message
class ReadVariables(Message):
    """`count` names from number `start` on, in the order in which they were bound."""

    start: int = 0
    count: int = 1000


@message
class Variables(Message):
    """A page of the user's names."""

    variables: tuple[Variable, ...]
    more: int = 0
    """How many names there are after these."""
    answered: CompletionSource = "live"


@message
class ReadChildren(Message):
    """`count` items from number `start` on of what an expression like `a.b['key']` names; of no expression, nothing."""

    path: str
    start: int = 0
    count: int = 100


@message
class Children(Message):
    """A page of what a value consists of."""

    found: bool
    total: int
    children: tuple[Child, ...]
    indexed: bool = False
    """Whether they are told apart by their number; see `child`."""


@message
class ReadTable(Message):
    """A window of the array or frame that an expression names."""

    path: str
    first_row: int = 0
    rows: int = 50
    first_column: int = 0
    columns: int = 20


@message
class Column(Message):
    """The head of a column."""

    name: str
    dtype: str


@message
class Row(Message):
    """The label of a row, and its cells as text."""

    label: str
    cells: tuple[str, ...]


@message
class Table(Message):
    """Rows and columns of a window, as far as they exist; `found` is False where the name is no array and no frame."""

    found: bool
    type: str
    total_rows: int
    total_columns: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@message
class ReadHistory(Message):
    """The newest `limit` cells whose code contains `pattern`, oldest first; or those of all other sessions."""

    limit: int = 1000
    pattern: str = ""
    elsewhere: bool = False


@message
class HistoryEntry(Message):
    """One cell of the past; `status` is None while it has not finished."""

    cell: int
    code: str
    status: CellStatus | None
    time: float
    client: str
    session: str = ""
    """Whose cell it is, if it is another session's."""
    never: bool = False
    """It is marked as never to be run again."""


@message
class History(Message):
    """Cells, oldest first."""

    entries: tuple[HistoryEntry, ...]


@message
class Input(Message):
    """A line for the cell that waits for one; `end` sends end-of-file instead."""

    text: str
    end: bool = False


@message
class Keys(Message):
    """Bytes for the worker's terminal, as a keyboard would send them."""

    data: bytes


@message
class Size(Message):
    """The terminal's size in character cells."""

    columns: int
    rows: int


@message
class InterruptReply(Message):
    """What the interrupt did: which rung of the ladder was taken, as a sentence."""

    rung: Literal["nothing", "signal", "stack", "kill"]


@message
class Restart(Message):
    """Start another worker; with `fresh` its namespace is empty, else the last checkpoint's."""

    fresh: bool = False
    python: str = ""
    """The interpreter of this worker and those after it; empty: the same."""


@message
class Save(Message):
    """Take a checkpoint now. A labelled one is never pruned."""

    label: str | None = None


@message
class Checkpoint(Message):
    """One saved state of the namespace."""

    checkpoint: int
    parent: int | None
    cell: int | None
    time: float
    label: str | None
    names: int
    unsaved: int
    written: int
    head: bool
    """Whether the namespace was this one when it was saved or restored last: the next one's parent."""
    changed: tuple[str, ...] = ()
    """Names that differ from its parent's, where that was asked for."""
    line: int | None = None
    """The line of the cell that was running when it was saved; None: the cell had ended."""


@message
class Checkpoints(Message):
    """Saved states, oldest first. Their parents make them a tree; a pruned parent's own parent stands in for it."""

    checkpoints: tuple[Checkpoint, ...]


@message
class CheckpointRef(Message):
    """Names one checkpoint by its number."""

    checkpoint: int


@message
class Label(Message):
    """Name a checkpoint, which keeps it for ever; None takes its name away."""

    checkpoint: int
    label: str | None = None


@message
class Forgotten(Message):
    """What a pruning did."""

    checkpoints: tuple[int, ...]
    freed: int
    """Bytes."""
    reason: str
    """Why nothing was done; empty if it was."""


Way = Literal["checkpoint", "undo", "redo"]


@message
class Checkout(Message):
    """Take the namespace to a checkpoint: to that one, to the one before the last change, or on to the one after."""

    way: Way
    checkpoint: int | None = None
    """Which, if `way` does not say it."""
    client: str = ""


@message
class LoadNames(Message):
    """Bind these names to their values in a checkpoint, and leave all others as they are."""

    checkpoint: int
    names: tuple[str, ...]
    client: str = ""


@message
class Underway(Message):
    """It is being done: the first `checked_out`, `loaded` or `checkout_failed` event after this number tells how."""

    after: int


@message
class SavedName(Message):
    """One name that a checkpoint holds."""

    name: str
    type: str
    kind: Literal["module", "definition", "data"]
    size: int
    """Bytes of what is saved together with it; a module is only named."""
    cell: int | None
    """The last cell that bound it, or a name that is saved together with it."""
    group: str
    """Names with the same one are saved together: they share objects, and come back together."""
    verified: int
    """The cell after which this was what the namespace had. If a later one changed it unseen, the next audit saves it:
    see `Status.verified_cell`."""


@message
class Contents(Message):
    """What a checkpoint holds, told without loading it."""

    checkpoint: Checkpoint
    python: str
    """The version that wrote it."""
    names: tuple[SavedName, ...]
    """In the order in which they were first bound."""
    missing: tuple[Unsaved, ...]
    """Names that it does not hold, and why."""


@message
class CheckpointPair(Message):
    """Names two checkpoints, of which the first need not be the older."""

    before: int
    after: int


@message
class NameChange(Message):
    """What became of one name between two checkpoints."""

    name: str
    before: str | None
    """The value's type; None: the name was not there."""
    after: str | None
    cell: int | None
    """The cell that made what is there afterwards; of what is gone, what was there before."""


@message
class Difference(Message):
    """The names that differ between two checkpoints. Where names share objects, all of them are as changed as one."""

    added: tuple[NameChange, ...]
    changed: tuple[NameChange, ...]
    removed: tuple[NameChange, ...]


# --- host and worker only -----------------------------------------------------------------------------


@message
class RunCell(Message):
    """Run this cell on the worker's main thread."""

    cell: int
    code: str
    effects: tuple[str, ...] = ()
    """Of one of the past: what it did outside of its process."""
    never: bool = False
    """Of one of the past: it is marked as never to be run again."""
    expressions: tuple[str, ...] = ()
    """To be evaluated after it."""


@message
class RestoreNamespace(Message):
    """Load a committed checkpoint into the empty namespace, without the groups set aside."""

    checkpoint: int | None
    """None: start with nothing, but with the history."""
    history: tuple[RunCell, ...]
    """The newest cells of the past, for `In`, tracebacks and `inspect.getsource`."""
    set_aside: tuple[str, ...]
    """Ids of groups that killed or hung a worker before."""
    fatal: tuple[str, ...] = ()
    """Names, each with the type of its value, that a worker died over while it saved them itself."""
    offers: bool = False
    """Tell which cells could make again what does not come back."""
    lazy: bool = False
    """Large values may be loaded later: while no cell waits, and before a cell that can reach them."""


@message
class GoTo(Message):
    """Save the namespace, then take it to a checkpoint, without the groups set aside."""

    way: Way
    checkpoint: int | None
    set_aside: tuple[str, ...]


@message
class Fetch(Message):
    """Save the namespace, then bind these names to their values in a checkpoint."""

    checkpoint: int
    names: tuple[str, ...]


@message
class TakeCheckpoint(Message):
    """Save the namespace as soon as the worker is idle."""

    label: str | None


@message
class Settled(Message):
    """What became of a proposed checkpoint: its number, or None where it was not committed."""

    proposal: str
    checkpoint: int | None


@message
class Interrupted(Message):
    """A signal was sent to the cell. A system call that begins in that very moment does not let Python hear it."""

    at: float
    """Seconds of the machine's monotonic clock, before it was sent."""


@message
class Prepare(Message):
    """Import these modules, as far as they are installed: the namespace that comes will need them."""

    modules: tuple[str, ...]


@message
class Prepared(Message):
    """The directories that installed modules are taken from: when one changes, what was imported is out of date."""

    places: tuple[str, ...]


@message
class Asked(Message):
    """What a cell asks of its host, to be done when it has ended."""

    what: Literal["checkpoint", "undo", "redo", "kill", "python"]
    """Ways to another checkpoint, the end of the session, or a worker in another interpreter."""
    checkpoint: int | None
    force: bool = False
    """End the session although others are attached or cells wait."""
    python: str = ""


@message
class AskedForQueue(Message):
    """A cell wants its host to say which cells wait."""


@message
class Ready(Message):
    """The worker can run cells."""

    pid: int
    python: str
    executable: str


@message
class CheckpointStarted(Message):
    """A child process is saving the namespace; its proposal will be a file of that name. 0: it is there already."""

    pid: int
    proposal: str


@message
class LostLate(Message):
    """Names that were to be loaded after the first cells, and could not be."""

    names: tuple[Unsaved, ...]


@message
class Verified(Message):
    """Everything that the newest checkpoint holds was what the namespace had after that cell."""

    cell: int | None


@message
class Member(Message):
    """Something that can stand after a value's name: an attribute, or (kind `key`) what is between the brackets."""

    name: str
    kind: str
    signature: str


@message
class Outline(Message):
    """What is told of one name in advance, for the time when the worker cannot be asked."""

    name: str
    kind: str
    type: str
    shape: str
    size: int
    preview: str
    signature: str
    own: tuple[Member, ...]
    """What the value has beside what its class gives it."""


@message
class Family(Message):
    """What all values of one type have."""

    type: str
    members: tuple[Member, ...]


@message
class Outlines(Message):
    """Names of the namespace that were bound or unbound since the last time."""

    anew: bool
    """Forget what was told before: this is another worker."""
    outlines: tuple[Outline, ...]
    families: tuple[Family, ...]
    """Of types that were not told of before."""
    removed: tuple[str, ...]


ReportBody = Union[
    Ready, Output, Result, Display, ClearOutput, Error, Evaluated, InputRequest, InputDone, Finished, CheckpointStarted,
    SaveFailed, Verified, Restored, CheckedOut, Loaded, CheckoutFailed, Notice, Outlines, Draft, Leave, Asked,
    Remakeable, NeverReplayed, Background, AskedForQueue, Comm, CommDone, LostLate,
]  # fmt: skip


@message
class Report(Message):
    """What the worker tells the host. Output written before it precedes `fence` on the terminal."""

    fence: int
    """0 where the order against output does not matter. `Output` itself only comes from a worker
    whose host died: it is written to a file for the next host."""
    cell: int | None
    body: ReportBody


@message
class Reports(Message):
    """A batch of reports, oldest first."""

    reports: tuple[Report, ...]


# --- operations: who may ask whom for what ---------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A verb that one process offers to another."""

    request: type[Message]
    reply: type[Message]
    summary: str


HOST_OPERATIONS: dict[str, Operation] = {
    "status": Operation(Nothing, Status, "The session at this moment."),
    "execute": Operation(Execute, Submitted, "Journal a cell and queue it; answers at once."),
    "look_on": Operation(Nothing, Nothing, "From here on this connection may look, and change nothing."),
    "events": Operation(ReadEvents, Events, "Read the journal from any number on, or wait for more."),
    "queue": Operation(Nothing, Queue, "The cells that wait."),
    "cancel": Operation(CellRef, Nothing, "Take a cell that waits out of the queue."),
    "move": Operation(MoveCell, Nothing, "Put a cell that waits at another place."),
    "release": Operation(Nothing, Nothing, "Let a held queue run on."),
    "complete": Operation(Code, Completions, "What could stand at the cursor."),
    "inspect": Operation(Code, Inspection, "What is known of the object under the cursor."),
    "variables": Operation(ReadVariables, Variables, "The user's names, by page."),
    "children": Operation(ReadChildren, Children, "What a value consists of, by page."),
    "table": Operation(ReadTable, Table, "A window of an array or a frame."),
    "history": Operation(ReadHistory, History, "Cells of the past."),
    "input": Operation(Input, Nothing, "Answer a cell that waits for a line."),
    "keys": Operation(Keys, Nothing, "Type on the worker's terminal."),
    "resize": Operation(Size, Nothing, "Tell the worker's terminal its size."),
    "comm": Operation(SendComm, Nothing, "Let a widget in the worker hear what its view says; answers at once."),
    "comms": Operation(Nothing, OpenComms, "The widgets and other comms that the worker has."),
    "interrupt": Operation(Nothing, InterruptReply, "Stop the running cell; firmer each time."),
    "restart": Operation(Restart, Nothing, "Start another worker."),
    "save": Operation(Save, Nothing, "Take a checkpoint now."),
    "checkpoints": Operation(Nothing, Checkpoints, "The saved states."),
    "peek": Operation(CheckpointRef, Contents, "What a saved state holds."),
    "diff": Operation(CheckpointPair, Difference, "What changed from one saved state to another."),
    "checkout": Operation(Checkout, Underway, "Take the namespace to a saved state."),
    "load": Operation(LoadNames, Underway, "Bind single names to their values in a saved state."),
    "label": Operation(Label, Nothing, "Name a saved state, which keeps it for ever."),
    "prune": Operation(Nothing, Forgotten, "Forget the saved states that the rule does not keep."),
    "kill": Operation(Nothing, Nothing, "End the session; what is saved stays."),
}
"""What a client may ask the host."""

WORKER_OPERATIONS: dict[str, Operation] = {
    "execute": Operation(RunCell, Nothing, "Run a cell on the main thread; answers at once."),
    "prepare": Operation(Prepare, Prepared, "Import what a checkpoint will need, in a spare worker; answers at once."),
    "restore": Operation(RestoreNamespace, Nothing, "Load a checkpoint; answers at once."),
    "checkpoint": Operation(TakeCheckpoint, Nothing, "Save the namespace; answers at once."),
    "checkout": Operation(GoTo, Nothing, "Take the namespace to a checkpoint; answers at once."),
    "load": Operation(Fetch, Nothing, "Bind single names from a checkpoint; answers at once."),
    "comm": Operation(SendComm, Nothing, "Let a comm hear something, on the main thread; answers at once."),
    "settled": Operation(Settled, Nothing, "Say what became of a proposed checkpoint."),
    "interrupted": Operation(Interrupted, Nothing, "Wake the cell if it has not heard the signal; answers at once."),
    "complete": Operation(Code, Completions, "What could stand at the cursor."),
    "inspect": Operation(Code, Inspection, "What is known of the object under the cursor."),
    "variables": Operation(ReadVariables, Variables, "The user's names, by page."),
    "children": Operation(ReadChildren, Children, "What a value consists of, by page."),
    "table": Operation(ReadTable, Table, "A window of an array or a frame."),
}
"""What the host may ask the worker."""

REPORT_OPERATIONS: dict[str, Operation] = {
    "report": Operation(Reports, Nothing, "Tell the host what happened."),
}
"""What the worker may ask the host."""


def body_from_json(text: str) -> EventBody:
    """Rebuild the body of an event, of whichever class it is."""
    return typing.cast(EventBody, codec.from_json(text, *typing.get_args(EventBody)))
