"""The exception tree: drawn as it is, and crossing processes by name only.

Runs in: tests.
"""

from __future__ import annotations

import re

import pytest

from pyshell import errors


def all_errors(cls: type = errors.PyshellError) -> list[type]:
    return [cls, *(found for sub in cls.__subclasses__() for found in all_errors(sub))]


def drawn_tree() -> dict[str, str]:
    """Class -> parent, as the drawing in the module's docstring has it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            parents[found[2]] = path[depth - 1] if depth else "Exception"
    return parents


def test_the_drawing_is_the_tree() -> None:
    assert drawn_tree() == {cls.__name__: cls.__bases__[0].__name__ for cls in all_errors()}
    assert len(drawn_tree()) > 10


@pytest.mark.parametrize("cls", [cls for cls in all_errors() if cls is not errors.RemoteError])
def test_an_error_comes_back_as_its_own_class(cls: type[errors.PyshellError]) -> None:
    rebuilt = errors.from_remote(cls.__name__, "what happened")
    assert type(rebuilt) is cls
    assert str(rebuilt) == "what happened"


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "ValueError", "RemoteError", "", "os.system"])
def test_a_peer_cannot_choose_what_is_raised(kind: str) -> None:
    rebuilt = errors.from_remote(kind, "boo")
    assert type(rebuilt) is errors.RemoteError
    assert (rebuilt.kind, rebuilt.message) == (kind, "boo")
    assert str(rebuilt) == f"{kind}: boo"


def test_the_standard_exceptions_that_callers_expect_also_catch_ours() -> None:
    assert issubclass(errors.UsageError, ValueError)
    assert issubclass(errors.CallTimeout, TimeoutError)
