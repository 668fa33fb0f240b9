"""Data for the stand-in.

Runs in: workers that tests start.
"""

from __future__ import annotations

from typing import Any

import numpy


def make_classification(samples: int, columns: int, n_informative: int, random_state: int) -> tuple[Any, Any]:
    rng = numpy.random.default_rng(random_state)
    features = rng.normal(size=(samples, columns))
    return features, (features[:, :n_informative].sum(axis=1) > 0).astype(int)
