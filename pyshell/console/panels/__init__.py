"""What covers the transcript while one looks at something else: variables, the timeline, the queue, sessions, keys.

Runs in: console.

A panel is a table with a selected row, and keys of its own. What it knows and what its keys do is in a file for each,
without urwid; `view` draws all of them.
"""
