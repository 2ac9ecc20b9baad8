"""Selection: which few of many rows to keep, one greedy engine for many objectives.

An `Objective` knows the gain of every row that is not chosen yet and takes one row at a time;
`greedy` takes the best one k times. `select` does both by name: facility location (every row has
a likeness among the chosen), log-determinant (the chosen differ), k-center (nobody is far from
the chosen), dispersion. Quality goes in as a weight, and the result says how far from the best
possible set it can be at most. `mmr` trades relevance against likeness; `in_sparse_clusters`
keeps what falls where a pool is thin.

>>> from variegate.selection import select
>>> select([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]], 2).indices.tolist()
[0, 2]
"""

from variegate.selection._greedy import greedy
from variegate.selection._mmr import mmr
from variegate.selection._objectives import (
    Dispersion,
    FacilityLocation,
    KCenter,
    LogDeterminant,
    Objective,
)
from variegate.selection._result import Selection
from variegate.selection._select import OBJECTIVES, select
from variegate.selection._sparse import in_sparse_clusters

__all__ = [
    "select",
    "Selection",
    "OBJECTIVES",
    "greedy",
    "Objective",
    "FacilityLocation",
    "LogDeterminant",
    "KCenter",
    "Dispersion",
    "mmr",
    "in_sparse_clusters",
]
