"""Attention across a set: permutations, sets of one, and redundancy that a single item hides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.embedding import attend, redundancy
from variegate.errors import UsageError


def units(generator, *shape):
    x = generator.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_rows_change_places_with_their_items_and_a_set_of_one_comes_back(seed):
    generator = np.random.default_rng(seed)
    x = units(generator, 6, 4)
    order = generator.permutation(6)
    assert attend(x[order]) == pytest.approx(attend(x)[order])
    assert redundancy(x[order]) == pytest.approx(redundancy(x)[order])
    assert attend(x[:1]) == pytest.approx(x[:1])
    assert redundancy(x[:1]).tolist() == [0]
    stacked = np.stack([x, x[order]])
    assert attend(stacked)[1] == pytest.approx(attend(x[order]))


def test_planted_near_copies_are_found_by_the_set_and_not_by_the_item():
    """Half of every set has a near copy elsewhere in it; items alone look all the same."""
    generator = np.random.default_rng(0)
    planted, by_set, alone = [], [], []
    direction = units(generator, 8)
    for _ in range(100):
        x = units(generator, 12, 8)
        x[6:9] = x[:3] + 0.1 * generator.standard_normal((3, 8))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        planted += [i % 6 < 3 and (i < 3 or 6 <= i < 9) for i in range(12)]
        by_set += redundancy(x).tolist()
        alone += (x @ direction).tolist()  # any score of one item at a time

    def auc(score):
        ranks = np.argsort(np.argsort(score))
        yes = np.array(planted)
        return (ranks[yes].mean() - (yes.sum() - 1) / 2) / (~yes).sum()

    assert auc(by_set) > 0.95
    assert abs(auc(alone) - 0.5) < 0.06
    with pytest.raises(UsageError, match="temperature"):
        attend([[1.0]], temperature=0)
