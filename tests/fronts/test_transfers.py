"""What other fields bring to fronts: cost of a pass, three goods, policies, curved relations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.fronts import (
    attainment,
    cost_of_pass,
    follow,
    nondominated,
    nonlinearity,
    pairwise_fronts,
    stability,
    synchrony,
)

# --- row 171: cost of a pass


def test_cost_of_pass_is_exact_and_infinite_at_zero():
    assert cost_of_pass(12.0, 0.25) == 48.0
    assert cost_of_pass(12.0, 1.0) == 12.0
    assert cost_of_pass(12.0, 0.0) == np.inf
    assert cost_of_pass(0.0, 0.0) == np.inf
    assert np.isnan(cost_of_pass(np.nan, 0.5))
    assert np.isnan(cost_of_pass(1.0, np.nan))
    for cost, rate in [(-1, 0.5), (1, 1.5), (1, -0.1)]:
        with pytest.raises(UsageError):
            cost_of_pass(cost, rate)


def test_cost_of_pass_is_the_mean_cost_of_asking_until_it_comes():
    rng = np.random.default_rng(0)
    tries = rng.geometric(0.2, size=200_000)
    assert cost_of_pass(7.0, 0.2) == pytest.approx(7 * tries.mean(), rel=0.01)


def test_equal_cost_reorders_strategies():
    accuracy = {"plain": 0.40, "long": 0.60, "agents": 0.70}
    cost = {"plain": 100.0, "long": 300.0, "agents": 2000.0}
    by_accuracy = sorted(accuracy, key=lambda name: -accuracy[name])
    by_cost = sorted(accuracy, key=lambda name: cost_of_pass(cost[name], accuracy[name]))
    assert by_accuracy == ["agents", "long", "plain"]
    assert by_cost == ["plain", "long", "agents"]
    # As often as 2,000 tokens pay for, the cheapest is right most surely.
    at_equal = {name: 1 - (1 - accuracy[name]) ** (2000 / cost[name]) for name in accuracy}
    assert sorted(at_equal, key=lambda name: -at_equal[name]) == by_cost
    # Cheaper and more right are a front, and cost of a pass picks one of its points.
    front = nondominated([[accuracy[name], -cost[name]] for name in accuracy])
    assert front.all()


# --- row 32: consistency, diversity, realism


def guided_mixture(guidance, *, prompts, seed):
    """Draws for a class of a mixture of five normals, guided: density ∝ p(x) p(class | x)^γ.

    On a fine grid, so that the guided density is exact.
    """
    centres, width = np.linspace(-2, 2, 5), 0.7
    x = np.linspace(-6, 6, 2401)
    density = np.exp(-((x[:, None] - centres) ** 2) / (2 * width**2))
    posterior = density / density.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    scores = []
    for prompt in range(prompts):
        wanted = prompt % len(centres)
        weights = density.sum(axis=1) * posterior[:, wanted] ** guidance
        at = rng.choice(len(x), size=16, p=weights / weights.sum())
        pairs = np.abs(x[at][:, None] - x[at])[np.triu_indices(16, 1)]
        scores.append(
            (
                posterior[at, wanted].mean(),  # consistency: is it of the class asked for
                pairs.mean(),  # diversity: how far apart
                np.log(density[at].sum(axis=1)).mean(),  # realism: how likely at all
            )
        )
    return np.array(scores)


def test_guidance_buys_fidelity_with_diversity_and_the_planes_disagree():
    knobs = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]
    runs = np.stack([guided_mixture(g, prompts=60, seed=1) for g in knobs])
    consistency, diversity, realism = runs.mean(axis=1).T
    assert (np.diff(consistency) > 0).all()
    assert (np.diff(diversity) < 0).all()
    fronts = pairwise_fronts(
        {"consistency": consistency, "diversity": diversity, "realism": realism}
    )
    assert list(fronts) == [
        ("consistency", "diversity"),
        ("consistency", "realism"),
        ("diversity", "realism"),
    ]
    # Where fidelity is bought with diversity every knob is on the front; where both goods come
    # together or are lost together, hardly one is.
    assert fronts["consistency", "diversity"].all()
    assert fronts["consistency", "realism"].sum() < len(knobs)
    for (a, b), front in fronts.items():
        columns = {"consistency": consistency, "diversity": diversity, "realism": realism}
        expected = nondominated(np.column_stack([columns[a], columns[b]]))
        assert front.tolist() == expected.tolist()

    rng = np.random.default_rng(2)
    picks = rng.integers(0, 60, size=(200, 60))
    resampled = runs[:, picks].mean(axis=2).transpose(1, 0, 2)  # (200, knobs, 3)
    band = attainment(resampled[..., :2])
    sure, middle, bold = band.surfaces[::-1]
    inside = ~np.isnan(sure)
    assert (sure[inside] <= middle[inside]).all()
    assert (middle[inside] <= bold[inside]).all()
    # A second sweep with other draws lies within the band it should lie in, mostly.
    again = np.stack([guided_mixture(g, prompts=60, seed=9) for g in knobs]).mean(axis=1)
    height = np.interp(again[:, 0], band.x, np.where(inside, sure, -np.inf))
    assert (again[:, 1] >= height - 0.05).mean() > 0.8


def test_a_missing_score_spoils_only_its_own_planes():
    fronts = pairwise_fronts({"a": [1, 0], "b": [1, 0], "c": [np.nan, 0]})
    assert fronts["a", "b"].tolist() == [True, False]
    assert fronts["a", "c"].tolist() == [False, True]
    with pytest.raises(UsageError):
        pairwise_fronts({"a": [1, 0]})
    with pytest.raises(UsageError):
        pairwise_fronts({"a": [1, 0], "b": [1]})


# --- row 168: a family of policies


def dialogue(seed, turns=400, axes=8):
    """A partner whose style drifts slowly and jumps about it from turn to turn."""
    rng = np.random.default_rng(seed)
    drift = 0.5 + 0.3 * np.sin(np.linspace(0, 6 * np.pi, turns)[:, None] + np.arange(axes))
    return np.clip(drift + rng.normal(0, 0.15, size=(turns, axes)), 0, 1)


def test_the_two_ends_of_the_family():
    partner = dialogue(0)
    assert (follow(partner) == partner).all()
    assert synchrony(follow(partner), partner) == 1.0
    for still in ({"cap": 0.0}, {"smoothing": 0.0}, {"dead_band": 9.0}):
        assert stability(follow(partner, **still)) == 1.0
    assert stability(partner[:1]) == 1.0
    assert synchrony([[0.0, 0.0]], [[1.0, 1.0]]) == pytest.approx(0.0)


@pytest.mark.parametrize("seed", range(5))
def test_the_hybrid_of_smoothing_and_cap_is_on_the_front(seed):
    partner = dialogue(seed)
    family = {
        "uncapped": {},
        "cap": {"cap": 0.05},
        "smooth": {"smoothing": 0.3},
        "dead band": {"dead_band": 0.15},
        "hybrid": {"smoothing": 0.3, "cap": 0.05},
        "still": {"cap": 0.0},
    }
    places = []
    for policy in family.values():
        states = follow(partner, **policy)
        places.append((synchrony(states, partner), stability(states)))
    front = dict(zip(family, nondominated(places), strict=True))
    assert front["uncapped"]
    assert front["hybrid"]
    assert front["still"]
    at = dict(zip(family, places, strict=True))
    assert at["hybrid"][1] > at["uncapped"][1]
    assert at["hybrid"][0] < at["uncapped"][0]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
@settings(deadline=None, max_examples=30)
def test_no_step_passes_the_cap_or_the_target(smoothing, cap, dead_band):
    partner = dialogue(3, turns=30, axes=2)
    states = follow(partner, smoothing=smoothing, cap=cap, dead_band=dead_band)
    assert np.abs(np.diff(states, axis=0)).max() <= cap + 1e-12
    assert states.min() >= 0
    assert states.max() <= 1


def test_policies_refuse_what_they_cannot_do():
    for settings_ in ({"smoothing": 2.0}, {"cap": -1.0}, {"dead_band": -0.1}):
        with pytest.raises(UsageError):
            follow([[0.0]], **settings_)
    with pytest.raises(UsageError):
        follow([0.0])
    with pytest.raises(UsageError):
        synchrony([[0.0]], [[0.0], [1.0]])
    with pytest.raises(UsageError):
        stability([])


# --- row 156: a relation that bends


def moon(n, seed, scatter=0.03):
    """Checkpoints on the upper half of a ring."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, n)
    x, y = np.cos(angle), np.sin(angle)
    return x + rng.normal(0, scatter, n), y + rng.normal(0, scatter, n)


def test_a_moon_is_no_line_and_its_slope_would_mislead():
    for seed in range(20):
        found = nonlinearity(*moon(40, seed))
        assert found.p_value < 1e-6
        assert found.gain > 0.5
        assert found.fit < 0.5


def test_a_line_is_rejected_as_often_as_the_level_says():
    rng, rejected = np.random.default_rng(0), 0
    for _ in range(600):
        x = rng.uniform(0, 1, 25)
        rejected += nonlinearity(x, 2 * x - 1 + rng.normal(0, 0.2, 25)).p_value < 0.05
    assert 0.03 < rejected / 600 < 0.075


@given(st.floats(-5, 5), st.floats(0.1, 10), st.floats(-100, 100))
@settings(deadline=None, max_examples=30)
def test_units_do_not_change_the_verdict(slope, scale, shift):
    x, y = moon(30, 4)
    here = nonlinearity(x, y)
    there = nonlinearity(scale * x + shift, y + slope * (scale * x + shift))
    assert there.gain == pytest.approx(here.gain, abs=1e-6)
    assert there.p_value == pytest.approx(here.p_value, rel=1e-3)
    assert there.slope == pytest.approx(here.slope / scale + slope, abs=1e-9)


def test_exact_lines_exact_curves_and_too_few_points():
    x = np.arange(8.0)
    line, curve = nonlinearity(x, 3 * x - 1), nonlinearity(x, x**2)
    assert (line.p_value, line.gain, line.slope) == (1.0, 0.0, pytest.approx(3.0))
    assert (curve.p_value, curve.gain) == (0.0, 1.0)
    assert np.isnan(nonlinearity(x[:4], x[:4] ** 2).p_value)
    assert np.isnan(nonlinearity([0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1]).p_value)
    assert np.isnan(nonlinearity([1, 1], [0, 1]).slope)
    assert nonlinearity([*x, np.nan], [*x, 0]).n == 8
    with pytest.raises(UsageError):
        nonlinearity([1, 2], [1])
