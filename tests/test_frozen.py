"""Our `dataclass` does what the standard library's does.

Runs in: tests.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from functools import cached_property
from typing import Any, ClassVar

import pytest

from pyshell import frozen

MAKERS: list[Any] = [frozen, dataclasses]


def made(maker: Any) -> Any:
    @maker.dataclass(frozen=True)
    class Point:
        KIND: ClassVar[str] = "point"
        x: int
        y: int = 2
        tags: list[str] = maker.field(default_factory=list)

        @cached_property
        def far(self) -> int:
            return self.x + self.y

    return Point


@pytest.mark.parametrize("maker", MAKERS)
def test_a_frozen_class(maker: Any) -> None:
    point_class = made(maker)
    point, other = point_class(1, tags=["a"]), point_class(x=1, y=2, tags=["a"])
    assert point == other and point.far == 3 and point == other and point != point_class(1)
    assert point != (1, 2, ["a"]) and point != made(maker)(1, 2, ["a"])
    assert repr(point).endswith("Point(x=1, y=2, tags=['a'])")
    assert point_class(1).tags == [] and point_class(1).tags is not point_class(1).tags
    assert dataclasses.replace(point, y=5) == point_class(1, 5, ["a"])
    assert dataclasses.asdict(point) == {"x": 1, "y": 2, "tags": ["a"]}
    assert [field.name for field in dataclasses.fields(point)] == list(point_class.__match_args__) == ["x", "y", "tags"]
    assert copy.deepcopy(point) == point
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    for values, named in (((), {}), ((1, 2, [], 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1})):
        with pytest.raises(TypeError, match="Point"):
            point_class(*values, **named)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_hash_is_that_of_the_fields(maker: Any) -> None:
    @maker.dataclass(frozen=True)
    class Pair:
        a: int
        b: str

    assert {Pair(1, "x"): 1}[Pair(1, "x")] == 1  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        hash(made(maker)(1))


@pytest.mark.parametrize("maker", MAKERS)
def test_a_class_that_changes_and_has_methods_of_its_own(maker: Any) -> None:
    @maker.dataclass
    class Count:
        n: int = 0

        def __repr__(self) -> str:
            return "mine"

    count = Count()
    count.n += 1
    assert count == Count(1) and repr(count) == "mine"  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        hash(count)


@frozen.dataclass(frozen=True)
class Saved:
    a: int
    b: tuple[str, ...]


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Saved(1, ("x",)))) == Saved(1, ("x",))


def test_all_of_ours_are_made_with_it() -> None:
    """What the standard library makes costs a millisecond each at every start."""
    code = "import pyshell.worker.start, pyshell.host.serving, dataclasses, gc; print(*[c for c in gc.get_objects() if"
    code += " isinstance(c, type) and hasattr(c, '__dataclass_fields__') and c.__module__.startswith('pyshell')"
    code += " and not hasattr(c, '_field_names')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "\n"
