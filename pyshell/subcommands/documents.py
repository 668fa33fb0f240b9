"""Write the cells of a session as a script, a notebook, Markdown or a page of HTML. Pure.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import ast
import html
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyshell.errors import UsageError
from pyshell.protocol import WIDGET_VIEW, Display, Error, MimeData, Output, Recorded, Result, Stream

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
SVG, HTML = "image/svg+xml", "text/html"

Records = Sequence[Recorded]


def writer(suffix: str) -> Callable[[Records], str]:
    """What writes files of that kind; UsageError for any other."""
    if suffix not in WRITERS:
        raise UsageError(f'a file that ends in "{suffix}" cannot be written; give one in {", ".join(WRITERS)}')
    return WRITERS[suffix]


def to_script(records: Records) -> str:
    """Python, which `pyshell run` takes as well. What no Python runs, or what did not end well, stands in comments."""
    return "\n".join([_piece(cell) for cell in records])


def _piece(cell: Recorded) -> str:
    code = cell.code.rstrip("\n")
    why = "" if cell.status == "ok" else f" ({cell.status or 'not finished'})"
    if why or not _is_python(code):
        code = "\n".join([f"# {line}".rstrip() for line in code.split("\n")])
    return f"# %% In[{cell.cell}]{why}\n{code}\n"


def _is_python(code: str) -> bool:
    try:
        compile(code, "<cell>", "exec", ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def to_notebook(records: Records) -> str:
    """Jupyter's format 4.5."""
    cells = [
        {
            "cell_type": "code", "id": f"in-{cell.session[:40]}-{cell.cell}".replace(".", "-"),
            "execution_count": cell.cell, "metadata": {}, "source": cell.code.splitlines(keepends=True),
            "outputs": list(_outputs(cell)),
        }
        for cell in records
    ]  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    book = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _outputs(cell: Recorded) -> Iterator[dict[str, Any]]:
    for shown in _joined(cell):
        if isinstance(shown, Output):
            text = plain(shown.text).splitlines(keepends=True)
            yield {"output_type": "stream", "name": shown.stream, "text": text}
        elif isinstance(shown, Error):
            error = shown.error
            lines = error.traceback.splitlines()
            yield {"output_type": "error", "ename": error.kind, "evalue": error.message, "traceback": lines}
        elif isinstance(shown, Result):
            data: dict[str, Any] = {"text/plain": shown.text.splitlines(keepends=True)}
            yield {"output_type": "execute_result", "execution_count": cell.cell, "data": data, "metadata": {}}
        else:
            data = {"text/plain": shown.text, **{piece.mime: _json_or_text(piece) for piece in _lasting(shown)}}
            yield {"output_type": "display_data", "data": data, "metadata": {}}


def _json_or_text(piece: MimeData) -> Any:
    if piece.mime.endswith("json"):
        try:
            return json.loads(piece.data)
        except ValueError:  # a value may say any text
            return piece.data
    return piece.data


def to_markdown(records: Records) -> str:
    """Code in fences, and below it what it has shown, with pictures in it."""
    return "\n".join([_fenced(cell.code, "python") + "".join(map(_in_markdown, _joined(cell))) for cell in records])


def _in_markdown(shown: Output | Result | Display | Error) -> str:
    if isinstance(shown, Display):
        found = [f"![{piece.mime}](data:{piece.mime};base64,{piece.data})" for piece in _pictures(shown)]
        return "".join(f"\n{line}\n" for line in found) or (_in_text(shown.text) if shown.text else "")
    return _in_text(_text(shown))


def _in_text(text: str) -> str:
    return f"\n{_fenced(text, 'text')}"


def _fenced(text: str, language: str) -> str:
    longest = max((len(ticks) for ticks in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}\n"


PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ max-width: 60em; margin: 2em auto; padding: 0 1em; font-family: sans-serif; color: #222; background: #fff }}
pre {{ overflow-x: auto; padding: .6em .8em; margin: .3em 0; white-space: pre-wrap; overflow-wrap: anywhere }}
pre.code {{ background: #f4f4f2; border-left: 3px solid #4a7 }}
pre.error {{ background: #fdeeee }}
h2 {{ font: .85em sans-serif; color: #666; margin: 1.6em 0 .2em }}
img {{ max-width: 100% }}
iframe {{ width: 100%; border: 0; height: 24em }}
</style></head><body>
<h1>{title}</h1>
{cells}
</body></html>
"""


def to_html(records: Records) -> str:
    """One page that needs nothing else. What values say of themselves in HTML runs no scripts in it."""
    title = html.escape(records[0].session if records else "a session")
    return PAGE.format(title=title, cells="\n".join(map(_section, records)))


def _section(cell: Recorded) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(cell.time))
    ended = "" if cell.status == "ok" else f" · {cell.status or 'not finished'}"
    head = f"<h2>In[{cell.cell}] · {at}{ended}</h2>"
    return "\n".join([head, f'<pre class="code">{html.escape(cell.code)}</pre>', *map(_in_html, _joined(cell))])


def _in_html(shown: Output | Result | Display | Error) -> str:
    if isinstance(shown, Display):
        pictures = [f'<img alt="" src="data:{piece.mime};base64,{piece.data}">' for piece in _pictures(shown)]
        own = [piece.data for piece in shown.data if piece.mime in (HTML, SVG)]
        framed = [f'<iframe sandbox srcdoc="{html.escape(text)}"></iframe>' for text in own[:1]]
        return "\n".join(pictures or framed or [f"<pre>{html.escape(shown.text)}</pre>"])
    kind = ' class="error"' if isinstance(shown, Error) else ""
    return f"<pre{kind}>{html.escape(_text(shown))}</pre>"


def _lasting(shown: Display) -> list[MimeData]:
    """A widget is gone with its worker, and its text is left."""
    return [piece for piece in shown.data if piece.mime != WIDGET_VIEW]


def _pictures(shown: Display) -> list[MimeData]:
    return [piece for piece in shown.data if piece.mime in PICTURES][:1]


def _text(shown: Output | Result | Error) -> str:
    if isinstance(shown, Error):
        return plain(shown.error.traceback)
    return plain(shown.text) if isinstance(shown, Output) else shown.text


def _joined(cell: Recorded) -> Iterator[Output | Result | Display | Error]:
    """What it has shown, with output that came in pieces as one; what the user's own hook has printed comes once."""
    stream: Stream | None = None
    text = ""
    for shown in cell.shown:
        if isinstance(shown, Output) and shown.stream == stream:
            text += shown.text
            continue
        if stream is not None:
            yield Output(text, stream)
        stream = None
        if isinstance(shown, Output):
            stream, text = shown.stream, shown.text
        elif not (isinstance(shown, Error) and shown.printed):
            yield shown
    if stream is not None:
        yield Output(text, stream)


def plain(text: str) -> str:
    """Without colours, and each line as it looks in the end where it was written over."""
    lines = _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join([line.rstrip("\r").rpartition("\r")[2] for line in lines])


WRITERS: dict[str, Callable[[Records], str]] = {
    ".py": to_script, ".ipynb": to_notebook, ".md": to_markdown, ".html": to_html,
}  # fmt: skip
