"""A notebook's frontend with a kernel of ours.

Runs in: tests.
"""

from __future__ import annotations

import os
import termios
from pathlib import Path
from typing import Any

import pytest

import pyshell
from pyshell import cli, starting

manager = pytest.importorskip("jupyter_client.manager", reason="the kernel is an extra: pip install 'pyshell[jupyter]'")

SECONDS = 60


def install(root: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Put the kernel where a Jupyter of this test finds it, and no other does."""
    for variable in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(root / variable.lower()))
    monkeypatch.setenv("PYTHONPATH", str(Path(pyshell.__file__).parents[1]))
    assert cli.main(["jupyter", "install", "--user", *options]) == 0


class Notebook:
    """A frontend with one kernel."""

    def __init__(self, **options: Any) -> None:
        self.manager, self.client = manager.start_new_kernel(kernel_name="pyshell", startup_timeout=SECONDS, **options)

    def run(self, code: str, answer: str | None = None, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The reply to a cell, and what was shown."""
        shown: list[dict[str, Any]] = []

        def type_answer(request: dict[str, Any]) -> None:
            # A password is asked for when the echo is off: getpass throws away what was typed before that.
            assert not request["content"]["password"] or has_no_echo()
            self.client.input(answer)

        reply = self.client.execute_interactive(
            code, output_hook=shown.append, stdin_hook=type_answer, timeout=SECONDS,
            **{"allow_stdin": answer is not None, **options},
        )  # fmt: skip
        return reply["content"], [message for message in shown if message["msg_type"] != "status"]

    def message(self, kind: str) -> dict[str, Any]:
        """The next of that kind that everybody is told."""
        while True:
            found: dict[str, Any] = self.client.get_iopub_msg(timeout=SECONDS)
            if found["msg_type"] == kind:
                return found

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    def completions(self, code: str) -> list[str]:
        return list(self.client.complete(code, reply=True, timeout=SECONDS)["content"]["matches"])

    def reply(self, request: str) -> dict[str, Any]:
        """The content of the reply to that request."""
        while True:
            found: dict[str, Any] = self.client.get_shell_msg(timeout=SECONDS)
            if found["parent_header"]["msg_id"] == request:
                return dict(found["content"])

    def close(self) -> None:
        if self.manager.has_kernel:
            self.client.stop_channels()
            self.manager.shutdown_kernel()


def text(shown: list[dict[str, Any]], stream: str = "stdout") -> str:
    return "".join(
        [one["content"]["text"] for one in shown if one["msg_type"] == "stream" and one["content"]["name"] == stream]
    )


def has_no_echo() -> bool:
    """Whether the terminal of the only session's worker shows nothing of what is typed."""
    with only_session() as session:
        terminal = os.open(f"/proc/{session.pid}/fd/0", os.O_RDONLY | os.O_NOCTTY)
    try:
        return not termios.tcgetattr(terminal)[3] & termios.ECHO
    finally:
        os.close(terminal)


def only_session() -> pyshell.Session:
    (name,) = starting.names()
    return starting.connect(name, client="console")
