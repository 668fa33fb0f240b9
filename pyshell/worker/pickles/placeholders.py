"""What stands in a restored container for a value that could not be saved: it says so, and refuses every use.

Runs in: worker, and the forked child that saves.

Streams name `make_placeholder` with the five fields of `Leaf`: both are part of the disk format.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from pyshell.frozen import dataclass


class NotSavedError(Exception):
    """A value was used that its session could not save; the message says what it was and which cell made it."""


@dataclass(frozen=True)
class Leaf:
    """A value that was not saved although what holds it was."""

    path: str
    """Where it lies: `conf['lock']`."""
    type: str
    text: str
    """What its repr was, shortened."""
    reason: str
    cell: int | None
    """The cell that bound the name at the beginning of the path."""


class NotSaved:
    """The placeholder. It can be moved, kept in sets and printed; whatever asks for its content raises."""

    __slots__ = ("_leaf",)
    _leaf: Leaf

    def __init__(self, leaf: Leaf) -> None:
        object.__setattr__(self, "_leaf", leaf)

    def __repr__(self) -> str:
        leaf = leaf_of(self)
        return f"<not saved: {leaf.path}, {leaf.text}: {leaf.reason}>"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        # Sets and `in` compare by identity first; any other answer would be invented.
        return True if other is self else refuse(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Asked for by whoever wants to know what it can do (copy, numpy, help): it can nothing.
            raise AttributeError(name)
        refuse(self)


def leaf_of(placeholder: NotSaved) -> Leaf:
    return placeholder._leaf


def refuse(placeholder: NotSaved, *arguments: Any, **keywords: Any) -> NoReturn:
    """What every operation on a placeholder does."""
    leaf = leaf_of(placeholder)
    maker = f" (In[{leaf.cell}] made it)" if leaf.cell is not None else ""
    raise NotSavedError(f"{leaf.path} was {leaf.text}, which could not be saved: {leaf.reason}{maker}")


_REFUSED = re.findall(r"\w+", """
    call iter next reversed len length_hint getitem setitem delitem contains bool enter exit aenter aexit await aiter
    anext lt le gt ge ne neg pos abs invert int float complex index round trunc floor ceil setattr delattr reduce_ex
    reduce copy deepcopy fspath bytes
    add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor
    radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand ror rxor
""")  # fmt: skip
# The language looks these up on the class, past `__getattr__`.
# Not `__get__`: with that it would be a descriptor, which runs when a class that holds it is looked at.
for _name in _REFUSED:
    setattr(NotSaved, f"__{_name}__", refuse)


def make_placeholder(path: str, type: str, text: str, reason: str, cell: int | None) -> NotSaved:
    return NotSaved(Leaf(path, type, text, reason, cell))
