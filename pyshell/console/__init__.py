"""The console: a full-screen client of a session, drawn with urwid.

Runs in: console.
"""

from pyshell.lean import bare, late

# Of urwid the console takes the screen, the canvases and one event loop: a third of what it is.
bare("urwid")
bare("urwid.widget", {"PopUpTarget": "popup"})
bare("urwid.event_loop")
# Not needed before there is a character that may be wide (see rows.py), and then for some milliseconds.
late("wcwidth")
