"""The plugin for Neovim in a real one, without a screen.

Runs in: tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests import editing
from tests.sessions import becomes_true

pytestmark = [
    pytest.mark.skipif(shutil.which("nvim") is None, reason="nvim is not installed here"),
    pytest.mark.slow,
]

# What the person is told is kept, and a cell that asks gets an answer. For its own completion of Python, which is
# replaced here, Neovim would look for interpreters for seconds.
INIT = """
vim.g.loaded_python3_provider = 0
told = {}
vim.notify = function(text)
  table.insert(told, text)
end
local asked = 0
vim.ui.input = function(options, answer)
  if options.prompt == "later? " then
    asked = asked + 1
    return answer(asked > 1 and "Ada" or nil)
  elseif options.prompt:find("^Label") then
    return answer("other")
  end
  answer(options.prompt == "who? " and "Ada" or nil)
end
"""

LOOKS = {
    "notes": "table.concat(told, '\\n')",
    "output": "lines(require('pyshell.output').buffer('project'))",
    "view": "lines(0)",
    "variables": "lines(vim.fn.bufnr('^pyshell-variables://project$'))",
    "states": "lines(vim.fn.bufnr('^pyshell-states://project$'))",
    "value": "lines(vim.fn.bufnr('^pyshell-value://project$'))",
    "document": "floating()",
    "matches": """table.concat(vim.tbl_map(function(item) return item.word end,
        vim.fn.complete_info({'items'}).items), ' ')""",
    "marks": """table.concat(vim.tbl_map(function(mark) return table.concat(mark, ' ') end,
        require('pyshell.marks').texts(vim.fn.bufnr('work.py'))), '\\n')""",
}

WAIT = """
function lines(buffer)
  if buffer == -1 then
    return ""
  end
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\\n")
end
function floating()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.api.nvim_win_get_config(window).relative ~= "" then
      return lines(vim.api.nvim_win_get_buf(window))
    end
  end
  return ""
end
local function look() return %s end
vim.wait(%d, function() return look():find(%s, 1, true) end, 10)
return look()
"""


COMMANDS = ("redo", "restart", "release", "clear", "detach", "start", "kill", "input")
KEYS = {
    "line": "\\l", "region": "Vj\\l", "cell": "\\c", "next": "\\n", "buffer": "\\b", "output": "\\o",
    "interrupt": "\\i", "variables": "\\v", "states": "\\s", "undo": "\\u", "document": "\\k",
    "save": ":Pyshell save first<CR>",
    "fresh": ":Pyshell restart fresh<CR>", "open": "<CR>", "go": "<CR>", "label": "L",
    **{verb: f":Pyshell {verb}<CR>" for verb in COMMANDS},
}  # fmt: skip


class Neovim(editing.Editor):
    """Talks to a server of Neovim's by its own command line."""

    def __init__(self, directory: Path, env: dict[str, str]) -> None:
        self._step = directory / "step.lua"
        self.server = str(directory / "nvim.sock")
        self._env = env

    def lua(self, code: str) -> Any:
        """The value that the code returns."""
        self._step.write_text(code)
        expression = f"luaeval('vim.json.encode({{ dofile(_A) }})', '{self._step}')"
        command = ["nvim", "--server", self.server, "--remote-expr", expression]
        answer = subprocess.run(command, capture_output=True, text=True, env=self._env, timeout=2 * editing.SECONDS)
        said = answer.stdout or answer.stderr
        assert said.startswith(("[", "{")), said
        return (json.loads(said) or [None])[0]

    def wait(self, what: str, text: str) -> str:
        found = self.lua(WAIT % (LOOKS[what], editing.SECONDS * 1000, json.dumps(text, ensure_ascii=False)))
        assert text in found, f"{what}: {found}\nnotes: {self.lua('return ' + LOOKS['notes'])}"
        return str(found)

    def do(self, verb: str, at: int = 1) -> None:
        self._go(at)
        self.lua(f"vim.cmd('Pyshell {verb}')")

    hides_output = True

    def press(self, what: str, at: int = 1) -> None:
        self._go(at)
        self._type(what)

    def choose(self, list: str, text: str, what: str) -> None:
        self.lua(f"""local buffer = vim.fn.bufnr('^pyshell-{list}://project$')
            vim.api.nvim_set_current_win(vim.fn.bufwinid(buffer))
            vim.fn.cursor(1, 1)
            vim.fn.search([[{text}]])""")
        self._type(what)

    def _type(self, what: str) -> None:
        self.lua(f"vim.api.nvim_input({json.dumps(KEYS[what])})")

    def shown(self) -> int:
        return int(self.lua("return #vim.fn.win_findbuf(require('pyshell.output').buffer('project'))"))

    def _go(self, at: int) -> None:
        # A view or a floating window may be in front.
        self.lua(f"""vim.api.nvim_set_current_win(vim.fn.bufwinid('work.py'))
            vim.api.nvim_win_set_cursor(0, {{ {at}, 0 }})""")

    def complete(self, at: int, typed: str, wanted: str) -> None:
        self._go(at)
        self.lua(f"vim.api.nvim_input('<Esc>O{typed}<C-x><C-o>')")
        assert becomes_true(lambda: self.lua("return vim.fn.mode()").startswith("i"))
        self.wait("matches", wanted)
        self.lua("vim.api.nvim_input('<C-e><Esc>u')")
        assert becomes_true(lambda: self.lua("return vim.fn.mode() == 'n' and not vim.bo.modified"))

    def change(self, at: int) -> None:
        self._go(at)
        self.lua("vim.api.nvim_set_current_line(vim.api.nvim_get_current_line() .. '.title()')")

    def put_above(self) -> None:
        self.lua("vim.api.nvim_buf_set_lines(0, 0, 0, false, { '# above' })")

    def bridge(self) -> int:
        return int(self.lua("return vim.fn.jobpid(require('pyshell.session').sessions.project.bridge.job)"))

    def quit(self) -> None:
        # It may be gone before it has answered.
        subprocess.run(["nvim", "--server", self.server, "--remote-send", "<Esc>:qall!<CR>"], env=self._env)

    def answers(self) -> bool:
        return Path(self.server).exists()


def neovim(file: Path, env: dict[str, str]) -> AbstractContextManager[Neovim]:
    editor = Neovim(file.parent.parent, env)
    command = ["nvim", "--headless", "-i", "NONE", "-n", "--listen", editor.server, str(file)]
    return editing.running(editor, command, file, env)


def test_a_person_works_in_neovim(xdg: Path, tmp_path: Path) -> None:
    """From the installation to a second Neovim that shows what the first one did not see."""
    init = xdg / "config" / "nvim" / "init.lua"
    init.parent.mkdir()
    env = editing.environment(tmp_path)
    init.write_text(editing.install("neovim", env) + INIT)
    file, gate = editing.prepare(xdg)
    with editing.session_ended():
        with neovim(file, env) as editor:
            editing.walk(editor, gate)
            editing.lose_connections(editor, gate)
            editing.move(editor, gate)
        editing.while_away()
        with neovim(file, env) as editor:
            editing.come_back(editor)


def test_each_key_does_what_the_documentation_says(xdg: Path, tmp_path: Path) -> None:
    init = xdg / "config" / "nvim" / "init.lua"
    init.parent.mkdir()
    env = editing.environment(tmp_path)
    init.write_text(editing.install("neovim", env) + INIT)
    file, gate = editing.prepare(xdg, editing.KEYED)
    with editing.session_ended(), neovim(file, env) as editor:
        editing.keys(editor, gate)


@pytest.fixture(scope="module")
def ansi() -> Callable[[list[str]], list[Any]]:
    """Texts as lua/pyshell/ansi.lua shows them: its lines, each with its spans."""
    source = Path(editing.pyshell.__file__).parent / "editors" / "neovim"

    def show(pieces: list[str]) -> list[Any]:
        code = (
            f"lua vim.opt.runtimepath:append('{source}'); local s = require('pyshell.ansi').screen(); "
            f"for _, piece in ipairs(vim.json.decode(vim.env.PIECES)) do s:feed(piece) end; "
            "io.stdout:write(vim.json.encode(vim.tbl_map(function(l) return {l.text, l.spans} end, s.lines)))"
        )
        command = ["nvim", "--headless", "-u", "NONE", "-i", "NONE", "+" + code, "+qall!"]
        env = editing.environment(source) | {"PIECES": json.dumps(pieces)}
        answer = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return list(json.loads(answer.stdout))

    return show


CASES = [
    (["a\nb"], ["a", "b"]),
    (["10%\r", "20%"], ["20%"]),
    (["long\rs"], ["song"]),
    (["long\r\x1b[Ks"], ["s"]),
    (["ab\bc"], ["ac"]),
    (["häß\rx"], ["xäß"]),
    (["a\nb\nc\x1b[2A\rX"], ["X", "b", "c"]),
    (["\x1b]0;title\x07t"], ["t"]),
    (["\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"], ["link"]),
    (["a\x1b[", "31mb"], ["ab"]),
    (["one\ntwo\x1b[1A\n!"], ["one", "!wo"]),
]


def test_lines_are_as_a_terminal_shows_them(ansi: Callable[[list[str]], list[Any]]) -> None:
    assert CASES
    for pieces, lines in CASES:
        assert [line for line, _ in ansi(pieces)] == lines


def test_colours_are_kept(ansi: Callable[[list[str]], list[Any]]) -> None:
    shown = ansi(["\x1b[1;31mred\x1b[m \x1b[38;5;200mpink\x1b[0m\x1b[48;2;1;2;3mback"])
    assert shown == [
        ["red pinkback", [[0, 3, {"bold": True, "fg": 1}], [4, 8, {"fg": 200}], [8, 12, {"bg": "#010203"}]]]
    ]
