"""vi's keys: a state and a text go in with a key, and the next ones come out. Pure.

Runs in: console.

Insert mode is the editor's own but for Esc. `.` repeats the keys of the last change and the text that came
in after them, whoever inserted it: a completion, too.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pyshell.console import buffer as edit
from pyshell.console import selection
from pyshell.console.buffer import Buffer
from pyshell.console.vi_motions import (
    MOTIONS,
    Region,
    Target,
    find_in_line,
    find_pattern,
    first_filled,
    line_bounds,
    text_object,
)

Mode = Literal["insert", "normal", "visual", "visual line", "replace"]
OPERATORS = ("d", "c", "y", ">", "<")
_ALONE = {"D": "d$", "C": "c$", "Y": "yy", "S": "cc", "s": "cl", "x": "dl", "X": "dh", "delete": "dl"}
_TO_EDITOR = {"u": "undo", "ctrl r": "redo", "enter": "enter", "v": "edit_outside"}


class Vi(NamedTuple):
    """What vi knows from one key to the next."""

    mode: Mode = "insert"
    keys: tuple[str, ...] = ()
    """What is typed of a command."""
    register: str = ""
    is_lines: bool = False
    """The register holds whole lines."""
    anchor: int = 0
    """Where the visual selection began."""
    find: tuple[str, str] = ("", "")
    """The last of `f F t T`, for `;` and `,`."""
    pattern: str = ""
    change: tuple[str, ...] = ()
    """The keys of the last change, for `.`."""
    inserted: str = ""
    begun: Buffer | None = None
    """The text when inserting began."""
    times: int = 1


class Pressed(NamedTuple):
    """What a key did; `command` is of the key table, for the editor to do."""

    vi: Vi
    buffer: Buffer
    command: str = ""


class _Read(NamedTuple):
    """A command that is complete."""

    number: int | None
    """The count, if one was given."""
    operator: str
    name: str
    argument: str = ""


def press(vi: Vi, buffer: Buffer, key: str) -> Pressed | None:
    """The state after a key; None if the key is the editor's."""
    if key == "esc":
        return _escape(vi, buffer)
    if vi.mode == "insert" or (vi.mode == "replace" and len(key) > 1):
        return None
    if vi.mode == "replace":
        end = line_bounds(buffer.text, buffer.cursor)[1]
        after = min(edit.following(buffer.text, buffer.cursor), end)
        return Pressed(vi, edit.replace_span(buffer, buffer.cursor, after, key))
    if len(key) > 1 and key not in (*_TO_EDITOR, *MOTIONS, "delete") and not (vi.keys and vi.keys[0] in "/?"):
        return None
    if key in ("/", "?") and not vi.keys and not buffer.text:
        return Pressed(vi, buffer, "search_history")
    keys = (*vi.keys, key)
    read = _read(keys, is_visual=vi.mode.startswith("visual"))
    if read is None:
        return Pressed(vi._replace(keys=keys), buffer)
    pressed = _do(vi._replace(keys=()), Buffer(buffer.text, buffer.cursor), read, keys)
    return pressed._replace(buffer=settled(pressed.vi, pressed.buffer))


def region(vi: Vi, buffer: Buffer) -> Region | None:
    """What is selected in visual mode, the character under the cursor included."""
    if not vi.mode.startswith("visual"):
        return None
    first, last = sorted((min(vi.anchor, len(buffer.text)), buffer.cursor))
    if vi.mode == "visual":
        return Region(first, min(edit.following(buffer.text, last), len(buffer.text)))
    return _lines(buffer.text, first, last)


def settled(vi: Vi, buffer: Buffer) -> Buffer:
    """In normal mode the cursor is on a character, not behind the last one."""
    start, end = line_bounds(buffer.text, buffer.cursor)
    if vi.mode != "insert" and vi.mode != "replace" and buffer.cursor == end > start:
        return Buffer(buffer.text, edit.previous(buffer.text, end))
    return buffer


# --- reading -------------------------------------------------------------------------------------------------------


def _read(keys: tuple[str, ...], *, is_visual: bool) -> _Read | None:
    """The command that the keys are; None if more must come."""
    count, rest = _count(keys)
    operator = ""
    if rest and rest[0] in OPERATORS and not is_visual:
        operator, rest = rest[0], rest[1:]
        more, rest = _count(rest)
        count = (count or 1) * (more or 1) if count or more else None
    if not rest:
        return None
    name, *argument = rest
    if operator and name == operator:
        return _Read(count, operator, "line")
    if name in ("/", "?"):
        return _Read(count, operator, name, _typed(argument)) if argument[-1:] == ["enter"] else None
    if name in ("f", "F", "t", "T", "g", "r") or (name in ("i", "a") and (operator or is_visual)):
        return _Read(count, operator, name, argument[0]) if argument else None
    return _Read(count, operator, name)


def _count(keys: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
    length = 0
    while length < len(keys) and keys[length].isdecimal() and (length or keys[0] != "0"):
        length += 1
    return (int("".join(keys[:length])[-4:]) if length else None), keys[length:]


def _typed(keys: list[str]) -> str:
    """The pattern, with what Backspace took from it."""
    text = ""
    for key in keys:
        text = text[:-1] if key == "backspace" else text + key if len(key) == 1 else text
    return text


# --- doing ---------------------------------------------------------------------------------------------------------


def _do(vi: Vi, buffer: Buffer, read: _Read, keys: tuple[str, ...]) -> Pressed:
    if (selected := region(vi, buffer)) is not None:
        done = _visual(vi, buffer, read, selected)
        if done is not None:
            return done
    elif read.name in _ALONE and not read.operator:
        operator, name = _ALONE[read.name][0], _ALONE[read.name][1:]
        read = read._replace(operator=operator, name="line" if name == operator else name)
    if read.operator:
        done = _operate(vi, buffer, read)
        return done if read.operator == "y" else done._replace(vi=done.vi._replace(change=keys))
    vi, target = _target(vi, buffer, read)
    if target is not None:
        return Pressed(vi, Buffer(buffer.text, min(target.place, len(buffer.text))))
    if read.name in ("j", "k") and selected is None:
        return Pressed(vi, buffer, "down" if read.name == "j" else "up")
    if read.name in _TO_EDITOR:
        return Pressed(vi, buffer, _TO_EDITOR[read.name])
    if read.name == "V" or (read.name, read.argument) == ("g", "v"):
        return Pressed(vi._replace(mode="visual line" if read.name == "V" else "visual", anchor=buffer.cursor), buffer)
    if read.name == ".":
        return _repeat(vi, buffer, read.number)
    done = _change(vi, buffer, read)
    changed = done.buffer.text != buffer.text or done.vi.mode != vi.mode
    return done._replace(vi=done.vi._replace(change=keys)) if changed else done


def _target(vi: Vi, buffer: Buffer, read: _Read) -> tuple[Vi, Target | None]:
    """Where a motion goes; the state remembers what was looked for."""
    text, cursor, count = buffer.text, buffer.cursor, read.number or 1
    name = f"g{read.argument}" if read.name == "g" else read.name
    if name in MOTIONS:
        return vi, MOTIONS[name](text, cursor, read.number)
    if name in ("f", "F", "t", "T"):
        return vi._replace(find=(name, read.argument)), find_in_line(text, cursor, count, name, read.argument)
    if name in (";", ",") and vi.find[0]:
        how = vi.find[0] if name == ";" else vi.find[0].swapcase()
        return vi, find_in_line(text, cursor, count, how, vi.find[1])
    if name in ("/", "?"):
        vi = vi._replace(pattern=read.argument or vi.pattern)
    if name in ("/", "?", "n", "N"):
        return vi, find_pattern(text, cursor, vi.pattern, forward=name in ("/", "n"))
    return vi, None


def _operate(vi: Vi, buffer: Buffer, read: _Read) -> Pressed:
    """An operator with what it is for."""
    text, cursor = buffer.text, buffer.cursor
    if read.name == "line":
        below = cursor
        for _ in range((read.number or 1) - 1):
            below = min(line_bounds(text, below)[1] + 1, len(text))
        return _apply(vi, buffer, read.operator, _lines(text, cursor, below))
    if read.name in ("i", "a"):
        found = text_object(text, cursor, read.name, read.argument)
        return Pressed(vi, buffer) if found is None else _apply(vi, buffer, read.operator, found)
    if read.operator == "c" and read.name in ("w", "W") and text[cursor : cursor + 1].strip():
        # To the end of this word, also of one that ends here.
        read, buffer = read._replace(name="e" if read.name == "w" else "E"), buffer._replace(cursor=cursor - 1)
    vi, target = _target(vi, buffer, read)
    buffer = buffer._replace(cursor=cursor)
    if target is None:
        return Pressed(vi, buffer)
    first, last = sorted((cursor, target.place))
    if target.kind == "lines":
        return _apply(vi, buffer, read.operator, _lines(text, first, last))
    if target.kind == "inclusive":
        last = edit.following(text, last)
    if read.name in ("w", "W") and "\n" in text[first:last]:  # the line feed after the last word is not meant
        last = first + len(text[first:last].rstrip()) or text.index("\n", first)
    return _apply(vi, buffer, read.operator, Region(first, last))


def _apply(vi: Vi, buffer: Buffer, operator: str, part: Region) -> Pressed:
    text, start, end = buffer.text, part.start, part.end
    if operator in "<>":
        shift = selection.indent_lines if operator == ">" else selection.dedent_lines
        changed = shift(Buffer(text, max(start, end), start)).text
        return Pressed(vi, Buffer(changed, first_filled(changed, start)))
    vi = vi._replace(register=text[start:end], is_lines=part.is_lines)
    if operator == "y":
        return Pressed(vi, Buffer(text, min(start, buffer.cursor) if part.is_lines else start))
    if operator == "c":
        indent = first_filled(text, start) if part.is_lines else start
        return _inserting(vi, Buffer(text[: min(indent, end)] + text[end:], min(indent, end)))
    if not part.is_lines:
        return Pressed(vi, Buffer(text[:start] + text[end:], start))
    rest = text[:start] + text[end + 1 :] if end < len(text) else text[: max(start - 1, 0)]
    return Pressed(vi, Buffer(rest, first_filled(rest, min(start, len(rest)))))


def _lines(text: str, first: int, last: int) -> Region:
    return Region(line_bounds(text, first)[0], line_bounds(text, last)[1], True)


def _change(vi: Vi, buffer: Buffer, read: _Read) -> Pressed:
    """Commands that change the text where the cursor is, or begin to."""
    text, cursor, count = buffer.text, buffer.cursor, read.number or 1
    start, end = line_bounds(text, cursor)
    if read.name in ("i", "a", "I", "A"):
        after = min(edit.following(text, cursor), end)
        place = {"i": cursor, "a": after, "I": first_filled(text, cursor), "A": end}[read.name]
        return _inserting(vi, Buffer(text, place), count)
    if read.name == "o":
        return _inserting(vi, edit.newline(Buffer(text, end)), count)
    if read.name == "O":
        indent = text[start : first_filled(text, cursor)]
        return _inserting(vi, Buffer(f"{text[:start]}{indent}\n{text[start:]}", start + len(indent)), count)
    if read.name in ("p", "P"):
        return Pressed(vi, _put(vi, buffer, count, after=read.name == "p"))
    if read.name == "r" and len(read.argument) == 1 and cursor + count <= end:
        return Pressed(vi, Buffer(text[:cursor] + read.argument * count + text[cursor + count :], cursor + count - 1))
    if read.name == "~":
        last = min(cursor + count, end)
        return Pressed(vi, edit.replace_span(buffer, cursor, last, text[cursor:last].swapcase()))
    if read.name == "J" and end < len(text):
        return Pressed(vi, edit.replace_span(buffer, end, first_filled(text, end + 1), " ")._replace(cursor=end))
    return Pressed(vi._replace(mode="replace") if read.name == "R" else vi, buffer)


def _put(vi: Vi, buffer: Buffer, count: int, *, after: bool) -> Buffer:
    """`p P`: what was cut or copied, behind the cursor or before it."""
    text, (start, end) = buffer.text, line_bounds(buffer.text, buffer.cursor)
    if vi.is_lines:
        lines = "\n".join([vi.register] * count)
        place = end + 1 if after else start
        put = f"{text[:end]}\n{lines}{text[end:]}" if after else f"{text[:start]}{lines}\n{text[start:]}"
        return Buffer(put, first_filled(put, place))
    place = min(edit.following(text, buffer.cursor), end) if after else buffer.cursor
    inserted = edit.insert(Buffer(text, place), vi.register * count)
    return inserted._replace(cursor=max(inserted.cursor - 1, 0)) if vi.register else buffer


def _inserting(vi: Vi, buffer: Buffer, times: int = 1) -> Pressed:
    return Pressed(vi._replace(mode="insert", begun=buffer, times=times), buffer)


def _escape(vi: Vi, buffer: Buffer) -> Pressed | None:
    if vi.mode == "normal":
        return Pressed(vi._replace(keys=()), buffer) if vi.keys else None
    if vi.mode != "insert":
        vi = vi._replace(mode="normal", keys=())
        return Pressed(vi, settled(vi, buffer))
    inserted = _inserted(vi.begun, buffer) if vi.begun is not None else ""
    buffer = edit.insert(buffer, inserted * (vi.times - 1))
    start = line_bounds(buffer.text, buffer.cursor)[0]
    left = max(start, edit.previous(buffer.text, buffer.cursor))
    vi = vi._replace(mode="normal", keys=(), inserted=inserted, begun=None, times=1)
    return Pressed(vi, Buffer(buffer.text, left))


def _inserted(before: Buffer, after: Buffer) -> str:
    """What came in where the cursor was, if nothing else has changed."""
    length = len(after.text) - len(before.text)
    same = after.text.startswith(before.before) and after.text.endswith(before.after) and length > 0
    return after.text[before.cursor : before.cursor + length] if same else ""


def _repeat(vi: Vi, buffer: Buffer, count: int | None) -> Pressed:
    """`.`: the last change again."""
    own, keys = _count(vi.change)
    count = count or own
    state = vi
    for key in [*list(str(count or "")), *keys]:
        pressed = press(state, buffer, key)
        if pressed is not None:
            state, buffer = pressed.vi, pressed.buffer
    if state.mode == "insert":
        buffer = edit.insert(buffer, vi.inserted * state.times)
        buffer = Buffer(buffer.text, max(line_bounds(buffer.text, buffer.cursor)[0], buffer.cursor - 1))
    return Pressed(state._replace(mode="normal", keys=(), change=vi.change, inserted=vi.inserted, begun=None), buffer)


# --- visual mode ---------------------------------------------------------------------------------------------------


def _visual(vi: Vi, buffer: Buffer, read: _Read, part: Region) -> Pressed | None:
    """What is done to the selection; None if the key is a motion, or nothing."""
    name = {"x": "d", "delete": "d", "s": "c"}.get(read.name, read.name)
    normal = vi._replace(mode="normal")
    if name in OPERATORS:
        done = _apply(normal, buffer, name, part)
        return done if name == "y" else done._replace(vi=done.vi._replace(change=_again(name, buffer.text, part)))
    if name == "p":
        taken = _apply(normal, buffer, "d", part).buffer
        return Pressed(normal, _put(vi, taken, read.number or 1, after=part.is_lines or part.end >= len(buffer.text)))
    if name in ("~", "u", "U", "r"):
        text = buffer.text[part.start : part.end]
        changed = "".join(read.argument if sign != "\n" else sign for sign in text) if name == "r" else {
            "~": text.swapcase, "u": text.lower, "U": text.upper}[name]()  # fmt: skip
        return Pressed(normal, edit.replace_span(buffer, part.start, part.end, changed)._replace(cursor=part.start))
    if name in ("i", "a"):
        found = text_object(buffer.text, buffer.cursor, name, read.argument)
        if found is None:
            return Pressed(vi, buffer)
        mode: Mode = "visual line" if found.is_lines else vi.mode
        return Pressed(vi._replace(anchor=found.start, mode=mode), Buffer(buffer.text, max(found.start, found.end - 1)))
    if name == "o":
        return Pressed(vi._replace(anchor=buffer.cursor), Buffer(buffer.text, min(vi.anchor, len(buffer.text))))
    if name in ("v", "V"):
        other: Mode = "visual" if name == "v" else "visual line"
        return Pressed(normal if other == vi.mode else vi._replace(mode=other), buffer)
    return None


def _again(operator: str, text: str, part: Region) -> tuple[str, ...]:
    """The keys that do the same to as much text, for `.`."""
    if part.is_lines:
        return (*list(str(text.count("\n", part.start, part.end) + 1)), operator, operator)
    return (operator, *list(str(part.end - part.start)), "l")
