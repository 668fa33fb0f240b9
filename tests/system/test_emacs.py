"""The plugin for Emacs in a real one, without a screen.

Runs in: tests.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import pyshell
from tests import editing

pytestmark = [
    pytest.mark.skipif(shutil.which("emacs") is None, reason="emacs is not installed here"),
    pytest.mark.slow,
]
SOURCE = Path(pyshell.__file__).parent / "editors" / "emacs" / "pyshell.el"

# A cell that asks gets an answer.
INIT = """
(setq message-log-max t make-backup-files nil auto-save-default nil pyshell-patience 30)
(defvar test-asked 0)
(advice-add 'read-string :override
            (lambda (prompt &rest _)
              (when (equal prompt "later? ") (setq test-asked (1+ test-asked)))
              (if (or (equal prompt "who? ") (> test-asked 1)) "Ada" (signal 'quit nil))))
(defun session () (gethash "project" pyshell--sessions))
"""

LOOKS = {
    "notes": '(with-current-buffer "*Messages*" (buffer-string))',
    "output": "(with-current-buffer (pyshell--output (session)) (buffer-string))",
    "states": '(with-current-buffer "*pyshell project: states*" (buffer-string))',
    "value": '(with-current-buffer (get-buffer-create "*pyshell project: pair*") (buffer-string))',
    "view": '(with-current-buffer "*pyshell project: variables*" (buffer-string))',
    "document": '(if (get-buffer "*Help*") (with-current-buffer "*Help*" (buffer-string)) "")',
    "marks": """(with-current-buffer "work.py" (mapconcat
        (lambda (mark) (format "%d %s" (line-number-at-pos (pyshell--place mark)) (car (pyshell--look mark))))
        (pyshell--marks) "\\n"))""",
}

LOOKS["variables"] = LOOKS["view"]

KEYS = {
    "line": "C-c ; l", "region": "C-SPC C-n C-e C-c ; r", "cell": "C-c ; c", "next": "C-c ; n", "buffer": "C-c ; b",
    "output": "C-c ; o", "interrupt": "C-c ; i", "variables": "C-c ; v", "states": "C-c ; s", "undo": "C-c ; u",
    "redo": "C-c ; U", "document": "C-c ; d", "save": "C-c ; S first RET", "restart": "C-c ; R",
    "fresh": "C-u C-c ; R", "release": "C-c ; g", "clear": "C-c ; x", "open": "RET", "go": "RET",
    "label": "l other RET", "detach": "M-x pyshell-detach RET", "start": "M-x pyshell-start RET",
    "kill": "M-x pyshell-kill RET", "input": "M-x pyshell-input RET",
}  # fmt: skip

VERBS = {
    "next": "(pyshell-send-cell-and-go)", "cell": "(pyshell-send-cell)", "line": "(pyshell-send-line)",
    "document": "(pyshell-document)", "variables": "(save-window-excursion (pyshell-variables))",
    "undo": "(pyshell-undo)", "start": "(pyshell-start)", "kill": "(pyshell-kill)",
}  # fmt: skip


class Emacs(editing.Editor):
    """Talks to a daemon of Emacs by emacsclient."""

    def __init__(self, file: Path, env: dict[str, str]) -> None:
        self._file = file
        self._env = env
        self.socket = file.parent.parent / "emacs.sock"

    def lisp(self, code: str) -> str:
        """The text that the code gives; of other values what they print."""
        wrapped = f"""(base64-encode-string (encode-coding-string
            (condition-case err (format "%s" {code}) (error (format "failed: %S" err))) 'utf-8) t)"""
        command = ["emacsclient", "-s", str(self.socket), "--eval", wrapped]
        answer = subprocess.run(command, capture_output=True, text=True, env=self._env, timeout=2 * editing.SECONDS)
        assert answer.stdout.startswith('"'), answer
        found = base64.b64decode(answer.stdout.strip().strip('"')).decode()
        assert not found.startswith("failed: "), (found, code)
        return found

    def wait(self, what: str, text: str) -> str:
        wanted = json.dumps(text, ensure_ascii=False)
        found = self.lisp(f"""(let ((until (+ (float-time) {editing.SECONDS})))
            (while (and (not (string-search {wanted} {LOOKS[what]})) (< (float-time) until))
              (accept-process-output nil 0.02))
            {LOOKS[what]})""")
        assert text in found, f"{what}: {found}\nnotes: {self.lisp(LOOKS['notes'])}"
        return found

    def _at(self, row: int, code: str) -> str:
        return self.lisp(f"""(with-current-buffer (find-file-noselect "{self._file}")
            (goto-char (point-min)) (forward-line {row - 1}) {code})""")

    def do(self, verb: str, at: int = 1) -> None:
        self._at(at, VERBS[verb])

    hides_output = False

    def press(self, what: str, at: int = 1) -> None:
        self.lisp(f"""(progn (switch-to-buffer (find-file-noselect "{self._file}"))
            (goto-char (point-min)) (forward-line {at - 1}) (execute-kbd-macro (kbd "{KEYS[what]}")))""")

    def choose(self, list: str, text: str, what: str) -> None:
        self.lisp(f"""(progn (switch-to-buffer "*pyshell project: {list}*") (goto-char (point-min))
            (search-forward "{text}") (beginning-of-line) (execute-kbd-macro (kbd "{KEYS[what]}")))""")

    def shown(self) -> int:
        return int(self.lisp("(length (get-buffer-window-list (pyshell--output (session)) nil t))"))

    def complete(self, at: int, typed: str, wanted: str) -> None:
        found = self._at(
            at,
            f"""(unwind-protect
            (progn (insert "{typed}\\n") (forward-char -1) (nth 2 (pyshell-completion-at-point)))
            (delete-region (line-beginning-position) (line-beginning-position 2)))""",
        )
        assert wanted in found

    def change(self, at: int) -> None:
        self._at(at, '(progn (end-of-line) (insert ".title()"))')

    def put_above(self) -> None:
        self._at(1, '(insert "# above\\n")')

    def bridge(self) -> int:
        return int(self.lisp("(process-id (jsonrpc--process (pyshell--session-connection (session))))"))

    def quit(self) -> None:
        self.lisp("(run-at-time 0 nil #'kill-emacs)")

    def answers(self) -> bool:
        return self.socket.exists()


def emacs(file: Path, init: Path, env: dict[str, str]) -> AbstractContextManager[Emacs]:
    editor = Emacs(file, env)
    command = ["emacs", "-q", "--no-site-file", "-l", str(init), f"--fg-daemon={editor.socket}"]
    return editing.running(editor, command, file, env)


def test_a_person_works_in_emacs(xdg: Path, tmp_path: Path) -> None:
    """From the installation to a second Emacs that shows what the first one did not see."""
    env = editing.environment(tmp_path)
    init = tmp_path / "init.el"
    init.write_text(editing.install("emacs", env) + INIT)
    file, gate = editing.prepare(xdg)
    with editing.session_ended():
        with emacs(file, init, env) as editor:
            editing.walk(editor, gate)
            editing.lose_connections(editor, gate)
            editing.move(editor, gate)
        editing.while_away()
        with emacs(file, init, env) as editor:
            editing.come_back(editor)


def test_each_key_does_what_the_documentation_says(xdg: Path, tmp_path: Path) -> None:
    env = editing.environment(tmp_path)
    init = tmp_path / "init.el"
    init.write_text(editing.install("emacs", env) + INIT)
    file, gate = editing.prepare(xdg, editing.KEYED)
    with editing.session_ended(), emacs(file, init, env) as editor:
        editing.keys(editor, gate)


def test_it_compiles_without_a_warning(tmp_path: Path) -> None:
    copy = Path(shutil.copy(SOURCE, tmp_path))
    for check in ("(byte-compile-file file)", "(checkdoc-file file)"):
        code = f'(let ((file "{copy}")) {check})'
        answer = subprocess.run(["emacs", "-Q", "--batch", "--eval", code], capture_output=True, text=True)
        assert (answer.returncode, answer.stdout + answer.stderr) == (0, "")
