"""Rules on several contexts: worked cases, limits, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from variegate.decoding import (
    contrast,
    entropy,
    kl_temperature,
    mixture,
    rule,
    steer,
    temperature,
    uscd,
)
from variegate.divergences import kl
from variegate.errors import DataError, UsageError

TUNED, BASE, NEGATIVE = np.log([[0.6, 0.3, 0.1], [0.4, 0.4, 0.2], [0.7, 0.2, 0.1]])


def normalised(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def contexts(number: int) -> st.SearchStrategy[np.ndarray]:
    return (
        st.integers(2, 20)
        .flatmap(
            lambda v: hnp.arrays(
                np.float64, (number, 2, v), elements=st.integers(-900, 900).map(lambda x: x / 177)
            )
        )
        .map(normalised)
    )


LAWS = settings(deadline=None, max_examples=60)


@pytest.mark.parametrize(
    ("gamma", "eta", "expected"),
    [
        (1.0, 0.0, (0.7660, 0.1915, 0.0426)),
        (0.0, 0.5, (0.4208, 0.3936, 0.1856)),
        (1.0, 0.5, (0.6193, 0.2897, 0.0910)),
    ],
)
def test_worked_steer(gamma, eta, expected):
    out = steer(TUNED, BASE, NEGATIVE, gamma=gamma, eta=eta)
    assert np.exp(out) == pytest.approx(expected, abs=5e-5)


def test_steer_without_strength_is_the_tuned_model():
    assert steer(TUNED, BASE, NEGATIVE, gamma=0, eta=0) is TUNED
    assert steer(TUNED, None, None, gamma=0, eta=0) is TUNED
    with pytest.raises(UsageError, match="lp_base"):
        steer(TUNED, None, NEGATIVE, gamma=1, eta=0)


@LAWS
@given(contexts(3), st.floats(0, 3), st.floats(0, 2))
def test_steer_laws(three, gamma, eta):
    tuned, base, negative = three
    assert steer(tuned, tuned, None, gamma=gamma, eta=0, plausibility=0) == pytest.approx(
        tuned, abs=1e-9
    )
    # eta also flattens, as a temperature of 1 / (1 - eta), unless the weights sum to 1.
    if eta < 0.9:
        flat = steer(tuned, None, tuned, gamma=0, eta=eta, plausibility=0)
        assert flat == pytest.approx(temperature(tuned, temperature=1 / (1 - eta)), abs=1e-8)
    kept = steer(tuned, None, tuned, gamma=0, eta=eta, plausibility=0, normalised=True)
    assert kept == pytest.approx(tuned, abs=1e-8)
    out = steer(tuned, base, negative, gamma=gamma, eta=eta)
    assert np.exp(out).sum(-1) == pytest.approx(1)
    if gamma or eta:
        plausible = tuned >= tuned.max(-1, keepdims=True) + np.log(0.1) - 1e-12
        assert ((out > -np.inf) == plausible).all()


def test_worked_kl_temperature():
    p, q = TUNED, BASE
    assert kl(np.exp(p), np.exp(q)) == pytest.approx(0.08766, abs=5e-6)
    assert kl_temperature(p, q) == pytest.approx(temperature(p, temperature=0.94105), abs=1e-5)
    halved = kl_temperature(p, q, sigma=float(kl(np.exp(p), np.exp(q))), temperature=0.8)
    assert halved == pytest.approx(temperature(p, temperature=0.4), abs=1e-9)
    assert kl_temperature(p, q, sigma=0) == pytest.approx(p, abs=1e-12)
    assert kl_temperature(p, q, sigma=1e12) == pytest.approx(p, abs=1e-9)


@LAWS
@given(contexts(2), st.floats(0.01, 10), st.floats(0.1, 2))
def test_kl_temperature_never_heats(two, sigma, t0):
    p, q = two
    out = kl_temperature(p, q, sigma=sigma, temperature=t0)
    assert (entropy(out) <= entropy(temperature(p, temperature=t0)) + 1e-9).all()
    same = kl_temperature(p, p, sigma=sigma, temperature=t0)
    assert same == pytest.approx(temperature(p, temperature=t0), abs=1e-12)


def test_a_context_that_excludes_a_token_does_not_make_the_temperature_nothing():
    p, q = np.log([0.5, 0.5]), np.array([0.0, -np.inf])
    assert np.isfinite(kl_temperature(p, q)).all()


@LAWS
@given(contexts(2), st.floats(0, 3))
def test_contrast_laws(two, beta):
    expert, amateur = two
    plausible = expert >= expert.max(-1, keepdims=True) + np.log(0.1) - 1e-12
    flat = contrast(expert, expert, beta=None)
    assert np.exp(flat) == pytest.approx(plausible / plausible.sum(-1, keepdims=True))
    same = contrast(expert, expert, beta=beta)
    none = contrast(expert, amateur, beta=0)
    share = np.where(plausible, np.exp(expert), 0)
    for out in (same, none):
        assert np.exp(out) == pytest.approx(share / share.sum(-1, keepdims=True))
    # Adding a constant to an amateur's scores changes nothing after the softmax.
    full = contrast(expert, amateur, beta=beta, plausibility=0)
    assert full == pytest.approx(normalised((1 + beta) * expert - beta * amateur), abs=1e-9)
    original = contrast(expert, amateur, beta=None, plausibility=0)
    assert original == pytest.approx(normalised(expert - amateur), abs=1e-9)


def test_an_amateur_without_a_plausible_token_is_refused():
    with pytest.raises(UsageError, match="infinite") as caught:
        contrast(np.log([0.6, 0.4]), np.array([0.0, -np.inf]))
    assert "after combining" in caught.value.hint


def test_uscd_leaves_sure_steps_and_unit_weights_alone():
    sure = np.log(np.array([0.97, 0.01, 0.01, 0.01]))
    lame = np.log(np.array([0.1, 0.3, 0.3, 0.3]))
    assert uscd(sure, lame, theta=0.3) is sure
    unsure = np.log(np.array([0.4, 0.3, 0.28, 0.02]))
    unit = np.exp(uscd(unsure, lame, theta=0.5, weights=(1, 0)))
    assert unit == pytest.approx(np.array([0.4, 0.3, 0.28, 0]) / 0.98)
    assert uscd(unsure, lame, theta=0.5, weights=(1, 0), ratio=0) == pytest.approx(unsure)
    # Spread over the vocabulary: 0 for equals, 1/sqrt(V) for certainty.
    certain = np.array([0.0, -np.inf, -np.inf, -np.inf])
    assert uscd(certain, lame, theta=0.499) is certain
    flat = np.log(np.full(4, 0.25))
    assert uscd(flat, lame, theta=0.0) is not flat


def test_uscd_keeps_the_standard_where_nothing_positive_is_left():
    p = np.log(np.array([0.5, 0.5]))
    assert uscd(p, p, theta=1.0, weights=(1, -2)) == pytest.approx(p)
    rows = np.log(np.array([[0.5, 0.5], [0.6, 0.4]]))
    lame = np.log(np.array([[0.5, 0.5], [0.1, 0.9]]))
    out = uscd(rows, lame, theta=1.0, weights=(1, -1))
    assert np.exp(out) == pytest.approx(np.array([[0.5, 0.5], [1, 0]]))


@LAWS
@given(contexts(3), st.lists(st.floats(0.01, 5), min_size=3, max_size=3))
def test_a_mixture_is_a_mixture(three, weights):
    out = np.exp(mixture(*three, weights=weights))
    w = np.array(weights) / sum(weights)
    assert out == pytest.approx(np.einsum("c,crv->rv", w, np.exp(three)))
    second = three[1]
    assert mixture(three[0], second, three[2], weights=(0, 1, 0)) is second


def test_weights_must_fit():
    for weights in ((1.0,), (1.0, -1.0), (0.0, 0.0), (1.0, float("nan"))):
        with pytest.raises(UsageError, match="weights"):
            mixture(TUNED, BASE, weights=weights)
    with pytest.raises(UsageError, match="weights"):
        uscd(TUNED, BASE, weights=(1.0,))


CASES = [
    (rule("kl_temperature"), 2), (rule("contrast"), 2), (rule("steer", gamma=1, eta=0.5), 3),
    (rule("uscd", theta=0.5), 2), (rule("mixture", weights=(1, 2)), 2),
]  # fmt: skip


@pytest.mark.parametrize(("one", "number"), CASES, ids=lambda x: getattr(x, "name", x))
def test_rules_of_several_contexts_as_data(one, number):
    torch = pytest.importorskip("torch")
    three = [TUNED, BASE, NEGATIVE][:number]
    out = one(*three)
    assert np.exp(out).sum() == pytest.approx(1)
    assert np.array_equal(one(*map(torch.tensor, three)).numpy(), out)
    assert np.array_equal(one(*(np.stack([x, x]) for x in three))[1], out)
    with pytest.raises(UsageError, match="got 1"):
        one(TUNED)
    with pytest.raises(UsageError, match="one shape") as caught:
        one(*three[:-1], three[-1][:2])
    assert caught.value.hint
    with pytest.raises(UsageError, match="one shape and kind"):
        one(*three[:-1], torch.tensor(three[-1], requires_grad=True))


@pytest.mark.fault(13)
@pytest.mark.parametrize(("one", "number"), CASES, ids=lambda x: getattr(x, "name", x))
def test_fault_13_a_broken_context_is_named(one, number):
    three = [TUNED, BASE, NEGATIVE][:number]
    with pytest.raises(DataError, match="NaN in row 0 at tokens 1"):
        one(*three[:-1], np.array([-1.0, np.nan, -1.0]))
