"""Values that say more about themselves than their repr, and matplotlib's figures, in real sessions.

Runs in: tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from pyshell import Session, update_display
from pyshell.client import Reply
from pyshell.errors import UsageError
from pyshell.protocol import Display, Notice
from pyshell.worker.displaying import MAX_DATA, display
from tests.live import PATIENCE, live, wait_until_saved
from tests.sessions import until

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with live("displays") as session:
        yield session


def run(session: Session, code: str) -> Reply:
    reply = session.run(code, PATIENCE)
    assert reply.status == "ok", reply
    return reply


def data(shown: Display) -> dict[str, str]:
    return {one.mime: one.data for one in shown.data}


def notices(session: Session, cell: int) -> list[str]:
    last = session.status().last_event
    found = []
    for event in session.events():
        if event.cell == cell and isinstance(event.body, Notice):
            found.append(event.body.text)
        if event.seq >= last:
            return found
    return found


def test_a_result_says_more_after_its_text(session: Session) -> None:
    reply = run(session, "class Table:\n    def _repr_html_(self): return '<b>1</b>'\nTable()")
    assert reply.result is not None and reply.result.startswith("<__main__.Table")
    (shown,) = reply.displays
    assert shown.of_result and shown.text == "" and data(shown) == {"text/html": "<b>1</b>"}


def test_every_method_of_the_field(session: Session) -> None:
    reply = run(
        session,
        "class All:\n"
        "    def _repr_html_(self): return 'h'\n"
        "    def _repr_markdown_(self): return 'm'\n"
        "    def _repr_latex_(self): return 'l'\n"
        "    def _repr_svg_(self): return '<svg/>'\n"
        "    def _repr_png_(self): return b'\\x00png', {'width': 3}\n"
        "    def _repr_jpeg_(self): return b'jpeg'\n"
        "    def _repr_json_(self): return {'a': [1]}\n"
        "    def _repr_javascript_(self): return None\n"
        "All()",
    )
    (shown,) = reply.displays
    assert data(shown) == {
        "text/html": "h", "text/markdown": "m", "text/latex": "l", "image/svg+xml": "<svg/>",
        "image/png": base64.b64encode(b"\x00png").decode(), "image/jpeg": base64.b64encode(b"jpeg").decode(),
        "application/json": '{"a": [1]}',
    }  # fmt: skip
    assert json.loads(shown.metadata) == {"image/png": {"width": 3}}


def test_a_bundle_goes_before_the_methods(session: Session) -> None:
    reply = run(
        session,
        "class Bundle:\n"
        "    def _repr_mimebundle_(self, include=None, exclude=None):\n"
        "        return {'text/html': 'bundle', 'text/plain': 'as text'}, {'text/html': {'isolated': True}}\n"
        "    def _repr_html_(self): return 'method'\n"
        "display(Bundle())",
    )
    (shown,) = reply.displays
    assert shown.text == "as text" and data(shown) == {"text/html": "bundle"} and not shown.of_result
    assert json.loads(shown.metadata) == {"text/html": {"isolated": True}}


def test_what_python_has_made_says_nothing_more(session: Session) -> None:
    assert run(session, "[1, 'a']").displays == ()
    assert run(session, "class K:\n    def _repr_html_(self): return 'x'\nK").displays == ()


def test_a_broken_method_is_told_and_the_others_are_shown(session: Session) -> None:
    reply = run(
        session,
        "class Half:\n"
        "    def _repr_html_(self): raise ValueError('no table')\n"
        "    def _repr_svg_(self): return '<svg/>'\n"
        "Half()",
    )
    (shown,) = reply.displays
    assert data(shown) == {"image/svg+xml": "<svg/>"}
    assert notices(session, reply.cell) == ["Half._repr_html_ raised ValueError: no table"]


def test_what_is_too_large_is_told_and_left_out(session: Session) -> None:
    code = f"class Big:\n    def _repr_html_(self): return 'x' * {MAX_DATA + 1}\nBig()"
    reply = run(session, code)
    assert reply.displays == ()
    assert notices(session, reply.cell) == ["text/html of 4 MB is not shown: more than 4 MB"]
    almost = run(session, code.replace(str(MAX_DATA + 1), str(MAX_DATA)))
    assert len(almost.displays[0].data[0].data) == MAX_DATA


def test_displays_come_in_order_with_what_is_printed(session: Session) -> None:
    reply = run(session, "print('before'); display(1, 'two'); print('after')")
    events = until(session, lambda event: event.cell == reply.cell and event.kind == "finished")
    said = [getattr(event.body, "text", None) for event in events if event.cell == reply.cell]
    assert [text for text in said if text] == ["before\n", "1", "'two'", "after\n"]
    assert [shown.text for shown in reply.displays] == ["1", "'two'"]


def test_a_display_can_be_replaced(session: Session) -> None:
    first = run(session, "shown = display(1, display_id=True)").displays[0]
    then = run(session, "shown.update('one')").displays[0]
    assert first.display_id and not first.update
    assert then.display_id == first.display_id and then.update and then.text == "'one'"
    with pytest.raises(UsageError, match="display_id"):
        update_display(1, display_id="")


def test_raw_data(session: Session) -> None:
    (shown,) = run(session, "display({'text/plain': 'p', 'application/x+json': {'k': 1}}, raw=True)").displays
    assert shown.text == "p" and data(shown) == {"application/x+json": '{"k": 1}'}


def test_without_a_session_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    display("x", 2)
    assert capsys.readouterr().out == "'x'\n2\n"


def test_so_does_a_process_that_a_cell_has_started(session: Session) -> None:
    reply = run(
        session,
        "import os\nif (pid := os.fork()) == 0:\n    display('in a child')\n    os._exit(0)\nos.waitpid(pid, 0)[1]",
    )
    assert "'in a child'" in reply.output and reply.displays == ()


@pytest.fixture(scope="module")
def plotting() -> Iterator[Session]:
    pytest.importorskip("matplotlib")
    with live("figures") as session:
        run(session, "import matplotlib.pyplot as plt")
        yield session


@pytest.mark.science
class TestFigures:
    """Matplotlib draws into the session, unless somebody has chosen another backend."""

    @pytest.fixture
    def session(self, plotting: Session) -> Session:
        return plotting

    def test_a_figure_is_shown_at_the_end_of_the_cell_and_closed(self, session: Session) -> None:
        reply = run(session, "lines = plt.plot([1, 2])\nprint('drawn')")
        (shown,) = reply.displays
        assert shown.text == "<Figure size 640x480 with 1 Axes>"
        assert base64.b64decode(data(shown)["image/png"]).startswith(PNG)
        assert run(session, "plt.get_fignums()").result == "[]"

    def test_show_shows_at_once_and_in_order(self, session: Session) -> None:
        reply = run(session, "for n in (1, 2):\n    fig, axes = plt.subplots(n)\nplt.show()\nprint('after')")
        assert [shown.text for shown in reply.displays] == [
            "<Figure size 640x480 with 1 Axes>", "<Figure size 640x480 with 2 Axes>"
        ]  # fmt: skip
        assert reply.output == "after\n"

    def test_a_figure_as_result_is_shown_once(self, session: Session) -> None:
        (shown,) = run(session, "fig, axes = plt.subplots()\nfig").displays
        assert shown.of_result and "image/png" in data(shown)
        (again,) = run(session, "fig").displays
        assert again.of_result and "image/png" in data(again)

    def test_a_figure_of_a_cell_that_raises_is_shown_too(self, session: Session) -> None:
        reply = session.run("plt.plot([1])\n1 / 0", PATIENCE)
        assert reply.status == "error" and len(reply.displays) == 1

    def test_one_that_cannot_be_drawn_is_told(self, session: Session) -> None:
        reply = run(session, "plt.title('$\\\\frac{$')")
        assert [shown.data for shown in reply.displays] == [()]
        (told,) = notices(session, reply.cell)
        assert told.startswith("Figure.savefig raised ValueError")
        assert run(session, "plt.get_fignums()").result == "[]"

    def test_a_chosen_backend_stays(self) -> None:
        with live("chosen") as session:
            run(session, "import matplotlib\nmatplotlib.use('svg')\nimport matplotlib.pyplot as plt")
            assert run(session, "plt.plot([1])").displays == ()
            assert run(session, "matplotlib.get_backend()").result == "'svg'"
            assert run(session, "import os; os.environ.get('MPLBACKEND')").result is None

    def test_a_command_chooses_the_backend(self) -> None:
        with live("command") as session:
            assert run(session, "%matplotlib svg\n%matplotlib").output == "svg\n"
            assert run(session, "import matplotlib.pyplot as plt; plt.plot([1])").displays == ()
            assert run(session, "%matplotlib inline\n%matplotlib").output == "inline\n"
            assert len(run(session, "plt.plot([1])").displays) == 1
            reply = session.run("%matplotlib nonsense", PATIENCE)
            assert reply.error is not None and "matplotlib cannot draw with nonsense" in reply.error.message

    def test_after_a_death_figures_are_drawn_as_before(self, session: Session) -> None:
        run(session, "fig, axes = plt.subplots(); points = axes.plot([3, 1, 2])")
        wait_until_saved(session)
        assert session.run("import os; os._exit(1)", PATIENCE).status == "died"
        assert len(run(session, "fig").displays) == 1
        assert len(run(session, "plt.plot([1])").displays) == 1
