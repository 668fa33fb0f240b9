"""Which key does what, by itself: the tables of the prompt, of the transcript, and of each panel. Pure.

Runs in: console.
"""

from __future__ import annotations

from typing import NamedTuple


class Binding(NamedTuple):
    """One command, the keys that call it (urwid's names), and what it does."""

    command: str
    keys: tuple[str, ...]
    help: str
    is_minor: bool = False
    """It is what everybody expects of such a key; the help says it last."""


BINDINGS = (
    Binding("enter", ("enter",), "run the cell if it is complete, else a new line"),
    Binding("run", ("meta enter",), "run the cell as it is"),
    Binding("newline", ("ctrl o", "ctrl j"), "a new line, always"),
    Binding("tab", ("tab",), "complete, go through the list; indent at the start of a line, or what is selected"),
    Binding("dedent", ("shift tab",), "take an indentation away; back in the list"),
    Binding("up", ("up", "ctrl p"), "the line above; on the first, the cell before that starts like this"),
    Binding("down", ("down", "ctrl n"), "the line below; on the last, the cell after"),
    Binding("search_history", ("ctrl r",), "search the cells of all sessions; again: an older one"),
    Binding("search_newer", ("ctrl s",), "in a search: a newer one", is_minor=True),
    Binding("right", ("right", "ctrl f"), "by a character; at the end: take what is suggested in grey"),
    Binding("left", ("left", "ctrl b"), "back by a character", is_minor=True),
    Binding("word_right", ("meta f", "ctrl right", "meta right"),
            "by a word; at the end: take a word of what is suggested"),
    Binding("word_left", ("meta b", "ctrl left", "meta left"), "back by a word", is_minor=True),
    Binding("line_start", ("ctrl a", "home"), "the start of the line", is_minor=True),
    Binding("line_end", ("ctrl e", "end"), "the end of the line; there: take the suggestion", is_minor=True),
    Binding("text_start", ("ctrl home", "meta <"), "the start of the cell", is_minor=True),
    Binding("text_end", ("ctrl end", "meta >"), "the end of the cell", is_minor=True),
    Binding("mark", ("ctrl space", "<0>"), "select from here on; shift with arrows, Home and End selects, too"),
    Binding("select_left", ("shift left",), "select", is_minor=True),
    Binding("select_right", ("shift right",), "select", is_minor=True),
    Binding("select_word_left", ("shift ctrl left",), "select by words", is_minor=True),
    Binding("select_word_right", ("shift ctrl right",), "select by words", is_minor=True),
    Binding("select_line_up", ("shift up",), "select by lines", is_minor=True),
    Binding("select_line_down", ("shift down",), "select by lines", is_minor=True),
    Binding("select_line_start", ("shift home",), "select to the start of the line", is_minor=True),
    Binding("select_line_end", ("shift end",), "select to the end of the line", is_minor=True),
    Binding("select_text_start", ("shift ctrl home",), "select to the start of the cell", is_minor=True),
    Binding("select_text_end", ("shift ctrl end",), "select to the end of the cell", is_minor=True),
    Binding("select_all", ("meta a",), "select the whole cell", is_minor=True),
    Binding("copy", ("meta w",), "copy what is selected, also to the terminal's clipboard"),
    Binding("cut", ("ctrl x",), "cut it", is_minor=True),
    Binding("yank", ("ctrl y",), "put back what was cut or copied last"),
    Binding("backspace", ("backspace", "ctrl h"), "delete the character before", is_minor=True),
    Binding("delete", ("delete",), "delete the character under the cursor", is_minor=True),
    Binding("kill_to_line_end", ("ctrl k",), "cut to the end of the line"),
    Binding("kill_to_line_start", ("ctrl u",), "cut to the start of the line", is_minor=True),
    Binding("kill_word_left", ("ctrl w",), "cut what is selected, or else the word before"),
    Binding("kill_name_left", ("meta backspace",), "cut the name before", is_minor=True),
    Binding("kill_name_right", ("meta d",), "delete the name after", is_minor=True),
    Binding("undo", ("ctrl _", "ctrl -"), "undo"),
    Binding("redo", ("meta _",), "redo"),
    Binding("comment", ("meta ;",), "comment the line or the selected lines, or uncomment them"),
    Binding("edit_outside", ("f2",), "edit the cell in $VISUAL or $EDITOR"),
    Binding("interrupt", ("ctrl c",), "interrupt the running cell, firmer each time; else clear the prompt"),
    Binding("leave", ("ctrl d",), "on an empty prompt: leave, the session goes on"),
    Binding("page_up", ("page up", "meta v"), "scroll the transcript; so does the wheel"),
    Binding("page_down", ("page down",), "scroll down", is_minor=True),
    Binding("scroll_up", ("ctrl up",), "scroll by a line", is_minor=True),
    Binding("scroll_down", ("ctrl down",), "scroll down by a line", is_minor=True),
    Binding("cancel", ("esc", "ctrl g"), "close what is open; back to the end of the transcript"),
    Binding("redraw", ("ctrl l",), "draw the screen anew"),
    Binding("suspend", ("ctrl z",), "suspend the console; fg comes back"),
    Binding("mouse", ("f3",), "take or give back the mouse (off: the terminal selects text)"),
    Binding("browse", ("f5",), "move in the transcript: fold, copy, search"),
    Binding("pager", ("f6",), "the newest output in a pager"),
    Binding("variables", ("f7",), "the variables, also while a cell runs; open, sort and scroll through them"),
    Binding("timeline", ("f8",), "the saved states: what each cell changed; go back, go on from there"),
    Binding("queue", ("f9",), "the cells that wait: cancel, reorder"),
    Binding("sessions", ("f10", "meta s"), "all sessions: go to another one, end one"),
    Binding("raw_keys", ("f4",), "type straight to the running program"),
    Binding("raw_end", ("ctrl ]",), "end that; three times in a row it takes the terminal back from a program"),
    Binding("help", ("f1",), "this help"),
)  # fmt: skip

BROWSING = (
    Binding("previous", ("up", "k"), "the cell above"),
    Binding("next", ("down", "j"), "the cell below"),
    Binding("first", ("home", "g"), "the first cell"),
    Binding("last", ("end", "G"), "the last cell"),
    Binding("fold", ("enter", " ", "tab"), "open what is folded away; fold what the cell has shown"),
    Binding("copy_code", ("c",), "copy the cell's code"),
    Binding("copy_output", ("o",), "copy its output"),
    Binding("edit", ("e",), "put the code at the prompt"),
    Binding("origin", ("t",), "go to the cell in which the error arose"),
    Binding("pager", ("p", "f6"), "all that the cell has shown, in a pager"),
    Binding("picture", ("i",), "open the cell's picture in the system's viewer"),
    Binding("view", ("v",), "the cell's picture on the whole screen; in sixel, where the terminal has it"),
    Binding("save", ("s",), "save it to a file"),
    Binding("search", ("/",), "search"),
    Binding("find_previous", ("n",), "further up"),
    Binding("find_next", ("N",), "further down"),
    Binding("help", ("f1",), "this help"),
    Binding("leave", ("esc", "q", "f5"), "back to the prompt"),
)
"""The keys while one moves in the transcript."""

MOVES = (
    Binding("previous", ("up", "k", "ctrl p"), "the row above"),
    Binding("next", ("down", "j", "ctrl n"), "the row below"),
    Binding("page_up", ("page up", "ctrl b"), "a page up", is_minor=True),
    Binding("page_down", ("page down", "ctrl f", " "), "a page down", is_minor=True),
    Binding("first", ("home", "g"), "the first row", is_minor=True),
    Binding("last", ("end", "G"), "the last row", is_minor=True),
    Binding("help", ("f1", "?"), "these keys"),
    Binding("close", ("esc", "q", "ctrl g"), "back"),
)
"""The keys that mean the same in all panels."""

VARIABLES = (
    Binding("open", ("enter", "right", "l"), "open what it consists of; an array or a frame as a table"),
    Binding("shut", ("left", "h"), "close it"),
    Binding("inside", ("+",), "open what it consists of, also of an array or a frame"),
    Binding("sort", ("s",), "sort by the next column"),
    Binding("reverse", ("r",), "turn the order round"),
    Binding("filter", ("/",), "show only names or types with a text in them"),
    Binding("draft", ("e",), "put the expression at the prompt"),
)

TABLE = (
    Binding("right", ("right", "l"), "the next column"),
    Binding("left", ("left", "h"), "the column before"),
    Binding("first_column", ("<", "ctrl a"), "the first column"),
    Binding("last_column", (">", "ctrl e"), "the last column"),
    Binding("go_to", (":",), "go to a row by its number"),
)

TIMELINE = (
    Binding("restore", ("enter",), "take the session to this state; the next cell begins a branch there"),
    Binding("undo", ("u",), "go back to before the last change"),
    Binding("redo", ("r", "ctrl r"), "go on along the newest branch"),
    Binding("label", ("l",), "name this state, which keeps it for ever; no name takes it away"),
    Binding("diff", ("d",), "what differs between this state and now; or what its cell changed"),
    Binding("draft", ("e",), "put the code of its cell at the prompt"),
)

QUEUE = (
    Binding("cancel", ("d", "delete", "x"), "take the cell out of the queue; interrupt it if it runs"),
    Binding("earlier", ("K", "shift up", "-"), "run it before the one above"),
    Binding("later", ("J", "shift down", "+"), "run it after the one below"),
    Binding("release", ("r",), "let a queue run on that was held after a crash"),
    Binding("draft", ("e", "enter"), "take it out of the queue and put it at the prompt"),
)

SESSIONS = (
    Binding("attach", ("enter",), "leave this session, which goes on, for that one"),
    Binding("new", ("n",), "start a session of another name and go there"),
    Binding("end", ("x", "delete"), "end it, after a question; what it has saved stays"),
    Binding("look", ("r",), "look again"),
)

REPLAY = (
    Binding("yes", ("y",), "run these cells again, but for those that did something outside"),
    Binding("all", ("a",), "run all of them again, also those that did something outside"),
    Binding("no", ("n",), "not now; %replay asks again"),
    Binding("never", ("v",), "never: mark these cells as not to be run again"),
)

HELP = (Binding("filter", ("/",), "show only what has a text in it"),)

TABLES = {
    "": BINDINGS, "browse": BROWSING, "panel": MOVES, "variables": VARIABLES, "table": TABLE, "timeline": TIMELINE,
    "queue": QUEUE, "sessions": SESSIONS, "replay": REPLAY, "help": HELP,
}  # fmt: skip


def named(table: str) -> dict[str, Binding]:
    """A table's bindings as `[keys]` in config.toml calls them: those beside the prompt's as `variables_sort`."""
    return {f"{table}_{binding.command}".removeprefix("_"): binding for binding in TABLES[table]}


ALL = {name: binding for table in TABLES for name, binding in named(table).items()}
