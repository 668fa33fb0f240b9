"""Reports, texts and fences: nothing overtakes, nothing is lost, each side comes after what preceded it on the other.

Runs in: tests.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyshell.host.processes.ordering import Item, Ordering
from pyshell.protocol import Notice, Report


def report(number: int, fence: int) -> Report:
    return Report(fence, None, Notice(str(number)))


made = st.lists(st.sampled_from(["text", "report", "report without order"]))
"""What a worker does, one after the other."""


def both_ways(made: list[str]) -> tuple[list[Item], list[str | int], list[Report]]:
    """In the order in which it was made; as the terminal brings it; as the link brings it."""
    whole: list[Item] = []
    terminal: list[str | int] = []
    link: list[Report] = []
    for number, what in enumerate(made, 1):
        if what == "text":
            whole.append(f"text {number}")
            terminal.append(f"text {number}")
            continue
        link.append(report(number, number if what == "report" else 0))
        if what == "report":
            terminal.append(number)
            whole.append(link[-1])
    return whole, terminal, link


@given(made, st.data())
def test_what_was_made_in_order_comes_out_in_order(made: list[str], data: st.DataObject) -> None:
    whole, terminal, link = both_ways(made)
    ordering = Ordering()
    out: list[Item] = []
    while terminal or link:
        if not link or (terminal and data.draw(st.booleans())):
            out += ordering.output(terminal.pop(0))
        else:
            out += ordering.report(link.pop(0))
    assert [item for item in out if isinstance(item, str) or item.fence] == whole
    assert ordering.give_up_all() == [] and ordering.first() is None and ordering.holding() == 0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.integers(0, 5)), st.tuples(st.just("fence"), st.integers(1, 5)),
        st.tuples(st.just("text"), st.integers(0, 5)),
    )
)  # fmt: skip
"""Fences that are missing, doubled or forged, too."""


@given(steps)
def test_whatever_comes_nothing_is_lost_and_nothing_overtakes_its_like(steps: list[tuple[str, int]]) -> None:
    ordering, out = Ordering(), list[Item]()
    reports, texts = [], []
    for number, (what, fence) in enumerate(steps):
        if what == "report":
            reports.append(report(number, fence))
            out += ordering.report(reports[-1])
        elif what == "text":
            texts.append(str(number))
            out += ordering.output(texts[-1])
        else:
            out += ordering.output(fence)
    out += ordering.give_up_all()
    assert [item for item in out if isinstance(item, Report)] == reports
    assert [item for item in out if isinstance(item, str)] == texts
    assert ordering.first() is None and ordering.holding() == 0


@given(st.lists(st.integers(0, 5)))
def test_giving_up_again_and_again_gives_out_every_report(fences: list[int]) -> None:
    ordering, out = Ordering(), list[Item]()
    reports = [report(number, fence) for number, fence in enumerate(fences)]
    for item in reports:
        out += ordering.report(item)
    while ordering.first() is not None:
        due = ordering.give_up()
        assert due
        out += due
    assert out == reports
    assert ordering.give_up() == []


def test_a_fence_that_came_first_is_remembered_and_holds_the_text_after_it() -> None:
    ordering = Ordering()
    assert ordering.output("before") == ["before"]
    assert ordering.output(3) == []
    assert ordering.output("after") == []
    assert ordering.holding() == 3
    first = report(1, 3)
    assert ordering.report(first) == [first, "after"]
    assert ordering.holding() == 0


def test_text_after_a_fence_that_nobody_reports_is_given_up() -> None:
    ordering = Ordering()
    assert ordering.output(3) == [] and ordering.output("after") == [] and ordering.output(4) == []
    assert ordering.give_up_holding() == ["after"]
    assert ordering.output("more") == []
    assert ordering.give_up_holding() == ["more"]
