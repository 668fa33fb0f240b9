"""Measurements in many files, read one by one and summed up by group in a frame.

    pyshell run pipeline.py [FILES [ROWS]]

A file is written whole, or written again: whatever an item does outside of Python must bear being done twice.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import pyshell

count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
rows = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
source = Path("measurements")


def write_source():
    """Stand in for the data that somebody measured."""
    source.mkdir(exist_ok=True)
    random = np.random.default_rng(7)
    for number in pyshell.resume(range(count), "write"):
        frame = pd.DataFrame({"sensor": random.integers(0, 20, rows), "value": random.normal(size=rows)})
        frame.to_csv(source / f"{number:04}.csv", index=False)


def summed(chunk):
    chunk["band"] = pd.cut(chunk["value"], [-9, -1, 0, 1, 9], labels=["low", "below", "above", "high"])
    return chunk.groupby(["sensor", "band"], observed=True)["value"].agg(["count", "sum"])


if __name__ == "__main__":
    write_source()
    total = None
    seen = 0
    for path in pyshell.resume(sorted(source.glob("*.csv")), "read"):
        chunk = pd.read_csv(path)
        part = summed(chunk)
        total = part if total is None else total.add(part, fill_value=0)
        seen += len(chunk)
    means = total["sum"] / total["count"]
    print(f"{seen} rows, {len(total)} groups; the means sum up to {means.sum():.9f}")
