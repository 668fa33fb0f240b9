"""Have a checkpoint restored in a process of its own, and pass on what that process finds out.

Runs in: a process of its own, beside the session's host or without one, for one answer.

The worker that is started here dies of what would have killed the session's. Then another one is started, without the
group that did it, as after any death.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyshell import blackbox, errors
from pyshell.blackbox import LOADING, BlackBox
from pyshell.errors import PyshellError, StoreError, WorkerError, WorkerStartFailed
from pyshell.frozen import dataclass, field
from pyshell.host.journals.journal import past_meta
from pyshell.host.processes.birth import PACKAGE, lend_places
from pyshell.host.processes.loading import RESTORE_SECONDS
from pyshell.paths import Roots, SessionPaths
from pyshell.store import Manifest, Store

MAX_SET_ASIDE = 100
"""Groups that may kill a worker before this is given up."""
MAX_PRINTED = 2000


@dataclass
class Asking:
    """One answer, by as many workers as it takes."""

    paths: SessionPaths
    errand: dict[str, Any]
    """`errand checkpoint` and what the errand needs: `file`."""
    environment: dict[str, str]
    _set_aside: list[str] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """WorkerError if no worker comes to an answer."""
        while True:
            answer, crumb, printed = self._attempt()
            if answer:
                found: dict[str, Any] = json.loads(answer)
                if "error" in found:
                    raise errors.from_remote(*found["error"])
                return found
            if not crumb or crumb in self._set_aside or len(self._set_aside) >= MAX_SET_ASIDE:
                raise WorkerError(f"the process that loads the saved state ended before it was done: {printed}")
            self._set_aside.append(crumb)

    def _attempt(self) -> tuple[str, str, str]:
        """The answer if there is one; the group that was being loaded last; what was printed."""
        fd = blackbox.create()
        read, write = os.pipe()
        box = BlackBox(fd)
        with tempfile.TemporaryFile() as output, os.fdopen(read) as answer:
            try:
                process = self._start((fd, write), output.fileno())
            finally:
                os.close(fd)
                os.close(write)
            with process:
                self._wait(process, read, box)
                text = answer.read()
            output.seek(0)
            printed = output.read().decode("utf-8", "replace")[-MAX_PRINTED:].strip()
        return text, box.crumb(LOADING), printed or f"exit status {process.returncode}"

    def _start(self, shared: tuple[int, int], output: int) -> subprocess.Popen[bytes]:
        python = past_meta(self.paths.journal, "python") or sys.executable
        settings = {
            **self.errand,
            "entry": "errand",
            "box": shared[0],
            "answer": shared[1],
            "set_aside": self._set_aside,
            "store": str(self.paths.store),
            "argv": [""],
            "lend": lend_places(),
        }
        try:
            return subprocess.Popen(
                [python, str(PACKAGE / "worker" / "bootstrap.py"), json.dumps(settings)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=shared,
                cwd=past_meta(self.paths.journal, "cwd") or None, env=self.environment,
            )  # fmt: skip
        except OSError as exc:
            raise WorkerStartFailed(f"{python} could not be started: {exc}") from None

    def _wait(self, process: subprocess.Popen[bytes], answer: int, box: BlackBox) -> None:
        """Until it answers or ends. A group that takes too long is treated as one that kills."""
        before = ""
        while not select.select([answer], [], [], RESTORE_SECONDS)[0]:
            now = box.crumb(LOADING)
            if now and now == before:
                process.kill()
                return
            before = now


def main() -> int:
    """`python -m pyshell.host.saved.scratch` with `name state runtime env errand checkpoint` as JSON on its input.

    `errand` is one of those in worker/errand.py, `checkpoint` None is the newest one. Writes what the worker has
    answered, as JSON, with `checkpoint` and `cell`.
    """
    settings = json.load(sys.stdin)
    paths = Roots(Path(settings.pop("state")), Path(settings.pop("runtime"))).session(settings.pop("name"))
    try:
        manifest = _find(paths, settings["checkpoint"])
        environment = settings.pop("env")
        answer = Asking(paths, {**settings, "checkpoint": manifest.sequence}, environment).run()
    except (PyshellError, OSError) as exc:
        print(type(exc).__name__, exc, sep="\n")
        return 1
    print(json.dumps({**answer, "checkpoint": manifest.sequence, "cell": manifest.cell}))
    return 0


def _find(paths: SessionPaths, checkpoint: int | None) -> Manifest:
    """With the key: what somebody else has written is not loaded."""
    with Store.open(paths.store, key=paths.roots.key.read_bytes(), writer=False) as store:
        manifest = store.head if checkpoint is None else store.manifest(checkpoint)
    if manifest is None:
        raise StoreError(f'session "{paths.name}" has no saved state yet')
    return manifest


if __name__ == "__main__":
    sys.exit(main())
