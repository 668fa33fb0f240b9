"""Complete code by reading it, for questions that come as lines of JSON on standard input: the only importer of jedi.

Runs in: a process of its own, which the host starts, limits and kills (host/processes/static.py).

Jedi parses source and follows what it says. Modules of compiled code it imports to look at them, here those of the
standard library only; others it finds only where the code itself adds a directory to `sys.path`, and then reads their
source. Nothing of the user's runs. What it has parsed it keeps in its own cache directory.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY = 1 << 30
"""Bytes of address space; jedi raises MemoryError there, or dies, and the next question has another process."""
MAX_MATCHES = 200
MAX_SIGNATURES = 20
MAX_SECONDS = 30
"""What one answer may take before the process ends by itself; the host is less patient."""
IDLE_SECONDS = 300
"""Without a question for so long it ends: it takes 80 MB."""
_FIRST = json.dumps([0, "'text'.upper().", 1, 15])
"""Asked by nobody: reading what the builtins are takes longer than what follows. Its answer says that we are ready."""
_KINDS = {"statement": "instance", "namespace": "module"}


def main() -> None:
    """Answer `[number, code, line, column]` by `[number, [[text, kind, signature], …]]`, line by line to the end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import jedi  # an optional extra

    jedi.settings.auto_import_modules = []
    jedi.settings.dynamic_params_for_other_modules = False
    jedi.settings.allow_unsafe_interpreter_executions = False
    library = str(Path(json.__file__).parents[1])
    places = [library, str(Path(library) / "lib-dynload")]
    project = jedi.Project("/", sys_path=places, smart_sys_path=False, load_unsafe_extensions=False)
    environment = jedi.api.environment.InterpreterEnvironment()
    for question in itertools.chain([_FIRST], sys.stdin):
        signal.alarm(MAX_SECONDS)
        number, code, line, column = json.loads(question)
        script = jedi.Script(code, environment=environment, project=project)
        print(json.dumps([number, _answer(script, line, column)]), flush=True)
        signal.alarm(IDLE_SECONDS)


def _answer(script: Any, line: int, column: int) -> list[tuple[str, str, str]]:
    try:
        found = script.complete(line, column)[:MAX_MATCHES]
        signed = found[:MAX_SIGNATURES]
        signatures = [_signature(completion) for completion in signed] + [""] * (len(found) - len(signed))
        return [(c.name, _KINDS.get(c.type, c.type), text) for c, text in zip(found, signatures)]
    except Exception:  # jedi meets code that its authors never saw
        return []


def _signature(completion: Any) -> str:
    if completion.type not in ("function", "class"):
        return ""
    with contextlib.suppress(Exception):  # jedi: see above
        for signature in completion.get_signatures():
            return f"({', '.join(parameter.to_string() for parameter in signature.params)})"
    return ""


if __name__ == "__main__":
    main()
