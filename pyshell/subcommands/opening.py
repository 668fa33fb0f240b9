"""Open the console on a session, as the person and the terminal want it.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyshell import choosing, config, starting
from pyshell.errors import UsageError
from pyshell.paths import config_file

if TYPE_CHECKING:
    from pyshell.client import Session
    from pyshell.console.options import Options
    from pyshell.console.theme import Colors


TERMINAL = ("TERM", "VTE_VERSION", "TMUX")
"""What says which terminal it is."""


class Wanted(NamedTuple):
    """What the command line says of the console, over what the configuration says; None where it says nothing."""

    environment: Mapping[str, str]
    images: bool | None = None
    plain: bool | None = None
    read_only: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that opens the console."""
    parser.add_argument("--no-images", dest="images", action="store_false", default=None,
                        help="name pictures, do not draw them")  # fmt: skip
    parser.add_argument("--plain", action="store_true", default=None, help="lines only, nothing is drawn again")


def check_keys(environ: Mapping[str, str]) -> None:
    """UsageError if the settings give keys that cannot be meant: before a session is started for nobody."""
    said = _said(environ)
    if said.keys:
        from pyshell.console.keymap import Keymap  # most people have no keys of their own

        Keymap(said.keys, said.places)


def open_console(name: str, wanted: Wanted, launch: starting.Launch | None = None) -> int:
    """The console on a session; it is there, and takes keys, while the host comes up. Returns the exit status."""
    gc.disable()  # until the first frame: to look through what is imported, again and again, takes a tenth of the start
    # RPyC imports it where it can, for connections that we do not make. For good: the client is imported later.
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    environ = wanted.environment
    said = _said(environ)
    is_plain = wanted.plain or (wanted.plain is None and said.plain) or not can_draw(environ)
    run: Any
    if is_plain:
        from pyshell.console.linewise import run
    else:
        from pyshell.console.app import run
    options = _options(said, wanted)
    client = choosing.client_name()
    banner = f'session "{name}"; Ctrl-D leaves it running, "pyshell attach -t {name}" comes back'
    connect = partial(starting.connect_or_start, name, client=client)
    if wanted.read_only:
        banner = f'session "{name}", read-only: you see what others do; Ctrl-D leaves'
        connect = partial(starting.connect, name, client=client, read_only=True)
    elif launch is not None:
        connect = partial(_connect, launch, name, client=client)
    shown = colors(environ) if sys.stdout.isatty() else 1
    status: int = run(connect, banner=banner, colors=shown, options=options)
    return status


def _connect(launch: starting.Launch, name: str, *, client: str) -> Session:
    """To the host that comes up; later to whichever there is."""
    launch.wait()
    return starting.connect_or_start(name, client=client)


def can_draw(environ: Mapping[str, str]) -> bool:
    """Whether there is a terminal on which something can be drawn."""
    return environ.get("TERM", "dumb") != "dumb" and sys.stdin.isatty() and sys.stdout.isatty()


def colors(environ: Mapping[str, str]) -> Colors:
    """What the terminal can show, by the customs of no-color.org, COLORTERM and TERM."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term == "dumb":
        return 1
    if environ.get("COLORTERM") in ("truecolor", "24bit") or term.endswith("-direct"):
        return 16777216
    return 256 if "256color" in term else 16


def _said(environ: Mapping[str, str]) -> config.Console:
    return config.read(config_file(environ, str(Path.home()))).console


def _options(said: config.Console, wanted: Wanted) -> Options:
    """What the command line, the configuration and the environment say, the first of them first."""
    from pyshell.console.options import Options

    return Options(
        said.keys,
        said.places,
        said.editing == "vi",
        said.completion == "typing",
        wanted.environment.get("VISUAL") or wanted.environment.get("EDITOR") or "vi",
        wanted.environment.get("PAGER", ""),
        said.prompt,
        said.theme,
        said.notify_after,
        {name: value for name, value in wanted.environment.items() if name in TERMINAL},
        said.images if wanted.images is None else wanted.images,
    )


def document(environ: Mapping[str, str], *, is_default: bool = False) -> str:
    """Every setting and what it means, with what the person's file says."""
    from pyshell.console.bindings import ALL

    path = config_file(environ, str(Path.home()))
    keys = [(name, binding.keys, binding.help) for name, binding in ALL.items()]
    return config.document(keys, {} if is_default else config.said(path))


def create(environ: Mapping[str, str]) -> Path:
    """Write the file that documents every setting, if there is none."""
    path = config_file(environ, str(Path.home()))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(document(environ, is_default=True))
    except FileExistsError:
        shows = '"pyshell config" shows it with every setting that it leaves out'
        raise UsageError(f"{path} is there already; {shows}") from None
    return path
