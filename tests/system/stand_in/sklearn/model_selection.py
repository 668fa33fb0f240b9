"""The grid of the stand-in, which is the library's, and a score.

Runs in: workers that tests start.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy


class ParameterGrid:
    def __init__(self, grid: dict[str, Sequence[int]]) -> None:
        self.grid = grid

    def __len__(self) -> int:
        return int(numpy.prod([len(values) for values in self.grid.values()]))

    def __iter__(self) -> Iterator[dict[str, int]]:
        for values in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, values))


def cross_val_score(model: Any, features: Any, labels: Any, cv: int) -> Any:
    return numpy.array([model.score(features[part::cv], labels[part::cv]) for part in range(cv)])
