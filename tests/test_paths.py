"""Where things lie: names that can name a session, XDG's rules, and sockets whose path fits.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyshell.errors import UsageError
from pyshell.paths import MAX_SOCKET_PATH, NAME, Roots, check_name, name_for_directory

ROOTS = Roots(Path("/s/pyshell"), Path("/r/pyshell"))


@pytest.mark.parametrize("name", ["fit", "a", "A.b-c_9", "_x", "9", "x" * 64])
def test_names_that_can_name_a_session(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "-s", ".hidden", "a/b", "a b", "a\n", "ä", "x" * 65, "a\0"])
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


@given(st.text())
def test_every_directory_gives_a_name(directory: str) -> None:
    assert NAME.fullmatch(name_for_directory(directory))


@pytest.mark.parametrize(
    ("directory", "name"), [("/home/ann/fit", "fit"), ("/home/ann/My Data", "My-Data"), ("/", "main"), ("/..", "main")]
)
def test_a_session_is_named_after_its_directory(directory: str, name: str) -> None:
    assert name_for_directory(directory) == name


def test_the_xdg_variables_are_followed() -> None:
    environ = {"XDG_STATE_HOME": "/var/s", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert Roots.from_environment(environ, "/home/ann", 7) == Roots(Path("/var/s/pyshell"), Path("/run/user/7/pyshell"))


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": ""}])
def test_without_them_the_defaults_hold(environ: dict[str, str]) -> None:
    roots = Roots.from_environment(environ, "/home/ann", 7)
    assert roots == Roots(Path("/home/ann/.local/state/pyshell"), Path("/tmp/pyshell-7"))


def test_everything_of_a_session_lies_in_its_directory_but_the_key() -> None:
    paths = ROOTS.session("fit")
    assert paths.directory == Path("/s/pyshell/sessions/fit")
    for path in (paths.journal, paths.store, paths.output, paths.log, paths.lock):
        assert path.parent == paths.directory
    assert paths.socket.parent == paths.token.parent == ROOTS.runtime
    # A copied session must not bring the key that vouches for it along.
    assert ROOTS.key.parent == ROOTS.state


@given(st.integers(min_value=1, max_value=100), st.integers(min_value=1, max_value=64))
def test_two_sessions_never_share_a_socket(depth: int, length: int) -> None:
    roots = Roots(Path("/s"), Path("/" + "d" * depth))
    sockets = {roots.session(letter * length).socket for letter in "ab"}
    assert len(sockets) == 2


def test_a_long_name_still_has_a_socket_that_fits() -> None:
    roots = Roots(Path("/s"), Path("/run/user/1000/pyshell"))
    for length in range(1, 65):
        assert len(str(roots.session("n" * length).socket)) <= MAX_SOCKET_PATH
    deep = Roots(Path("/s"), Path("/" + "d" * 70))
    assert len(str(deep.session("n" * 64).socket)) <= MAX_SOCKET_PATH
    assert deep.session("n" * 64).socket.suffix == ".sock"
    assert deep.session("n" * 64).token.suffix == ".token"
