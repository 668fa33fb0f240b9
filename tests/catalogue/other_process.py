"""One case in one process: run its cells and save, or load and check.

Runs in: a process that tests/catalogue/others.py starts.
"""

import json
import os
import sys
import types


def fresh_main():
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return main


def run_cells(main, cells):
    for number, cell in enumerate(cells):
        try:
            exec(compile(cell, f"<cell {number}>", "exec"), main.__dict__)
        except ZeroDivisionError:  # one case has a cell that is meant to fail
            continue


def save(method, path, main):
    if method == "dill":
        import dill

        dill.dump_module(path, main)
    elif method == "cloudpickle":
        import cloudpickle

        names = {name: value for name, value in vars(main).items() if not name.startswith("__")}
        with open(path, "wb") as file:
            cloudpickle.dump(names, file)


def load(method, path, main):
    if method == "dill":
        import dill

        dill.load_module(path, main)
    elif method == "cloudpickle":
        import cloudpickle

        with open(path, "rb") as file:
            vars(main).update(cloudpickle.load(file))


def with_kishu(phase, path, cells, check):
    """Kishu's hooks around each cell of an IPython shell; the second process has its database alone."""
    shell, kishu = attach_kishu(path)
    if phase == "save":
        for cell in cells:
            shell.run_cell(cell)
        with open(path + ".head", "w") as file:
            file.write(kishu._kishu_graph.head())
        return "saved"
    with open(path + ".head") as file:
        kishu.checkout(file.read(), skip_notebook=True)
    return repr(bool(eval(check, shell.user_ns)))


def attach_kishu(path):
    from pathlib import Path

    import nbformat
    from IPython.core.interactiveshell import InteractiveShell
    from kishu.jupyterint import KishuForJupyter
    from kishu.notebook_id import NotebookId

    os.environ["ENV_KISHU_TEST_MODE"] = "true"
    notebook = Path(path + ".ipynb")
    if not notebook.exists():
        nbformat.write(nbformat.v4.new_notebook(), notebook)
    shell = InteractiveShell.instance()
    kishu = KishuForJupyter(NotebookId("case", notebook, "kernel"), shell)
    kishu.set_session_id(1)
    kishu.install_kishu_hooks()
    return shell, kishu


def answer():
    method, phase, path, cells, check = json.load(sys.stdin)
    if method == "kishu":
        return with_kishu(phase, path, cells, check)
    main = fresh_main()
    if phase == "save" or method == "nothing":
        run_cells(main, cells)
    if phase == "save":
        save(method, path, main)
        return "saved"
    load(method, path, main)
    return repr(bool(eval(check, main.__dict__)))


sys.path.pop(0)
try:
    text = answer()
except BaseException as exc:  # the cases raise whatever they like
    text = f"{type(exc).__name__}: {exc}".replace("\n", " ")[:200]
os.write(1, f"\n@{text}\n".encode())
os._exit(0)
