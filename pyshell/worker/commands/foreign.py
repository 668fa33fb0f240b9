"""IPython's own commands, where the worker's interpreter has IPython: one of its shells, over the session's namespace.

Runs in: worker, on its main thread. Made when the first command is typed that is none of ours.
"""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import cleandoc
from typing import Any

from pyshell.worker.commands.call import Call
from pyshell.worker.displaying import display, update_display
from pyshell.worker.namespace import Namespace


class IPython:
    """One shell of IPython's, as far as commands need it."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def has(self, call: Call) -> bool:
        find = self._shell.find_line_magic if call.body is None else self._shell.find_cell_magic
        return find(call.name) is not None

    def run(self, call: Call) -> Any:
        """Its value; what it raises is raised."""
        is_lent = "_dh" not in call.variables
        call.variables.setdefault("_dh", [])  # where `%pushd` and its like note the directories
        try:
            if call.body is None:
                return self._shell.run_line_magic(call.name, call.text)
            return self._shell.run_cell_magic(call.name, call.text, call.body)
        finally:
            if is_lent:
                call.variables.pop("_dh", None)

    def usage(self, name: str) -> str:
        """What IPython says of one of its commands; empty if it has none of that name."""
        found = self._shell.find_line_magic(name) or self._shell.find_cell_magic(name)
        return cleandoc(found.__doc__ or "It has no documentation.") if found is not None else ""

    def before_cell(self) -> None:
        self._shell.events.trigger("pre_execute")
        self._shell.events.trigger("pre_run_cell", None)

    def after_cell(self) -> None:
        self._shell.events.trigger("post_execute")
        self._shell.events.trigger("post_run_cell", None)


def _publish(data: Any, metadata: Any = None, *_: Any, transient: Any = None, update: bool = False, **__: Any) -> None:
    """What IPython's own `display` has made of a value becomes an event, as from ours."""
    display_id = (transient or {}).get("display_id")
    if update and display_id:
        update_display((data, metadata), display_id=display_id, raw=True)
    else:
        display((data, metadata), display_id=display_id, raw=True)


def start(namespace: Namespace) -> IPython | None:
    """None if IPython is not installed."""
    try:
        # The user's own, and late: it takes some tenths of a second.
        base: Any = import_module("IPython.core.interactiveshell").InteractiveShell
        config: Any = import_module("traitlets.config").Config()
    except ImportError:
        return None

    class Shell(base):  # type: ignore[misc]
        def enable_gui(self, gui: Any = None) -> None:
            """Windows would need an event loop between cells, which there is not."""
            if gui is not None:
                print(f"Windows of {gui} stand still between cells: show them with plt.show().")

        def init_display_pub(self) -> None:
            super().init_display_pub()
            self.display_pub.publish = _publish

        def set_next_input(self, text: str, replace: bool = False) -> None:
            print(text)

    hooks = {name: getattr(sys, name) for name in ("displayhook", "excepthook", "stdout", "stderr")}
    before = dict(namespace.variables)
    config.HistoryManager.enabled = False  # a thread and a database of its own; ours are in the journal
    try:
        made = Shell.instance(user_module=sys.modules["__main__"], user_ns=namespace.variables, config=config)
    finally:
        for name in [name for name in namespace.variables if name not in before]:
            del namespace.variables[name]
        namespace.variables.update(before)
        for name, hook in hooks.items():
            setattr(sys, name, hook)
    return IPython(made)
