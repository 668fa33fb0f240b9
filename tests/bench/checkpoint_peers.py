"""Run the cells of a workload under dill or Kishu and print what saving costs, as JSON.

Runs in: a process of the benchmark's own environment, `python checkpoint_peers.py dill|kishu FILE DIRECTORY`, which has
neither pyshell nor its tests.
"""

import json
import os
import subprocess
import sys
import time
import types

RESTORED = """
import sys, time
begin = time.perf_counter()
import dill
dill.load_module(sys.argv[1])
print(time.perf_counter() - begin if eval(sys.argv[2]) else "wrong")
"""


def with_dill(cells, expect, directory):
    """`dill.dump_module` after each cell: the whole namespace, to one file."""
    import dill

    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    path = os.path.join(directory, "dill")
    figures = []
    for label, code in cells:
        exec(compile(code, "<cell>", "exec"), main.__dict__)
        begin = time.perf_counter()
        dill.dump_module(path, module=main)
        seconds = time.perf_counter() - begin
        figures.append([label, seconds, seconds, os.path.getsize(path)])
    used = memory()
    found = subprocess.run([sys.executable, "-c", RESTORED, path, expect], capture_output=True, text=True)
    return {"cells": figures, "restored": found.stdout.strip(), "memory": used, "undo": None}


def with_kishu(cells, expect, directory):
    """Kishu's hooks around each cell of an IPython shell; what it writes goes into its database."""
    shell, kishu = attach_kishu(directory)
    figures, commits = [], []
    for label, code in cells:
        before = tree_size(directory)
        timed = "import time as time_; ran_ = time_.perf_counter()\n" + code + "\nran_ = time_.perf_counter() - ran_"
        begin = time.perf_counter()
        shell.run_cell(timed)
        seconds = time.perf_counter() - begin - shell.user_ns["ran_"]
        figures.append([label, seconds, seconds, tree_size(directory) - before])
        commits.append(kishu._kishu_graph.head())
    used = memory()
    again = [sys.executable, __file__, "kishu-restore", kishu._kishu_graph.head(), expect, directory]
    found = subprocess.run(again, capture_output=True, text=True)
    begin = time.perf_counter()
    kishu.checkout(commits[-2], skip_notebook=True)
    undo = time.perf_counter() - begin
    return {"cells": figures, "restored": found.stdout.strip().rpartition("\n")[2], "memory": used, "undo": undo}


def memory():
    """Bytes that this process holds."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def attach_kishu(directory):
    from pathlib import Path

    import nbformat
    from IPython.core.interactiveshell import InteractiveShell
    from kishu.jupyterint import KishuForJupyter
    from kishu.notebook_id import NotebookId

    os.environ["ENV_KISHU_TEST_MODE"] = "true"
    notebook = Path(directory) / "bench.ipynb"
    if not notebook.exists():
        nbformat.write(nbformat.v4.new_notebook(), notebook)
    shell = InteractiveShell.instance()
    kishu = KishuForJupyter(NotebookId("bench", notebook, "kernel"), shell)
    kishu.set_session_id(1)
    kishu.install_kishu_hooks()
    return shell, kishu


def restore_kishu(commit, expect, directory):
    """In a process of its own: from the database alone."""
    shell, kishu = attach_kishu(directory)
    begin = time.perf_counter()
    kishu.checkout(commit, skip_notebook=True)
    seconds = time.perf_counter() - begin
    print(seconds if eval(expect, dict(shell.user_ns)) else "wrong")


def tree_size(directory):
    return sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(directory) for name in names)


def main():
    if sys.argv[1] == "kishu-restore":
        restore_kishu(*sys.argv[2:])
        return
    tool, file, directory = sys.argv[1:]
    with open(file) as stream:
        cells, expect = json.load(stream)
    print(json.dumps({"dill": with_dill, "kishu": with_kishu}[tool](cells, expect, directory)))


main()
