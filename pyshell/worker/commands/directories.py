"""Commands about where the worker is: directory and environment.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import os

from pyshell.errors import UsageError
from pyshell.worker.commands.call import Call

_SECRET = ("key", "token", "secret", "password", "passwd", "credential")


def pwd(_call: Call) -> str:
    """%pwd

    Returns the directory: `here = %pwd`.
    """
    return os.getcwd()


def cd(call: Call) -> None:
    """%cd [-q] [DIRECTORY]

    Changes the directory: home without an argument, the one before for `-`. Prints the new one, unless `-q` is
    given. After a death the session is in that one again.
    """
    options, rest = call.options("q")
    target = call.filled(rest).strip()
    if len(target) > 1 and target[0] == target[-1] and target[0] in "'\"":
        target = target[1:-1]
    before, past = os.getcwd(), call.shell.directories
    if target == "-":
        if not past:
            raise UsageError("%cd - goes back to where the last %cd came from; there was none yet")
        target = past[-1]
    try:
        os.chdir(os.path.expanduser(target or "~"))
    except OSError as exc:
        raise UsageError(f"{target}: {exc.strerror}; the directory is still {before}") from None
    past.append(before)
    if "q" not in options:
        print(os.getcwd())


def env(call: Call) -> str | dict[str, str] | None:
    """%env [NAME], %env NAME=VALUE, %env NAME VALUE

    Returns the environment, or one variable of it, or sets one: for programs that you start, and for libraries
    that look later. Of all, what looks like a secret is hidden. After a death it is as it was.
    """
    name, equals, value = call.text.partition("=")
    if not equals:
        name, equals, value = call.text.partition(" ")
    name = name.strip()
    if not name:
        hidden = {key: "<hidden>" for key in os.environ if any(word in key.lower() for word in _SECRET)}
        return {**os.environ, **hidden}
    if not equals:
        if name not in os.environ:
            raise UsageError(f"the environment has no {name}; set it with %env {name}=value")
        return os.environ[name]
    os.environ[name] = call.filled(value.strip())
    print(f"env: {name}={os.environ[name]}")
    return None
