"""Jackknife: the textbook error of a mean, and a spectral score it must not widen."""

import numpy as np
import pytest

from variegate.errors import UsageError
from variegate.estimate import jackknife, leave_one_out


def test_mean_gives_the_textbook_t_interval():
    from scipy.stats import t

    items = np.random.default_rng(0).normal(size=9)
    estimate = jackknife(leave_one_out(items, np.mean), value=items.mean(), level=0.9)
    error = items.std(ddof=1) / 3
    assert estimate.settings["standard_error"] == pytest.approx(error)
    assert estimate.settings["bias"] == pytest.approx(0.0, abs=1e-12)
    assert estimate.high - estimate.value == pytest.approx(t.ppf(0.95, 8) * error)


def test_bias_of_the_plug_in_variance_is_found():
    items = np.random.default_rng(0).normal(size=20)
    estimate = jackknife(leave_one_out(items, np.var), value=items.var())
    assert estimate.settings["bias"] == pytest.approx(items.var() - items.var(ddof=1))


def test_vendi_error_matches_the_spread_over_fresh_draws():
    """A bootstrap over items would count duplicates as repetition; delete-one does not."""

    def vendi(features):
        values = np.linalg.eigvalsh(features @ features.T / len(features))
        values = values[values > 1e-12]
        return float(np.exp(-(values * np.log(values)).sum()))

    rng = np.random.default_rng(0)

    def draw():
        features = rng.normal(size=(60, 8)) * np.linspace(0.3, 1.5, 8)
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    truth = np.std([vendi(draw()) for _ in range(200)])
    errors = []
    for _ in range(10):
        features = draw()
        estimate = jackknife(leave_one_out(features, vendi), value=vendi(features))
        errors.append(estimate.settings["standard_error"])
    assert np.mean(errors) == pytest.approx(truth, rel=0.35)


def test_one_item_has_no_interval_and_nan_is_refused():
    assert np.isnan(jackknife([1.0], value=1.0).low)
    with pytest.raises(UsageError, match="finite"):
        jackknife([1.0, np.nan], value=1.0)
