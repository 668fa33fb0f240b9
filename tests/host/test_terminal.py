"""The terminal: cut into text and fences, read at all times, bounded, and closed only by its owner.

Runs in: tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyshell.host.processes.birth import open_terminal
from pyshell.host.processes.ordering import ErrorText, Shown
from pyshell.host.processes.terminal import MAX_WAITING, Splitter, Terminal
from pyshell.protocol import TerminalUsed

FENCE = b"\x1b]5379;fence;%d\x1b\\"
ERROR, ERROR_END = b"\x1b]5379;stderr\x1b\\", b"\x1b]5379;stdout\x1b\\"
SECONDS = 20.0


def joined(pieces: list[Shown | int]) -> list[Shown | int]:
    """Neighbouring texts as one: where a text is cut does not matter."""
    found: list[Shown | int] = []
    for is_text, group in groupby(pieces, lambda piece: isinstance(piece, str)):
        items = list(group)
        found += ["".join(map(str, items))] if is_text else items
    return found


def split(parts: list[bytes]) -> list[Shown | int]:
    splitter = Splitter()
    pieces = [piece for part in parts for piece in splitter.feed(part)]
    return joined([*pieces, *splitter.flush(), splitter.finish(b"")])


fences = st.integers(0, 10**18 - 1).map(lambda number: FENCE % number)
bits = st.sampled_from(
    [b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?47h", b"\x1b[?", b"1047", b"l"]
    + [ERROR, ERROR_END, b"\x1b]5379;std", b"err"]
    + [b"\r", b"\n", b"\r\n", b"\x1b", b"\x1b]", b"\x1b]5379;fence;", b"7", b"\\", "é漢😀".encode(), b"\xff"]
)
streams = st.lists(st.one_of(fences, bits, st.text(max_size=5).map(str.encode), st.binary(max_size=3)), max_size=20)


@given(streams.map(b"".join), st.data())
def test_cutting_the_stream_anywhere_gives_the_same_pieces(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)])]
    assert split(parts) == split([stream])


@given(st.lists(st.one_of(st.text("ab\né漢\x1b[;m", min_size=1), st.integers(0, 10**9)), max_size=20))
def test_what_was_written_is_what_comes_out(written: list[Shown | int]) -> None:
    data = [piece.replace("\n", "\r\n").encode() if isinstance(piece, str) else FENCE % piece for piece in written]
    assert [piece for piece in split([b"".join(data)]) if piece != ""] == joined(written)


def test_a_number_that_no_fence_has_is_text() -> None:
    forged = b"\x1b]5379;fence;" + b"9" * 5000 + b"\x1b\\"
    assert split([forged]) == [forged.decode()]


def test_what_is_written_to_stderr_is_told_apart() -> None:
    pieces = list(Splitter().feed(b"out" + ERROR + b"err\r\n" + FENCE % 3 + b"more" + ERROR_END + b"out"))
    assert pieces == ["out", "err\n", 3, "more", "out"]
    assert [isinstance(piece, ErrorText) for piece in pieces] == [False, True, False, True, False]


def test_the_alternate_screen_is_passed_on_as_it_was_written() -> None:
    drawn = "\x1b[?1049hX\r\nY\n\x1b[?1049l"
    pieces = split([b"a\r\n" + drawn.encode() + b"b\r\n" + FENCE % 1])
    assert pieces == ["a\n", TerminalUsed("screen"), drawn, TerminalUsed("lines"), "b\n", 1, ""]


def test_what_the_worker_itself_marks_is_not_behind_a_program_that_was_killed() -> None:
    assert split([b"\x1b[?1049hX" + FENCE % 1 + b"a\r\n"])[2:] == [TerminalUsed("lines"), 1, "a\n"]


def test_who_switches_the_line_editor_off_wants_keys_until_it_is_on_again() -> None:
    listener = Listener()
    code = "tty.setraw(0); print('raw', end='\\r\\n', flush=True); os.read(0, 1); os.system('stty sane'); os.read(0, 9)"
    with running(code, listener) as (terminal, _):
        listener.wait(lambda: TerminalUsed("keys") in listener.pieces and "raw\r\n" in listener.text)
        assert terminal.write(b"x")
        listener.wait(lambda: TerminalUsed("lines") in listener.pieces)
        assert terminal.write(b"\n")


def test_half_a_character_at_the_end_is_completed_by_what_was_never_written() -> None:
    splitter = Splitter()
    data = "a漢b".encode()
    assert "".join(map(str, splitter.feed(data[:2]))) == "a"
    assert splitter.finish(data[2:]) == "漢b"


def test_half_a_character_that_stays_half_is_shown_as_such() -> None:
    splitter = Splitter()
    assert [*splitter.feed("漢".encode()[:2]), *splitter.flush(), splitter.finish(b"")] == ["\ufffd"]


class Listener:
    """Takes pieces as they come, and says when the wanted text is there."""

    def __init__(self) -> None:
        self.pieces: list[Shown | int] = []
        self.terminal: Terminal | None = None
        self._news = threading.Condition()

    def __call__(self, piece: str | int) -> None:
        with self._news:
            self.pieces.append(piece)
            self._news.notify_all()
        if self.terminal is not None:
            self.terminal.taken()

    @property
    def text(self) -> str:
        return "".join(piece for piece in self.pieces if isinstance(piece, str))

    def wait(self, is_there: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(is_there, SECONDS), self.text[-500:]


@contextmanager
def running(code: str, listener: Listener, takes: bool = True) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """A program on a terminal of its own."""
    master, slave = open_terminal((80, 24))
    terminal = Terminal(listener, master, 0)
    listener.terminal = terminal if takes else None
    program = [sys.executable, "-c", f"import os, sys, tty\n{code}"]
    with subprocess.Popen(program, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)
        terminal.start()
        try:
            yield terminal, process
        finally:
            process.kill()
            process.wait()
            if terminal.master >= 0:
                terminal.finish(lambda _: b"")
                terminal.close()


def test_text_and_fences_arrive_in_order() -> None:
    listener = Listener()
    with running(r"print('one\ntwo', end='\x1b]5379;fence;7\x1b\\three\n')", listener):
        listener.wait(lambda: "three\n" in listener.text)
    assert joined(listener.pieces) == ["one\ntwo", 7, "three\n"]


def test_the_last_bytes_before_the_end_are_read() -> None:
    listener = Listener()
    code = "os.write(1, b'x' * 3000); os.write(1, b'last'); os._exit(3)"
    with running(code, listener) as (terminal, process):
        process.wait()
        seen: list[bytes] = []

        def unwritten(recent: bytes) -> bytes:
            seen.append(recent)
            return b" words"

        assert terminal.finish(unwritten) == " words"
        terminal.close()
    assert listener.text.endswith("last")
    assert seen[0].endswith(b"last")


def test_a_reader_that_waits_for_room_still_finishes() -> None:
    listener = Listener()
    with running("os.write(1, (b'y' * 999 + b'\\n') * 5000)", listener, takes=False) as (terminal, process):
        listener.wait(lambda: len(listener.pieces) == MAX_WAITING or process.poll() is not None)
        process.kill()
        process.wait()
        terminal.finish(lambda _: b"")
        terminal.close()
    assert listener.text.startswith("y" * 999)


def test_a_program_that_prints_for_ever_after_the_end_does_not_stop_it() -> None:
    listener = Listener()
    code = "import subprocess; subprocess.Popen(['yes'], start_new_session=True); print('started'); os._exit(0)"
    with running(code, listener) as (terminal, process):
        process.wait()
        listener.wait(lambda: "y\n" in listener.text)
        terminal.finish(lambda _: b"")
        terminal.close()  # hangs up: `yes` gets an error, and ends


def test_what_is_typed_arrives_and_the_size_too() -> None:
    listener = Listener()
    with running("print(input(), os.get_terminal_size())", listener) as (terminal, _):
        terminal.resize(91, 17)
        assert terminal.write("größe\n".encode())
        listener.wait(lambda: "lines=17" in listener.text)
    assert "größe os.terminal_size(columns=91, lines=17)" in listener.text


def test_typing_where_nobody_reads_ends_with_false() -> None:
    listener = Listener()
    code = "tty.setraw(0); print('ready'); import signal; signal.pause()"
    with running(code, listener) as (terminal, _):
        listener.wait(lambda: "ready" in listener.text)
        assert not terminal.write(b"z" * (1 << 20), timeout=0.05)


def test_who_types_when_the_worker_ends_is_told_so_at_once() -> None:
    listener = Listener()
    code = "tty.setraw(0); print('ready'); import signal; signal.pause()"
    with running(code, listener) as (terminal, process):
        listener.wait(lambda: "ready" in listener.text)
        answers: list[bool] = []
        typing = threading.Thread(target=lambda: answers.append(terminal.write(b"z" * (1 << 20), timeout=600)))
        typing.start()
        process.kill()
        process.wait()
        terminal.finish(lambda _: b"")
        typing.join(SECONDS)
        assert answers == [False]
        terminal.close()
        assert not terminal.write(b"more")
        assert terminal.foreground() == 0


def test_no_descriptor_is_left() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with running("print('x')", Listener()):
        pass
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("run", [b"\r" * 200 + b"\n", b"\x1b]5379;fence;" + b"1" * 19])
def test_a_long_run_that_could_become_something_is_not_held_back(run: bytes) -> None:
    splitter = Splitter()
    given_out = "".join(map(str, splitter.feed(run[:-1])))
    assert len(given_out) + 64 + 32 >= len(run)
