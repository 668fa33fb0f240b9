"""What the console knows of a session: the fold of its events, and the transcript they make. Pure.

Runs in: console.

`apply(model, event)` is the whole interface: a client that attaches late folds the journal from event 1
on and has the same model as one that was there. What is kept is bounded (see lines.py and MAX_CELLS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from types import MappingProxyType
from typing import Any

from pyshell import protocol
from pyshell.console import displays, folding, timeline
from pyshell.console import pictures as drawing
from pyshell.console import tail as output
from pyshell.console.known import Cell as Cell
from pyshell.console.known import Model as Model
from pyshell.console.known import View as View
from pyshell.console.lines import Kind, Line
from pyshell.console.tail import Tail

MAX_CELLS = 256
MAX_STACK_LINES = 30
MAX_PICTURES = 8_000_000
"""Characters of base64 that are kept of the newest pictures."""


def apply(model: Model, event: protocol.Event) -> Model:
    """The model after `event`. An event that it has seen already changes nothing."""
    if event.seq <= model.seq:
        return model
    if event.epoch > model.epoch:
        model = _new_epoch(model, event)
    model = model._replace(seq=event.seq)
    fold = _FOLDS.get(type(event.body))
    return fold(model, event, event.body) if fold else model


def note(model: Model, text: str, kind: Kind = "notice") -> Model:
    """Add lines of the console's own to the transcript."""
    return _write(model, kind, text.splitlines())


def needs_gap(model: Model) -> bool:
    """Whether a blank line belongs between the transcript and the next prompt."""
    if not model.tail.is_empty:
        return True
    last = next(model.log.backwards(), None)
    return last is not None and last.kind not in ("code", "blank")


def input_prompt(model: Model) -> str:
    """The line behind which a cell's question is answered: what it printed last, as on a terminal."""
    if not model.tail.is_empty:
        return model.tail.rows[-1]
    return model.input.prompt.split("\n")[-1] if model.input else ""


def without_prompt(model: Model) -> Model:
    """What the transcript shows: a line that is being answered stands at the prompt, and not here too."""
    if model.input is None or len(model.tail.rows) > 1:
        return model
    return model._replace(tail=Tail())


# --- the transcript -----------------------------------------------------------------------------


def _write(model: Model, kind: Kind, texts: Iterable[str], cell: int | None = None) -> Model:
    """Append lines after whatever output there was."""
    model = _end_output(model)
    lines = [Line(kind, part, cell) for text in texts for part in output.cut(text)]
    return model._replace(log=model.log.extend(lines))


def _end_output(model: Model) -> Model:
    if model.tail != Tail():
        rows = list(model.tail.rows)
        if not rows[-1]:
            rows.pop()
        log = model.log.extend(Line("output", row, model.tail_cell) for row in rows)
        model = model._replace(log=log, tail=Tail())
    if model.output_start is None:
        return model
    start = max(model.output_start, model.log.first)
    fold = folding.fold_output(start, model.log.end, model.tail_cell)
    folds = folding.within([*model.folds, fold], model.log.first) if fold else model.folds
    return model._replace(folds=folds, output_start=None)


def _introduce(model: Model, cell: Cell) -> Model:
    """Say who sends cells from here on, where that is somebody else than before: at first it is who looks."""
    own = model.view.client
    if own and cell.client != (model.speaker or own):
        model = _write(model, "notice", [f"— {'you' if cell.client == own else cell.client} —"])
    return model._replace(speaker=cell.client)


def _write_code(model: Model, cell: Cell) -> Model:
    if needs_gap(model):
        model = _write(model, "blank", [""])
    model = _introduce(model, cell)
    texts = cell.code.rstrip("\n").split("\n")
    own = model.view.prompts
    prompts = [own.first(cell.number), own.more(cell.number)]
    lines = [Line("code", prompts[n > 0] + text, cell.number, n) for n, text in enumerate(texts)]
    return model._replace(log=model.log.extend(lines))


# --- one function per event -----------------------------------------------------------------------


def _new_epoch(model: Model, event: protocol.Event) -> Model:
    before, model = model.epoch, model._replace(epoch=event.epoch, running=None, input=None, terminal="lines")
    if not before:
        return model
    return _write(model, "rule", [f" RESTART: epoch {event.epoch} "])


def _queued(model: Model, event: protocol.Event, body: protocol.Queued) -> Model:
    number = event.cell or model.next_cell
    cell = Cell(number, body.code, event.client)
    return _with_cell(model, cell)._replace(
        queue=(*model.queue, number),
        next_cell=max(model.next_cell, number + 1),
    )


def _started(model: Model, event: protocol.Event, _: protocol.Started) -> Model:
    cell = _cell(model, event)._replace(status="running", started=event.time)
    model = _write_code(_with_cell(_end_output(model), cell), cell)
    return model._replace(
        running=cell.number,
        offered=None,
        queue=_without(model.queue, cell.number),
        next_cell=max(model.next_cell, cell.number + 1),
    )


def _output(model: Model, event: protocol.Event, body: protocol.Output) -> Model:
    if not body.text or model.terminal == "screen":  # what is drawn there is gone when the program ends
        return model
    if event.cell != model.tail_cell:
        model = _end_output(model)._replace(tail_cell=event.cell)
    if model.tail.is_empty and _is_between(model, event.cell):
        model = _write(model, "notice", [f"— In [{event.cell}] —"])
    if model.output_start is None:
        model = model._replace(output_start=model.log.end)
    above = []
    if "\x1b[" in body.text or model.tail.pending:
        newest = islice(model.log.backwards(), output.MAX_ROWS)
        for line in newest:
            if line.kind != "output" or line.cell != event.cell:
                break
            above.append(line.text)
    fed = output.feed(model.tail, body.text, above[::-1])
    log = model.log.without_last(fed.taken) if fed.taken else model.log
    return model._replace(log=log.extend([Line("output", text, event.cell) for text in fed.lines]), tail=fed.tail)


def _is_between(model: Model, cell: int | None) -> bool:
    """Whether lines of another cell stand last: one of both runs in the background."""
    if cell is None or not (model.background or cell != model.running):
        return False
    last = next(model.log.backwards(), None)
    return last is not None and last.cell is not None and last.cell != cell


def _result(model: Model, event: protocol.Event, body: protocol.Result) -> Model:
    cell = _cell(model, event)._replace(result=body.text)
    head = model.view.prompts.result(cell.number)
    lines = _laid_out(body.text, model.view.columns - len(head))
    # A value of several lines starts on a line of its own, so that its columns stay aligned.
    texts = [head + lines[0]] if len(lines) == 1 else [*filter(None, [head.rstrip()]), *lines]
    return _write(_with_cell(model, cell), "result", texts, cell.number)


def _laid_out(text: str, width: int) -> list[str]:
    if len(text) <= width or "\n" in text:
        return text.split("\n")
    from pyshell.console.pretty import lay_out  # its patterns take a millisecond of the first prompt

    return lay_out(text, width)


def _display(model: Model, event: protocol.Event, body: protocol.Display) -> Model:
    model = _write(model, "result", displays.text_of(body), event.cell)
    for data in body.data:
        if displays.is_picture(data):
            model = _picture(model, data, event.cell)
    return model


def _picture(model: Model, data: protocol.MimeData, cell: int | None) -> Model:
    view, label = model.view, displays.label(data)
    found = drawing.fit(data, view.columns, view.rows * 2 // 3, cell) if view.images else None
    model = _end_output(model)
    # What is only named can be looked at elsewhere.
    kept = found or drawing.Picture(data, 0, 0, cell)
    newest, room = {model.log.end: kept}, MAX_PICTURES - len(data.data)
    for start, picture in reversed(list(model.pictures.items())):
        room -= len(picture.data.data)
        if room < 0:
            break
        newest = {start: picture, **newest}
    if found is None:
        return _write(model, "result", [label], cell)._replace(pictures=MappingProxyType(newest))
    lines = [Line("picture", "" if row else label, cell, row) for row in range(found.rows)]
    return model._replace(log=model.log.extend(lines), pictures=MappingProxyType(newest))


def _error(model: Model, event: protocol.Event, body: protocol.Error) -> Model:
    cell = _cell(model, event)._replace(error=body.error)
    model = _with_cell(model, cell)
    if body.printed:
        return model
    *traceback, last = body.error.traceback.rstrip("\n").split("\n")
    model = _end_output(model)
    traceback = [part for text in traceback for part in output.cut(text)]
    folds = [*model.folds, *folding.fold_frames(traceback, model.log.end, cell.number)]
    model = model._replace(folds=folding.within(folds, model.log.first))
    model = _write(model, "traceback", traceback, cell.number)
    return _write(model, "error", [last or f"{body.error.kind}: {body.error.message}"], cell.number)


def _input_request(model: Model, _: protocol.Event, body: protocol.InputRequest) -> Model:
    return model._replace(input=body)


def _input_done(model: Model, _: protocol.Event, __: protocol.InputDone) -> Model:
    return model._replace(input=None)


def _finished(model: Model, event: protocol.Event, body: protocol.Finished) -> Model:
    cell = _cell(model, event)
    if cell.status == "queued":
        first = cell.code.strip().split("\n")[0]
        model = _write(model, "notice", [f"{model.view.prompts.first(cell.number)}{first}   (not run)"], cell.number)
    model = _with_cell(_end_output(model), cell._replace(status=body.status, seconds=body.seconds))
    saving = model.saving or (body.saves and body.status not in ("died", "aborted"))
    is_manual = not body.saves if body.changes is not None else model.is_manual
    queue = _without(model.queue, cell.number)
    if (running := None if model.running == cell.number else model.running) is None:
        model = model._replace(input=None, terminal="lines")
    held = model.held and bool(queue)
    return model._replace(queue=queue, running=running, held=held, saving=saving, is_manual=is_manual)


def _saved(model: Model, event: protocol.Event, body: protocol.Saved) -> Model:
    if body.line is not None:  # the cell still runs
        return model
    cell = event.cell if event.cell is not None else model.saved_cell
    model = model._replace(saved_cell=cell, checkpoint=body.checkpoint, unsaved=body.unsaved)
    return model._replace(saving=False, save_failure="")


def _save_failed(model: Model, event: protocol.Event, body: protocol.SaveFailed) -> Model:
    model = model._replace(saving=False, save_failure=body.reason)
    return _write(model, "failure", [f"not saved: {body.reason}"], event.cell)


def _died(model: Model, event: protocol.Event, body: protocol.Died) -> Model:
    info = body.exit
    model = _write(model, "failure", [info.reason], event.cell)
    stack = info.stack.rstrip("\n").split("\n") if info.stack else []
    hidden = len(stack) - MAX_STACK_LINES
    shown = [*stack[:MAX_STACK_LINES], f"… {hidden} more lines"] if hidden > 0 else stack
    model = _write(model, "stack", ["  " + line for line in shown], event.cell)
    if info.peak_rss:
        model = _write(model, "stack", [f"  It had used at most {timeline.size(info.peak_rss)} of memory."], event.cell)
    return model._replace(death=info, running=None, input=None, terminal="lines", saving=False, pid=None)


def _restored(model: Model, event: protocol.Event, body: protocol.Restored) -> Model:
    if event.epoch > 1 or body.names or body.not_restored:
        model = _write(model, "notice", [timeline.restored(body)])
        model = _write(model, "failure", [timeline.not_restored(lost) for lost in body.not_restored])
    return model._replace(death=None, unsaved=body.not_restored)


def _checked_out(model: Model, event: protocol.Event, body: protocol.CheckedOut) -> Model:
    model = _write(model, "notice", [timeline.sentence(body)])
    model = _write(model, "failure", [timeline.not_restored(lost) for lost in body.not_restored])
    model = model._replace(saved_cell=body.cell, checkpoint=body.checkpoint, unsaved=body.not_restored)
    return model._replace(saving=False, save_failure="")


def _loaded(model: Model, event: protocol.Event, body: protocol.Loaded) -> Model:
    model = _write(model, "notice", [timeline.loaded_sentence(body)])
    return _write(model, "failure", [timeline.not_restored(lost) for lost in body.not_restored])


def _checkout_failed(model: Model, event: protocol.Event, body: protocol.CheckoutFailed) -> Model:
    return _write(model, "failure", [f"Not done: {body.reason}."])


def _state_changed(model: Model, _: protocol.Event, body: protocol.StateChanged) -> Model:
    return model._replace(state=body.state, pid=body.pid)


def _held(model: Model, _: protocol.Event, body: protocol.Held) -> Model:
    return model._replace(held=True, queue=body.cells)


def _released(model: Model, _: protocol.Event, __: protocol.Released) -> Model:
    return model._replace(held=False)


def _reordered(model: Model, _: protocol.Event, body: protocol.Reordered) -> Model:
    return model._replace(queue=body.cells)


def _stack(model: Model, event: protocol.Event, body: protocol.Stack) -> Model:
    return _write(model, "stack", body.text.rstrip("\n").split("\n"), event.cell)


def _notice(model: Model, event: protocol.Event, body: protocol.Notice) -> Model:
    return _write(model, "notice", body.text.rstrip("\n").split("\n"), event.cell)


def _terminal_used(model: Model, _: protocol.Event, body: protocol.TerminalUsed) -> Model:
    return model if model.running is None else model._replace(terminal=body.use)


def _remakeable(model: Model, _: protocol.Event, body: protocol.Remakeable) -> Model:
    return model if model.running is not None else model._replace(offered=body)


def _background(model: Model, _: protocol.Event, body: protocol.Background) -> Model:
    return model._replace(background=body.cells)


def _silent(model: Model, _: protocol.Event, __: protocol.EventBody) -> Model:
    return model  # it is for the client that sent the cell, or for notebooks, or is told by the cell's output


def _clear_output(model: Model, _: protocol.Event, __: protocol.ClearOutput) -> Model:
    return model  # what was shown stays in the transcript


_SILENT = (
    protocol.Draft, protocol.Leave, protocol.NeverReplayed, protocol.Evaluated, protocol.Comm, protocol.CommTaken,
    protocol.CommDone,
)  # fmt: skip
_FOLDS: dict[type, Callable[[Model, protocol.Event, Any], Model]] = {
    **dict.fromkeys(_SILENT, _silent),
    protocol.Queued: _queued,
    protocol.Started: _started,
    protocol.Output: _output,
    protocol.Result: _result,
    protocol.Display: _display,
    protocol.ClearOutput: _clear_output,
    protocol.Error: _error,
    protocol.InputRequest: _input_request,
    protocol.InputDone: _input_done,
    protocol.Finished: _finished,
    protocol.Saved: _saved,
    protocol.SaveFailed: _save_failed,
    protocol.Died: _died,
    protocol.Restored: _restored,
    protocol.CheckedOut: _checked_out,
    protocol.Loaded: _loaded,
    protocol.CheckoutFailed: _checkout_failed,
    protocol.StateChanged: _state_changed,
    protocol.Held: _held,
    protocol.Released: _released,
    protocol.Reordered: _reordered,
    protocol.Stack: _stack,
    protocol.Notice: _notice,
    protocol.TerminalUsed: _terminal_used,
    protocol.Remakeable: _remakeable,
    protocol.Background: _background,
}


# --- small things ---------------------------------------------------------------------------------


def _cell(model: Model, event: protocol.Event) -> Cell:
    number = event.cell if event.cell is not None else 0
    return model.cells.get(number) or Cell(number, "", event.client)


def _with_cell(model: Model, cell: Cell) -> Model:
    cells = {**model.cells, cell.number: cell}
    if len(cells) > MAX_CELLS:
        oldest = next(iter(cells))
        # A cell that still waits is needed, however old it is.
        if oldest not in model.queue:
            del cells[oldest]
    return model._replace(cells=MappingProxyType(cells))


def _without(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(n for n in numbers if n != number)
