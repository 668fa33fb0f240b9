"""What a cell takes through Jupyter: our kernel beside ipykernel, in turns.

`python -m tests.bench jupyter [--times 100]`. Runs in: benchmarks.

Asked by jupyter_client, from the request to the message that says idle: a plain `x` (p50 and the best), 100,000 printed
lines (the best of three). ipykernel is the one that is installed beside jupyter_client.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

from tests.bench.peers import ROOT

SECONDS = 120
LINES = "for i in range(100_000): print('line', i)"


def main(arguments: list[str]) -> int:
    """The table goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench jupyter", description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    options = parser.parse_args(arguments)
    if find_spec("jupyter_client") is None:
        raise SystemExit("jupyter_client is not installed here: pip install 'pyshell[jupyter]' ipykernel")
    print(table(measured(options.times)))
    return 0


def measured(times: int) -> dict[str, tuple[list[float], list[float]]]:
    """By kernel, seconds of each plain cell and of each that prints."""
    from jupyter_client.manager import start_new_kernel  # an optional extra

    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        names = ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        os.environ.update({name: os.path.join(directory, name.lower()) for name in names})
        os.makedirs(os.environ["XDG_RUNTIME_DIR"], 0o700)
        os.environ["PYTHONPATH"] = str(ROOT)
        install = [sys.executable, "-m", "pyshell", "jupyter", "install", "--user"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        clients: dict[str, Any] = {}
        for name in ["pyshell", *(["python3"] if find_spec("ipykernel") else [])]:
            manager, clients[name] = start_new_kernel(kernel_name=name, startup_timeout=SECONDS)
            stack.callback(manager.shutdown_kernel)
            stack.callback(clients[name].stop_channels)
            _cell(clients[name], "x = 1")
        found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in clients}
        for at in range(times + 3):
            for name, client in clients.items():
                found[name][at >= times].append(_cell(client, "x" if at < times else LINES))
        return found


def _cell(client: Any, code: str) -> float:
    begun = time.perf_counter()
    client.execute_interactive(code, output_hook=lambda _: None, timeout=SECONDS)
    return time.perf_counter() - begun


def table(found: dict[str, tuple[list[float], list[float]]]) -> str:
    """A Markdown table: a row per kernel."""
    rows = ["| kernel | `x`, p50 | `x`, best | 100,000 lines, best |", "| --- | ---: | ---: | ---: |"]
    for name, (plain, printing) in found.items():
        figures = [f"{seconds * 1000:.1f} ms" for seconds in (statistics.median(plain), min(plain), min(printing))]
        rows.append("| " + " | ".join([{"python3": "ipykernel"}.get(name, name), *figures]) + " |")
    return "\n".join(rows)
