"""A grid search: each point of the grid is an item, its score is kept.

    pyshell run search.py [SAMPLES]
"""

import sys

from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import ParameterGrid, cross_val_score

import pyshell

samples = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
features, labels = make_classification(samples, 20, n_informative=8, random_state=1)
grid = ParameterGrid({"max_depth": [2, 4, 8], "min_samples_leaf": [1, 4], "n_estimators": [10, 20, 40]})
scores = []

for parameters in pyshell.resume(grid, "grid"):
    model = RandomForestClassifier(random_state=0, **parameters)
    scores.append((cross_val_score(model, features, labels, cv=3).mean(), str(parameters)))

best, parameters = max(scores)
print(f"{len(scores)} points; {best:.9f} with {parameters}")
