"""Fork while threads are busy in libraries, and say how it goes as lines of JSON: `forks_process.py FORKS ALONGSIDE`.

Runs in: a process of the benchmark's own environment, which has the libraries and finds pyshell on its path.

Up to ALONGSIDE children are at work at once. One that sleeps without using the processor hangs, and is killed.
"""

import faulthandler
import importlib
import itertools
import json
import logging
import os
import pickle
import random
import signal
import sys
import threading
import time
import zlib
from contextlib import suppress

from pyshell.host.processes.stalling import Stalling
from pyshell.worker.forking import ChildRules, become_child, fork, run_in_child

STALL_SECONDS = 5.0
CHILD_SECONDS = 300
REPORT_EVERY = 50
PATTERN = b"pyshell " * 4000


def with_numpy(numpy):
    a = numpy.random.default_rng(0).random((400, 400))
    return lambda: a @ a


def with_polars(polars):
    frame = polars.DataFrame({"k": [n % 97 for n in range(50_000)], "v": list(range(50_000))})
    return lambda: frame.lazy().group_by("k").agg(polars.col("v").sum()).sort("k").collect()


def with_pyarrow(pyarrow):
    compute = importlib.import_module("pyarrow.compute")
    table = pyarrow.table({"k": [n % 89 for n in range(50_000)], "v": list(range(50_000))})
    return lambda: compute.sum(table.group_by("k").aggregate([("v", "sum")])["v_sum"])


def with_malloc(ctypes):
    """C's own, outside of the GIL, as the libraries do it."""
    libc, rng = ctypes.CDLL(None), random.Random(1)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

    def work():
        blocks = [libc.malloc(rng.randrange(16, 200_000)) for _ in range(200)]
        for block in blocks:
            libc.free(block)

    return work


def with_logging(_):
    logger = logging.getLogger("busy")
    logger.addHandler(logging.FileHandler(os.devnull))
    logger.propagate = False
    return lambda: [logger.warning("line %d", n) for n in range(100)]


def with_zlib(_):
    return lambda: zlib.compress(PATTERN)


MAKERS = {
    "numpy": (with_numpy, 2),
    "polars": (with_polars, 1),
    "pyarrow": (with_pyarrow, 1),
    "ctypes": (with_malloc, 2),
    "logging": (with_logging, 2),
    "zlib": (with_zlib, 1),
}


def start_threads():
    """Keep them busy; each module's version, or that it is not there."""
    started = {}
    for name, (make, count) in MAKERS.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            started[name] = "not installed"
            continue
        work = make(module)
        for _ in range(count):
            threading.Thread(target=forever, args=(work,), daemon=True).start()
        started[name] = getattr(module, "__version__", "")
    return started


def forever(work):
    while True:
        work()


STATE = {"numbers": list(range(5000)), "texts": list(map(str, range(5000))), "nested": [{"a": [n]} for n in range(500)]}


def save():
    """What a child does that saves: allocate, pickle, compress, write."""
    data = zlib.compress(pickle.dumps(STATE, 5), 1)
    parts = [bytes(size) for size in range(0, 300_000, 10_007)]
    with open(os.devnull, "wb") as file:
        file.write(data)
        for part in parts:
            file.write(part)
    return 0


class Children:
    def __init__(self):
        self.watched = {}
        self.counts = {"well": 0, "hung": 0, "crashed": 0, "other": 0, "refused": 0}
        self.pauses = []

    def start(self):
        begin = time.perf_counter()
        try:
            pid = fork()
        except OSError:
            self.counts["refused"] += 1
            return
        if pid == 0:
            become_child(ChildRules(seconds=CHILD_SECONDS))
            run_in_child(save)
        self.pauses.append(time.perf_counter() - begin)
        self.watched[pid] = Stalling(pid, STALL_SECONDS)

    def look(self):
        for pid, stalling in list(self.watched.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.note(os.waitstatus_to_exitcode(status))
                del self.watched[pid]
            elif stalling.is_stuck():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def note(self, code):
        kinds = {0: "well", -signal.SIGKILL: "hung", -signal.SIGALRM: "hung"}
        self.counts[kinds.get(code, "crashed" if code < 0 else "other")] += 1


def main():
    faulthandler.register(signal.SIGUSR1)
    forks, alongside = map(int, sys.argv[1:])
    tell({"busy": start_threads()})
    children, look_again = Children(), threading.Event()
    for number in itertools.count(1):
        if number <= forks:
            children.start()
        while len(children.watched) >= (alongside if number < forks else 1):
            children.look()
            look_again.wait(0.002)
        if number % REPORT_EVERY == 0 or number >= forks:
            tell({"forks": number, **children.counts, "pauses": sorted(children.pauses)})
        if number >= forks:
            os._exit(0)


def tell(what):
    print(json.dumps(what), flush=True)


main()
