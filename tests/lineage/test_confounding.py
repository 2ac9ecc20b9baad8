"""The causal bound on enumerated models with a hidden cause."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.divergences import kl, total_variation
from variegate.errors import UsageError
from variegate.lineage import causal_bound


@given(st.integers(0, 100_000))
@settings(deadline=None, max_examples=150)
def test_the_interventional_truth_is_always_inside(seed):
    """Hidden U of four values chooses the stage and shapes the outcome of three values."""
    rng = np.random.default_rng(seed)
    hidden = rng.dirichlet([0.5] * 4)
    chosen = rng.beta(0.5, 0.5, size=4) * 0.98 + 0.01  # P(stage | u)
    outcome = rng.dirichlet([0.5] * 3, size=4)  # P(y | stage, u)
    levels = np.array([0.0, 0.3, 1.0])
    propensity = float(hidden @ chosen)
    seen = (hidden * chosen) @ outcome / propensity
    truth = hidden @ outcome  # P(y | do(stage))
    bound = causal_bound(min(float(seen @ levels), 1.0), propensity=propensity)
    assert bound.low - 1e-12 <= float(truth @ levels) <= bound.high + 1e-12
    seen, truth = seen / seen.sum(), truth / truth.sum()
    assert float(kl(seen, truth)) <= bound.divergence + 1e-12
    assert float(total_variation(seen, truth)) <= bound.total_variation + 1e-12


def test_the_bound_is_reached():
    """All that was not seen stands at an end."""
    bound = causal_bound(1.0, propensity=0.25)
    assert (bound.low, bound.high) == (0.25, 1.0)
    assert float(kl([1.0, 0.0], [0.25, 0.75])) == pytest.approx(bound.divergence)
    assert float(total_variation([1.0, 0.0], [0.25, 0.75])) == bound.total_variation


def test_everything_seen_leaves_no_doubt():
    bound = causal_bound(0.3, propensity=1.0)
    assert (bound.low, bound.high, bound.divergence) == (0.3, 0.3, 0.0)


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="propensity"):
        causal_bound(0.3, propensity=0.0)
    with pytest.raises(UsageError, match="mean from"):
        causal_bound(1.3, propensity=0.5)
