"""Where a session's files and sockets lie. Pure: nothing here touches the disk.

Runs in: every process that runs Python 3.11 or newer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pyshell.errors import UsageError
from pyshell.frozen import dataclass

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

# sun_path holds 108 bytes with its final NUL (linux/un.h); 104 on macOS.
MAX_SOCKET_PATH = 103


def check_name(name: str) -> str:
    """Return `name` if it can name a session; raise UsageError otherwise."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a session: use up to 64 letters, digits, '_', '.' or '-', "
            "and none of the last two at the start"
        )
    return name


def name_for_directory(directory: str) -> str:
    """The session name that `pyshell` alone uses in `directory`."""
    cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(directory).name).strip(".-")
    return cleaned[:64] or "main"


def config_file(environ: Mapping[str, str], home: str) -> Path:
    """Where the person's settings lie."""
    return Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config") / "pyshell" / "config.toml"


@dataclass(frozen=True)
class Roots:
    """The two directories that hold everything: one that lasts, one that a reboot empties."""

    state: Path
    runtime: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], home: str, uid: int) -> Roots:
        """Follow the XDG base directory specification; without a runtime directory use one in /tmp."""
        state = environ.get("XDG_STATE_HOME") or f"{home}/.local/state"
        runtime = environ.get("XDG_RUNTIME_DIR")
        runtime_root = Path(runtime) / "pyshell" if runtime else Path("/tmp") / f"pyshell-{uid}"
        return cls(Path(state) / "pyshell", runtime_root)

    @property
    def sessions(self) -> Path:
        return self.state / "sessions"

    @property
    def key(self) -> Path:
        """The key that authenticates checkpoints; outside every session's directory on purpose."""
        return self.state / "key"

    def session(self, name: str) -> SessionPaths:
        return SessionPaths(self, check_name(name))


@dataclass(frozen=True)
class SessionPaths:
    """All paths of one session."""

    roots: Roots
    name: str

    @property
    def directory(self) -> Path:
        return self.roots.sessions / self.name

    @property
    def journal(self) -> Path:
        return self.directory / "journal"

    @property
    def store(self) -> Path:
        return self.directory / "store"

    @property
    def output(self) -> Path:
        return self.directory / "output"

    @property
    def log(self) -> Path:
        return self.directory / "host.log"

    @property
    def lock(self) -> Path:
        """Locked by the host for as long as it lives."""
        return self.directory / "lock"

    @property
    def socket(self) -> Path:
        return self._runtime("sock")

    @property
    def bridge(self) -> Path:
        """Where `pyshell serve --socket` listens."""
        return self._runtime("rpc")

    @property
    def token(self) -> Path:
        return self._runtime("token")

    def _runtime(self, suffix: str) -> Path:
        path = self.roots.runtime / f"{self.name}.{suffix}"
        if len(str(path).encode()) <= MAX_SOCKET_PATH:
            return path
        import hashlib  # late: few names are so long, and it brings OpenSSL along

        digest = hashlib.sha256(self.name.encode()).hexdigest()[:16]
        return self.roots.runtime / f"{digest}.{suffix}"
