"""Lay a value's repr out in the width of the terminal, as rich and IPython do. Pure.

Runs in: console.

It works on the text, not on the value: nothing of the user's runs a second time, the worker has no more to do, and
what prints itself like a call (dataclasses, models, ordered dicts) is laid out as well. A text whose brackets or quotes
do not match is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_TEXT = 50_000
"""A longer text stays as it is."""
MAX_DEPTH = 50
INDENT = 4
SHORT = 16
"""Items of no more characters stand side by side."""

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TOKEN = re.compile(
    r"""(?P<text>[bBuUrR]{0,2}(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))|(?P<open>[\[({])|(?P<close>[\])}])|(?P<comma>,\s*)"""
    r"""|(?P<angle><[^<>'"\n]*>)|[^\[\](){},'"<]+|<"""
)


class _Item(NamedTuple):
    """One thing between commas: what stands before its bracket, and what is in it."""

    flat: str
    head: str = ""
    bracket: str = ""
    items: tuple[_Item, ...] = ()
    after: str = ""
    is_call: bool = False


class _Unmatched(Exception):
    """This is no repr of containers."""


def lay_out(text: str, width: int) -> list[str]:
    """The text as lines; one, if it fits or cannot be laid out."""
    if len(text) <= width or len(text) > MAX_TEXT or "\n" in text or "\x1b" in text or not _has_brackets(text):
        return text.split("\n")
    try:
        item, at = _parse(text, 0, "", 0)
    except _Unmatched:
        return [text]
    if at != len(text) or len(item.items) != 1 or not item.items[0].items:
        return [text]
    return list(_lines(item.items[0], width, 0, ""))


def _has_brackets(text: str) -> bool:
    return text[-1] in ")]}"


def _parse(text: str, at: int, closing: str, depth: int) -> tuple[_Item, int]:
    """The items up to the closing bracket, as the items of one; where it ends."""
    if depth > MAX_DEPTH:
        raise _Unmatched
    items: list[_Item] = []
    start, inner = at, None
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _Unmatched
        if token["open"]:
            head = text[start:at]
            inside, end = _parse(text, token.end(), _CLOSING[token["open"]], depth + 1)
            # Of several brackets in one item, as in f(1)[2], only the last one is broken up.
            inner = inside._replace(head=head, bracket=token["open"])
            at = end
            continue
        if token["close"] or token["comma"]:
            if token["close"] and token["close"] != closing:
                raise _Unmatched
            flat = text[start:at]
            if flat or token["comma"]:
                items.append(_item(flat, inner, text, start))
            at, start, inner = token.end(), token.end(), None
            if token["close"]:
                return _Item("", items=tuple(items)), at
            continue
        at = token.end()
    if closing:
        raise _Unmatched
    items.append(_item(text[start:at], inner, text, start))
    return _Item("", items=tuple(items)), at


def _item(flat: str, inner: _Item | None, text: str, start: int) -> _Item:
    if inner is None:
        return _Item(flat)
    head = inner.head
    body = flat[len(head) + 1 :]
    close = body.rfind(_CLOSING[inner.bracket])
    return _Item(flat, head, inner.bracket, inner.items, body[close + 1 :])


def _lines(item: _Item, width: int, indent: int, after: str) -> Iterator[str]:
    blank = " " * indent
    if len(item.flat) + len(after) + indent <= width or not item.items:
        yield blank + item.flat + after
        return
    yield blank + item.head + item.bracket
    if all(not each.items and len(each.flat) <= SHORT for each in item.items):
        yield from _side_by_side([each.flat for each in item.items], item, width, indent + INDENT)
    else:
        for number, each in enumerate(item.items):
            is_last = number == len(item.items) - 1
            comma = "" if is_last and not _is_single(item) else ","
            yield from _lines(each, width, indent + INDENT, comma)
    yield blank + _CLOSING[item.bracket] + item.after + after


def _is_single(item: _Item) -> bool:
    """A tuple of one, whose comma must stay."""
    return len(item.items) == 1 and item.bracket == "(" and item.flat.endswith(",)" + item.after)


def _side_by_side(texts: list[str], item: _Item, width: int, indent: int) -> Iterator[str]:
    """In columns, right-aligned if they are numbers."""
    widest = max([len(text) for text in texts])
    numbers = all(text[:1] in "-0123456789" for text in texts)
    count = max(1, (width - indent + 1) // (widest + 2))
    commas = [","] * (len(texts) - 1) + ["," if _is_single(item) else ""]
    cells = [text.rjust(widest) + comma if numbers else (text + comma).ljust(widest + 1)
             for text, comma in zip(texts, commas, strict=True)]  # fmt: skip
    for at in range(0, len(cells), count):
        yield (" " * indent + " ".join(cells[at : at + count])).rstrip()
