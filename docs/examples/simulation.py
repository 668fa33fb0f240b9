"""Random walks until they leave a strip: a loop over seeds, whose results are collected in arrays.

    pyshell run simulation.py [SEEDS [STEPS]]
"""

import sys

import numpy as np

import pyshell

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
exits = np.full(seeds, np.nan)
paths = np.zeros(steps)

for seed in pyshell.resume(range(seeds), "walks"):
    walk = np.random.default_rng(seed).normal(size=steps).cumsum()
    outside = np.flatnonzero(abs(walk) > 50)
    if len(outside):
        exits[seed] = outside[0]
    paths += walk

left = exits[~np.isnan(exits)]
print(f"{len(left)} of {seeds} left after {left.mean():.6f} steps; the paths sum up to {paths.sum():.6f}")
