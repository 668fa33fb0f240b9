"""What is measured when a namespace is saved: sessions as lists of cells, and what must hold when they come back.

Runs in: benchmarks.

The sizes are those of docs/performance.md, so that its table can be made again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """A session: (label, code) for each cell, and an expression that is true in the right state."""

    name: str
    cells: tuple[tuple[str, str], ...]
    expect: str


_NUMBERS = "import numpy as np; rng = np.random.default_rng(0)"


def _array(megabytes: int) -> Workload:
    return Workload(
        f"one array of {megabytes} MB",
        (
            ("import", _NUMBERS),
            ("create", f"a = rng.random({megabytes * 125_000})"),
            ("small", "x = 1"),
            ("x += 1", "x += 1"),
            ("read the array", "s = float(a[0]) + float(a[-1])"),
            ("change one element", "a[12345] = 5.0"),
        ),
        "a[12345] == 5.0 and x == 2",
    )


def _dicts(count: int) -> Workload:
    return Workload(
        f"{count:,} dicts",
        (
            ("create", f"d = [{{'id': i, 'name': 'user%d' % i, 'score': i * 0.5}} for i in range({count})]"),
            ("small", "x = 1"),
            ("x += 1", "x += 1"),
            ("read one", "s = d[10]['score']"),
            ("change one", "d[77]['score'] = -1.0"),
        ),
        f"d[77]['score'] == -1.0 and x == 2 and len(d) == {count}",
    )


_FRAME = Workload(
    "a frame of 94 MB",
    (
        ("import", f"{_NUMBERS}; import pandas as pd"),
        ("create", "df = pd.DataFrame(rng.random((590_000, 20)))"),
        ("small", "x = 1"),
        ("x += 1", "x += 1"),
        ("df.mean()", "m = df.mean()"),
        ("change one element", "df.iloc[5, 3] = 42.0"),
    ),
    "df.iloc[5, 3] == 42.0 and x == 2 and len(m) == 20",
)


def _mixed(scale: float) -> Workload:
    elements, rows, records = int(16_000_000 * scale), int(1_000_000 * scale), int(200_000 * scale)
    arrays = "\n".join(f"big{i} = rng.random({elements})" for i in range(6))
    smalls = "\n".join(f"v{i} = {{'n': {i}, 'l': list(range(20))}}" for i in range(200))
    classes = (
        "def scale(t, k=2):\n    return t * k\n"
        "class Acc:\n    total = 0\n    def add(self, n):\n        self.total += n\n        return self\n"
        "acc = Acc()"
    )
    return Workload(
        f"mixed, {scale:g} GB",
        (
            ("import", f"{_NUMBERS}; import pandas as pd"),
            ("six arrays", arrays),
            ("a frame", f"df = pd.DataFrame(rng.random(({rows}, 20)))"),
            ("dicts", f"recs = [{{'id': i, 'v': [i, i + 1]}} for i in range({records})]"),
            ("200 small values", smalls),
            ("definitions", classes),
            ("small", "x = 1"),
            ("x += 1", "x += 1"),
            ("change two", "v7['n'] += 1; acc.add(3)"),
            ("read an array", "s = float(big3[5])"),
            ("change one element", "big3[5] = 42.0"),
            ("call a function", "y = scale(big0[:10])"),
        ),
        "big3[5] == 42.0 and x == 2 and acc.total == 3 and v7['n'] == 8 and len(y) == 10",
    )


WORKLOADS = {
    "array": _array(1000),
    "small-array": _array(100),
    "dicts": _dicts(1_000_000),
    "mixed": _mixed(1.0),
    "small-mixed": _mixed(0.1),
    "frame": _FRAME,
}
