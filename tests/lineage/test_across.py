"""Per-input and across-input variety of policies whose story is known."""

import numpy as np
import pytest

from variegate.errors import DataError, UsageError
from variegate.lineage import per_and_across_input


def directions(rng, *shape):
    rows = rng.normal(size=(*shape, 6)) + 0.7
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_a_policy_that_ignores_its_prompt_has_both_the_same():
    rng = np.random.default_rng(0)
    found = [per_and_across_input(directions(rng, 60, 8), resamples=10) for _ in range(12)]
    gaps = [f.per_input.value - f.across_input.value for f in found]
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(12) + 1e-3


def test_a_deterministic_policy_has_variety_across_inputs_only():
    one_each = directions(np.random.default_rng(1), 20)
    found = per_and_across_input(np.repeat(one_each[:, None], 5, axis=1), resamples=10)
    assert found.per_input.value == pytest.approx(0, abs=1e-12)
    pairs = 1 - one_each @ one_each.T
    assert found.across_input.value == pytest.approx(pairs[np.triu_indices(20, 1)].mean())
    assert found.across_input.low < found.across_input.value < found.across_input.high


def test_across_is_the_mean_over_every_way_to_pick_one_output_a_prompt():
    features = directions(np.random.default_rng(2), 3, 2)
    picks = [
        np.stack([features[0, a], features[1, b], features[2, c]])
        for a in (0, 1)
        for b in (0, 1)
        for c in (0, 1)
    ]
    expected = np.mean([1 - (x @ x.T)[np.triu_indices(3, 1)].mean() for x in picks])
    assert per_and_across_input(features).across_input.value == pytest.approx(expected)


def test_leave_one_out_values_are_those_of_the_smaller_set():
    features = directions(np.random.default_rng(3), 7, 3)
    error = per_and_across_input(features).across_input.settings["standard_error"]
    without = [
        per_and_across_input(np.delete(features, i, axis=0)).across_input.value for i in range(7)
    ]
    assert error == pytest.approx(np.sqrt(6 / 7 * np.var(without) * 7))


def test_lengths_of_vectors_and_numbers_of_outputs_may_differ():
    rng = np.random.default_rng(4)
    ragged = [5 * directions(rng, n) for n in (3, 1, 4)]
    found = per_and_across_input(ragged)
    assert (found.per_input.n_prompts, found.per_input.n_excluded) == (2, 1)
    assert found.across_input.n_prompts == 3


@pytest.mark.fault(10)
def test_fault_10_two_prompts_have_a_value_across_without_an_interval():
    found = per_and_across_input(directions(np.random.default_rng(5), 2, 4))
    assert np.isfinite(found.across_input.value)
    assert np.isnan(found.across_input.low)


@pytest.mark.fault(13)
def test_fault_13_nan_is_refused():
    with pytest.raises(DataError, match="NaN"):
        per_and_across_input(np.full((2, 2, 2), np.nan))
    with pytest.raises(UsageError, match="one width"):
        per_and_across_input([np.ones((2, 2)), np.ones((2, 3))])
