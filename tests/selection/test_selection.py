"""The greedy engine: brute force, laws, and the traps of other implementations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UnknownName, UsageError
from variegate.selection import (
    OBJECTIVES,
    FacilityLocation,
    LogDeterminant,
    greedy,
    select,
)

quick = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def units(generator, n, d):
    x = generator.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cover(x, rows):
    return np.maximum(x @ x[list(rows)].T, 0).max(axis=1).sum() if len(rows) else 0.0


@given(seeds)
@quick
def test_facility_location_is_within_its_bound_of_the_best_and_below_its_certificate(seed):
    x = units(np.random.default_rng(seed), 12, 3)
    found = select(x, 4)
    best = max(cover(x, rows) for rows in itertools.combinations(range(12), 4))
    assert found.value == pytest.approx(cover(x, found.indices))
    assert (1 - 1 / math.e) * best <= found.value <= best + 1e-9
    assert best <= found.certificate + 1e-9
    assert (np.diff(found.gains) <= 1e-9).all()


@given(seeds)
@quick
def test_lazy_takes_the_rows_that_naive_takes(seed):
    generator = np.random.default_rng(seed)
    x, q = units(generator, 40, 5), generator.random(40)
    for quality in (None, q):
        naive, lazy = (select(x, 15, quality=quality, optimizer=o) for o in ("naive", "lazy"))
        assert naive.indices.tolist() == lazy.indices.tolist()
        assert naive.gains == pytest.approx(lazy.gains)


def test_all_rows_cover_all_rows():
    x = units(np.random.default_rng(0), 20, 4)
    assert select(x, 20).value == pytest.approx(20)


@pytest.mark.parametrize("seed", range(50))
def test_log_determinant_equals_brute_force_greedy(seed):
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((30, 12))
    kernel = features @ features.T
    found = greedy(LogDeterminant(kernel=kernel), 8)
    rows: list[int] = []
    for _ in range(8):
        rows.append(
            max(
                (i for i in range(30) if i not in rows),
                key=lambda i: np.linalg.slogdet(kernel[np.ix_([*rows, i], [*rows, i])])[1],
            )
        )
    assert found.indices.tolist() == rows
    assert found.value == pytest.approx(np.linalg.slogdet(kernel[np.ix_(rows, rows)])[1])


@given(seeds)
@quick
def test_features_and_their_kernel_take_the_same_rows_with_a_ridge(seed):
    x = units(np.random.default_rng(seed), 30, 6)
    by_features = greedy(LogDeterminant(x, ridge=0.5), 12)
    by_kernel = greedy(LogDeterminant(kernel=x @ x.T, ridge=0.5), 12)
    assert by_features.value == pytest.approx(by_kernel.value)
    rows = by_features.indices
    chosen = x[rows]
    left = np.linalg.slogdet(np.eye(12) + chosen @ chosen.T / 0.5)[1]
    right = np.linalg.slogdet(np.eye(6) + chosen.T @ chosen / 0.5)[1]
    assert (by_features.value, left) == pytest.approx((right, right))


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_without_a_ridge_it_stops_at_the_rank_and_says_so(rank):
    generator = np.random.default_rng(rank)
    x = generator.standard_normal((60, rank)) @ generator.standard_normal((rank, 20))
    found = greedy(LogDeterminant(x), 30)
    assert len(found) == rank
    assert "nothing else adds" in found.note
    assert len(greedy(LogDeterminant(x, ridge=1.0), 30)) == 30


def test_opposite_rows_are_duplicates_for_a_linear_kernel_and_quality_of_any_scale_is_one():
    x = [[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8]]
    assert greedy(LogDeterminant(x), 2).indices.tolist() == [0, 2]
    y = units(np.random.default_rng(3), 20, 5)
    q = np.random.default_rng(4).uniform(0.5, 2, 20)
    rows = [greedy(LogDeterminant(y, quality=s * q), 4).indices.tolist() for s in (1, 7)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_quality_alone_takes_the_best_rows(objective):
    generator = np.random.default_rng(0)
    q = generator.random(15)
    found = select(units(generator, 15, 4), 5, objective=objective, quality=q, alpha=1)
    assert found.indices.tolist() == np.argsort(-q)[:5].tolist()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.fault(8)
def test_fault_08_copies_only_give_a_set_without_failing(objective):
    found = select(np.ones((6, 3)), 3, objective=objective)
    assert 1 <= len(found) <= 3
    assert len(set(found.indices.tolist())) == len(found)


@pytest.mark.fault(13)
def test_fault_13_features_with_nan_are_refused_with_their_row():
    with pytest.raises(DataError, match="first 1"):
        select([[1.0, 0.0], [math.nan, 0.0]], 1)


@pytest.mark.fault(14)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_fault_14_an_empty_text_is_like_nothing(objective):
    found = select([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 2, objective=objective)
    assert np.isfinite(found.value)


def test_k_beyond_the_rows_and_other_names_are_refused():
    with pytest.raises(UsageError, match="k from 0 to the 2 rows"):
        select([[1.0], [2.0]], 3)
    with pytest.raises(UnknownName, match="facility"):
        select([[1.0]], 1, objective="facility")
    with pytest.raises(UnknownName, match="fast"):
        select([[1.0]], 1, optimizer="fast")
    assert len(select(np.zeros((0, 3)), 0)) == 0


def test_large_pools_hold_no_square_matrix():
    x = units(np.random.default_rng(0), 20_000, 8)
    objective = FacilityLocation(x)
    assert objective.gains_of(np.arange(3)) == pytest.approx(np.maximum(x[:3] @ x.T, 0).sum(axis=1))
    assert len(greedy(LogDeterminant(x, ridge=1.0), 20)) == 20
