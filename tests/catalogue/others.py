"""The catalogue elsewhere: each case saved by one process, and looked at in another that loads it.

Runs in: the catalogue's command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.catalogue.cases import HANG, REPORTED, RIGHT, WRONG, Case, Outcome

SCRIPT = Path(__file__).with_name("other_process.py")
SECONDS = 30

METHODS = ("dill", "cloudpickle", "kishu")
NOWHERE = "nothing"
"""The method that saves nothing and asks the very process: it shows that the cases themselves are right."""


def run(cases: Sequence[Case], method: str, python: str | None = None) -> dict[str, Outcome]:
    return {case.name: _outcome(case, method, python or sys.executable) for case in cases}


def _outcome(case: Case, method: str, python: str) -> Outcome:
    with tempfile.TemporaryDirectory() as directory:
        for phase in ("save", "load"):
            request = json.dumps([method, phase, f"{directory}/state", case.cells, case.check])
            try:
                options = {"capture_output": True, "text": True, "timeout": SECONDS, "cwd": directory}
                options["env"] = {**os.environ, "HOME": directory}
                done = subprocess.run([python, str(SCRIPT)], input=request, **options)
            except subprocess.TimeoutExpired:
                return Outcome(HANG, f"{phase}: no end within {SECONDS} s")
            answer = _last_line(done)
            if phase == "save" and answer != "saved":
                return Outcome(REPORTED, answer)
    return Outcome(RIGHT) if answer == "True" else Outcome(WRONG, answer)


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    marked = [line for line in done.stdout.splitlines() if line.startswith("@")]
    return marked[-1][1:] if marked else f"the process ended with {done.returncode}"
