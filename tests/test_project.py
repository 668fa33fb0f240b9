"""The files around the code say the same thing: README, continuous integration, metadata, changelog.

Runs in: tests.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import tomllib

import pyshell

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def shell_lines() -> list[str]:
    """Commands in the README's first screen."""
    return re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)


def test_two_commands_are_all_it_takes() -> None:
    install, check = shell_lines()
    assert install.endswith("/pyshell") and check.endswith("pytest -n 3")
    assert "\n" not in install + check


def test_continuous_integration_runs_what_the_readme_says() -> None:
    assert shell_lines()[1] in (ROOT / ".ci" / "run").read_text().splitlines()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_environments_are_the_ones_that_are_promised() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    named = {env.strip() for env in tox["tox"]["env_list"].split(",")}
    assert named == {"lint", "type", "docs", "py311", "py312", "py313"}
    for env in named:
        assert env in README


def test_the_core_depends_on_four_libraries() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = re.findall(r"^([a-z]+)", setup["options"]["install_requires"], re.MULTILINE)
    assert sorted(required) == ["dill", "pygments", "rpyc", "urwid"]


def test_types_are_checked_strictly() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["mypy"]["strict"] is True
    assert settings["tool"]["ruff"]["line-length"] == 120


def test_the_changelog_knows_this_version_or_has_unreleased_changes() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## (Unreleased|{re.escape(pyshell.__version__)})", changelog, re.MULTILINE)


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml", "pyshell", "tests", "docs", "tox.ini", "LICENSE"])
def test_the_top_level_is_as_agreed(name: str) -> None:
    assert (ROOT / name).exists()
