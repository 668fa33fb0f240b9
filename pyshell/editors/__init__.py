"""Put the plugins of this directory where Neovim and Emacs look for them: `pyshell editor install`.

Runs in: clients (Python 3.11 and newer). What is copied runs in the editors and talks to `pyshell serve`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pyshell.errors import UsageError
from pyshell.frozen import dataclass

HERE = Path(__file__).parent
STAMP = "VERSION"
"""Stands in a directory that was put there by us, which therefore may be replaced."""


@dataclass(frozen=True)
class Editor:
    """An editor, where its plugins lie, and what the person's own settings need."""

    name: str
    home: Callable[[Mapping[str, str], Path], Path]
    init: Callable[[Path, list[str]], str]
    """What to add to the init file, given the installed directory and how pyshell is started if not by its name."""


def _neovim_home(environ: Mapping[str, str], home: Path) -> Path:
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return data / "nvim" / "site" / "pack" / "pyshell" / "start"


def _emacs_home(environ: Mapping[str, str], home: Path) -> Path:
    """As Emacs itself chooses: the old place where it is in use."""
    old = home / ".emacs.d"
    new = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "emacs"
    return new if new.is_dir() and not old.is_dir() and not (home / ".emacs").exists() else old


def _neovim_init(directory: Path, command: list[str]) -> str:
    options = f"{{ command = {{ {', '.join(map(json.dumps, command))} }} }}" if command else ""
    is_found = directory.parts[-4:-1] == ("pack", "pyshell", "start")
    lines = [] if is_found else [f"vim.opt.runtimepath:append({json.dumps(str(directory))})"]
    return "\n".join(["init.lua:", *lines, f'require("pyshell").setup({options})'])


def _emacs_init(directory: Path, command: list[str]) -> str:
    lines = [f"(add-to-list 'load-path {json.dumps(str(directory))})", "(require 'pyshell)"]
    if command:
        lines.append(f"(setq pyshell-command '({' '.join(map(json.dumps, command))}))")
    return "\n".join(["init.el:", *lines, "(add-hook 'python-mode-hook #'pyshell-mode)"])


EDITORS = {
    editor.name: editor
    for editor in (Editor("neovim", _neovim_home, _neovim_init), Editor("emacs", _emacs_home, _emacs_init))
}


def install(name: str, version: str, parent: Path | None, environ: Mapping[str, str]) -> str:
    """Put an editor's plugin into the directory `pyshell` in `parent`; what was done and what is left, as sentences."""
    editor = EDITORS[name]
    parent = editor.home(environ, Path.home()) if parent is None else parent.expanduser().absolute()
    target = parent / "pyshell"
    there = _installed(target)
    new = _files(name, version)
    if there == new:
        done = f"{target} has the plugin of version {version} already."
    else:
        _replace(target, new)
        done = f"{target} has the plugin of version {version}{_instead(there, version)}."
    return f"{done}\nAdd to your {editor.init(target, _command())}"


def _instead(there: dict[str, bytes], version: str) -> str:
    if not there:
        return ""
    old = there[STAMP].decode().strip()
    return f" now, in place of version {old}" if old != version else " now, in place of other files of that version"


def _files(name: str, version: str) -> dict[str, bytes]:
    """What an installed plugin consists of, by path."""
    source = HERE / name
    found = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    help_file = found.get("doc/pyshell.txt")
    if help_file is not None:
        found["doc/tags"] = _tags(help_file.decode()).encode()
    return {**found, STAMP: f"{version}\n".encode()}


def _tags(text: str) -> str:
    """What `:helptags` would write, so that nobody has to."""
    return "".join(f"{tag}\tpyshell.txt\t/*{tag}*\n" for tag in sorted(re.findall(r"\*([^*\s|]+)\*", text)))


def _installed(target: Path) -> dict[str, bytes]:
    """What is there; UsageError if it is not ours."""
    if not os.path.lexists(target):
        return {}
    if target.is_symlink() or not (target / STAMP).is_file():
        raise UsageError(f"{target} was not put there by pyshell; move it away, or give another place with --dir")
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def _replace(target: Path, files: Mapping[str, bytes]) -> None:
    """All of it or nothing: an editor that starts meanwhile finds one version whole, or none."""
    fresh, old = target.with_name(".pyshell.new"), target.with_name(".pyshell.old")
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    for path, data in files.items():
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).write_bytes(data)
    if target.exists():
        target.rename(old)
    fresh.rename(target)  # the commit point
    shutil.rmtree(old, ignore_errors=True)


def _command() -> list[str]:
    """How an editor starts this very pyshell; nothing where its name is enough."""
    on_path = shutil.which("pyshell")
    ours = Path(sys.executable).with_name("pyshell")
    if on_path is not None and ours.exists() and os.path.samefile(on_path, ours):
        return []
    return [sys.executable, "-m", "pyshell"]
