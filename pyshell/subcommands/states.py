"""The commands about saved states: draw them, go to them, name, compare, forget, check, move and run them again.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyshell import choosing, drawing, interchange, starting
from pyshell.errors import SessionExists, UsageError
from pyshell.paths import check_name
from pyshell.subcommands import archive, replaying

if TYPE_CHECKING:
    from pyshell.client import Session
    from pyshell.protocol import CheckedOut


def _log(arguments: list[str]) -> int:
    parser = choosing.parser("log", "Draw the timeline of a session's saved states, newest first; @ is the present.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    name = check_name(parser.parse_args(arguments).name or choosing.newest())
    listing, history = starting.saved_timeline(name)
    if not listing.checkpoints:
        print(f'session "{name}" has no saved state yet')
    code = {entry.cell: entry.code for entry in history.entries}
    lines = drawing.draw(listing.checkpoints, code, time.time())
    choosing.print_lines(lines)
    return 0


def _restore(arguments: list[str]) -> int:
    parser = choosing.parser("restore", "Take a session to one of its saved states; what it leaves is saved, too.")
    parser.add_argument("-t", metavar="NAME", dest="name", required=True)
    parser.add_argument("state", metavar="N", help='its number in "pyshell log"; or "undo", or "redo"')
    options = parser.parse_args(arguments)
    if options.state not in ("undo", "redo") and not options.state.isdecimal():
        raise UsageError(f'{options.state!r} is no state: give a number from "pyshell log", or undo, or redo')
    with choosing.at_work(check_name(options.name)) as session:
        done = _travel(session, options.state)
    after = f" after In[{done.cell}]" if done.cell is not None else ""
    print(f'session "{options.name}" is at state {done.checkpoint}{after}; state {done.left} is what it was before')
    for lost in done.not_restored:
        print(f"not restored: {drawing.missing(lost)}")
    return 0


def _travel(session: Session, state: str) -> CheckedOut:
    if state == "undo":
        return session.undo()
    return session.redo() if state == "redo" else session.restore(int(state))


def _restart(arguments: list[str]) -> int:
    parser = choosing.parser("restart", "Give a session another worker, which has its saved state.")
    parser.add_argument("-t", metavar="NAME", dest="name", required=True)
    parser.add_argument("--python", metavar="EXE", help="the interpreter from here on, or its environment")
    parser.add_argument("--fresh", action="store_true", help="with an empty namespace")
    parser.add_argument("-f", dest="force", action="store_true", help="do not ask when a cell runs")
    options = parser.parse_args(arguments)
    with choosing.at_work(check_name(options.name)) as session:
        runs = choosing.what_runs(session.status())
        if runs and not options.force and not choosing.confirmed(f"{runs}. Interrupt it?"):
            return 1
        session.restart(options.fresh, options.python)
        session.wait_up()
        status = session.status()
    print(f'session "{options.name}" goes on in Python {status.python} at {status.executable}')
    return 0


def _label(arguments: list[str]) -> int:
    parser = choosing.parser("label", "Name a saved state, which keeps it for ever; without a text take its name away.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    parser.add_argument("state", metavar="N", type=int, help='its number in "pyshell log"')
    parser.add_argument("text", metavar="TEXT", nargs="?")
    options = parser.parse_args(arguments)
    with choosing.at_work(check_name(options.name or choosing.newest())) as session:
        session.label(options.state, options.text)
    named = f'is kept as "{options.text}"' if options.text else "has no name"
    print(f"state {options.state} {named}")
    return 0


def _diff(arguments: list[str]) -> int:
    parser = choosing.parser("diff", "Tell which names differ from one saved state to another.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    parser.add_argument("before", metavar="N", type=int, help='its number in "pyshell log"')
    parser.add_argument("after", metavar="M", type=int, nargs="?", help="by default the present one")
    options = parser.parse_args(arguments)
    name = check_name(options.name or choosing.newest())
    found = starting.saved_difference(name, options.before, options.after)
    lines = [f"+ {made.name}  {made.after}{_by(made.cell)}" for made in found.added]
    lines += [f"- {gone.name}  {gone.before}{_by(gone.cell)}" for gone in found.removed]
    for changed in found.changed:
        kinds = changed.after if changed.before == changed.after else f"{changed.before} -> {changed.after}"
        lines.append(f"~ {changed.name}  {kinds}{_by(changed.cell)}")
    choosing.print_lines(lines or ["nothing differs"])
    return 0


def _by(cell: int | None) -> str:
    return f"  In[{cell}]" if cell is not None else ""


def _prune(arguments: list[str]) -> int:
    parser = choosing.parser("prune", "Forget the saved states that [keep] in config.toml does not keep.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    name = check_name(parser.parse_args(arguments).name or choosing.newest())
    with choosing.at_work(name) as session:
        done = session.prune()
    if done.reason:
        print(f"nothing was done: {done.reason}; try again when the session is idle")
        return 1
    print(f"{drawing.count(len(done.checkpoints), 'state')} forgotten, {drawing.size(max(0, done.freed))} freed")
    return 0


def _check(arguments: list[str]) -> int:
    parser = choosing.parser("check", "Read all that a session has saved, and say what is damaged. Nothing is changed.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    name = check_name(parser.parse_args(arguments).name or choosing.newest())
    found = starting.check(name)
    print(*(found or [f'what session "{name}" has saved is sound']), sep="\n")
    return 1 if found else 0


def _verify(arguments: list[str]) -> int:
    parser = choosing.parser("verify", "Load a saved state, apart from the session; say what does not come back.")
    name, checkpoint, _ = _saved_state(parser, arguments)
    found = interchange.verify(name, checkpoint)
    for fault, reason in found.faults:
        print(f"{fault}: {reason}")
    for lost in found.unsaved:
        print(f"{lost.name} ({lost.type}) was not saved: {lost.reason}")
    good = drawing.count(len(found.names), "name")
    bad = f", {len(found.faults)} {'does' if len(found.faults) == 1 else 'do'} not" if found.faults else ""
    print(f"{_state_of(name, found)}: {good} came back unchanged{bad}")
    return 1 if found.faults else 0


def _export(arguments: list[str]) -> int:
    parser = choosing.parser("export", "Write a session, running or not, into a file: its cells, or a saved state.")
    parser.add_argument("--dill", metavar="FILE", help="a saved state, for dill.load_module in the same Python")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="its cells: .py, or with all they showed .ipynb, .md, .html"
    )
    name, checkpoint, options = _saved_state(parser, arguments)
    if (options.dill is None) == (options.file is None) or (options.file and checkpoint is not None):
        raise UsageError("give one file: NAME.py, .ipynb, .md or .html for the cells, or --dill FILE for a saved state")
    if options.file is not None:
        archive.export(name, options.file)
        return 0
    done = interchange.export_dill(name, options.dill, checkpoint)
    for lost in done.left_out:
        print(f"left out: {lost.name} ({lost.type}): {lost.reason}")
    print(f"{options.dill} has {drawing.count(len(done.names), 'name')} of {_state_of(name, done)}")
    return 0


def _import(arguments: list[str]) -> int:
    parser = choosing.parser("import", "Take the names of a dill.dump_module file into a session. That runs its code.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    parser.add_argument("--yes", action="store_true", help="do not ask whether the file is to be trusted")
    parser.add_argument("file", metavar="FILE")
    options = parser.parse_args(arguments)
    name = check_name(options.name or choosing.newest())
    with choosing.at_work(name) as session:
        plan = interchange.plan_import(session, options.file)
        print(f"{options.file} binds {drawing.count(len(plan.names), 'name')}: {', '.join(plan.names)}")
        if plan.replaced:
            print(f'replaced in session "{name}": {", ".join(plan.replaced)}')
        if not options.yes and not choosing.confirmed("Loading it runs its code. Do you trust it?", "--yes"):
            return 1
        state = interchange.import_dill(session, plan)
    print(f'imported into session "{name}", state {state}; "pyshell restore -t {name} undo" takes it back')
    return 0


def _replay(arguments: list[str]) -> int:
    parser = choosing.parser("replay", "Run a session's cells again in a new one; say what differs.")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--as", metavar="NEW", dest="new", required=True, help="the new session's name")
    parser.add_argument("--python", metavar="EXE", help="its interpreter; by default that of the old one")
    parser.add_argument("-a", dest="all", action="store_true", help="also what did something outside, without asking")
    options = parser.parse_args(arguments)
    name, new = check_name(options.name), check_name(options.new)
    if starting.exists(new):
        raise SessionExists(f'there is a session "{new}" already; give the new one another name with --as')
    person = replaying.Person(lambda question: options.all or choosing.agreed(question), choosing.line, print)
    with choosing.at_work(name) as old:
        status = old.status()
        with starting.start(new, python=options.python or status.executable, cwd=status.cwd) as fresh:
            differences = replaying.replay(old, fresh, person)
    print(f'session "{new}" has what "{name}" has; "pyshell attach -t {new}" opens the console on it' if not differences
          else "\n".join(["", "What differs:", *differences]))  # fmt: skip
    return 1 if differences else 0


def _saved_state(parser: argparse.ArgumentParser, arguments: list[str]) -> tuple[str, int | None, argparse.Namespace]:
    """A session's name, a checkpoint or None for the newest, and the other options."""
    parser.add_argument("-t", metavar="NAME", dest="name", help="by default the one used last")
    parser.add_argument("--checkpoint", metavar="N", type=int, help='by default the newest; "pyshell log" lists them')
    options = parser.parse_args(arguments)
    return check_name(options.name or choosing.newest()), options.checkpoint, options


def _state_of(name: str, found: interchange.Exported | interchange.Verified) -> str:
    after = f" after In[{found.cell}]" if found.cell is not None else ""
    return f'state {found.checkpoint} of session "{name}"{after}'


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "restart": _restart,
    "log": _log, "restore": _restore, "label": _label, "diff": _diff, "prune": _prune, "check": _check,
    "verify": _verify, "export": _export, "import": _import, "replay": _replay,
}  # fmt: skip
