"""The generated pages are as the code has it, and complete.

Runs in: tests.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pyshell import protocol
from pyshell.worker.commands.table import COMMANDS

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["protocol.md", "commands.md", "keys.md", "jsonrpc.md", "jsonrpc.schema.json"])
def test_the_page_is_not_behind_the_code(generate: ModuleType, name: str) -> None:
    assert (DOCS / name).read_text() == generate.PAGES[name](), "run `python docs/generate.py`"


def test_a_stale_page_is_noticed(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "docs/generate.py" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "protocol.md").write_text("of last week")
    assert generate.main(["--check"]) == 1


def test_every_message_and_operation_is_on_the_page(generate: ModuleType) -> None:
    page = generate.protocol_page()
    for tag in protocol.messages():
        assert f"\n### `{tag}`\n" in page
    for operations in (protocol.HOST_OPERATIONS, protocol.WORKER_OPERATIONS, protocol.REPORT_OPERATIONS):
        for name, operation in operations.items():
            assert f"| `{name}` |" in page and operation.summary in page


def test_every_field_is_on_the_page_in_its_place(generate: ModuleType) -> None:
    page = generate.protocol_page()
    assert '| 1 | `status` | `"ok"` or `"error"` or `"died"` or `"aborted"` or `"interrupted"` |' in page
    assert "| 6 | `body` | one of [the events](#the-events) |" in page
    assert "| 1 | `cells` | many [`queued_cell`](#queued_cell) |" in page


def test_every_command_is_on_the_page_with_its_text(generate: ModuleType) -> None:
    page = generate.commands_page()
    for command in COMMANDS.values():
        usage, _, text = command.usage.partition("\n\n")
        assert usage.startswith("%") and text and command.help in page and text in page
