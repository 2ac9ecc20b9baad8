"""The front against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.fronts import nondominated

coordinates = st.one_of(st.integers(0, 4).map(float), st.just(float("nan")), st.just(np.inf))


def by_definition(points):
    out = []
    for p in points:
        beaten = any((q >= p).all() and (q > p).any() for q in points)
        out.append(not np.isnan(p).any() and not beaten)
    return out


@given(st.lists(st.tuples(coordinates, coordinates), max_size=12))
@settings(deadline=None, max_examples=200)
def test_it_is_the_definition(points):
    array = np.array(points, dtype=float).reshape(-1, 2)
    assert nondominated(array).tolist() == by_definition(array)


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_order_and_monotone_scales_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 6, size=(15, 2)).astype(float)
    front = nondominated(points)
    assert front.any()
    order = rng.permutation(15)
    assert (nondominated(points[order]) == front[order]).all()
    assert (nondominated(np.exp(points)) == front).all()
    assert (nondominated(points[:, ::-1]) == front).all()


def test_ties_are_kept_together_and_nan_never_wins():
    points = [[1, 1], [1, 1], [np.nan, 9], [0, 1], [1, 0]]
    assert nondominated(points).tolist() == [True, True, False, False, False]
    assert nondominated([[np.nan, 1]]).tolist() == [False]
    assert nondominated([]).tolist() == []
    assert nondominated([[-np.inf, -np.inf]]).tolist() == [True]


def test_other_shapes_are_refused():
    for wrong in (np.zeros(3), np.zeros((2, 1)), np.zeros((4, 2, 3))):
        with pytest.raises(UsageError, match=r"shape"):
            nondominated(wrong)
