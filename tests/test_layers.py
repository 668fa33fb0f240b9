"""The rules of the code, read off its syntax trees: who imports whom, what the host may not do, how big things are.

Runs in: tests.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import pyshell

PACKAGE = Path(pyshell.__file__).parent

# Each part, and what it may import from the rest of the package. Everything points down.
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "frozen": set(),
    "lean": set(),
    "escapes": set(),
    "paths": {"errors"},
    "config": {"errors"},
    "interpreters": {"errors"},
    "private": {"errors"},
    "codec": {"errors"},
    "protocol": {"codec", "errors"},
    "plain": {"errors"},
    "transport": {"lean", "plain", "protocol", "errors"},
    "handshake": {"protocol", "private", "errors"},
    "store": {"errors"},
    "blackbox": {"errors"},
    "inbox": {"errors"},
    "memory": {"errors"},
    "exits": {"errors"},
    "typed": set(),
    "analysis": set(),
    "worker": {
        "transport", "handshake", "protocol", "store", "blackbox", "inbox", "memory", "typed", "escapes", "drawing",
        "interpreters", "errors",
    },
    "host": {
        "transport", "handshake", "protocol", "store", "blackbox", "inbox", "memory", "exits", "paths", "private",
        "typed", "errors",
    },
    "syntax": {"escapes", "protocol", "errors"},
    "drawing": {"protocol"},
    "timeline": {"transport", "protocol", "errors"},
    "gathering": {"protocol", "errors"},
    "lanes": {"transport", "protocol", "errors"},
    "readers": {"lanes", "transport", "protocol", "errors"},
    "client": {
        "gathering", "lanes", "readers", "interpreters", "timeline", "syntax", "transport", "handshake", "protocol",
        "paths", "errors",
    },
    "starting": {"interpreters", "timeline", "client", "transport", "protocol", "paths", "config", "errors"},
    "aio": {"gathering", "lanes", "starting", "client", "protocol", "errors"},
    "choosing": {"starting", "client", "drawing", "exits", "protocol", "errors"},
    "listing": {"interpreters", "choosing", "drawing", "memory", "starting", "protocol", "errors"},
    "inert": {"errors"},
    "answering": {"client", "errors"},
    "following": {"answering", "client", "protocol", "errors"},
    "interchange": {"starting", "client", "protocol", "inert", "errors"},
    "console": {
        "interpreters", "starting", "listing", "drawing", "inbox", "memory", "client", "syntax", "transport",
        "lean", "protocol", "paths", "errors",
    },
    "bridges": {
        "interpreters", "choosing", "drawing", "following", "starting", "client", "syntax", "transport", "handshake",
        "protocol", "paths", "errors",
    },
    "editors": {"errors"},
    "subcommands": {
        "console", "answering", "following", "interchange", "interpreters", "choosing", "drawing", "starting",
        "client", "config", "memory", "protocol", "paths", "errors",
    },
    "cli": {
        "__init__", "subcommands", "console", "bridges", "choosing", "drawing", "editors", "interchange",
        "interpreters", "listing", "starting", "client", "syntax", "transport", "protocol", "paths", "errors",
    },
    "__main__": {"cli"},
    "__init__": {"starting", "client", "worker", "protocol", "errors"},
}  # fmt: skip

PACKAGES = {
    "worker": ["introspection", "pickles", "checkpoints"],
    "host": ["processes", "journals", "saved", "workers"],
}
"""Of each part; each may import those before it. What lies beside them puts them to use, or is what all rest on."""

ONLY_IN = {
    "rpyc": "transport", "dill": "worker", "urwid": "console", "jedi": "analysis", "zmq": "bridges",
    "jupyter_client": "bridges", "mcp": "bridges",
}  # fmt: skip

# The host reads what a worker wrote. Nothing in it, or in what it imports, may turn data into code.
HOST_IMPORTS = {"host", "frozen", *LAYERS["host"]}
CODE_NAMES = {"exec", "eval", "compile", "__import__"}
CODE_MODULES = {
    "pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy", "code", "codeop", "imp",
    "pdb", "bdb", "timeit", "doctest", "urwid",
}  # fmt: skip

# On Python 3.10 too: what only 3.11 has may not be imported there.
RUNS_ON_310 = {
    "worker", "store", "transport", "handshake", "private", "blackbox", "inbox", "memory", "protocol", "codec",
    "plain", "typed", "escapes", "drawing", "interpreters", "errors", "frozen", "lean",
}  # fmt: skip
NEW_IN_311 = {"tomllib", "wsgiref.types", "asyncio.taskgroups", "asyncio.timeouts"}
NEW_NAMES_IN_311 = {
    ("typing", name) for name in ("Self", "Never", "assert_never", "reveal_type", "LiteralString", "NotRequired",
                                  "Required", "Unpack", "TypeVarTuple", "dataclass_transform", "assert_type")
} | {("enum", "StrEnum"), ("datetime", "UTC"), ("contextlib", "chdir"), ("asyncio", "TaskGroup"),
     ("asyncio", "timeout"), ("hashlib", "file_digest")}  # fmt: skip

LAZY = ("map(", "zip(", "filter(", "enumerate(", "itertools.", "chain(")

MAX_FUNCTION, MAX_PARAMETERS, MAX_FILE = 50, 5, 400
LONG_FILES = {
    "protocol.py": "a list of small messages, which is to be read in one place",
}

# Started by an operating system or a user, these may import late what the command at hand needs.
ENTRY_POINTS = {"starting.py", "opening.py", "cli.py", "__init__.py", "__main__.py", "bootstrap.py"}
FORBIDDEN_FILES = re.compile(r"utils|common|helpers?|managers?|misc|impl")


@dataclass(frozen=True)
class Import:
    """One imported module, and where."""

    path: Path
    line: int
    module: str
    name: str
    late: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE)}:{self.line} imports {self.module} {self.name}".rstrip()


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def part_of(path: Path) -> str:
    """`host` for host/journals/journal.py, `client` for client.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def part_named(module: str) -> str:
    """The part that `pyshell.host.journals.journal` belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def imports(path: Path) -> Iterator[Import]:
    late = {id(node) for function in functions(path) for node in ast.walk(function)}
    guarded = {id(node) for block in type_checking(path) for node in ast.walk(block)}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, "", id(node) in late, id(node) in guarded)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                module, name = _submodule(node.module or "", alias.name)
                yield Import(path, node.lineno, module, name, id(node) in late, id(node) in guarded)


def type_checking(path: Path) -> list[ast.If]:
    """The blocks that only a type checker reads."""
    blocks = [node for node in ast.walk(tree(path)) if isinstance(node, ast.If)]
    return [block for block in blocks if ast.unparse(block.test).endswith("TYPE_CHECKING")]


def _submodule(module: str, name: str) -> tuple[str, str]:
    """`from pyshell import errors` imports a module; `from pyshell.errors import StoreFull` a name."""
    if module.split(".")[0] == "pyshell":
        base = PACKAGE.joinpath(*module.split(".")[1:], name)
        if base.with_suffix(".py").exists() or base.is_dir():
            return f"{module}.{name}", ""
    return module, name


def all_imports() -> list[Import]:
    return [found for path in files() for found in imports(path)]


def ours(found: Import) -> bool:
    return found.module.split(".")[0] == "pyshell"


def test_there_is_something_to_check() -> None:
    assert len(files()) > 5
    assert sum(ours(found) for found in all_imports()) > 3


def test_every_part_has_its_layer() -> None:
    assert {part_of(path) for path in files()} <= set(LAYERS)


def test_imports_point_down() -> None:
    wrong = []
    for found in filter(ours, all_imports()):
        part, target = part_of(found.path), part_named(found.module)
        # The package itself holds the version number, and nothing that needs an import.
        if target not in {part, "frozen", *LAYERS[part]} and (found.module, found.name) != ("pyshell", "__version__"):
            wrong.append(str(found))
    assert wrong == []


def test_the_table_itself_has_no_cycle() -> None:
    remaining = dict(LAYERS)
    while remaining:
        bottom = [part for part, below in remaining.items() if not below & set(remaining)]
        assert bottom, f"a cycle among {sorted(remaining)}"
        for part in bottom:
            del remaining[part]


def test_no_module_imports_itself_by_a_detour() -> None:
    edges: dict[str, set[str]] = {}
    for path in files():
        name = ".".join(("pyshell", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        # An entry point's late imports hand over to what it starts; they run when its own module is complete.
        late = path.name in ENTRY_POINTS
        edges[name] = {
            found.module for found in imports(path) if ours(found) and not found.typing and not (late and found.late)
        } - {name}
    while edges:
        bottom = [name for name, below in edges.items() if not below & set(edges)]
        assert bottom, f"modules that import each other: {sorted(edges)}"
        for name in bottom:
            del edges[name]


@pytest.mark.parametrize(("library", "part"), ONLY_IN.items())
def test_a_library_is_known_to_one_part_only(library: str, part: str) -> None:
    users = [found for found in all_imports() if found.module.split(".")[0] == library]
    assert [str(found) for found in users if part_of(found.path) != part] == []


def test_late_imports_give_their_reason() -> None:
    wrong = []
    for found in all_imports():
        line = found.path.read_text().splitlines()[found.line - 1]
        if found.late and found.path.name not in ENTRY_POINTS and "#" not in line:
            wrong.append(str(found))
    assert wrong == []


@pytest.mark.parametrize(("part", "packages"), PACKAGES.items())
def test_the_packages_of_a_part_import_down(part: str, packages: list[str]) -> None:
    wrong = []
    for number, package in enumerate(packages):
        above = tuple(f"pyshell.{part}.{name}" for name in packages[number + 1 :])
        for path in (PACKAGE / part / package).glob("*.py"):
            wrong += [str(found) for found in imports(path) if found.module.startswith(above)]
    assert wrong == []


def test_the_host_cannot_turn_data_into_code() -> None:
    wrong = []
    for path in files():
        if part_of(path) not in HOST_IMPORTS:
            continue
        wrong += [str(found) for found in imports(path) if found.module.split(".")[0] in CODE_MODULES]
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Name) and node.id in CODE_NAMES:
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno} names {node.id}")
            if isinstance(node, ast.Attribute) and node.attr in {"import_module", "exec_module", "load_module"}:
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno} uses {node.attr}")
    assert wrong == []


def test_a_running_host_has_neither_dill_nor_urwid_in_memory() -> None:
    modules = [
        ".".join(("pyshell", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in files()
        if part_of(path) == "host" and path.name != "__main__.py"
    ]
    program = f"import sys, {', '.join(modules)}\nprint(sorted({{'dill', 'urwid', 'numpy'}} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.stdout.strip(), answer.stderr) == ("[]", "")


def test_what_runs_on_310_imports_nothing_newer() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if part_of(found.path) in RUNS_ON_310
        and (found.module in NEW_IN_311 or (found.module, found.name) in NEW_NAMES_IN_311)
    ]
    for path in (path for path in files() if part_of(path) in RUNS_ON_310):
        wrong += [f"{path}:{node.lineno} except*" for node in ast.walk(tree(path)) if isinstance(node, ast.TryStar)]
    assert wrong == []


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_says_what_it_is_and_where_it_runs(path: Path) -> None:
    lines = (ast.get_docstring(tree(path)) or "").splitlines()
    assert len(lines) >= 3, "a docstring of at least: what it is, an empty line, where it runs"
    assert lines[0].endswith((".", ":")) and not lines[1]
    assert lines[2].startswith("Runs in: ")


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_things_are_small(path: Path) -> None:
    wrong = []
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > MAX_FUNCTION:
            wrong.append(f"{function.name} has {length} lines")
        if (count := len(parameters(function))) > MAX_PARAMETERS:
            wrong.append(f"{function.name} has {count} parameters")
    lines = len(path.read_text().splitlines())
    if lines > MAX_FILE and str(path.relative_to(PACKAGE)) not in LONG_FILES:
        wrong.append(f"{lines} lines")
    assert wrong == []


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def test_a_broad_except_gives_its_reason_on_its_line() -> None:
    wrong = []
    for path in files():
        lines = path.read_text().splitlines()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and is_broad(node) and "#" not in lines[node.lineno - 1]:
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert wrong == []


def test_no_tuple_is_made_from_a_generator_where_user_code_runs() -> None:
    """Such a tuple is visible before it is complete: a cell that calls gc.get_objects() in that moment breaks it, and
    a thread of ours ends by SystemError. A tuple of a list is made in one go."""
    wrong = []
    for path in files():
        if part_of(path) not in RUNS_ON_310:
            continue
        for node in ast.walk(tree(path)):
            is_tuple = isinstance(node, ast.Call) and ast.unparse(node.func) == "tuple" and node.args
            if is_tuple and (isinstance(node.args[0], ast.GeneratorExp) or ast.unparse(node.args[0]).startswith(LAZY)):
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert wrong == []


def test_nobody_waits_for_a_time_at_a_simple_queue() -> None:
    """Until 3.13 that may be for ever: pyshell/inbox.py is for it."""
    wrong = []
    for path in files():
        for node in ast.walk(tree(path)):
            is_get = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get"
            if is_get and any(keyword.arg == "timeout" for keyword in node.keywords):
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert wrong == []


def is_broad(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False  # it cleans up and hides nothing
    if handler.type is None:
        return True
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(name, ast.Name) and name.id in ("Exception", "BaseException") for name in named)


def test_names_say_what_a_file_is() -> None:
    stems = [part for path in files() for part in path.relative_to(PACKAGE).with_suffix("").parts]
    assert [stem for stem in stems if FORBIDDEN_FILES.fullmatch(stem)] == []
    ambiguous = set(stems) & (set(sys.stdlib_module_names) | {"rpyc", "dill", "pygments"}) - {"__init__", "__main__"}
    assert ambiguous == set()


def test_only_the_command_line_reads_argv_and_the_environment() -> None:
    wrong = []
    for path in files():
        if part_of(path) not in {"cli", "starting", "client", "worker", "host"}:
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.Attribute) and node.attr in ("argv", "environ", "getenv"):
                    wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno} reads {node.attr}")
    assert wrong == []


def test_no_test_sleeps() -> None:
    wrong = []
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep", "asyncio.sleep"):
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
