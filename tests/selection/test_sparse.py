"""Rows that fall where a pool is thin."""

from __future__ import annotations

import numpy as np
import pytest

from variegate.errors import UsageError
from variegate.metrics import vendi
from variegate.selection import in_sparse_clusters


def pool(generator, sizes, d=8):
    centres = generator.standard_normal((len(sizes), d)) * 3
    which = np.repeat(np.arange(len(sizes)), sizes)
    return centres[which] + 0.2 * generator.standard_normal((len(which), d)), which


def test_the_thin_modes_are_kept_and_the_thick_ones_are_not():
    generator = np.random.default_rng(0)
    x, which = pool(generator, [80, 80, 10, 10])
    kept = in_sparse_clusters(x, clusters=4)
    assert kept[which >= 2].all()
    assert not kept[which < 2].any()
    fresh = x[which == 2][:3] + 0.01
    assert in_sparse_clusters(x, fresh, clusters=4).all()


def test_adding_only_sparse_rows_raises_the_vendi_score_more_than_adding_any():
    generator = np.random.default_rng(1)
    x, _ = pool(generator, [120, 60, 20, 10, 5], d=16)
    fresh, _ = pool(np.random.default_rng(1), [40] * 5, d=16)
    kept = fresh[in_sparse_clusters(x, fresh, seed=0)]
    n = len(kept)
    any_rows = fresh[np.random.default_rng(2).permutation(len(fresh))[:n]]
    assert vendi(np.concatenate([x, kept])) > vendi(np.concatenate([x, any_rows]))


@pytest.mark.fault(37)
def test_fault_37_more_clusters_than_rows_and_copies_only_are_fine():
    assert in_sparse_clusters(np.ones((5, 2)), clusters=9).all()
    assert in_sparse_clusters(np.eye(3), clusters=9).sum() >= 1
    with pytest.raises(UsageError, match="pool"):
        in_sparse_clusters(np.zeros((0, 2)))
