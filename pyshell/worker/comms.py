"""Jupyter's comms: what the user's widgets say to their views in notebooks, and hear from them.

Runs in: worker. Nothing of the packages `comm` and `ipywidgets` is imported before the user's code does that.

The first is where ipywidgets and its like ask for a way to a notebook; whoever is one says so there. ipywidgets also
asks IPython's shell for two things, which is not there: we are that shell, for its modules alone.
"""

from __future__ import annotations

import base64
import json
import numbers
import sys
from collections.abc import Callable, Iterable
from typing import Any

from pyshell.errors import UsageError
from pyshell.protocol import CELL_PARENT, MAX_COMM, Comm, CommAction, Error, ErrorInfo, ReportBody, SendComm
from pyshell.worker.importers import on_import
from pyshell.worker.namespace import Namespace

Tell = Callable[[ReportBody, bool], None]
"""Reports something; and whether it comes in its order among the output."""
MAX_NAME = 200
"""Characters of an id, and of a target."""
WIDGETS = "jupyter.widget"
"""What the targets of ipywidgets begin with."""
_ACTIONS: dict[str, CommAction] = {"comm_open": "open", "comm_msg": "message", "comm_close": "close"}
_KINDS = {action: kind for kind, action in _ACTIONS.items()}


class Voice:
    """How comms speak in this session. Owner: the main thread hears, any thread speaks."""

    def __init__(
        self, tell: Tell, namespace: Namespace, describe: Callable[[BaseException], ErrorInfo],
        show_figures: Callable[[], None],
    ) -> None:  # fmt: skip
        self._tell = tell
        self._namespace = namespace
        self._describe = describe
        self.show_figures = show_figures
        self._heard = ""

    def say(self, said: Comm) -> None:
        # A comm is closed when it is collected, wherever that is: also where the output's lock is held.
        self._tell(said, said.action != "close")

    def hear(self, sent: SendComm) -> None:
        """Let the comm hear it. Raises what the user's code raises."""
        self._heard = sent.message
        try:
            _hear(sent)
        finally:
            self._heard = ""

    @property
    def parent(self) -> str:
        """What the notebook's message is called that the code runs for."""
        return self._heard or f"{CELL_PARENT}{self._namespace.newest}"

    def tell_error(self, exc: BaseException) -> None:
        """What a widget has caught and would only log."""
        self._tell(Error(self._describe(exc), False), True)


_voices: list[Voice] = []


def offer(voice: Voice) -> None:
    """Let comms speak, once their packages are imported."""
    _voices[:] = [voice]
    on_import({
        "comm": _take_over,
        "ipywidgets": lambda module: module.register_comm_target(),
        "ipywidgets.widgets.widget": _be_shell_for,
        "ipywidgets.widgets.widget_output": _be_shell_for,
        "ipywidgets.widgets.interaction": _be_shell_for,
    })  # fmt: skip


def _hear(sent: SendComm) -> None:
    said, package = sent.said, sys.modules.get("comm")
    manager: Any = package.get_comm_manager() if package is not None else None
    comm = manager.comms.get(said.comm) if manager is not None else None
    message = _as_jupyters(sent)
    if said.action == "open" and manager is not None and said.target in manager.targets:
        made = package.create_comm(comm_id=said.comm, primary=False, target_name=said.target)  # type: ignore[union-attr]
        manager.register_comm(made)
        try:
            manager.targets[said.target](made, message)
        except BaseException:  # it is user code; the other half is told that there is none
            made.close()
            raise
    elif comm is None:
        if said.action != "close":
            _voices[0].say(Comm("close", said.comm, said.target, "{}", "{}", ()))
    elif said.action == "message":
        comm.handle_msg(message)
    elif said.action == "close":
        del manager.comms[said.comm]
        comm._closed = True
        comm.handle_close(message)


def _as_jupyters(sent: SendComm) -> dict[str, Any]:
    said = sent.said
    content = {"comm_id": said.comm, "target_name": said.target, "data": json.loads(said.data)}
    return {
        "header": {"msg_id": sent.message, "msg_type": _KINDS[said.action], "username": sent.client},
        "parent_header": {}, "metadata": json.loads(said.metadata), "content": content,
        "buffers": [memoryview(base64.b64decode(buffer)) for buffer in said.buffers],
    }  # fmt: skip


# --- in the place of what the packages have -----------------------------------------------------------------


def _take_over(package: Any) -> None:
    base: Any = sys.modules["comm.base_comm"]

    class SessionComm(base.BaseComm):  # type: ignore[misc]
        """A comm whose other half is in the notebooks of the session."""

        def publish_msg(
            self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any
        ) -> None:
            said = (_text(data or {}), _text(metadata or {}), tuple([_encoded(buffer) for buffer in buffers or ()]))
            _voices[0].say(_checked(Comm(_ACTIONS[msg_type], str(self.comm_id), str(self.target_name), *said)))

        def handle_msg(self, msg: Any) -> None:
            # The one that is inherited needs IPython, to tell a shell that is not there.
            if self._msg_callback:
                self._msg_callback(msg)

    package.create_comm = SessionComm


def _be_shell_for(module: Any) -> None:
    module.get_ipython = _shell
    if hasattr(module, "show_inline_matplotlib_plots"):
        # Where the function of `interact` has drawn, not at the message's end: that is outside of its output.
        module.show_inline_matplotlib_plots = lambda: _voices[0].show_figures()


class _Shell:
    """What ipywidgets asks of IPython's shell and of its kernel."""

    def get_parent(self) -> dict[str, Any]:
        return {"header": {"msg_id": _voices[0].parent}}

    def set_parent(self, _parent: Any) -> None:
        """It is the one that it was."""

    @property
    def kernel(self) -> _Shell:
        return self

    def showtraceback(self, exc_tuple: Any = None, *_: Any, **__: Any) -> None:
        exc = (exc_tuple or sys.exc_info())[1]
        if exc is not None:
            _voices[0].tell_error(exc)


_the_shell = _Shell()


def _shell() -> _Shell:
    return _the_shell


# --- on the wire ----------------------------------------------------------------------------------------------


def _checked(said: Comm) -> Comm:
    """UsageError for what the session does not carry."""
    size = len(said.data) + len(said.metadata) + sum(map(len, said.buffers))
    if size > MAX_COMM:
        raise UsageError(
            f"a widget says up to {MAX_COMM >> 20} MB at once, its buffers in base64; this is {size >> 20} MB"
        )
    if len(said.comm) > MAX_NAME or len(said.target) > MAX_NAME:
        raise UsageError(f"a comm's id and its target have up to {MAX_NAME} characters")
    return said


def _encoded(buffer: Any) -> str:
    return base64.b64encode(buffer).decode("ascii")


def _text(value: object) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """As Jupyter sends what JSON does not have."""
    import datetime  # mostly it is not needed

    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _encoded(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} is nothing that a widget can say")
