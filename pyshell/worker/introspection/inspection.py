"""Describe what is under the cursor without running any of its code.

Runs in: worker, on its RPC thread, also while a cell runs.
"""

from __future__ import annotations

from typing import Any

from pyshell.protocol import Call, Inspection
from pyshell.typed.around import Around, around
from pyshell.worker.introspection.describing import children_of, dtype_of, line_of, shape_of, size_of
from pyshell.worker.introspection.resolving import follow
from pyshell.worker.introspection.signatures import Signature, signature_of
from pyshell.worker.introspection.sources import describe_property, doc_of, place_of, source_of
from pyshell.worker.looking import UNKNOWN, OfClass, type_name

MAX_ITEMS = 20
"""Items of a container that are shown."""
MAX_FILE_NAME = 4096


def inspect(variables: dict[str, Any], code: str, cursor_pos: int, detail: int = 0) -> Inspection:
    """The expression around the cursor; where there is none, or it means nothing, what is called there."""
    where = around(code, cursor_pos)
    name, value = where.name, _meant(variables, where.name)
    call = _call(variables, where)
    if value is UNKNOWN and where.callee:
        name, value = where.callee, _meant(variables, where.callee)
    if value is UNKNOWN:
        return Inspection(False, where.name, "", "", "", "", 0, "", "", call=call)
    is_object = type(value) is not OfClass
    about = value if is_object else value.cls
    file, line = place_of(about)
    return Inspection(
        True, name, type_name(value), str(signature_of(value) or "") if is_object else "", doc_of(about),
        file[:MAX_FILE_NAME], line, source_of(about) if detail > 0 else "", line_of(value), shape_of(value),
        dtype_of(value), size_of(value), children_of(value, name, 0, MAX_ITEMS).children, call,
    )  # fmt: skip


def _meant(variables: dict[str, Any], name: str) -> Any:
    """The value; of a property, which would have to be run, the property itself."""
    value = follow(variables, name) if name else UNKNOWN
    owner, dot, last = name.rpartition(".")
    is_known = value is not UNKNOWN and (type(value) is not OfClass or value.frame is not None)
    holder = follow(variables, owner) if dot and last.isidentifier() and not is_known else UNKNOWN
    found = describe_property(holder, last) if holder is not UNKNOWN else UNKNOWN
    return value if found is UNKNOWN else found


def _call(variables: dict[str, Any], where: Around) -> Call | None:
    function = _meant(variables, where.callee) if where.callee else UNKNOWN
    found = signature_of(function) if function is not UNKNOWN else None
    if found is None:
        return None
    shown = tuple([str(parameter) for parameter in found.parameters])
    return Call(where.callee, str(found), shown, _current(found, where))


def _current(signature: Signature, where: Around) -> int | None:
    return signature.current(where.argument) if not signature.text else None
