"""Notebooks that others have published, run to their end by nbclient while their worker is killed from outside.

Runs in: tests.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import pyshell
from pyshell import starting
from pyshell.errors import PyshellError
from tests.notebooks import SECONDS, install, only_session
from tests.sessions import another, kill, until

nbformat = pytest.importorskip("nbformat", reason="the test extra has it")
nbclient = pytest.importorskip("nbclient", reason="the test extra has it")

pytestmark = [pytest.mark.science, pytest.mark.slow, pytest.mark.timeout(600)]

CELL_SECONDS = 200
"""What a cell may take, some of which compute for ten seconds where nothing else does."""

BEFORE = "before"
"""A blow between two cells: when what is before it is saved, and just before the next one is sent."""


@pytest.fixture(autouse=True)
def ended(xdg: Path) -> Iterator[None]:
    """A kernel leaves its session to another client, who may have been just about to go."""
    yield
    for name in starting.names():
        with suppress(PyshellError), starting.connect(name) as session:
            session.kill()


class Run:
    """Somebody who runs a notebook cell by cell, and after a death goes on behind what is restored."""

    def __init__(self, file: Path, blows: Mapping[int, str]) -> None:
        """`blows` says for a code cell when the worker is killed: BEFORE, or at its first event of that kind."""
        self._whole = nbformat.read(file, 4)
        self._at = [index for index, cell in enumerate(self._whole.cells) if cell.cell_type == "code" and cell.source]
        self._numbers = [0] * len(self._at)
        """Of the cells in the session, as they ran last."""
        self._blows = dict(blows)
        where = {"metadata": {"path": str(file.parent)}}
        self._client = nbclient.NotebookClient(
            self._whole, kernel_name="pyshell", timeout=CELL_SECONDS, resources=where
        )

    def execute(self) -> tuple[list[list[Any]], int]:
        """What each cell shows in the end, and how many workers it took."""
        at, known = 0, set(starting.names())
        with self._client.setup_kernel(), starting.connect(*(set(starting.names()) - known)) as session:
            while at < len(self._at):
                at = self._step(session, at)
            return [shown(self._whole.cells[index].outputs) for index in self._at], session.epoch

    def _step(self, session: pyshell.Session, at: int) -> int:
        """Run one cell; the place of the next one."""
        blow, epoch, last = self._blows.pop(at, ""), session.epoch, session.status().last_event
        striking = threading.Thread(target=strike, args=(session, blow, last))
        if blow == BEFORE:
            session.wait_saved(self._numbers[at - 1], SECONDS)
            kill(session.pid or 0)
        elif blow:
            striking.start()
        has_ended = self._execute(at)
        if striking.ident is not None:
            striking.join()
            until(session, lambda event: event.kind == "restored" and event.epoch > epoch)
            # On a busy machine the blow may come when the cell has ended: it may be saved by then, or not.
        elif has_ended:
            return at + 1
        restored = session.status().saved_cell or 0
        return sum([0 < number <= restored for number in self._numbers])

    def _execute(self, at: int) -> bool:
        cell = self._whole.cells[self._at[at]]
        try:
            self._client.execute_cell(cell, self._at[at])
        except nbclient.exceptions.CellExecutionError as exc:
            assert exc.ename == "WorkerDied", exc
            return False
        finally:
            self._numbers[at] = cell.execution_count or 0  # none if its worker was gone before it began
        return True


def strike(session: pyshell.Session, kind: str, last: int) -> None:
    """Kill the worker from outside at the first event of that kind after that number."""
    with another(session) as watching:
        until(watching, lambda event: event.kind == kind, last)
        kill(session.pid or 0)


def shown(outputs: list[Any]) -> list[Any]:
    """All but what is said of deaths and of the time that something takes, which both come by standard error."""
    kept = [output for output in outputs if output.get("name") != "stderr"]
    return [{key: value for key, value in output.items() if key != "execution_count"} for output in kept]


def published(package: str, folder: str, into: Path) -> Path:
    """A copy of a folder of an installed package, with notebooks."""
    found = find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"the test extra has {package}")
    return Path(shutil.copytree(Path(found.origin).parent / folder, into / Path(folder).name))


# --- mesa's model of segregation ----------------------------------------------------------------------------------

IMPORTS, MODEL, STEPS, FRAME, HEAD, PLOT, _, _, BATCH, TABLE, SCATTER = range(11)
"""Its code cells."""


def segregation(into: Path, blows: Mapping[int, str]) -> tuple[list[list[Any]], int]:
    folder = published("mesa", "examples/basic/schelling", into)
    model = folder / "model.py"
    # The model draws lots: each run begins with the same seed, or two of them cannot be compared.
    model.write_text(model.read_text().replace("seed=None,", "seed=7,"))
    return Run(folder / "analysis.ipynb", blows).execute()


def test_a_models_notebook_shows_the_same_whenever_its_worker_is_killed(
    xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of the notebook's folder, its objects half-way through their steps, frames, figures: all come back."""
    install(xdg, monkeypatch)
    undisturbed, workers = segregation(tmp_path / "undisturbed", {})
    assert workers == 1
    assert [output["data"]["text/plain"] for output in undisturbed[PLOT]] == [
        "<Axes: >", "<Figure size 640x480 with 1 Axes>",
    ]  # fmt: skip
    assert "image/png" in undisturbed[SCATTER][0]["data"] and "<table" in undisturbed[TABLE][0]["data"]["text/html"]
    blows = {
        MODEL: BEFORE, STEPS: BEFORE, FRAME: "started", HEAD: BEFORE, PLOT: BEFORE, BATCH: "output", TABLE: BEFORE,
        SCATTER: BEFORE,
    }  # fmt: skip
    disturbed, workers = segregation(tmp_path / "disturbed", blows)
    assert workers == 1 + len(blows)
    assert disturbed == undisturbed


# --- papermill's own ----------------------------------------------------------------------------------------------


def milled(folder: Path, name: str, parameters: Mapping[str, Any], **hooks: Any) -> list[list[Any]]:
    """What the cells of a notebook show that papermill has filled in and run; it is in `out.ipynb` then."""
    papermill = pytest.importorskip("papermill", reason="the test extra has it")
    papermill.execute_notebook(
        str(folder / name), str(folder / "out.ipynb"), dict(parameters), kernel_name="pyshell", cwd=str(folder),
        progress_bar=False, execution_timeout=CELL_SECONDS, **hooks,
    )  # fmt: skip
    return outputs_in(folder / "out.ipynb")


def outputs_in(file: Path) -> list[list[Any]]:
    return [shown(cell.outputs) for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]


def printed(text: str) -> list[Any]:
    return [{"output_type": "stream", "name": "stdout", "text": text}]


def wait_saved(cell: Any, cell_index: int, execute_reply: Any) -> None:
    """Between two cells of a notebook that papermill runs."""
    if execute_reply["content"]["status"] != "ok":
        return
    with only_session() as session:
        session.wait_saved(execute_reply["content"]["execution_count"], SECONDS)


def kill_when_saved(cell: Any, cell_index: int, execute_reply: Any) -> None:
    """The same, and a blow."""
    wait_saved(cell, cell_index, execute_reply)
    with only_session() as session:
        kill(session.pid or 0)


def test_papermill_runs_a_notebook_over_the_deaths_between_its_cells(
    xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(xdg, monkeypatch)
    folder = published("papermill", "tests/notebooks", tmp_path)
    # The notebook's parameters, papermill's values of them, a function, and what that returns.
    given = {"a": 20, "b": 22}
    last = milled(folder, "report_mode_test.ipynb", given, on_cell_executed=kill_when_saved)[-1]
    assert last == printed("42\n")


@pytest.mark.parametrize("name", ["sysexit", "sysexit0", "systemexit"])
def test_papermill_stops_where_a_notebook_exits(
    xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It takes that for the notebook's end, and for no failure."""
    install(xdg, monkeypatch)
    folder = published("papermill", "tests/notebooks", tmp_path)
    _, exits, *rest = milled(folder, f"{name}.ipynb", {})
    assert [(output["output_type"], output["ename"]) for output in exits] == [("error", "SystemExit")]
    assert rest == [[]]


def test_papermill_keeps_what_a_notebook_has_shown_before_it_dies(
    xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(xdg, monkeypatch)
    cells = [
        "rows = 1",
        "numbers = [*range(rows)]",
        "print(sum(numbers))\nimport threading; threading.Event().wait()",
        "1",
    ]
    whole = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    whole.metadata["language_info"] = {"name": "python"}
    whole.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(whole, tmp_path / "sum.ipynb")
    threads = []

    def strike_in_it(cell: Any, cell_index: int) -> None:
        if "wait" in cell.source:
            threads.append(threading.Thread(target=strike_at_output))
            threads[-1].start()

    hooks = {"on_cell_execute": strike_in_it, "on_cell_executed": wait_saved}
    with pytest.raises(Exception, match="The worker died of SIGKILL"):
        milled(tmp_path, "sum.ipynb", {"rows": 5}, **hooks)
    threads[0].join()
    *_, died, rest = outputs_in(tmp_path / "out.ipynb")
    assert (died[:-1], died[-1]["ename"], rest) == (printed("10\n"), "WorkerDied", [])
    assert "Restored in" in died[-1]["traceback"][1] and "numbers" in died[-1]["traceback"][1]


def strike_at_output() -> None:
    """Kill the worker of the only session when a cell prints."""
    with only_session() as session:
        strike(session, "output", 0)
