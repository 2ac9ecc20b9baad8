"""KL from samples: values on an enumerated distribution."""

import numpy as np
import pytest

from variegate.divergences import kl, kl_samples
from variegate.errors import UnknownName

P = np.array([0.5, 0.3, 0.2])
Q = np.array([0.6, 0.3, 0.1])


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_k1_and_k3_are_unbiased(estimator):
    terms = kl_samples(np.log(P), np.log(Q), estimator=estimator)
    assert float((P * terms).sum()) == pytest.approx(float(kl(P, Q)), abs=1e-15)


def test_k3_is_never_negative_and_varies_less_than_k1():
    k1 = kl_samples(np.log(P), np.log(Q), estimator="k1")
    k3 = kl_samples(np.log(P), np.log(Q))
    assert (k3 >= 0).all()
    assert (P * k3**2).sum() < (P * k1**2).sum()


def test_k2_is_right_to_second_order():
    nearby = P + 1e-4 * np.array([1.0, -2.0, 1.0])
    terms = kl_samples(np.log(nearby), np.log(P), estimator="k2")
    assert (nearby * terms).sum() == pytest.approx(float(kl(nearby, P)), rel=1e-3)


def test_unknown_estimator_is_named():
    with pytest.raises(UnknownName, match="k4"):
        kl_samples([0.0], [0.0], estimator="k4")
