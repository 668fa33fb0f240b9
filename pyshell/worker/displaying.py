"""Show values by more than their text: MIME data, as `_repr_html_` and its like give it.

Runs in: worker, on its main thread, within a cell: what is asked for is the values' own code.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Mapping
from json import dumps
from typing import Any, Union

from pyshell.errors import UsageError
from pyshell.protocol import ClearOutput, Display, MimeData
from pyshell.worker.cell import message_of, name_of
from pyshell.worker.plotting import drawn, is_figure

MAX_TEXT = 1 << 20
"""Characters of a display's text."""
MAX_DATA = 4 << 20
"""Characters of one piece of MIME data as it is sent; it must fit into a message."""
PLAIN = "text/plain"

METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_latex_": "text/latex",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_json_": "application/json",
    "_repr_javascript_": "application/javascript",
}
"""The field's names for how a value says more about itself, and what each returns."""

Tell = Callable[[str], None]
Show = Callable[[Union[Display, ClearOutput]], None]


class Shown:
    """The representations of one value, as they come in: those that are too large or broken are told and left out."""

    def __init__(self, tell: Tell) -> None:
        self.data: dict[str, str] = {}
        self.metadata: dict[str, Any] = {}
        self._tell = tell

    def add(self, mime: str, found: object) -> None:
        """What a method returned: data, or data and metadata, or None."""
        if type(found) is tuple and len(found) == 2:
            found, metadata = found
            if metadata:
                self.metadata[mime] = metadata
        text = _encoded(mime, found)
        if text is None:
            return
        if len(text) > MAX_DATA:
            self._tell(f"{mime} of {len(text) >> 20} MB is not shown: more than {MAX_DATA >> 20} MB")
            return
        self.data[mime] = text

    def as_display(self, text: str, display_id: str, update: bool, of_result: bool) -> Display:
        """The event. Metadata that is no JSON is left out."""
        try:
            metadata = dumps(self.metadata)
        except (TypeError, ValueError):
            metadata = "{}"
        data = tuple([MimeData(mime, text) for mime, text in self.data.items()])
        return Display(text, data, metadata, display_id, update, of_result)


def _encoded(mime: str, found: object) -> str | None:
    """Text as it is, other data in base64, as Jupyter's protocol has it."""
    if isinstance(found, str):
        return str.__str__(found)
    if isinstance(found, (bytes, bytearray, memoryview)):
        return base64.b64encode(found).decode("ascii")
    if found is None or not mime.endswith("json"):
        return None
    return dumps(found)


def representations(value: object, tell: Tell) -> Shown:
    """All that a value says about itself besides its repr; nothing for classes and for what Python itself has made."""
    shown, cls = Shown(tell), type(value)
    if cls.__module__ == "builtins" or isinstance(value, type):
        return shown
    if is_figure(value):
        shown.add("image/png", _tried(value, "savefig", lambda: drawn(value), tell))
        return shown
    if hasattr(cls, "_repr_mimebundle_"):
        _take_bundle(shown, _tried(value, "_repr_mimebundle_", lambda: cls._repr_mimebundle_(value), tell))
    for method, mime in METHODS.items():
        if mime not in shown.data and hasattr(cls, method):
            shown.add(mime, _tried(value, method, lambda: getattr(cls, method)(value), tell))  # noqa: B023 (at once)
    return shown


def _take_bundle(shown: Shown, bundle: object) -> None:
    metadata: object = None
    if type(bundle) is tuple and len(bundle) == 2:
        bundle, metadata = bundle
    if isinstance(bundle, Mapping):
        for mime, found in bundle.items():
            if isinstance(mime, str):
                shown.add(str.__str__(mime), found)
    if isinstance(metadata, Mapping):
        shown.metadata.update(metadata)


def _tried(value: object, method: str, call: Callable[[], object], tell: Tell) -> object:
    try:
        return call()
    except Exception as exc:  # it is the value's own code; its text is shown all the same
        tell(f"{name_of(type(value))}.{method} raised {name_of(type(exc))}: {message_of(exc)}")
        return None


# --- what the user's code calls -----------------------------------------------------------------------------


class DisplayHandle:
    """A display that can be replaced later."""

    def __init__(self, display_id: str) -> None:
        self.display_id = display_id

    def update(self, value: object, raw: bool = False) -> None:
        """Show `value` in its place."""
        update_display(value, display_id=self.display_id, raw=raw)


_shows: list[tuple[int, Show, Tell]] = []
"""This process and how it shows something; empty where no session runs the code."""


def offer(show: Show, tell: Tell) -> None:
    """Say how `display` shows something in this process."""
    _shows[:] = [(os.getpid(), show, tell)]


def display(*values: object, display_id: str | bool | None = None, raw: bool = False) -> DisplayHandle | None:
    """Show values with all that they say about themselves; their text comes first.

    `display_id=True` or a name of your own returns a handle whose `update(value)` replaces what is shown. With
    `raw=True` each value is a mapping from MIME types to data.
    """
    chosen = os.urandom(8).hex() if display_id is True else display_id or ""
    _show_all(values, chosen, False, raw)
    return DisplayHandle(chosen) if chosen else None


def update_display(value: object, *, display_id: str, raw: bool = False) -> None:
    """Replace what `display(…, display_id=display_id)` shows."""
    if not display_id:
        raise UsageError("update_display needs the display_id of what it replaces")
    _show_all([value], display_id, True, raw)


def clear_output(wait: bool = False) -> None:
    """Take away what the cell has shown so far, in a notebook; with `wait` when it shows something else."""
    if _shows and _shows[0][0] == os.getpid():
        _shows[0][1](ClearOutput(bool(wait)))


def _show_all(values: Iterable[object], display_id: str, update: bool, raw: bool) -> None:
    for value in values:
        if not _shows or _shows[0][0] != os.getpid():
            print(repr(value))  # a process that a cell has started, or no session at all
            continue
        _, show, tell = _shows[0]
        if raw:
            shown = Shown(tell)
            _take_bundle(shown, value)
        else:
            shown = representations(value, tell)
        text = shown.data.pop(PLAIN, None)
        text = ("" if raw else str.__str__(repr(value))) if text is None else text
        show(shown.as_display(text[:MAX_TEXT], display_id, update, False))
