"""A worker without its host: runs cells, saves and restores, as told by lines of JSON.

Runs in: a process that tests/worker/conftest.py starts, on any Python from 3.10 on.
"""

import dataclasses
import json
import linecache
import mmap
import os
import sys
import threading
import types


def fresh_main():
    main = types.ModuleType("__main__", None)
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return main.__dict__


NAMESPACE = fresh_main()
PLACES, STORE, REQUESTS, REPLIES, CRUMBS = json.loads(sys.argv[1])
sys.argv[:] = [""]
sys.path[0] = ""


def import_lent():
    """Import pyshell, and dill as if it were lent: not to be seen by the user's code."""
    sys.path[:0] = PLACES
    import dill

    from pyshell import blackbox
    from pyshell.store import Store
    from pyshell.worker import bindings, interrupts, places, touched
    from pyshell.worker.checkpoints import checkpoint, early, late, restore, slicing
    from pyshell.worker.pickles import limits

    del sys.path[: len(PLACES)]
    names = [name for name in sys.modules if name.partition(".")[0] == "dill"]
    dill.extend(False)
    modules = types.SimpleNamespace(
        bindings=bindings, blackbox=blackbox, checkpoint=checkpoint, early=early, interrupts=interrupts, late=late,
        limits=limits, places=places, restore=restore, slicing=slicing, touched=touched, Store=Store,
    )  # fmt: skip
    return modules, {name: sys.modules.pop(name) for name in names}


ours, LENT = import_lent()
bindings, checkpoint, limits, slicing, touched = (
    ours.bindings, ours.checkpoint, ours.limits, ours.slicing, ours.touched,
)  # fmt: skip
Store, restoring = ours.Store, ours.restore


class Crumbs:
    """The shared memory that tells which name is being worked on."""

    def __init__(self):
        self.memory = mmap.mmap(CRUMBS, 4096)

    def __call__(self, text):
        self.memory[:] = text.encode().ljust(4096, b"\0")


class Worker:
    def __init__(self):
        self.hidden = frozenset(NAMESPACE) | {"__name__", "__doc__"}
        NAMESPACE.update(__name__="__main__", __doc__=None)
        self.bindings = bindings.Bindings(NAMESPACE, self.hidden)
        self.crumbs = Crumbs()
        self.damage = []
        self.settings = {}
        self.checkpointer = checkpoint.Checkpointer(STORE, self.bindings, LENT, self.crumbs)
        box = ours.blackbox.create()
        self.box = ours.blackbox.BlackBox(box)
        self.ticks_left = None
        self.interrupts = ours.interrupts.Interrupts(self.box)
        self.watchman = slicing.Watchman(self, self.box, NAMESPACE)
        self.slicing = slicing.Slicing(self.checkpointer, self.watchman, ())
        self.said = []
        around = types.SimpleNamespace(interrupts=self.interrupts, is_wanted=self.is_wanted)
        place = types.SimpleNamespace(variables=NAMESPACE, bindings=self.bindings, adopt_outputs=int)
        teller = types.SimpleNamespace(report=lambda body: self.said.append(getattr(body, "text", body.TAG)))
        self.late = ours.late.Late(around, place, self.box, teller, self.checkpointer)

    def incremental(self):
        """However small the namespace is, save only what was touched."""
        checkpoint.SMALL_SECONDS = 0.0

    def starve(self):
        """No memory is free for a child."""
        checkpoint.why_not_fork = lambda: "5 MB of memory are free; free some and save again"

    def forked(self):
        """Save nothing inline."""
        self.checkpointer._save_inline = lambda *_: False

    def run_early(self, cell, code):
        """Run a cell as a worker does that is still loading."""
        self.late.prepare(ours.places.Place(code, f"<In[{cell}]>"), types.SimpleNamespace(expressions=()))
        return self.run(cell, code)

    def interrupt_early(self, cell, code, looks):
        """The same, with a Ctrl-C at that look of the loading; what it raises."""
        self.interrupts.install()
        countdown = iter(range(looks))

        def strike():
            if next(countdown, None) is None:
                os.kill(os.getpid(), 2)
            return False

        kept, ours.late._never = ours.late._never, strike
        try:
            return self.run_early(cell, code)
        except KeyboardInterrupt:
            return "KeyboardInterrupt"
        finally:
            ours.late._never = kept

    def waits(self):
        """Names that are not there yet, in the order in which they are loaded."""
        return [name for group in self.checkpointer.waiting.values() for name in group.names]

    def load_late(self, ticks):
        """Load what waits; a task comes after so many looks. What was told meanwhile."""
        self.ticks_left = ticks
        self.late.go_on()
        self.ticks_left = None
        said, self.said[:] = list(self.said), []
        return said

    def rows(self):
        return [[row.name, row.type] for row in self.late.rows().values()]

    def names(self):
        """The namespace's own, in their order."""
        return [name for name in NAMESPACE if name not in self.hidden and name != "__builtins__"]

    def run(self, cell, code):
        compiled = compile(code, f"<In[{cell}]>", "exec")
        self.slicing.pause()
        try:
            exec(compiled, NAMESPACE)
            return ""
        except Exception as exc:  # a cell raises what it likes
            return f"{type(exc).__name__}: {exc}"
        finally:
            self.bindings.note(cell)
            self.checkpointer.note_names(touched.names_in(compiled))
            if self.slicing.is_on:
                self.slicing.absorb(cell, limits.Limits.of(self.settings))

    def eval(self, code):
        try:
            return repr(eval(code, NAMESPACE))
        except BaseException as exc:  # values here are poisonous on purpose
            return f"{type(exc).__name__}: {exc}"

    def limit(self, exclude, max_value_bytes):
        self.settings = {"exclude": exclude, "max_value_bytes": max_value_bytes, "source": "config.toml"}

    def begin(self, cell, set_aside, scope="touched"):
        limited = dataclasses.replace(limits.Limits.of(self.settings), crashed=frozenset(set_aside))
        try:
            self.pid, name = self.checkpointer.start(cell, None, limited, scope)
            return self.pid, name
        except Exception as exc:  # the test looks at whatever it was
            return 0, f"{type(exc).__name__}: {exc}"

    def finish(self):
        if self.pid == 0:
            self.outcome = self.checkpointer._outcome
            return ""
        ended = self.checkpointer.reap()
        self.is_trusted = self.checkpointer.note_outcome(ended.outcome)
        self.outcome = ended.outcome
        return ended.reason

    def is_wanted(self):
        """A task comes after so many looks."""
        if self.ticks_left is not None:
            self.ticks_left -= 1
        return self.ticks_left is not None and self.ticks_left < 0

    def begin_slices(self, cell, scope):
        """Save in slices what was touched."""
        known = self.checkpointer._touched(self.bindings.definitions()) if scope == "touched" else None
        self.slicing.begin(slicing.Wanted(cell, None, limits.Limits.of(self.settings), scope), known)

    def slice(self, steps, ticks):
        """Take so many steps (None: all); a task comes after so many looks. Its name, once it is proposed."""
        self.ticks_left = ticks
        while steps is None or steps > 0:
            outcome = self.slicing.step()
            if outcome is not None:
                self.outcome = outcome
                return self.slicing.proposal if outcome.is_new else ""
            if self.ticks_left is not None and self.ticks_left < 0:
                break
            steps = None if steps is None else steps - 1
        return None

    def is_slicing(self):
        return self.slicing.is_on

    def is_verified(self):
        return self.checkpointer.is_verified

    def open_files(self):
        """What of the store this process has open."""
        paths = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        found = [os.readlink(path) for path in paths if os.path.islink(path)]
        return [path for path in found if path.startswith(STORE)]

    def saved_anew(self):
        """Names that the last save looked at; None: all."""
        return None if self.outcome.touched is None else sorted(self.outcome.touched)

    def taken_over(self):
        """Bytes that the last save has not read, and those that it has not hashed."""
        return [self.outcome.buffers.unread, self.outcome.buffers.unhashed]

    def trusts_pages(self):
        """Whether the last save found nothing wrong in what the kernel says."""
        return self.is_trusted

    def refuse_pages(self):
        """A kernel that does not tell which pages were written, as in many containers."""
        self.checkpointer._tracking.open_watch = lambda: None

    def refused(self):
        self.checkpointer.refused()

    def committed(self, sequence):
        self.checkpointer.committed(sequence)

    def verify(self):
        for thread in threading.enumerate():
            if thread.name == "pyshell-verifier":
                thread.join()
        return self.damage

    def restore(self, sequence, set_aside, sources, at_once=None):
        """`at_once`: so many bytes are loaded now, the rest later."""
        for cell, code in sources:
            linecache.cache[f"<In[{cell}]>"] = (len(code), None, code.splitlines(keepends=True), f"<In[{cell}]>")
        store = Store.open(STORE, key=None, writer=False)
        caution = restoring.Caution(frozenset(set_aside), self.crumbs, self.damage.append)
        kind = restoring.Restoring if at_once is None else ours.late.Beginning
        sys.modules["pyshell.worker.checkpoints.waiting"].AT_ONCE = at_once
        outcome = kind(store, NAMESPACE, checkpoint.Lent(LENT), caution).restore(sequence)
        self.checkpointer.restored(sequence, outcome.source)
        self.late.begin(store, checkpoint.Lent(LENT), caution, outcome.source)
        return [list(outcome.names), [[m.name, m.type, m.reason, m.cell] for m in outcome.missing]]


def main():
    worker = Worker()
    with open(REQUESTS) as requests, open(REPLIES, "w") as replies:
        for line in requests:
            verb, *arguments = json.loads(line)
            answer = getattr(worker, verb)(*arguments)
            replies.write(json.dumps(answer) + "\n")
            replies.flush()
    os._exit(0)


main()
