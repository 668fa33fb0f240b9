"""The commands: read argv and the environment, and do what they say.

Runs in: clients (Python 3.11 and newer). The only reader of argv and of the environment's settings.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pyshell
from pyshell import choosing, starting
from pyshell.errors import CheckpointNotFound, PyshellError, SessionExists, SessionNotFound, UsageError, VersionMismatch
from pyshell.interpreters import discover, interpreter
from pyshell.paths import check_name, name_for_directory
from pyshell.subcommands import opening

USAGE = """\
usage: pyshell                              a session for this directory
       pyshell new [-s NAME] [--python EXE] [-d] [--here]
                                            start one; with --here its files lie in this directory, to be seen
       pyshell attach [-t NAME] [--read-only]
                                            come back to a session, running or saved
       pyshell ls                           the sessions, and what each does
       pyshell restart -t NAME [--python EXE] [--fresh] [-f]
                                            give it another worker, in another interpreter if you like
       pyshell kill -t NAME [-f]            end a session; its saved state stays
       pyshell run [OPTIONS] SCRIPT [ARGS]  run a script as a session; started again, it goes on where it was saved last
       pyshell log [-t NAME]                draw its timeline of saved states, running or saved
       pyshell restore -t NAME N            take it to saved state N; or "undo", or "redo"
       pyshell label [-t NAME] N [TEXT]     name saved state N, which keeps it for ever; without TEXT no more
       pyshell diff [-t NAME] N [M]         the names that differ from state N to M, or to the present one
       pyshell prune [-t NAME]              forget the saved states that [keep] in config.toml does not keep
       pyshell check [-t NAME]              read all that it has saved, and say what is damaged
       pyshell verify [-t NAME]             load all that it has saved, apart from it, and say what does not come back
       pyshell export [-t NAME] FILE        write its cells as .py, .ipynb, .md or .html
       pyshell export [-t NAME] --dill FILE write a state of it for dill.load_module
       pyshell import [-t NAME] [--yes] FILE
                                            take the names of a dill.dump_module file into it
       pyshell replay NAME --as NEW [--python EXE] [-a]
                                            run its cells again in a new session, and say what differs
       pyshell history [-t NAME] [-p] [-o] [PATTERN]
                                            search the cells of all sessions, and what they have shown
       pyshell delete -t NAME [-f]          delete a saved session for good
       pyshell move -t NAME [DIR]           move its files into a directory, or back among the others
       pyshell copy -t NAME DIR             copy its files into a directory
       pyshell open DIR [-s NAME] [--yes]   take up a session from such files, perhaps of another computer; asks first
       pyshell mcp NAME [--as AGENT] [--attach] [--python EXE]
                                            offer a session to an AI agent, by the Model Context Protocol
       pyshell jupyter install [--user | --prefix DIR] [--name NAME] [--python EXE]
                                            have JupyterLab and its like run notebooks in sessions
       pyshell serve NAME --stdio | --socket [PATH] [--attach] [--python EXE]
                                            serve a session to editors and other programs by JSON-RPC 2.0
       pyshell editor install neovim | emacs [--dir DIR]
                                            put the editor's plugin in place, and say what to add to its init file
       pyshell config [--create]            every setting, and what your file says of it
       pyshell doctor [--python EXE]        what the terminal can do, and what is missing here
       pyshell [--python EXE] -i [-c CODE | -m MODULE | SCRIPT [ARGS]]
                                            run that in a new session, then open the console on it
       pyshell [--python EXE] -c CODE | -m MODULE | SCRIPT [ARGS] | -
                                            run it as python does, without a session
       pyshell -V | -h

In the console: Enter runs a complete cell, Ctrl-C interrupts, Ctrl-D leaves (the session stays), F1 helps.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in COMMANDS:
            return COMMANDS[arguments[0]](arguments[1:])
        return _like_python(arguments)
    except CheckpointNotFound as exc:
        print(f'pyshell: {exc}; "pyshell log" lists the saved states', file=sys.stderr)
        return 1
    except PyshellError as exc:
        print(f"pyshell: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, UsageError) else 1
    except PermissionError as exc:  # they are another user's, as after `sudo pyshell`
        print(f'pyshell: {exc.strerror}: {exc.filename}; "ls -ld" tells whose it is', file=sys.stderr)
        return 1
    except EOFError:  # Ctrl-D is an answer to a question: no
        print(file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# --- sessions -------------------------------------------------------------------------------------------


def _new(arguments: list[str]) -> int:
    parser = choosing.parser("new", "Start a session and open the console on it.")
    parser.add_argument("-s", metavar="NAME", dest="name", help="its name; by default the directory's")
    parser.add_argument("--python", metavar="EXE", help="the interpreter that runs the code, or its environment")
    parser.add_argument("-d", dest="detached", action="store_true", help="start it without a console")
    parser.add_argument("--here", action="store_true", help="its files lie in this directory: NAME.pyshell")
    opening.add_options(parser)
    options = parser.parse_args(arguments)
    name = check_name(options.name) if options.name else choosing.free_name(name_for_directory(os.getcwd()))
    _refuse_saved(name)
    opening.check_keys(os.environ)
    if options.here:
        print(f"its files lie in {starting.ask('moving', action='lay', name=name, directory=os.getcwd()).strip()}")
    launch = starting.Launch(name, python=options.python or _discovered())
    if options.detached:
        launch.wait()
        print(f'session "{name}" runs; "pyshell attach -t {name}" opens the console on it')
        return 0
    return opening.open_console(name, _wanted(options), launch)


def _discovered() -> str | None:
    """A new session's interpreter where none is named; None: pyshell's own."""
    return discover(os.environ, Path.cwd())


def _wanted(options: argparse.Namespace) -> opening.Wanted:
    return opening.Wanted(os.environ, options.images, options.plain)


def _refuse_saved(name: str) -> None:
    """A new session starts with nothing: it must not quietly take up an old one's state."""
    if starting.exists(name):
        try:
            starting.connect(name, client=choosing.client_name()).close()
        except SessionNotFound:
            again = f'"pyshell attach -t {name}" brings it back'
            raise SessionExists(f'session "{name}" is saved; {again}, or give another name') from None


def _attach(arguments: list[str]) -> int:
    parser = choosing.parser("attach", "Come back to a session; a saved one is brought back to life.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    parser.add_argument("--read-only", action="store_true", help="only look on, at a session that runs")
    opening.add_options(parser)
    options = parser.parse_args(arguments)
    name = check_name(options.name or choosing.newest())
    if options.read_only:
        choosing.check_is_running(name)
    else:
        starting.connect_or_start(name, client=choosing.client_name()).close()
    return opening.open_console(name, _wanted(options)._replace(read_only=options.read_only))


def _ls(arguments: list[str]) -> int:
    from pyshell import listing

    choosing.parser("ls", "List the sessions: what each does, and has shown last.").parse_args(arguments)
    lines = listing.table(time.time())
    choosing.print_lines(lines or ['no sessions; "pyshell" starts one'])
    return 0


def _kill(arguments: list[str]) -> int:
    parser = choosing.parser("kill", "End a session. What is saved stays; attaching brings it back.")
    parser.add_argument("-t", metavar="NAME", dest="name", required=True)
    parser.add_argument("-f", dest="force", action="store_true", help="do not ask when a cell runs")
    options = parser.parse_args(arguments)
    try:
        with starting.connect(check_name(options.name), client=choosing.client_name()) as session:
            runs = choosing.what_runs(session.status())
            if runs and not options.force and not choosing.confirmed(f"{runs}. End it?"):
                return 1
            session.kill()
    except VersionMismatch as exc:
        question = f"{exc}. It cannot say whether a cell runs. End it?"
        if not options.force and not choosing.confirmed(question):
            return 1
        choosing.end_host(exc.pid)
    print(f'session "{options.name}" has ended; "pyshell attach -t {options.name}" brings its saved state back')
    return 0


def _late(verb: str, arguments: list[str]) -> int:
    from pyshell.subcommands import states

    return states.COMMANDS[verb](arguments)


def _of_the_past(verb: str, arguments: list[str]) -> int:
    from pyshell.subcommands import archive

    return archive.COMMANDS[verb](arguments)


def _config(arguments: list[str]) -> int:
    parser = choosing.parser("config", "Show every setting, what it means, and what your file says of it.")
    parser.add_argument("--create", action="store_true", help="write that file if there is none, all settings in it")
    if parser.parse_args(arguments).create:
        print(f"{opening.create(os.environ)} has every setting, commented out")
    else:
        print(opening.document(os.environ), end="")
    return 0


def _doctor(arguments: list[str]) -> int:
    from pyshell.subcommands import doctor

    parser = choosing.parser("doctor", "Say what the terminal can do, and what this installation lacks.")
    parser.add_argument("--python", metavar="EXE", help="the interpreter that is to run the code")
    options = parser.parse_args(arguments)
    found = doctor.examine(os.environ, options.python or _discovered())
    print(*doctor.lines(found), sep="\n")
    return 1 if any(finding.is_bad for finding in found) else 0


def _run(arguments: list[str]) -> int:
    from pyshell.subcommands import running

    return running.main(arguments, choosing.client_name(), _discovered())


def _mcp(arguments: list[str]) -> int:
    from pyshell.bridges import mcp_server

    return mcp_server.main(arguments)


def _jupyter(arguments: list[str]) -> int:
    from pyshell.bridges import jupyter

    return jupyter.main(arguments, os.environ)


def _serve(arguments: list[str]) -> int:
    from pyshell.bridges import serving

    return serving.main(arguments)


def _editor(arguments: list[str]) -> int:
    from pyshell import editors

    parser = choosing.parser("editor", "Put an editor's plugin in place. Your init file is left alone.")
    parser.add_argument("verb", choices=["install"])
    parser.add_argument("name", choices=sorted(editors.EDITORS))
    parser.add_argument("--dir", metavar="DIR", type=Path, help="where instead of the editor's own place")
    options = parser.parse_args(arguments)
    print(editors.install(options.name, pyshell.__version__, options.dir, os.environ))
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "new": _new, "attach": _attach, "ls": _ls, "kill": _kill, "config": _config, "doctor": _doctor,
    "editor": _editor,
    "run": _run, "mcp": _mcp, "jupyter": _jupyter, "serve": _serve,
    **{verb: partial(_late, verb) for verb in (
        "restart", "log", "restore", "label", "diff", "prune", "check", "verify", "export", "import", "replay",
    )},
    **{verb: partial(_of_the_past, verb) for verb in ("history", "delete", "move", "copy", "open")},
}  # fmt: skip


# --- the console ------------------------------------------------------------------------------------------


def _for_directory() -> int:
    """`pyshell` alone: the session of this directory."""
    if starting.is_eternal():
        return _for_ever()
    name = name_for_directory(os.getcwd())
    if not starting.exists(name):
        opening.check_keys(os.environ)
        return opening.open_console(name, opening.Wanted(os.environ), starting.Launch(name, python=_discovered()))
    from pyshell import listing

    print(listing.describe(name))
    answer = input("[a]ttach to it, start a [n]ew one, or [q]uit? [a] ").strip().lower() or "a"
    if answer.startswith("a"):
        return _attach(["-t", name])
    return _new([]) if answer.startswith("n") else 0


def _for_ever() -> int:
    """The session that works in this directory, without a question; the one used last if there are several."""
    from pyshell import listing

    found = listing.working_in(os.getcwd())
    if found:
        return _attach(["-t", max(found, key=choosing.last_used)])
    name = choosing.free_name(name_for_directory(os.getcwd()))
    return opening.open_console(name, opening.Wanted(os.environ), starting.Launch(name, python=_discovered()))


# --- as python does -------------------------------------------------------------------------------------------


def _like_python(arguments: list[str]) -> int:
    python, interactive, rest = _python_options(arguments)
    if rest[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if rest[:1] in (["-V"], ["--version"]):
        print(f"pyshell {pyshell.__version__} (Python {sys.version.split()[0]})")
        return 0
    if rest and rest[0].startswith("-") and rest[0] not in ("-c", "-m", "-"):
        raise UsageError(f'unknown option {rest[0]!r}; "pyshell -h" lists them')
    if interactive and sys.stdin.isatty():
        return _run_then_console(python, rest)
    if not rest and sys.stdin.isatty():
        return _for_directory() if python is None else _new(["--python", python])
    return _exec_python(python, ["-i", *rest] if interactive else rest)


def _python_options(arguments: list[str]) -> tuple[str | None, bool, list[str]]:
    """`--python EXE` and `-i` before the first other argument."""
    python, interactive, rest = None, False, list(arguments)
    while rest:
        if rest[0] == "-i":
            interactive, rest = True, rest[1:]
        elif rest[0] == "--python":
            if len(rest) < 2:
                raise UsageError("--python needs the path of an interpreter")
            python, rest = rest[1], rest[2:]
        elif rest[0].startswith("--python="):
            python, rest = rest[0].partition("=")[2], rest[1:]
        else:
            break
    return python, interactive, rest


def _exec_python(python: str | None, arguments: list[str]) -> int:
    """Become the interpreter: signals, exit status and standard streams are then exactly its own."""
    executable = interpreter(python) or sys.executable
    os.execv(executable, [executable, *arguments])


def _run_then_console(python: str | None, arguments: list[str]) -> int:
    first = _first_cell(arguments) if arguments else ""
    name = choosing.free_name(name_for_directory(os.getcwd()))
    with starting.start(name, python=python or _discovered(), client=choosing.client_name()) as session:
        if first:
            session.execute(first)
    return opening.open_console(name, opening.Wanted(os.environ))


def _first_cell(arguments: list[str]) -> str:
    """Source that does in the session what python's arguments ask for."""
    if arguments[0] == "-c" and len(arguments) > 1:
        return f"import sys; sys.argv[:] = {['-c', *arguments[2:]]!r}\n{arguments[1]}"
    if arguments[0] == "-m" and len(arguments) > 1:
        return (
            f"import runpy, sys; sys.argv[:] = {arguments[1:]!r}\n"
            f"globals().update(runpy.run_module({arguments[1]!r}, run_name='__main__', alter_sys=True))"
        )
    script = Path(arguments[0])
    if not script.is_file():
        raise UsageError(f"{script} is no file")
    setup = f"import sys; sys.argv[:] = {arguments!r}; sys.path[0] = {str(script.parent.absolute())!r}"
    # Compiled under its own name, so that tracebacks and pdb show the file.
    return f"{setup}; __file__ = {arguments[0]!r}\nexec(compile(open(__file__, 'rb').read(), __file__, 'exec'))"
