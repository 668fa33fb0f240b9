"""What cells set outside of the namespace comes back after a death: random streams, the environment, options.

Runs in: tests.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from pickle import dumps
from typing import Any

import pytest

from pyshell import Session
from pyshell.client import Reply
from pyshell.store import Environment, Setting, Store
from pyshell.worker.checkpoints import settings
from pyshell.worker.checkpoints.environment import EnvironmentRecorder, computer
from pyshell.worker.checkpoints.keepers import GONE, KEEPERS, Items, Keeper
from pyshell.worker.checkpoints.settings import MAX_BYTES, MAX_TOTAL, Returning, Settings
from tests.sessions import started, until

DIE = "import os as _os, signal as _signal; _os.kill(_os.getpid(), _signal.SIGKILL)"


def run(session: Session, code: str) -> Reply:
    """Run a cell that is to end well, and wait until its effects survive a death."""
    reply = session.run(code)
    assert reply.status == "ok", reply.error
    session.wait_saved(reply.cell)
    return reply


def die(session: Session) -> Reply:
    reply = session.run(DIE)
    assert reply.status == "died"
    return reply


def value(session: Session, expression: str) -> Any:
    result = run(session, expression).result
    assert result is not None
    return result


def stored(session: Session) -> list[tuple[str, str]]:
    """What the newest checkpoint says was set."""
    with Store.open(session._paths.store, key=None, writer=False) as store:
        assert store.head is not None
        return [(setting.keeper, setting.item) for setting in store.environment(store.head).settings]


def notices(session: Session) -> list[str]:
    """All up to the answer of a cell that is run now."""
    cell = session.run("None").cell
    events = until(session, lambda event: event.kind == "finished" and event.cell == cell)
    return [event.body.text for event in events if event.kind == "notice"]  # type: ignore[union-attr]


# --- real sessions ---------------------------------------------------------------------------------------------


def test_random_streams_go_on_as_if_nothing_had_happened(xdg: Path) -> None:
    numpy = pytest.importorskip("numpy")
    undisturbed, legacy = random.Random(7), numpy.random.RandomState(7)
    with started() as session:
        run(session, "import random, numpy as np\nrandom.seed(7); np.random.seed(7)")
        for _ in range(3):
            got = value(
                session, "random.random(), random.gauss(0, 1), float(np.random.rand()), float(np.random.randn())"
            )
            wanted = undisturbed.random(), undisturbed.gauss(0, 1), float(legacy.rand()), float(legacy.randn())
            assert got == repr(wanted)
            die(session)


def test_a_stream_that_nobody_seeded_goes_on_and_does_not_repeat(xdg: Path) -> None:
    with started() as session:
        run(session, "import random\nstate = random.getstate(); random.random()\nnow = random.getstate()")
        die(session)
        assert value(session, "random.getstate() == now, now == state") == "(True, False)"


def test_the_generator_comes_back_for_who_has_not_imported_it_in_the_namespace(xdg: Path) -> None:
    with started() as session:
        run(
            session,
            "def draw():\n    import numpy.random as r\n    return r.rand()\n__import__('numpy').random.seed(3)",
        )
        numpy = pytest.importorskip("numpy")
        legacy = numpy.random.RandomState(3)
        assert value(session, "float(draw())") == repr(float(legacy.rand()))
        die(session)
        assert value(session, "float(draw())") == repr(float(legacy.rand()))


def test_variables_of_the_environment_that_were_set_changed_and_deleted(xdg: Path) -> None:
    env = {**os.environ, "CHANGED": "1", "DELETED": "1", "LEFT": "1"}
    look = "[os.environ.get(name) for name in ('NEW', 'CHANGED', 'DELETED', 'LEFT')]"
    with started(env=env) as session:
        run(
            session,
            "import os\nos.environ['NEW'] = 'caf\\u00e9'; os.environ['CHANGED'] = '2'; del os.environ['DELETED']",
        )
        assert sorted(stored(session)) == [("os.environ", "CHANGED"), ("os.environ", "DELETED"), ("os.environ", "NEW")]
        for _ in range(2):  # what came back is kept as what was set
            die(session)
            assert value(session, look) == "['caf\u00e9', '2', None, '1']"
        run(session, "%env CHANGED=3")
        session.kill()
    with started(env={**env, "CHANGED": "3", "LEFT": "2"}) as session:  # taken up again, where it is the same by itself
        assert value(session, look) == "['caf\u00e9', '3', None, '2']"
        session.kill()
    with started(env=env) as session:
        assert value(session, look) == "['caf\u00e9', '3', None, '1']"


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_what_python_itself_lets_be_set(xdg: Path, pythons: dict[str, str], version: str) -> None:
    if version not in pythons:
        pytest.skip(f"needs Python {version}")
    with started(python=pythons[version]) as session:
        run(session, """
import decimal, logging, sys, warnings
decimal.getcontext().prec = 5
decimal.getcontext().traps[decimal.Inexact] = True
sys.setrecursionlimit(3456)
logging.getLogger("frob.x").setLevel(logging.DEBUG); logging.getLogger().setLevel(17); logging.disable(3)
class Odd(UserWarning): pass
warnings.simplefilter("error", Odd)
""")  # fmt: skip
        die(session)
        look = """
(decimal.getcontext().prec, decimal.getcontext().traps[decimal.Inexact], sys.getrecursionlimit(),
 logging.getLogger("frob.x").level, logging.getLogger().level, logging.root.manager.disable)"""
        assert value(session, look) == "(5, True, 3456, 10, 17, 3)"
        died = session.run("warnings.warn('odd', Odd)")
        assert died.error is not None and died.error.kind.endswith("Odd")
        run(session, "logging.getLogger('frob.x').setLevel(logging.NOTSET)")
        die(session)
        assert value(session, "logging.getLogger('frob.x').level") == "0"


def test_options_of_libraries(xdg: Path) -> None:
    for library in ("numpy", "pandas", "matplotlib", "polars"):
        pytest.importorskip(library)
    with started() as session:
        run(session, """
import matplotlib.pyplot as plt, numpy as np, pandas as pd, polars as pl
plt.rcParams["font.size"] = 3
np.set_printoptions(precision=2, formatter={"float": lambda x: f"<{x:.1f}>"}); np.seterr(divide="raise")
def shown(x): return f"!{x:.1f}"
pd.set_option("display.max_rows", 7, "display.float_format", shown)
pl.Config.set_tbl_rows(3).set_fmt_float("full")
""")  # fmt: skip
        run(session, "plt.rcParams['font.serif'].insert(0, 'Frob')")
        die(session)
        assert value(session, "plt.rcParams['font.size'], plt.rcParams['font.serif'][0]") == "(3.0, 'Frob')"
        assert value(session, "plt.rcParams['backend']") == repr("module://pyshell.worker.figures")
        assert value(
            session, "np.get_printoptions()['precision'], str(np.array([1.5])), np.geterr()['divide']"
        ) == repr((2, "[<1.5>]", "raise"))
        assert value(session, "pd.get_option('display.max_rows'), pd.get_option('display.float_format') is shown") == (
            "(7, True)"
        )
        assert value(session, "pl.Config.state()['POLARS_FMT_MAX_ROWS'], pl.Config.state()['set_fmt_float']") == repr(
            ("3", "full")
        )


def test_who_sets_nothing_stores_nothing_and_a_fresh_start_has_nothing(xdg: Path) -> None:
    with started() as session:
        run(session, "x = 1\nimport random, decimal, logging, os\ny = decimal.Decimal(1) / 3")
        assert stored(session) == []
        run(session, "os.environ['NEW'] = '1'; random.seed(5); decimal.getcontext().prec = 4")
        assert len(stored(session)) == 3
        epoch = session.epoch
        session.restart()
        assert value(session, "os.environ['NEW'], decimal.getcontext().prec") == "('1', 4)"
        assert session.epoch == epoch + 1
        session.restart(fresh=True)
        assert value(session, "import os, decimal\n'NEW' in os.environ, decimal.getcontext().prec") == "(False, 28)"
        assert stored(session) == []


def test_what_cannot_be_pickled_costs_only_itself_and_is_told(xdg: Path) -> None:
    pytest.importorskip("pandas")
    with started() as session:
        run(session, """
import pandas as pd, random
class Odd:
    def __reduce__(self): raise SystemExit("no")
    def __call__(self, x): return "odd"
pd.set_option("display.float_format", Odd(), "display.max_rows", 7)
random.seed(1)
""")  # fmt: skip
        run(session, "x = 1")
        (told,) = notices(session)
        assert "pd.options['display.float_format'] is not saved: " in told
        die(session)
        assert value(session, "pd.get_option('display.max_rows'), pd.get_option('display.float_format'), x") == (
            "(7, None, 1)"
        )
        assert value(session, "random.random()") == repr(random.Random(1).random())


def test_what_cannot_be_set_again_is_told(xdg: Path, tmp_path: Path) -> None:
    (tmp_path / "frob.py").write_text("class Odd(UserWarning): pass\n")
    with started() as session:
        run(session, f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport warnings, os; os.environ['NEW'] = '1'")
        run(session, "import frob; warnings.simplefilter('ignore', frob.Odd); del frob")
        session.kill()
    (tmp_path / "frob.py").unlink()
    with started() as session:
        assert value(session, "os.environ['NEW']") == "'1'"
        (told,) = [text for text in notices(session) if text.startswith("not set as in the saved state: ")]
        assert "warnings.filters (ModuleNotFoundError: " in told


def test_undo_leaves_settings_as_they_are(xdg: Path) -> None:
    with started() as session:
        run(session, "import os\nx = 1")
        run(session, "x = 2; os.environ['NEW'] = '1'")
        session.undo()
        assert value(session, "x, os.environ['NEW']") == "(1, '1')"


def test_an_old_python_and_one_of_another_version_after_it(xdg: Path, pythons: dict[str, str]) -> None:
    if not {"3.10", "3.12"} <= pythons.keys():
        pytest.skip("needs Python 3.10 and 3.12")
    stream = random.Random(2)
    with started(python=pythons["3.10"]) as session:
        run(session, "import os, random\nrandom.seed(2); os.environ['NEW'] = '1'")
        die(session)
        assert value(session, "random.random(), os.environ['NEW']") == repr((stream.random(), "1"))
        session.restart(python=pythons["3.12"])
        assert value(session, "random.random(), os.environ['NEW']") == repr((stream.random(), "1"))


# --- the parts ---------------------------------------------------------------------------------------------------


class Library:
    """Something whose settings are kept."""

    def __init__(self) -> None:
        self.items: Items = {"a": 1}
        self.is_broken = False

    def look(self, _: object) -> Items:
        if self.is_broken:
            raise OSError("broken")
        return dict(self.items)

    def put(self, _: object, item: str, value: object) -> None:
        if value is GONE:
            del self.items[item]
        else:
            self.items[item] = value


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    made = Library()
    monkeypatch.setattr(settings, "KEEPERS", (Keeper("lib", "os", made.look, made.put, is_scoped=True),))
    yield made


def recorder() -> tuple[Settings, list[str]]:
    told: list[str] = []
    found = Settings(lambda value: (dumps({"": [value]}), False))
    found.tell = told.append
    found.begin()
    return found, told


def items(found: tuple[Setting, ...]) -> list[str]:
    return [setting.item for setting in found]


def test_only_what_differs_is_kept_and_the_same_is_not_written_again(library: Library) -> None:
    kept, told = recorder()
    assert kept.record() == ()
    library.items["b"] = [2]
    (first,) = kept.record()
    assert first.item == "b" and kept.record()[0] is first
    library.items["c"] = 3
    assert items(kept.record()) == ["b", "c"] and kept.record()[0] is first
    del library.items["a"], library.items["c"]
    assert [(setting.item, bool(setting.value)) for setting in kept.record()] == [("b", True), ("a", False)]
    library.items = {"a": 1}
    assert kept.record() == () and told == []


def test_in_the_middle_of_a_cell_what_is_set_for_a_while_is_as_before(library: Library) -> None:
    kept, _ = recorder()
    library.items["b"] = 2
    assert kept.record(is_midway=True) == ()
    before = kept.record()
    library.items["c"] = 3
    assert kept.record(is_midway=True) == before != kept.record()


def test_what_fails_is_told_once_and_costs_itself(library: Library) -> None:
    kept, told = recorder()
    library.items.update(b=lambda: 0, c=3)
    assert items(kept.record()) == ["c"]
    library.items["d"] = 4
    assert items(kept.record()) == ["c", "d"]
    assert len(told) == 1 and told[0].startswith("lib['b'] is not saved: ")
    library.is_broken = True
    assert items(kept.record()) == ["c", "d"] and kept.record() and len(told) == 2
    assert "lib cannot be read" in told[1] and "broken" in told[1]


def test_what_takes_too_much_room_is_left_out_and_told(library: Library) -> None:
    kept, told = recorder()
    library.items.update(b=b"x" * MAX_BYTES, c=3)
    assert items(kept.record()) == ["c"] and len(told) == 1
    large = MAX_BYTES // 2
    library.items.update({f"d{n}": bytes([n]) * large for n in range(MAX_TOTAL // large)})
    found = kept.record()
    assert sum(len(setting.value) for setting in found) <= MAX_TOTAL and "c" in items(found)
    assert len(told) > 1 and len(found) + len(told) - 1 == 1 + MAX_TOTAL // large


def environment(*found: Setting, name: str | None = None) -> Environment:
    return replace(EnvironmentRecorder().record(), settings=found, computer=name or computer())


def setting(item: str, value: object, code_version: str = "", keeper: str = "lib") -> Setting:
    return Setting(keeper, item, b64encode(dumps({"": [value]})).decode(), code_version)


def bring(then: Environment, set_aside: tuple[str, ...] = (), crumbs: list[str] | None = None) -> Returning:
    returning = Returning(then, computer(), set_aside, (crumbs if crumbs is not None else []).append)
    returning.run(is_early=True)
    returning.run(is_early=False)
    return returning


def test_what_was_brought_back_is_kept_also_where_it_is_nothing_new(library: Library) -> None:
    kept, _ = recorder()
    returning = bring(environment(setting("b", 2), Setting("lib", "a", "", "")))
    assert library.items == {"b": 2} and returning.outcome.told() == ""
    kept.brought_back(returning.outcome.done)
    assert items(kept.record()) == ["b", "a"]
    again, _ = recorder()  # a worker that has it by itself
    again.brought_back([("lib", "b")])
    assert items(again.record()) == ["b"]


def test_a_setting_that_killed_a_worker_is_not_set_again_unless_it_is_another(library: Library) -> None:
    crumbs: list[str] = []
    bring(environment(setting("b", 2)), crumbs=crumbs)
    (crumb,) = [crumb for crumb in crumbs if crumb]
    assert crumb.split() == [crumb] and crumbs[-1] == ""
    library.items = {}
    returning = bring(environment(setting("b", 2), setting("b", 3), setting("c", 4)), (crumb,))
    assert library.items == {"b": 3, "c": 4}
    assert returning.outcome.told() == (
        "not set as in the saved state: lib['b'] (setting it crashed or hung a worker before)"
    )


def test_what_cannot_be_set_is_told_and_the_rest_is_set(library: Library) -> None:
    broken = Setting("lib", "b", b64encode(b"nothing").decode(), "")
    returning = bring(environment(broken, setting("c", 1, code_version="2.7"), setting("d", 4)))
    assert library.items == {"a": 1, "d": 4}
    assert (
        "lib['b'] (" in returning.outcome.told()
        and "lib['c'] (it holds code of Python 2.7)" in returning.outcome.told()
    )
    many = bring(environment(*[setting(str(n), n, code_version="2.7") for n in range(13)]))
    assert many.outcome.told().endswith("and 3 more")


def test_variables_of_another_computers_environment_are_not_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEFT", "1")
    then = environment(
        setting("FROB", "1", keeper="os.environ"), Setting("os.environ", "LEFT", "", ""),
        setting("", sys.getrecursionlimit(), keeper="sys.getrecursionlimit()"), name="another",
    )  # fmt: skip
    returning = bring(then)
    assert "FROB" not in os.environ and os.environ["LEFT"] == "1"
    assert returning.outcome.done == [("sys.getrecursionlimit()", "")]
    assert "os.environ['FROB'] (it was set on another computer, another)" in returning.outcome.told()


@pytest.mark.parametrize("keeper", KEEPERS, ids=lambda keeper: keeper.name)
def test_what_is_read_can_be_set(keeper: Keeper) -> None:
    """To what it is already: the tests' own process goes on with it."""
    warnings.simplefilter("ignore")  # of options that are on their way out
    module = pytest.importorskip(keeper.module)
    before = keeper.look(module)
    for item, found in before.items():
        keeper.put(module, item, found)
    after = keeper.look(module)
    assert before.keys() == after.keys()
    assert all(after[item] == found for item, found in before.items())
