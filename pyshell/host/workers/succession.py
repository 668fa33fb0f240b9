"""Have a worker with the newest state: start one, restore into it, and replace it when it ends.

Runs in: host, on the supervisor's thread.
"""

from __future__ import annotations

import signal
from concurrent.futures import Future
from functools import partial

from pyshell.blackbox import LOADING, BlackBox
from pyshell.errors import ConnectionLost
from pyshell.host.journals.journal import Journal
from pyshell.host.lifecycle import Plan
from pyshell.host.loop import Loop
from pyshell.host.processes.birth import SIZE, Newborn, Place, bear
from pyshell.host.processes.intake import Intake
from pyshell.host.processes.loading import watch_loading
from pyshell.host.processes.ordering import Shown
from pyshell.host.processes.process import Listener, WorkerProcess
from pyshell.host.saved.checkpoints import Checkpoints, Verdict
from pyshell.host.workers.heir import Heir
from pyshell.host.workers.late import Late
from pyshell.host.workers.orphan import Orphan, read_reports
from pyshell.host.workers.past import fatal_names, note_death, read_history
from pyshell.host.workers.patience import ENDED, Patience
from pyshell.host.workers.recovery import Recovery
from pyshell.host.workers.spare import Standby
from pyshell.protocol import (
    CheckpointStarted,
    Message,
    Notice,
    Ready,
    Report,
    Restored,
    RestoreNamespace,
    SaveFailed,
    Settled,
    Size,
    TakeCheckpoint,
)

RETIRE_SECONDS = 20.0
"""How long an idle worker may take to save what is pending and to end."""
OBEY_SECONDS = 2.0
"""The same for one whose cell has been interrupted: it may not listen."""


class Succession:
    """Owner: the supervisor's thread."""

    def __init__(self, place: Place, loop: Loop, journal: Journal, checkpoints: Checkpoints, heir: Heir) -> None:
        self.worker: WorkerProcess | None = None
        self.epoch = int(journal.meta("epoch", "0"))
        self.size = SIZE
        self.travelling = False
        """The worker is taking the namespace to another checkpoint."""
        self.last_crumb = ""
        """The group that the last worker to end was loading."""
        self._place = place
        self._loop = loop
        self._journal = journal
        self._checkpoints = checkpoints
        self._heir = heir
        self._intake = Intake(loop, lambda _: None, lambda _: None, journal.commit)
        self._recovery: Recovery | None = None
        self._plan: Plan | None = None
        self._fresh = False
        self._restoring = False
        self._abandoned = False
        """We have ended the worker that was loading."""
        self._ready = False
        self._leftovers_settled = False
        self.patience = Patience(loop)
        self._last_output = ""
        self._orphan = Orphan.parse(journal.meta("worker"))
        self._first: Newborn | None = None
        self._standby = Standby(place, loop, checkpoints.find_modules)
        self._late = Late()

    # --- what the supervisor asks for ----------------------------------------------------------------

    def begin(self, first: Newborn | None) -> bool:
        """Start the first worker of this host, if it is not under way. True if a dead host's must end first."""
        self._first = first
        if self._orphan is not None and self._orphan.is_alive():
            self._orphan.when_ended(lambda: self._loop.post(self._orphan_ended))
            return True
        self._orphan_ended()
        return False

    def replace(self, fresh: bool, busy: bool) -> None:
        """End the worker and start another, with an empty namespace or with the newest state."""
        self._end(Plan(fresh=fresh), busy)

    def start_again(self, fresh: bool) -> None:
        """After giving up, or instead of a pause: try once more."""
        self.patience.begin_anew()
        self._fresh, self._recovery = fresh, None
        self._standby.drop()
        self._settle_then_start()

    def stop(self, busy: bool) -> None:
        """End the worker for good; the heir is told when what it left has been committed."""
        if self._orphan is not None:
            self._orphan.signal(signal.SIGKILL)
        if self._first is not None:
            self._first.abandon()
        self._standby.drop()
        if self.worker is None:
            self._stopped([])
        else:
            self._end(Plan(stop=True), busy)

    def resize(self, size: Size) -> None:
        self.size = (min(max(size.columns, 2), 1000), min(max(size.rows, 1), 1000))
        if self.worker is not None:
            self.worker.terminal.resize(*self.size)

    def send(self, operation: str, request: Message) -> bool:
        """Tell the worker something; False if it is just dying (its end is reported separately)."""
        if self.worker is None or self.worker.control is None:
            return False
        self.patience.asked(operation)
        try:
            answer = self.worker.control.submit(operation, request)
        except ConnectionLost:
            return False
        answer.add_done_callback(partial(self._answered, self.epoch, operation))
        return True

    def _answered(self, epoch: int, operation: str, answer: Future[Message]) -> None:
        """On the link's thread."""
        error = answer.exception()
        if error is not None and not isinstance(error, ConnectionLost):
            self._loop.post(partial(self._refused, epoch, f"it refused {operation!r}: {error}"))

    def _refused(self, epoch: int, why: str) -> None:
        """A worker that does not understand us would let somebody wait for ever."""
        if self.worker is not None and epoch == self.epoch:
            self._last_output += f"{why}\n"
            self.worker.kill()

    def interrupt(self) -> bool:
        """SIGINT to what is in front, or to the worker that a dead host left; whether our worker itself got it."""
        if self.worker is not None:
            return self.worker.interrupt()
        if self._orphan is not None:
            self._orphan.signal(signal.SIGINT)
        return False

    def can_interrupt(self, cell: int) -> bool:
        """Whether a signal would reach that cell now; one that a dead host left is asked at once."""
        return self.worker is None or self.worker.can_interrupt(cell)

    def kill_worker(self) -> None:
        """End the worker at once; what follows is what follows any death."""
        if self.worker is not None:
            self.worker.kill()
        elif self._orphan is not None:
            self._orphan.signal(signal.SIGKILL)

    def abandon_restore(self) -> bool:
        """End a worker that loads the checkpoint: the next one loads less. In a pause: start none. False if neither."""
        if self.patience.end():
            self._heir.on_gave_up(ENDED)
            return True
        if self._restoring or self.travelling:
            self._abandoned = True
            self.kill_worker()
        return self._restoring or self.travelling

    @property
    def begins_with_nothing(self) -> bool:
        """Whether the worker is being made ready, and there is no state that it could have lost."""
        return self._restoring and self._has_nothing_to_restore()

    def watch_child(self, pid: int, proposal: str) -> None:
        """A child saves the namespace: commit what it proposes."""
        epoch = self.epoch
        self._checkpoints.watch(pid, proposal, lambda v: self._loop.post(partial(self._settled, epoch, v)))

    # --- a worker comes up ----------------------------------------------------------------------------

    def _orphan_ended(self) -> None:
        self._orphan = None
        for report in read_reports(self._place.orphan):
            # What it saved is settled below, together with what it had told the dead host.
            if not isinstance(report.body, CheckpointStarted):
                self._heir.on_report(report)
        self._place.orphan.unlink(missing_ok=True)
        self._heir.on_orphan_ended()
        self._settle_then_start()

    def _settle_then_start(self) -> None:
        """The worker's start and the end of its forerunner's savings overlap."""
        self._leftovers_settled = False
        self._start()
        self._checkpoints.settle_leftovers(lambda verdicts: self._loop.post(partial(self._leftovers, verdicts)))

    def _start(self) -> None:
        self.epoch += 1
        self._journal.set_meta("epoch", str(self.epoch))
        self._ready = False
        self._last_output = ""
        epoch = self.epoch
        self._intake = Intake(self._loop, self._on_shown, partial(self._on_report, epoch), self._journal.commit)
        listener = Listener(
            on_piece=lambda piece: self._loop.post(partial(self._on_piece, epoch, piece)),
            on_reports=self._intake.wait_kept,
            on_exit=lambda: self._loop.post(partial(self._on_exit, epoch)),
        )
        try:
            self.worker = self._standby.take(listener) or self._bear(listener)
        except OSError as exc:
            self.worker = None
            self._heir.on_gave_up(f"{self._place.python} could not be started: {exc}")
            return
        self.worker.terminal.resize(*self.size)
        self._journal.set_meta("worker", str(Orphan.of(self.worker.pid)))
        self._journal.commit()

    def _bear(self, listener: Listener) -> WorkerProcess:
        newborn, self._first = self._first or bear(self._place, self.size), None
        return WorkerProcess(listener, newborn)

    def _leftovers(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            self._heir.on_saved(verdict)
        self._leftovers_settled = True
        self._restore_if_possible()

    def _restore_if_possible(self) -> None:
        if not self._ready or not self._leftovers_settled or self._restoring:
            return
        if self._recovery is None:
            aside = frozenset(self._journal.meta("set_aside").split())
            self._recovery = self._late.blame(Recovery(self._candidates(), aside))
        attempt = self._recovery.attempt()
        self._restoring, self._abandoned = True, False
        request = RestoreNamespace(
            checkpoint=attempt.checkpoint, history=read_history(self._journal),
            set_aside=tuple(sorted(attempt.set_aside)), fatal=fatal_names(self._journal),
            offers=self._place.replay == "ask", lazy=self._late.is_allowed and self._place.replay != "auto",
        )  # fmt: skip
        self.send("restore", request)
        watch_loading(self._loop, partial(self._loader, self.epoch), self.abandon_restore)

    def _candidates(self) -> list[int]:
        """Checkpoints that may be restored. Those from before a fresh start never come back by themselves."""
        if self._fresh:
            head = self._checkpoints.head()
            self._journal.set_meta("fresh_after", str(head.sequence if head else 0))
        floor = int(self._journal.meta("fresh_after", "0"))
        return [number for number in self._checkpoints.candidates() if number > floor]

    def _loader(self, epoch: int) -> BlackBox | None:
        return self._box(epoch) if self._restoring else None

    def _box(self, epoch: int) -> BlackBox | None:
        return self.worker.box if epoch == self.epoch and self.worker is not None else None

    # --- what a worker says ------------------------------------------------------------------------------

    def _on_piece(self, epoch: int, piece: Shown | int) -> None:
        if self.worker is not None and epoch == self.epoch:
            if isinstance(piece, int):
                self.worker.terminal.taken()
            self._intake.output(piece)

    def _on_shown(self, shown: Shown) -> None:
        if self.worker is not None:
            self.worker.terminal.taken()
            self._last_output = (self._last_output + (shown if isinstance(shown, str) else ""))[-4000:]
            self._heir.on_output(shown)

    def _on_report(self, epoch: int, report: Report) -> None:
        if epoch != self.epoch or self.worker is None:
            return
        if isinstance(report.body, Ready):
            self._ready = True
            self._heir.on_ready(report.body)
            self._restore_if_possible()
        elif isinstance(report.body, Restored):
            self._restored(report.body)
        else:
            self._heir.on_report(report)

    def _restored(self, restored: Restored) -> None:
        self._restoring = False
        self._late.restored(self._loop, partial(self._box, self.epoch), self.kill_worker)
        self.patience.restored()
        if restored.checkpoint is not None:
            self._checkpoints.follow(restored.checkpoint)
        aside = self._recovery.set_aside if self._recovery else frozenset()
        self._journal.set_meta("set_aside", " ".join(sorted(aside)))
        self._recovery = None
        if self._fresh:
            # Or the next death would bring back what the person wanted to be rid of.
            self.send("checkpoint", TakeCheckpoint(None))
        self._fresh = False
        self._heir.on_restored(restored)
        self._standby.rest(partial(self._is_idle, self.epoch))

    def _settled(self, epoch: int, verdict: Verdict) -> None:
        if verdict.body is None and (epoch != self.epoch or self.worker is None):
            ended = SaveFailed("the process that saved the namespace ended together with the worker")
            verdict = Verdict(verdict.proposal, None, None, ended)
        self._heir.on_saved(verdict)
        if epoch == self.epoch:
            number = verdict.manifest.sequence if verdict.manifest else None
            self.send("settled", Settled(verdict.proposal, number))
            self._standby.rest(partial(self._is_idle, epoch))

    def _is_idle(self, epoch: int) -> bool:
        return epoch == self.epoch and self.worker is not None and not self._restoring and not self.worker.box.running

    # --- a worker ends ------------------------------------------------------------------------------------

    def _end(self, plan: Plan, busy: bool) -> None:
        if self.worker is None:
            return
        self._plan = plan
        if plan.fresh or not self._ready or self._restoring or self.worker.control is None:
            self.worker.kill()
            return
        # It saves what is pending and ends, as if its host had gone.
        self.worker.control.close()
        if busy:
            self.worker.interrupt()
        self._loop.later(OBEY_SECONDS if busy else RETIRE_SECONDS, partial(self._too_slow, self.epoch))

    def _too_slow(self, epoch: int) -> None:
        if epoch == self.epoch and self.worker is not None and self._plan is not None:
            self.worker.kill()

    def _on_exit(self, epoch: int) -> None:
        worker, plan = self.worker, self._plan
        if worker is None or epoch != self.epoch:
            return
        self._intake.finish()
        if worker.unwritten:
            self._heir.on_output(worker.unwritten)
        worker.terminal.close()
        self.last_crumb = worker.box.crumb(LOADING)
        note_death(self._journal, worker)
        self.worker, self._plan = None, None
        self._journal.set_meta("worker", "")
        if self._standby.was_killed():
            worker.discount_oom_kill()
        self._heir.on_exit(worker.exit_info(None) if plan is None else None)
        if plan is not None and plan.stop:
            self._checkpoints.settle_leftovers(lambda verdicts: self._loop.post(partial(self._stopped, verdicts)))
        else:
            self._succeed(worker, plan)

    def _succeed(self, worker: WorkerProcess, plan: Plan | None) -> None:
        if plan is not None:
            self._fresh, self._recovery = plan.fresh, None
            # Who asks for a restart may have installed or edited something: everything is read anew.
            self._standby.drop()
            self.patience.begin_anew()
        else:
            self._blame(worker)
        self._restoring = False
        why = self._last_output.strip() or worker.exit_info(None).reason
        if reason := self.patience.is_out(self._place.python, why):
            self._heir.on_gave_up(reason)
        elif told := self.patience.pause(self._settle_then_start):
            self._heir.on_report(Report(0, None, Notice(told)))

    def _blame(self, worker: WorkerProcess) -> None:
        """Find out what it died of, as far as the next one is to be another."""
        from_outside = worker.was_killed and not worker.was_ended
        if not self._ready or (self._restoring and self._has_nothing_to_restore()):
            if not from_outside:
                self.patience.failed()
                return
            if self._recovery is not None:
                self._recovery.struck()
        elif self._restoring and self._recovery is not None:
            self._recovery.failed(worker.box.crumb(LOADING), from_outside, self._abandoned)
            if not from_outside:
                return  # the next one loads less
        else:
            self._late.ended(worker)
        self.patience.died()

    def _has_nothing_to_restore(self) -> bool:
        """It died in PYTHONSTARTUP, or of a machine without memory: another try will not go better for ever."""
        return self._recovery is None or self._recovery.attempt().checkpoint is None

    def _stopped(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            self._heir.on_saved(verdict)
        self._heir.on_stopped()
