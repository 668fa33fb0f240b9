"""What `pyshell editor install` puts where, and that the package has it all.

Runs in: tests.
"""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from pyshell import cli, editors
from pyshell.errors import UsageError

ROOT = Path(editors.__file__).parents[2]


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize(("name", "some"), [("neovim", "lua/pyshell/init.lua"), ("emacs", "pyshell.el")])
def test_a_plugin_is_put_in_place_once(name: str, some: str, tmp_path: Path) -> None:
    first = editors.install(name, "1.0", tmp_path, {})
    assert "has the plugin of version 1.0.\n" in first
    assert {some, editors.STAMP} <= set(files(tmp_path / "pyshell"))
    assert "has the plugin of version 1.0 already.\n" in editors.install(name, "1.0", tmp_path, {})
    assert files(tmp_path) == [f"pyshell/{file}" for file in files(tmp_path / "pyshell")]


def test_an_older_version_is_replaced_and_named(tmp_path: Path) -> None:
    editors.install("neovim", "1.0", tmp_path, {})
    (tmp_path / "pyshell" / "lua" / "gone.lua").write_text("")
    assert "version 1.1 now, in place of version 1.0." in editors.install("neovim", "1.1", tmp_path, {})
    assert "lua/gone.lua" not in files(tmp_path / "pyshell")
    (tmp_path / "pyshell" / "plugin" / "pyshell.lua").write_text("")
    assert "in place of other files of that version." in editors.install("neovim", "1.1", tmp_path, {})
    assert (tmp_path / "pyshell" / "plugin" / "pyshell.lua").read_text()


def test_what_somebody_else_put_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyshell").mkdir()
    (tmp_path / "pyshell" / "mine.el").write_text("")
    with pytest.raises(UsageError, match="move it away"):
        editors.install("emacs", "1.0", tmp_path, {})
    assert files(tmp_path) == ["pyshell/mine.el"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    editors.install("emacs", "1.0", tmp_path / "there", {})
    (tmp_path / "pyshell").symlink_to(tmp_path / "there" / "pyshell")
    with pytest.raises(UsageError):
        editors.install("emacs", "1.1", tmp_path, {})


def test_the_editors_own_places_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    editors.install("neovim", "1.0", None, {})
    editors.install("neovim", "1.0", None, {"XDG_DATA_HOME": str(tmp_path / "data")})
    packages = Path("nvim/site/pack/pyshell/start/pyshell")
    assert (tmp_path / ".local" / "share" / packages).is_dir() and (tmp_path / "data" / packages).is_dir()
    (tmp_path / "config" / "emacs").mkdir(parents=True)
    editors.install("emacs", "1.0", None, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert (tmp_path / "config" / "emacs" / "pyshell").is_dir()
    (tmp_path / ".emacs.d").mkdir()
    editors.install("emacs", "1.0", None, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert (tmp_path / ".emacs.d" / "pyshell").is_dir()


def test_the_command_says_what_to_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["editor", "install", "neovim", "--dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "init.lua:" in said and f'"{tmp_path}/pyshell"' in said and 'require("pyshell").setup(' in said
    assert cli.main(["editor", "install", "emacs", "--dir", str(tmp_path / "emacs")]) == 0
    said = capsys.readouterr().out
    assert "init.el:" in said and "(require 'pyshell)" in said and "#'pyshell-mode" in said


def test_every_tag_of_the_help_is_found(tmp_path: Path) -> None:
    editors.install("neovim", "1.0", tmp_path, {})
    tags = (tmp_path / "pyshell" / "doc" / "tags").read_text().splitlines()
    assert "pyshell-keys\tpyshell.txt\t/*pyshell-keys*" in tags and tags == sorted(tags)


def test_the_package_has_every_file() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packaged = {
        path
        for pattern in setup["options.package_data"]["pyshell.editors"].split()
        for path in editors.HERE.glob(pattern)
    }
    present = {path for name in editors.EDITORS for path in (editors.HERE / name).rglob("*") if path.is_file()}
    assert packaged == present and present
