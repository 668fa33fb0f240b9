"""The stacks that a person is shown have no frames of pyshell in them.

Runs in: tests.
"""

from __future__ import annotations

from pyshell.host.processes.stacks import tidy

DUMP = """\
Fatal Python error: Segmentation fault

Thread 0x00007f01 (most recent call first):
  File "/lib/pyshell/worker/sender.py", line 51 in _run
  File "/usr/lib/python3.11/threading.py", line 982 in run

Thread 0x00007f02 (most recent call first):
  File "/usr/lib/python3.11/queue.py", line 171 in get
  File "<In[2]>", line 4 in work

Current thread 0x00007f03 (most recent call first):
  File "<In[3]>", line 1 in <module>
  File "/lib/pyshell/worker/cell.py", line 51 in _run
  File "/lib/pyshell/worker/executor.py", line 96 in run
  File "/lib/pyshell/worker/bootstrap.py", line 58 in <module>

Extension modules: numpy.core (total: 1)
"""

TIDY = """\
Fatal Python error: Segmentation fault

Thread 0x00007f02 (most recent call first):
  File "/usr/lib/python3.11/queue.py", line 171 in get
  File "<In[2]>", line 4 in work

Current thread 0x00007f03 (most recent call first):
  File "<In[3]>", line 1 in <module>
"""


def test_our_threads_and_frames_are_left_out() -> None:
    assert tidy(DUMP, "/lib/pyshell") == TIDY


def test_a_thread_that_the_user_started_stays_though_our_code_is_at_its_top() -> None:
    ours = '  File "/lib/pyshell/worker/streams.py", line 1 in write\n'
    theirs = '  File "<In[1]>", line 1 in work\n  File "/usr/lib/python3.11/threading.py", line 1 in run\n'
    title = "Thread 0x1 (most recent call first):\n"
    assert tidy(title + ours + theirs, "/lib/pyshell") == title + theirs


def test_what_is_no_dump_stays_as_it_is() -> None:
    assert tidy("", "/lib") == ""
    assert tidy("Killed\n", "/lib") == "Killed\n"


def test_a_users_file_beside_ours_is_not_ours() -> None:
    dump = 'Thread 0x1 (most recent call first):\n  File "/lib/pyshell_tools/a.py", line 1 in f\n'
    assert tidy(dump, "/lib/pyshell") == dump


def test_a_dump_of_one_thread_has_no_title_and_none_of_our_frames() -> None:
    theirs = 'Stack (most recent call first):\n  File "<In[1]>", line 2 in f\n'
    dump = theirs + '  File "/lib/pyshell/worker/cell.py", line 9 in run\n'
    assert tidy(dump, "/lib/pyshell") == theirs
