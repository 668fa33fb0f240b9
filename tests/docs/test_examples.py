"""The example programs do what they say.

Runs in: tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sessions import SECONDS, environment, started, until, until_output

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CLIENTS = ("repl.py", "send.py", "watch.py", "dap.py")


@pytest.mark.parametrize("name", CLIENTS)
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 150


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *arguments]


def test_a_minimal_console() -> None:
    lines = [
        "6 * 7", "for n in (1, 2):", "    print('n', n)", "", "input('who? ')", "Ada", "1 / 0",
        "import os; os.kill(os.getpid(), 11)", "kept",
    ]  # fmt: skip
    with started("repl") as session:
        session.wait_saved(session.run("kept = 'kept'").cell, SECONDS)
        told = subprocess.run(
            command("repl.py", "repl"), input="\n".join(lines) + "\n", env=environment(session),
            capture_output=True, text=True, timeout=SECONDS * 2,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        for text in ("Out[2]: 42\n", "n 1\nn 2\n", "who? ", "Out[4]: 'Ada'", "ZeroDivisionError", "The worker has died",
                     "Out[7]: 'kept'", "goes on"):  # fmt: skip
            assert text in told.stdout, told.stdout
        assert session.run("kept").result == "'kept'"


def test_a_program_that_sends_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("# %%\nx = 6 * 7\nprint('of a file')\n\n# %%\nx\n")
    bad.write_text("# %%\n\ndef f():\n    return x / 0\n# %%\nf()\n# %%\nprint('not reached')\n")
    with started("send") as session:
        told = subprocess.run(
            command("send.py", "send", str(good), str(bad)), env=environment(session), capture_output=True, text=True
        )
        assert told.returncode == 1, told.stderr
        assert told.stdout.startswith("of a file\n42\n") and "not reached" not in told.stdout
        assert f'File "{bad}", line 6, in <module>' in told.stdout and f'File "{bad}", line 4, in f' in told.stdout
        assert "return x / 0" in told.stdout


def test_a_watcher_that_goes_on_where_it_stopped() -> None:
    with started("watch") as session:
        first = session.execute("print('one')")
        until_output(session, "one", first)
        session.wait(first)
        seen = watched(["watch"], session.status().last_event, environment(session))
        assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
        last = seen[-1]["seq"]
        second = session.execute("print('two')")
        end = until(session, lambda event: event.cell == second and event.kind == "finished")[-1].seq
        more = watched(["watch", str(last)], end, environment(session))
        assert [event["seq"] for event in more] == list(range(last + 1, end + 1))


def watched(arguments: list[str], last: int, env: dict[str, str]) -> list[dict[str, int]]:
    """What the watcher prints up to that event."""
    with subprocess.Popen(command("watch.py", *arguments), env=env, stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        found = []
        for line in watching.stdout:
            found.append(json.loads(line))
            if found[-1]["seq"] >= last:
                break
        watching.kill()
    return found
