"""A checkpoint that was restored for one errand, and children to do in what may crash or hang.

Runs in: a scratch worker (see errand.py), and children that it forks.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from pyshell.blackbox import BlackBox, create_file
from pyshell.frozen import dataclass
from pyshell.store import Store
from pyshell.worker.forking import ChildRules, become_child, fork, run_in_child
from pyshell.worker.pickles.pickling import Lent, describe

TRIAL_SECONDS = 600
"""What a child may take; then the kernel ends it."""


class ChildDied(Exception):
    """The child ended without an answer; the message says how."""


@dataclass
class Scratch:
    """A restored checkpoint, and what is at hand to work with it. Owner: the main thread, or that of a child."""

    settings: dict[str, Any]
    variables: dict[str, Any]
    """`__main__`'s."""
    hidden: frozenset[str]
    """Names that are not the user's."""
    lent: Lent
    box: BlackBox
    store: Store

    @property
    def names(self) -> list[str]:
        """The user's, in their order."""
        return [name for name in self.variables if name not in self.hidden]


_children: list[int] = []


def in_child(work: Callable[[], Any], seconds: int = TRIAL_SECONDS) -> Any:
    """What `work` returns in a forked child, by way of JSON. ChildDied if that raises, crashes or takes too long."""
    results = create_file("pyshell-scratch")
    try:
        pid = fork()
        if pid == 0:
            _be_child(results, work, seconds)
        _children.append(pid)
        _, status = os.waitpid(pid, 0)
        _children.remove(pid)
        answer = os.pread(results, os.fstat(results).st_size, 0)
    finally:
        os.close(results)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        is_time_up = number in (signal.SIGALRM, signal.SIGPROF)
        raise ChildDied("it took too long" if is_time_up else f"it died of {_name_of(number)}")
    if not answer:
        raise ChildDied(f"it ended the process with exit code {os.WEXITSTATUS(status)}")
    found, error = json.loads(answer)
    if error:
        raise ChildDied(error)
    return found


def _be_child(results: int, work: Callable[[], Any], seconds: int) -> None:
    """Never returns."""

    def answer() -> int:
        try:
            found = json.dumps([work(), ""])
        except BaseException as exc:  # the parent raises it
            found = json.dumps([None, describe(exc)])
        with os.fdopen(results, "w", closefd=False) as file:
            file.write(found)
        return 0

    try:
        become_child(ChildRules(seconds=seconds, processor_seconds=seconds))
        run_in_child(answer)
    finally:
        os._exit(70)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def end(number: int, frame: object) -> None:
    """A signal's handler: nobody waits for the answer any more."""
    for pid in _children:
        os.kill(pid, signal.SIGKILL)
    os._exit(128 + number)


