"""A model for the stand-in: so many random directions, of which the best ones vote.

Runs in: workers that tests start.
"""

from __future__ import annotations

from typing import Any

import numpy


class RandomForestClassifier:
    def __init__(self, random_state: int, max_depth: int, min_samples_leaf: int, n_estimators: int) -> None:
        self.seed, self.depth, self.leaf, self.count = random_state, max_depth, min_samples_leaf, n_estimators

    def score(self, features: Any, labels: Any) -> float:
        rng = numpy.random.default_rng((self.seed, self.depth, self.leaf, self.count))
        votes = numpy.zeros(len(labels))
        for _ in range(100 * self.count):
            guess = features @ rng.normal(size=features.shape[1]) > 0
            right = (guess == labels).mean()
            votes += (right - 0.5) ** self.leaf * numpy.where(guess, 1, -1) * numpy.linalg.norm(features)
        return float(((votes > 0) == labels).mean())
