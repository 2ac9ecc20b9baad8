"""Temperature and truncation against a plain reading of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.models import Sampling
from variegate.models._uniform import uniforms

torch = pytest.importorskip("torch")


def plain(logits: list[float], sampling: Sampling) -> np.ndarray:
    """One row, token by token, from the definitions."""
    z = np.array(logits) / sampling.temperature
    p = np.exp(z - z.max())
    p /= p.sum()
    if sampling.top_k:
        p = np.where(p >= sorted(p)[-min(sampling.top_k, len(p))], p, 0)
        p /= p.sum()
    if sampling.top_p:
        kept, mass = np.zeros(len(p), dtype=bool), 0.0
        for token in sorted(range(len(p)), key=lambda token: (-p[token], token)):
            if mass < sampling.top_p:
                kept[token] = True
            mass += p[token]
        p = np.where(kept, p, 0)
        p /= p.sum()
    if sampling.min_p:
        p = np.where(p >= sampling.min_p * p.max(), p, 0)
    return p / p.sum()


# Whole multiples keep ties and thresholds away from the last bit.
LOGITS = st.lists(st.integers(-30, 30).map(lambda x: x / 4), min_size=2, max_size=9, unique=True)


@settings(deadline=None, max_examples=150)
@given(
    LOGITS,
    st.builds(
        Sampling,
        temperature=st.sampled_from([0.5, 1.0, 2.0]),
        top_k=st.none() | st.integers(1, 10),
        top_p=st.none() | st.sampled_from([0.137, 0.511, 0.873]),
        min_p=st.none() | st.sampled_from([0.0, 0.0371, 0.2113]),
    ),
)
def test_the_distribution_is_what_the_definitions_say(logits, sampling):
    from variegate.models._transformers._truncate import log_distribution

    lp = log_distribution(torch.tensor([logits]), sampling)[0].numpy()
    assert lp.dtype == np.float64
    assert np.exp(lp) == pytest.approx(plain(logits, sampling), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(LOGITS, st.floats(1e-9, 1 - 1e-9))
def test_the_token_is_the_inverse_of_the_distribution_function(logits, u):
    from variegate.models._stepping import invert
    from variegate.models._transformers._truncate import log_distribution

    table = log_distribution(torch.tensor([logits]), Sampling())
    p = plain(logits, Sampling())
    [chosen], [low], [high], [lp], [entropy] = invert(table, np.array([u]))
    assert low <= u < high
    assert next(map(list, invert(table.numpy(), np.array([u])))) == [chosen]
    assert p[:chosen].sum() - 1e-6 <= u <= p[: chosen + 1].sum() + 1e-6
    assert float(lp) == pytest.approx(np.log(p[chosen]), abs=1e-5)
    assert float(entropy) == pytest.approx(-(p * np.log(p)).sum(), abs=1e-5)


def test_uniform_numbers_depend_on_seed_and_step_alone():
    seeds = np.arange(5000, dtype=np.uint64)
    u = uniforms(seeds, steps=20)
    assert (uniforms(seeds[::-1], steps=7) == u[::-1, :7]).all()
    assert 0 < u.min() < u.max() < 1
    # Kolmogorov's distance of 100,000 uniforms exceeds 1.95 / sqrt(N) once in a thousand.
    ordered = np.sort(u.ravel())
    assert np.abs(ordered - np.arange(1, ordered.size + 1) / ordered.size).max() < 1.95 / 316
    # Neighbouring seeds and neighbouring steps are as good as independent.
    for a, b in ((u[:-1], u[1:]), (u[:, :-1], u[:, 1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.5 / np.sqrt(a.size)
    assert (uniforms([2**64 - 1], steps=2) > 0).all()
