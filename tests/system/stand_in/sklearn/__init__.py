"""Just enough of scikit-learn for the example of a grid search, where the library (150 MB) is not installed.

Runs in: workers that tests start, and plain Python beside them. What it computes is as long, and as much the same each
time, as what it stands for; the example itself is run with the library wherever that is there.
"""
