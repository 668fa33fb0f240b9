"""What cells have set outside of the namespace: notice it after a cell, and set it again in a new worker.

Runs in: worker, on its main thread.

What there is to set, and how, says keepers.py. Kept is what is not as it was when the worker began, or as the library
has it by itself. What cannot be read, pickled or set costs itself alone, and is told.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable
from typing import Any

from pyshell.frozen import dataclass, field
from pyshell.store import Environment, Setting
from pyshell.worker.checkpoints.keepers import GONE, KEEPERS, Items, Keeper
from pyshell.worker.checkpoints.proposing import code_version
from pyshell.worker.pickles.leaves import Unsavable
from pyshell.worker.pickles.pickling import Dumper, Lent, TouchedSnapshot, load
from pyshell.worker.pickles.refusals import describe

MAX_BYTES = 64 << 10
"""Of one setting, in the store."""
MAX_TOTAL = 256 << 10
"""Of all: they are written again whenever one of them changes."""
MAX_TOLD = 10

_UNLIKE = object()
"""Nothing is equal to it: what was brought back is kept, also where it is what this worker began with."""
_NOTHING: Items = {}


@dataclass
class _Place:
    """What is known of one keeper's settings."""

    base: Items
    """What need not be kept."""
    now: Items | None = None
    """What was there when it was looked at last."""
    kept: dict[str, tuple[Any, Setting]] = field(default_factory=dict)
    """What differs: its value, and how it is written."""


Pickled = Callable[[Any], "tuple[bytes, bool]"]
"""A value as bytes, and whether code is in them; raises what the value raises."""


class Settings:
    """What this worker's cells have set. Owner: the main thread."""

    def __init__(self, pickled: Pickled) -> None:
        self._pickled = pickled
        self._places: dict[str, _Place] = {}
        self._told: set[str] = set()
        self._has_begun = False
        self.tell: Callable[[str], None] = lambda text: None
        """Told what could not be kept, once."""

    def begin(self) -> None:
        """What is set now is nobody's doing. Before this nothing is kept."""
        self._has_begun = True
        for keeper in KEEPERS:
            module = _imported(keeper)
            if module is not None:
                now = self._look(keeper, module)
                self._places[keeper.name] = _Place({} if now is None else now)

    def record(self, is_midway: bool = False) -> tuple[Setting, ...]:
        """What is set now; in the middle of a cell, what is set for a while is left as it was before."""
        found: list[Setting] = []
        for keeper in KEEPERS if self._has_begun else ():
            place = self._places.get(keeper.name)
            module = _imported(keeper) if place is None else sys.modules.get(keeper.module)
            if module is None:
                continue
            if place is None:
                place = self._places[keeper.name] = _Place(self._usual(keeper, module))
            if not (is_midway and keeper.is_scoped):
                self._refresh(keeper, module, place)
            found += [setting for _, setting in place.kept.values()]
        return self._within(found)

    def brought_back(self, found: Iterable[tuple[str, str]]) -> None:
        """These were set by the cells of the workers before."""
        keepers = {keeper.name: keeper for keeper in KEEPERS}
        for name, item in found:
            if name not in self._places:
                module = _imported(keepers[name])
                self._places[name] = _Place(_NOTHING if module is None else self._usual(keepers[name], module))
            place = self._places[name]
            place.base = {**place.base, item: _UNLIKE}
        self.record()  # or a save in the middle of the first cell would not know what was set before it

    def _refresh(self, keeper: Keeper, module: Any, place: _Place) -> None:
        now = self._look(keeper, module)
        if now is None or now is place.now or (place.now is not None and _is_same(now, place.now)):
            return
        kept: dict[str, tuple[Any, Setting]] = {}
        for name, value in now.items():
            if name in place.base and _is_same(value, place.base[name]):
                continue
            before = place.kept.get(name)
            known = before[1] if before is not None and _is_same(value, before[0]) else None
            setting = known or self._written(keeper, name, value)
            if setting is not None:
                kept[name] = (value, setting)
        for name in [name for name in place.base if name not in now]:
            kept[name] = (GONE, Setting(keeper.name, name, "", ""))
        place.now, place.kept = now, kept

    def _look(self, keeper: Keeper, module: Any) -> Items | None:
        try:
            return keeper.look(module)
        except Exception as exc:  # another version of the library, or a cell has put something else there
            self._complain(f"{keeper.name} cannot be read, so what cells set there is not saved: {describe(exc)}")
            return None

    def _usual(self, keeper: Keeper, module: Any) -> Items:
        if keeper.usual is None:
            return _NOTHING
        try:
            return keeper.usual(module)
        except Exception:  # another version of the library: then all of it is kept
            return _NOTHING

    def _written(self, keeper: Keeper, name: str, value: Any) -> Setting | None:
        try:
            data, holds_code = self._pickled(value)
            text = b64encode(data).decode()
            if len(text) > MAX_BYTES:
                raise Unsavable(f"it takes more than {MAX_BYTES >> 10} kB")
            return Setting(keeper.name, name, text, code_version() if holds_code else "")
        except BaseException as exc:  # the value's own code for being pickled may raise anything
            reason = str(exc) if isinstance(exc, Unsavable) else describe(exc)
            self._complain(f"{_label(keeper.name, name)} is not saved: {reason}")
            return None

    def _within(self, found: list[Setting]) -> tuple[Setting, ...]:
        if sum([len(setting.value) for setting in found]) <= MAX_TOTAL:
            return tuple(found)
        kept, room = [], MAX_TOTAL
        for setting in sorted(found, key=lambda setting: len(setting.value)):
            room -= len(setting.value)
            if room >= 0:
                kept.append(setting)
            else:
                label = _label(setting.keeper, setting.item)
                self._complain(f"{label} is not saved: all settings together take more than {MAX_TOTAL >> 10} kB")
        return tuple(kept)

    def _complain(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.tell(text)


def pickled(namespace: dict[str, Any], definitions: Callable[[], dict[int, str]], value: Any) -> tuple[bytes, bool]:
    """The value as `Settings` wants it; functions and classes of the session by name, a lambda with its code."""
    snapshot = TouchedSnapshot(namespace, (), definitions(), {})
    snapshot.values = {"": [value]}  # a definition by itself would be pickled whole
    dump = Dumper(snapshot, Lent({})).dump(("",))
    if dump.leaves:
        raise Unsavable(dump.leaves[0].reason)
    if dump.buffers:
        raise Unsavable(f"it takes more than {MAX_BYTES >> 10} kB")
    return bytes(dump.stream), dump.holds_code


def _imported(keeper: Keeper) -> Any:
    """The module, if it is there; not while another thread imports it."""
    module = sys.modules.get(keeper.module)
    return None if getattr(getattr(module, "__spec__", None), "_initializing", False) else module


def _is_same(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # what a library lets be set may compare as it likes, as arrays do
        return False


def _label(keeper: str, item: str) -> str:
    return f"{keeper}[{item!r}]" if item else keeper


# --- back again -----------------------------------------------------------------------------------------------


@dataclass
class Return:
    """What became of a checkpoint's settings."""

    done: list[tuple[str, str]] = field(default_factory=list)
    """Those that are set again: keeper and item."""
    failed: list[str] = field(default_factory=list)
    """What is not, and why."""

    def told(self) -> str:
        """A sentence on what is not; or nothing."""
        if not self.failed:
            return ""
        more = f", and {len(self.failed) - MAX_TOLD} more" if len(self.failed) > MAX_TOLD else ""
        return f"not set as in the saved state: {', '.join(self.failed[:MAX_TOLD])}{more}"


class Returning:
    """Sets again what a checkpoint was saved with."""

    def __init__(
        self, then: Environment, computer: str, set_aside: Collection[str], breadcrumb: Callable[[str], None]
    ) -> None:
        self._then = then
        self._is_elsewhere = then.computer is not None and then.computer != computer
        self._set_aside = set_aside
        self._breadcrumb = breadcrumb
        self._is_interrupted = False
        self.outcome = Return()

    def run(self, is_early: bool) -> None:
        """Those that come before the variables, or those that come after them."""
        for keeper in KEEPERS:
            for setting in self._then.settings:
                if setting.keeper == keeper.name and keeper.is_early == is_early:
                    self._bring(keeper, setting)

    def _bring(self, keeper: Keeper, setting: Setting) -> None:
        reason = self._reason_against(keeper, setting) or self._attempt(keeper, setting)
        if reason:
            self.outcome.failed.append(f"{_label(setting.keeper, setting.item)} ({reason})")
        else:
            self.outcome.done.append((setting.keeper, setting.item))

    def _reason_against(self, keeper: Keeper, setting: Setting) -> str:
        if self._is_interrupted:
            return "restoring was interrupted"
        if keeper.is_local and self._is_elsewhere:
            return f"it was set on another computer, {self._then.computer}"
        if _crumb(setting) in self._set_aside:
            return "setting it crashed or hung a worker before"
        if setting.code_version not in ("", code_version()):
            return f"it holds code of Python {setting.code_version}"
        return ""

    def _attempt(self, keeper: Keeper, setting: Setting) -> str:
        self._breadcrumb(_crumb(setting))
        try:
            module = importlib.import_module(keeper.module)
            value = GONE if not setting.value else load("pickle", b64decode(setting.value), (), Lent({}))[""][0]
            keeper.put(module, setting.item, value)
        except KeyboardInterrupt:
            self._is_interrupted = True
            return "restoring was interrupted"
        except BaseException as exc:  # a library may refuse it, or be another one; the value's own code runs as well
            return describe(exc)
        finally:
            self._breadcrumb("")
        return ""


def _crumb(setting: Setting) -> str:
    """One word, as the ids of groups are; another value is another one."""
    content = "\n".join([setting.keeper, setting.item, setting.value])
    return f"setting:{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()}"
