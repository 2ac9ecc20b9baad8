"""NLI diversity: its ends, its sign, and the published slip."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.metrics import nli_diversity

CONTRADICTION, NEUTRAL, ENTAILMENT = np.eye(3)


def everywhere(relation, n=4):
    return np.broadcast_to(relation, (n, n, 3))


@pytest.mark.parametrize(
    ("relation", "value"), [(CONTRADICTION, 1), (NEUTRAL, 0), (ENTAILMENT, -1)]
)
def test_all_pairs_of_one_kind(relation, value):
    assert nli_diversity(everywhere(relation)) == value
    assert nli_diversity(everywhere(relation), weighted=False) == value


def test_contradictions_lower_the_published_number_and_raise_ours():
    assert nli_diversity(everywhere(CONTRADICTION), compat="kirk") == -1
    assert nli_diversity(everywhere(NEUTRAL), compat="kirk") == 1
    assert nli_diversity(everywhere(ENTAILMENT), compat="kirk") == 3


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_it_equals_the_loop_over_pairs_and_does_not_mind_their_order(seed):
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.ones(3), size=(5, 5))
    loop = [p[i, j, 0] - p[i, j, 2] for i in range(5) for j in range(5) if i != j]
    assert nli_diversity(p) == pytest.approx(np.mean(loop))
    order = generator.permutation(5)
    assert nli_diversity(p[np.ix_(order, order)]) == pytest.approx(nli_diversity(p))
    kirk = []
    for i in range(5):
        for j in range(i):
            pair = [(p[a, b].argmax(), p[a, b].max()) for a, b in ((i, j), (j, i))]
            kirk.append(sum(s if k == 0 else -s if k == 2 else 0 for k, s in pair))
    assert nli_diversity(p, compat="kirk") == pytest.approx(1 - np.mean(kirk))


@pytest.mark.fault(10)
def test_fault_10_one_output_has_no_pairs():
    assert math.isnan(nli_diversity(everywhere(NEUTRAL, n=1)))
    with pytest.raises(UsageError, match="shape"):
        nli_diversity(np.zeros((2, 2)))
