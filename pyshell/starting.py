"""Find, start and connect to sessions.

Runs in: clients (Python 3.11 and newer). The client's own modules are imported late, while the host
that was started comes up: on two cores that hides a third of the time to the first prompt.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pyshell import config, errors, protocol
from pyshell.errors import PyshellError, SessionError, SessionExists, SessionNotFound, UsageError
from pyshell.interpreters import interpreter
from pyshell.paths import Roots, SessionPaths, check_name, config_file

if TYPE_CHECKING:
    from pyshell.client import Session
    from pyshell.protocol import Checkpoints, Difference, History

HOST_SECONDS = 30.0
_is_saved_anyway = False


def save_anyway() -> None:
    """What this process starts from here on saves by itself, whatever the settings say: a script that is run has to."""
    global _is_saved_anyway
    _is_saved_anyway = True


def roots() -> Roots:
    """Where this user's sessions lie."""
    return Roots.from_environment(os.environ, str(Path.home()), os.getuid())


def start(
    name: str,
    *,
    python: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    client: str | None = None,
) -> Session:
    """Start the session, or bring a saved one back, and connect to it; SessionExists if it is running.

    `python` is the interpreter that runs the code (3.10 or newer), by default this one; `cwd` and `env`
    are the worker's. Returns as soon as the host answers; cells may be sent at once.
    """
    launch = Launch(name, python=python, cwd=cwd, env=env)
    launch.wait()
    return _session_class()(launch.paths, client)


class Launch:
    """A host that comes up: it is on its way when this is made, and ready after `wait`."""

    def __init__(
        self,
        name: str,
        *,
        python: str | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.paths = roots().session(check_name(name))
        self._process, self._report = _start_host(_settings(self.paths, python, cwd, env))

    def wait(self) -> None:
        """Until the host answers, if it has not yet; raises what kept it from starting."""
        _session_class()
        if self._report.closed:
            return
        with self._report:
            kind, _, message = self._report.read().partition("\n")
        self._process.wait(HOST_SECONDS)  # what we started has only started the host
        if kind.strip() == "ready":
            return
        raise _host_error(kind.strip(), message.strip())


def _session_class() -> type[Session]:
    """Imported here at the latest, and while a host comes up if one does."""
    from pyshell.client import Session

    return Session


def _settings(
    paths: SessionPaths, python: str | None, cwd: str | os.PathLike[str] | None, env: Mapping[str, str] | None
) -> dict[str, object]:
    said = config.read(config_file(os.environ, str(Path.home())))
    return {
        "name": paths.name,
        "state": str(paths.roots.state),
        "runtime": str(paths.roots.runtime),
        "python": interpreter(python),
        "cwd": _directory(cwd, paths),
        "env": worker_environment(os.environ if env is None else env),
        "saving": said.saving.to_settings() | ({"mode": "automatic"} if _is_saved_anyway else {}),
        "keep": said.keep.to_settings(),
        "replay": said.replay,
    }


def is_eternal() -> bool:
    """Whether a directory's session is to be gone on with, and nothing asked."""
    return config.read(config_file(os.environ, str(Path.home()))).saving.mode == "eternal"


def connect(name: str, *, client: str | None = None, read_only: bool = False) -> Session:
    """Connect to a running session, with `read_only` only to look on; SessionNotFound if there is none."""
    return _session_class()(roots().session(check_name(name)), client, read_only)


def connect_or_start(name: str, *, client: str | None = None) -> Session:
    """Connect to a session, whose host is started if the session is only saved."""
    try:
        return connect(name, client=client)
    except SessionNotFound:
        if not exists(name):
            raise
    return start_or_connect(name, client=client)


def start_or_connect(
    name: str,
    *,
    python: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    client: str | None = None,
) -> Session:
    """Start a session that did not run a moment ago, or connect to it if somebody else was quicker."""
    try:
        return start(name, python=python, cwd=cwd, env=env, client=client)
    except SessionExists:
        return connect(name, client=client)


def exists(name: str) -> bool:
    """Whether there is a session of that name, running or saved."""
    return roots().session(name).journal.exists()


def not_found(name: str) -> SessionNotFound:
    """What to say of a session that is neither running nor saved."""
    return SessionNotFound(f'there is no session "{name}"; "pyshell ls" lists them')


def names() -> list[str]:
    """All sessions, running or saved, by name."""
    try:
        found = sorted(entry.name for entry in roots().sessions.iterdir() if (entry / "journal").exists())
    except FileNotFoundError:
        return []
    return found


def saved_timeline(name: str) -> tuple[Checkpoints, History]:
    """The checkpoints and the newest cells of a session, running or not. Nothing is started that stays."""
    listing, history = ask_about(name, "saved.timeline", check=False).splitlines()
    return protocol.from_json(listing, protocol.Checkpoints), protocol.from_json(history, protocol.History)


def saved_difference(name: str, before: int, after: int | None) -> Difference:
    """What differs from one checkpoint to another, None: the present one; of a session that runs or not."""
    return protocol.from_json(ask_about(name, "saved.timeline", check=False, diff=(before, after)), protocol.Difference)


def check(name: str) -> list[str]:
    """Read everything that a session has saved; what is wrong with it, as sentences."""
    return ask_about(name, "saved.timeline", check=True).split("\n")[:-1]


def ask_about(name: str, module: str, **given: object) -> str:
    """What a short-lived process of the host's part says: files of a session are its business."""
    if not exists(name):
        raise not_found(name)
    return ask(module, name=name, env=worker_environment(os.environ), **given)


def ask(module: str, **given: object) -> str:
    """The same about whatever is given."""
    given |= {"state": str(roots().state), "runtime": str(roots().runtime)}
    answer = subprocess.run(
        [sys.executable, "-m", f"pyshell.host.{module}"],
        input=json.dumps(given), capture_output=True, text=True, env=_host_environment(), cwd="/",
    )  # fmt: skip
    if answer.returncode == 0:
        return answer.stdout
    kind, _, message = answer.stdout.partition("\n")
    raise errors.from_remote(kind.strip() or "SessionError", message.strip() or answer.stderr.strip())


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, with the terminal type that our terminal is, and no pagers: output scrolls anyway."""
    kept = {key: value for key, value in environ.items() if key not in ("COLUMNS", "LINES", "TERMCAP")}
    kept.update(TERM="xterm-256color", PAGER="cat", GIT_PAGER="cat")
    return kept


def _directory(cwd: str | os.PathLike[str] | None, paths: SessionPaths) -> str | None:
    if cwd is None:
        return None if paths.journal.exists() else os.getcwd()
    directory = Path(cwd).expanduser().absolute()
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory")
    return str(directory)


def _start_host(settings: Mapping[str, object]) -> tuple[subprocess.Popen[bytes], IO[str]]:
    """The process, and the stream on which it reports that it is ready, or why not."""
    read, write = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "pyshell.host", str(settings["name"])],  # the name is for who reads `ps`
            stdin=subprocess.PIPE,
            pass_fds=(write,),
            start_new_session=True,
            cwd="/",
            env=_host_environment(),
        )
    except BaseException:  # whatever it is, it goes on when this is tidied up
        os.close(read)
        raise
    finally:
        os.close(write)
    # Not an argument: those are for every user to read, and the environment holds secrets.
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # if it ended, its report says why
        stdin.write(json.dumps({**settings, "report": write}).encode())
    return process, os.fdopen(read)


def _host_environment() -> dict[str, str]:
    """The host runs our own code from where we found it, in whatever directory it is started."""
    package = str(Path(__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, inherited] if inherited else [package])}


def _host_error(kind: str, message: str) -> PyshellError:
    error = errors.from_remote(kind, message)
    if isinstance(error, errors.RemoteError):
        return SessionError(f"the session's host could not be started: {message or 'it ended without a word'}")
    return error
