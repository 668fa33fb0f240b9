"""The console: a full-screen client of a session, drawn with urwid.

Runs in: console.
"""
