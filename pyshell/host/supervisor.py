"""Keep the session going: journal cells, run them in order, and tell everybody what happens.

Runs in: host, on its main thread.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import replace

from pyshell.errors import StoreFull, WorkerBusy
from pyshell.host.admission import check_room, check_state, find_waiting, kept, listed, placed, reorder
from pyshell.host.asked import do_as_asked
from pyshell.host.background import Behind
from pyshell.host.comms import Comms
from pyshell.host.journals.journal import Journal
from pyshell.host.lifecycle import next_state
from pyshell.host.loop import Loop
from pyshell.host.processes.birth import Newborn, Place
from pyshell.host.processes.ordering import Shown, output_of
from pyshell.host.processes.terminal import Terminal
from pyshell.host.saved.absent import UNSHOWN, Absent
from pyshell.host.saved.checkpoints import Checkpoints, Verdict
from pyshell.host.saved.ledger import Ledger
from pyshell.host.summary import Summary
from pyshell.host.travel import ARRIVALS, Arrival, Travel, ended_unsaved
from pyshell.host.workers import again
from pyshell.host.workers.ladder import Ladder
from pyshell.host.workers.past import acquit, ended_together, left_over, mark, not_started, still_runs
from pyshell.host.workers.reading import Reading
from pyshell.host.workers.succession import Succession
from pyshell.protocol import (
    Asked,
    CellStatus,
    Checkout,
    CheckpointStarted,
    Comm,
    CommDone,
    Died,
    EventBody,
    Execute,
    ExitInfo,
    Finished,
    Held,
    InterruptReply,
    LoadNames,
    NeverReplayed,
    Notice,
    Outlines,
    Queue,
    QueuedCell,
    Ready,
    Released,
    Report,
    Restart,
    Restored,
    RunCell,
    Save,
    Stack,
    Started,
    State,
    StateChanged,
    Status,
    Submitted,
    TakeCheckpoint,
    Underway,
    Verified,
)
from pyshell.store import Manifest


class Supervisor:
    """Owner: the loop's thread. Clients' threads reach it by `Loop.ask`."""

    def __init__(self, place: Place, loop: Loop, journal: Journal, checkpoints: Checkpoints) -> None:
        self._place = place
        self._loop = loop
        self._journal = journal
        self._checkpoints = checkpoints
        self._state: State = "starting"
        self._queue: deque[QueuedCell] = deque()
        self._held = self._came_up = self._fresh = False
        self._running: QueuedCell | None = None
        self._started_at = 0.0
        self._dead_cell: QueuedCell | None = None
        self._ledger, self._absent = Ledger(), Absent()
        self._asked: Asked | None = None
        self._saved: Verdict | None = None
        self._verified_cell: int | None = None
        self._next_cell = journal.next_cell()
        self._python = self._gave_up = ""
        self._begun = time.time()
        self.clients: Counter[int] = Counter()
        """How many connections each process has, by its number."""
        self.summary = Summary()
        self._behind = Behind(journal)
        self.succession = Succession(place, loop, journal, checkpoints, self)
        self.travel = Travel(loop, journal, checkpoints, self.succession, self)
        self.comms = Comms(journal, self.succession, self)
        self.reading = Reading(loop, self.succession, lambda: self._running, self._emit)
        self._ladder = Ladder(loop, self.succession, self._in_front, lambda text, c: self._emit(Stack(text), c))

    def begin(self, first: Newborn | None = None) -> None:
        """Go on where the journal ends: what waited is held, what ran has died. `first` is a worker on its way."""
        head = self._checkpoints.head()
        self._saved = Verdict(head.name, head.cell, head, None) if head else None
        self._ledger = Ledger(ended_unsaved(self._journal, head), (head.sequence, head.cell) if head else None)
        self._running, self._queue = left_over(self._journal)
        self._held = bool(self._queue)
        for finding in self._checkpoints.damage():
            self._emit(Notice(f"the saved state is damaged: {finding}"))
        if self.succession.begin(first):
            self._emit(Notice(still_runs(self._running)))
        if self._state == "starting":
            self._tell_state()

    # --- what clients ask for ----------------------------------------------------------------------------

    def execute(self, request: Execute) -> Submitted:
        """Journal a cell and run it when its turn comes."""
        check_state(self._state, self._gave_up)
        check_room(code := placed(request), request.expressions, len(self._queue))
        self._queue.append(cell := self._note(request.client, code, request.expressions))
        self.go_on()
        return Submitted(cell.cell)

    def _note(self, client: str, code: str, expressions: tuple[str, ...] = ()) -> QueuedCell:
        cell = QueuedCell(self._next_cell, client, code, expressions)
        self._journal.submit(cell.cell, cell.client, kept(cell.code), self.succession.epoch)
        self._next_cell += 1
        return cell

    def queue(self) -> Queue:
        """The cells that wait; of very long ones only the beginning."""
        return Queue(listed(self._queue), self._held)

    def cancel(self, number: int) -> None:
        """Take a waiting cell out of the queue; it ends as aborted."""
        cell = find_waiting(self._queue, number)
        self._queue.remove(cell)
        self._finish(cell, "aborted", 0.0)
        if self._held and not self._queue:
            self.release()

    def move(self, number: int, position: int) -> None:
        """Put a waiting cell at another place."""
        self._emit(reorder(self._queue, number, position))

    def release(self) -> None:
        """Let a held queue run on."""
        if self._held:
            self._held = False
            self._emit(Released())
        self.go_on()

    def terminal(self) -> Terminal:
        """What to type on. Writing to it may have to wait, so that is done elsewhere."""
        if self.succession.worker is None:
            raise WorkerBusy("there is no worker to type to at the moment")
        return self.succession.worker.terminal

    def interrupt(self) -> InterruptReply:
        """The ladder: SIGINT; SIGINT and a stack dump; kill and restore. It starts anew with each cell.

        Where no cell runs, it abandons what is being restored.
        """
        if (cell := self._in_front()) is None:
            return InterruptReply("kill" if self.succession.abandon_restore() else "nothing")
        return InterruptReply(self._ladder.climb(cell))

    def _in_front(self) -> QueuedCell | None:
        return self._running or self.comms.running

    def restart(self, request: Restart) -> None:
        """Another worker, with an empty namespace or the newest state, perhaps in another interpreter."""
        if self._state in ("starting", "restarting") and not self.succession.patience.is_pausing:
            raise WorkerBusy("a worker is being started already")
        self._place.python = request.python or self._place.python
        self._journal.set_meta("python", self._place.python)
        self._fresh = request.fresh
        self._change("restart")
        if self.succession.worker is None:  # no other was started, or not yet
            return self.succession.start_again(request.fresh)
        self._held = bool(self._queue)  # what is submitted from here on is meant for the next worker
        self.succession.replace(request.fresh, self._in_front() is not None)

    def save(self, request: Save) -> None:
        """Take a checkpoint after the cells that are running or waiting now."""
        if not self.succession.send("checkpoint", TakeCheckpoint(request.label)):
            raise WorkerBusy("there is no worker to save at the moment; try again when the session is idle")

    def begin_travel(self, request: Checkout | LoadNames) -> Underway:
        """Take the namespace to another checkpoint, or names from one; WorkerBusy while a cell runs."""
        if self._state != "idle":
            doing = f"In[{self._running.cell}] runs" if self._running else f"the session is {self._state}"
            raise WorkerBusy(f"{doing}: wait for its end, or interrupt it, before you go to another checkpoint")
        self._change("travel")
        return self.travel.begin(request)

    def kill(self) -> None:
        """End the session; its saved state stays."""
        if self._state == "stopped":
            return
        self._change("kill")
        self.succession.stop(self._in_front() is not None)

    def status(self) -> Status:
        saved = self._saved.manifest if self._saved else None
        worker = self.succession.worker
        return Status(
            name=self._place.session, state=self._state, epoch=self.succession.epoch,
            pid=worker.pid if worker else None, python=self._python, executable=self._place.python,
            cwd=self._place.cwd, cell=self._running.cell if self._running else None, next_cell=self._next_cell,
            queued=tuple([cell.cell for cell in self._queue]), held=self._held, clients=len(self.clients),
            checkpoint=saved.sequence if saved else None, saved_cell=saved.ended if saved else None,
            verified_cell=self._verified_cell, unsaved=self._absent.unsaved(saved),
            waiting_for_input=self.reading.request, started=self._begun, last_event=self._journal.newest,
            background=self._behind.cells, not_restored=self._absent.names,
        )  # fmt: skip

    # --- what the succession tells ----------------------------------------------------------------------

    def on_ready(self, ready: Ready) -> None:
        self._python = ready.python
        self._came_up = True

    def on_output(self, shown: Shown) -> None:
        if not isinstance(shown, str):
            self._emit(shown, self._running)
        elif self._journal.keeps_output(self._running.cell if self._running else None, shown):
            self._emit(output_of(shown), self._running)

    def on_report(self, report: Report) -> None:
        body = report.body
        if self._behind.took(report, self._running, self.succession.epoch, self._queue):
            return
        self._absent.hear(body)
        if isinstance(body, Finished):
            self._on_finished(body)
        elif isinstance(body, CheckpointStarted):
            self.succession.watch_child(body.pid, body.proposal)
        elif isinstance(body, Verified):
            self._verified_cell = body.cell
        elif isinstance(body, ARRIVALS):
            self.travel.arrived(body)
        elif isinstance(body, (Comm, CommDone)):
            self.comms.told(body)
        elif isinstance(body, Outlines):
            self.summary.apply(body)
        elif isinstance(body, Asked):
            self._asked = body
        elif not isinstance(body, UNSHOWN):
            self.reading.told(body)
            if isinstance(body, NeverReplayed):
                mark(self._journal, body)
            self._emit(body, self._running)

    def _on_finished(self, finished: Finished) -> None:
        if self._running is None:
            return
        cell, self._running = self._running, None
        self.reading.end()
        self._journal.finish_cell(cell.cell, finished.status, finished.effects)
        self._emit(finished, cell)
        self._ledger.ended(cell.cell)
        if self._state == "busy":
            self._change("finished")
        asked, self._asked = self._asked, None
        if asked is not None and self._state == "idle":
            do_as_asked(self, asked, cell.client, self._emit)
        self.go_on()

    def on_saved(self, verdict: Verdict) -> None:
        if verdict.manifest is not None:
            self._saved = verdict
            acquit(self._journal, self._checkpoints, verdict.manifest)
            self._absent.saved(verdict.manifest)
            self._ledger.saved(verdict.manifest.sequence, verdict.manifest.ended)
        if verdict.body is not None:
            self._journal.append(self._absent.told(verdict.body), epoch=self.succession.epoch, cell=verdict.cell)

    def on_head(self, manifest: Manifest) -> None:
        self._verified_cell = None
        self._saved = Verdict(manifest.name, manifest.cell, manifest, None)
        self._ledger = Ledger((), (manifest.sequence, manifest.cell))

    def on_arrival(self, arrival: Arrival, client: str) -> None:
        self._journal.append(arrival, epoch=self.succession.epoch, cell=None, client=client)
        if self._state == "busy":
            self._change("finished")
        self.go_on()

    def on_turn(self, has_come: bool) -> None:
        self._verified_cell = None
        self._ladder.start_anew()
        self._change("comm" if has_come else "finished")

    def on_orphan_ended(self) -> None:
        if self._running is not None:
            self._emit(Died(ended_together(self._running.cell)), self._running)
            self._dead_cell, self._running = self._running, None

    def on_exit(self, info: ExitInfo | None) -> None:
        cell, self._running = self._running, None
        self._verified_cell = self._asked = None
        self.reading.end()
        self.travel.worker_died(self.succession.last_crumb)
        self._behind.lost(self.succession.epoch)
        if info is not None:
            reason = self._ladder.killed_for or info.reason
            self._emit(Died(replace(info, reason=reason, cell=cell.cell if cell else None)), cell)
        self._ladder.start_anew()
        self.comms.worker_ended()
        if cell is not None and info is None:
            self._finish(cell, "aborted", time.monotonic() - self._started_at)
        elif cell is not None:
            self._dead_cell = cell
        if info is not None:
            # Cells that were typed while an interpreter did not come up have not lost anything.
            had_state = self._came_up and not self.succession.begins_with_nothing
            self._held = bool(self._queue) and (self._held or had_state)
        self._came_up = False
        self._change("exited")

    def on_restored(self, restored: Restored) -> None:
        self._absent.hear(restored)
        self._emit(restored, self._dead_cell)
        losses = self._ledger.write_off(restored.checkpoint, self._fresh)
        for said in (*losses, *again.sentences(self._place.replay, restored)):
            self._emit(Notice(said), self._dead_cell)
        self._fresh = False
        if code := again.code(self._place.replay, restored, self._dead_cell):
            with suppress(StoreFull):  # which is told; the person can say %replay later
                self._queue.appendleft(self._note(again.REPLAYER, code))
        self._bury()
        if self._held:
            self._emit(Held(tuple([cell.cell for cell in self._queue])))
        self._change("restored")
        self.travel.worker_is_back()
        self.go_on()

    def _bury(self) -> None:
        """The cell that died with its worker, or with the host before this one, ends now."""
        cell, self._dead_cell = self._dead_cell, None
        if cell is not None:
            self._finish(cell, "died", time.monotonic() - self._started_at if self._started_at else 0.0)

    def on_gave_up(self, reason: str) -> None:
        self._gave_up = reason
        self._emit(Notice(reason), self._dead_cell)
        self._bury()
        self._change("gave_up")
        self.travel.worker_is_back()
        if not self._held:  # whoever submitted these waits for them; a held queue waits for a person
            for cell in self._queue:
                self._emit(not_started(reason), cell)
                self._finish(cell, "aborted", 0.0)
            self._queue.clear()

    def on_stopped(self) -> None:
        self._emit(StateChanged("stopped", None))
        self._loop.stop()

    def go_on(self) -> None:
        if self._state == "idle" and self.comms.begin():
            return
        if self._state != "idle" or not self._queue or (self._held and self._queue[0].client != again.REPLAYER):
            return
        cell = self._queue.popleft()
        self._running = cell
        self._started_at = time.monotonic()
        self._ladder.start_anew()
        self._change("execute")
        self.reading.begin(cell)
        self._emit(Started(), cell)
        # Durable before it runs: a cell that takes the machine down is in the journal.
        self._journal.keep()
        self.succession.send("execute", RunCell(cell.cell, cell.code, expressions=cell.expressions))

    def _finish(self, cell: QueuedCell, status: CellStatus, seconds: float) -> None:
        self._journal.finish_cell(cell.cell, status)
        self._emit(Finished(status, seconds), cell)

    def _change(self, cause: str) -> None:
        state = next_state(self._state, cause)
        if state is None or state == self._state:
            return
        self._state = state
        if state != "stopped":  # told at the very end, when nothing more can come
            self._tell_state()

    def _tell_state(self) -> None:
        worker = self.succession.worker
        self._emit(StateChanged(self._state, worker.pid if worker else None))

    def _emit(self, body: EventBody, cell: QueuedCell | None = None) -> None:
        number, client = (cell.cell, cell.client) if cell else (None, "")
        self._journal.append(body, epoch=self.succession.epoch, cell=number, client=client)
