"""Arithmetic sampling against whole trees that can be listed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.decoding.sequences import TableModel, arithmetic, arithmetic_codes
from variegate.errors import UsageError
from variegate.models import Arm, FakeModel, Request, Sampling, collect
from variegate.samples import Prompt, RunDirectory


def random_table(seed: int, *, size: int = 4, ends: float = 0.15, sharp: float = 1.0) -> TableModel:
    """A tree with other probabilities at every prefix."""

    def table(prompt, written):
        rng = np.random.default_rng([seed, len(prompt), *written])
        p = rng.dirichlet(np.full(size - 1, sharp)) * (1 - ends)
        return [ends, *p]

    return TableModel(table=table, revision=str(seed))


def draw(model, *, n, group=0, **settings_):
    return draw_sets(model, n=n, groups=[group], **settings_)[0]


def draw_sets(model, *, n, groups, max_tokens=5, places=None, **sampling):
    """Sets of one prompt, one a group."""
    places = range(n) if places is None else places
    requests = [
        [
            Request(key=f"{group}-{i}", rendered="p", index=i, seed=10_000 * group + i, group=group)
            for i in places
        ]
        for group in groups
    ]
    flat = [request for one in requests for request in one]
    settings_ = Sampling(max_tokens=max_tokens, **sampling)
    done = {c.key: c for batch in model.sample(flat, sampling=settings_) for c in batch}
    return [[done[request.key] for request in one] for one in requests]


def prefixes(leaves):
    """Every prefix with its probability."""
    found: Counter[tuple[int, ...]] = Counter()
    for ids, p in leaves.items():
        for length in range(1, len(ids) + 1):
            found[ids[:length]] += p
    return found


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.5, 1.0, 1.7]))
def test_each_prefix_is_visited_floor_or_ceil_of_its_share(seed, n, temperature):
    model = random_table(seed % 50, sharp=0.5)
    drawn = draw(arithmetic(model, n=n), n=n, group=seed, temperature=temperature)
    visits = prefixes(Counter(c.token_ids for c in drawn))
    sampling = Sampling(max_tokens=5, temperature=temperature)
    for prefix, p in prefixes(model.leaves("p", sampling=sampling)).items():
        assert np.floor(n * p - 1e-9) <= visits[prefix] <= np.ceil(n * p + 1e-9), prefix


def test_marginals_are_exact_at_every_place():
    model, n, sets = random_table(3, ends=0.3), 3, 2000
    leaves = model.leaves("p", sampling=Sampling(max_tokens=3))
    counts = [Counter() for _ in range(n)]
    sampler = arithmetic(model, n=n)
    for drawn in draw_sets(sampler, n=n, groups=range(sets), max_tokens=3):
        for place, c in enumerate(drawn):
            counts[place][c.token_ids] += 1
    for count in counts:  # chi-square, each place by itself
        rare = sum(p for p in leaves.values() if p * sets < 10)
        kept = {ids: p for ids, p in leaves.items() if p * sets >= 10}
        chi = sum((count[ids] - sets * p) ** 2 / (sets * p) for ids, p in kept.items())
        freedom = len(kept) - (rare == 0)
        assert chi < freedom + 5 * np.sqrt(2 * freedom)


def distinct(sampler, n, sets=400, **settings_):
    drawn = draw_sets(sampler, n=n, groups=range(sets), **settings_)
    return np.mean([len({c.token_ids for c in one}) for one in drawn])


def test_binary_gives_8_of_8_and_the_published_lattice_7_21():
    coin = TableModel(table=lambda prompt, written: [0, 0.5, 0.5])
    assert distinct(arithmetic(coin, n=8), 8, sets=50, max_tokens=3) == 8
    # The notes computed 7.21 with one carried code; the mean over shifts of the same lattice.
    published = distinct(arithmetic(coin, n=8, spacing="1/(n+1)"), 8, max_tokens=3)
    assert published == pytest.approx(7.21, abs=0.15)
    assert distinct(coin, 8, max_tokens=3) == pytest.approx(8 * (1 - (7 / 8) ** 8), abs=0.15)


def test_spread_of_the_estimate_of_a_first_token():
    model = TableModel(table=lambda prompt, written: [0, 0.3, 0.45, 0.25])

    def spread(sampler):
        drawn = draw_sets(sampler, n=10, groups=range(1500), max_tokens=1)
        shares = [np.mean([c.token_ids[0] == 1 for c in one]) for one in drawn]
        return np.mean(shares), np.std(shares)

    mean, std = spread(arithmetic(model, n=10))
    assert (mean, std) == (pytest.approx(0.3, abs=1e-12), pytest.approx(0, abs=1e-12))
    mean, std = spread(arithmetic(model, n=10, spacing="1/(n+1)"))
    assert (mean, std) == (pytest.approx(0.3, abs=0.006), pytest.approx(0.062, abs=0.004))
    mean, std = spread(model)
    assert (mean, std) == (pytest.approx(0.3, abs=0.015), pytest.approx(0.1449, abs=0.01))


@pytest.mark.parametrize("n", [1, 16])
def test_no_bits_run_out(n):
    # A carried code of 53 bits is 0 after some 30 of these tokens, and then picks the first word.
    p = [0, 0.5, 0.25, 0.125, 0.125]
    model = TableModel(table=lambda prompt, written: p)
    late = Counter()
    for drawn in draw_sets(arithmetic(model, n=n), n=n, groups=range(128 // n), max_tokens=120):
        for c in drawn:
            late.update(c.token_ids[60:])
    total = sum(late.values())
    for token, share in enumerate(p):
        assert late[token] / total == pytest.approx(share, abs=5 * np.sqrt(share / total) + 1e-12)


def test_draws_that_part_at_a_uniform_token_are_independent_after_it():
    # With carried codes all 16 would have the same code, and the same token, from there on.
    model = TableModel(table=lambda prompt, written: [0, *[1 / 16] * 16])
    seconds = [c.token_ids[1] for c in draw(arithmetic(model, n=16), n=16, max_tokens=2)]
    assert len(set(seconds)) > 5


def test_one_code_is_an_ordinary_draw_and_sets_are_independent():
    codes = np.array([arithmetic_codes(1, seed=seed)[0] for seed in range(3000)])
    ordered = np.sort(codes)
    assert np.abs(ordered - np.linspace(0, 1, 3000)).max() < 1.95 / np.sqrt(3000)
    model = random_table(1)
    both = draw(arithmetic(model, n=4), n=8)
    assert [c.token_ids for c in both[:4]] != [c.token_ids for c in both[4:]]


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**63 - 1))
def test_codes_lie_evenly(n, seed):
    codes = np.sort(arithmetic_codes(n, seed=seed))
    assert ((codes >= 0) & (codes < 1)).all()
    assert np.diff(codes) == pytest.approx(np.full(n - 1, 1 / n), abs=1e-12)
    gaps = np.diff(np.sort(arithmetic_codes(n, seed=seed, spacing="1/(n+1)")), append=np.nan)[:-1]
    assert np.isclose(gaps, 1 / (n + 1)).sum() >= n - 2


@pytest.mark.fault(24)
def test_fault_24_a_killed_set_goes_on_where_it_stopped(tmp_path):
    model = arithmetic(random_table(5), n=6)
    arm = Arm(name="a", model=model, sampling=Sampling(max_tokens=5))
    prompts = [Prompt(prompt=text) for text in ("p", "p q", "r s t")]
    whole = collect(arm, prompts, n=12).frame
    with RunDirectory.open(tmp_path / "run", settings=arm.settings(), kind="test") as run:
        collect(arm, prompts[:1], n=5, run=run)
        assert collect(arm, prompts, n=12, run=run).frame.equals(whole)
    assert not whole["iid"].any()
    alone = draw(model, n=6, places=[4])[0]
    assert alone.token_ids == draw(model, n=6)[4].token_ids


def test_settings_are_part_of_the_identity():
    model = random_table(0)
    revisions = {
        arithmetic(model, n=4).revision, arithmetic(model, n=5).revision,
        arithmetic(model, n=4, spacing="1/(n+1)").revision, model.revision,
    }  # fmt: skip
    assert len(revisions) == 4


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="n >= 1"):
        arithmetic_codes(0, seed=0)
    with pytest.raises(UsageError, match="spacing"):
        arithmetic(random_table(0), n=2, spacing="2/n")
    with pytest.raises(UsageError, match="tier E"):
        arithmetic(FakeModel(answers={}), n=2)
