"""Rules on one distribution: worked cases, laws, bad input, numpy and torch alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from variegate import decoding
from variegate.decoding import (
    apply,
    entropy,
    entropy_temperature,
    epsilon,
    eta,
    min_p,
    rule,
    rules,
    suppress,
    suppression,
    temperature,
    top_h,
    top_k,
    top_p,
    typical,
)
from variegate.errors import DataError, UnknownName, UsageError


def normalised(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, dtype=np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


# Distinct steps keep thresholds and ties away from the last bit.
def distributions(least: int = 2, most: int = 40) -> st.SearchStrategy[np.ndarray]:
    return (
        st.integers(least, most)
        .flatmap(
            lambda v: hnp.arrays(
                np.float64, (3, v), elements=st.integers(-4000, 4000).map(lambda x: x / 377)
            )
        )
        .map(normalised)
    )


def large(scale: float, *, rows: int = 5, vocabulary: int = 30_011, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ranks = rng.permuted(np.tile(np.arange(1.0, vocabulary + 1), (rows, 1)), axis=1)
    return normalised(-scale * np.log(ranks) + 0.3 * rng.standard_normal(ranks.shape))


LAWS = settings(deadline=None, max_examples=60)


def kept(lp: np.ndarray) -> list[int]:
    return np.flatnonzero(lp > -np.inf).tolist()


def counts(lp: np.ndarray) -> np.ndarray:
    return (lp > -np.inf).sum(axis=-1)


SOME = {
    "temperature": {"temperature": 0.6},
    "entropy_temperature": {"temperature": 0.9, "theta": 0.3},
    "top_k": {"top_k": 3},
    "top_p": {"top_p": 0.71},
    "min_p": {"min_p": 0.13},
    "typical": {"tau": 0.77},
    "epsilon": {"epsilon": 0.06},
    "eta": {"epsilon": 0.3},
    "top_h": {"alpha": 0.45},
    "suppress": {"bias": {0: -3.0, 1: 1.5}},
}
SINGLE = [entry.name for entry in rules() if entry.contexts == 1]


def test_the_cases_cover_every_rule():
    assert set(SOME) == set(SINGLE)


# Worked cases on (.5, .3, .15, .05).


def test_worked_temperatures(p4):
    assert np.exp(temperature(p4, temperature=0.5)) == pytest.approx(
        [0.6849, 0.2466, 0.0616, 0.0068], abs=5e-5
    )
    assert np.exp(temperature(p4, temperature=2)) == pytest.approx(
        [0.3790, 0.2936, 0.2076, 0.1198], abs=5e-5
    )
    assert entropy(p4) == pytest.approx(1.14212, abs=5e-6)


def test_worked_truncations(p4):
    assert kept(typical(p4, tau=0.25)) == [1]  # the most likely token goes
    assert [kept(typical(p4, tau=tau)) for tau in (0.31, 0.81, 0.96)] == [
        [0, 1], [0, 1, 2], [0, 1, 2, 3],
    ]  # fmt: skip
    assert kept(min_p(p4, min_p=0.2)) == [0, 1, 2]
    assert [kept(eta(p4, epsilon=eps)) for eps in (0.05, 0.1, 0.2)] == [
        [0, 1, 2, 3], [0, 1, 2], [0, 1, 2],
    ]  # fmt: skip
    # At 0.2 the entropy's branch is in force: sqrt(.2) e^-H = .14272 keeps .15, .2 would not.
    assert kept(epsilon(p4, epsilon=0.2)) == [0, 1]
    assert [len(kept(top_p(p4, top_p=p))) for p in (0.5, 0.51, 0.8, 0.81, 0.95, 0.96)] == [
        1, 2, 2, 3, 3, 4,
    ]  # fmt: skip


def test_worked_top_h(p4):
    alphas = (0.2, 0.4, 0.6, 0.8, 1.0)
    assert [len(kept(top_h(p4, alpha=a))) for a in alphas] == [1, 1, 2, 2, 4]
    assert len(kept(top_h(p4, alpha=0.6, compat="transformers"))) == 1
    prefixes = [normalised(p4[:k]) for k in (1, 2, 3, 4)]
    assert [float(entropy(q)) for q in prefixes] == pytest.approx(
        [0, 0.6616, 0.9933, 1.1421], abs=5e-5
    )


def test_top_h_of_equals_keeps_a_power():
    flat = np.full(100, -math.log(100))
    assert [len(kept(top_h(flat, alpha=a))) for a in (0.2, 0.4, 0.6)] == [2, 6, 15]
    assert kept(top_h(flat, alpha=0.5)) == list(range(10))  # among equals the lowest ids
    assert len(kept(top_h(flat, alpha=0.4, compat="transformers"))) in (39, 40)
    for n in (3, 17, 1000):
        flat = np.full(n, -math.log(n))
        for alpha in (0.31, 0.5, 0.77):
            assert len(kept(top_h(flat, alpha=alpha))) == math.floor(n**alpha + 1e-9)


def test_top_h_of_a_zipf_law_and_of_a_peak():
    zipf = normalised(-np.log(np.arange(1, 101)))
    assert len(kept(top_h(zipf, alpha=0.4))) == 5
    assert len(kept(top_h(zipf, alpha=0.4, compat="transformers"))) == 10
    peak = np.log(np.array([0.9] + [0.1 / 99] * 99))
    assert len(kept(top_h(peak, alpha=0.4))) == 38
    assert len(kept(top_h(peak, alpha=0.4, compat="transformers"))) == 32


def test_worked_entropy_temperature(p4):
    direct = temperature(p4, temperature=0.6 * 0.8 ** (0.1 / 1.142120))
    assert entropy_temperature(p4, temperature=0.6, theta=0.1) == pytest.approx(direct, abs=1e-6)
    assert entropy_temperature(p4, temperature=0.6, theta=0.1) == pytest.approx(
        temperature(p4, temperature=0.58839), abs=1e-5
    )


def test_the_base_decides_which_way_sure_tokens_go():
    sure, open_ = np.log([0.97, 0.02, 0.01]), np.log([0.34, 0.33, 0.33])
    sharp = entropy_temperature(sure, theta=0.1)
    flat = entropy_temperature(sure, theta=0.1, base=1.25)
    assert entropy(sharp) < entropy(sure) < entropy(flat)
    assert entropy_temperature(open_, theta=0.001) == pytest.approx(open_, abs=1e-3)
    assert entropy_temperature(sure, theta=0.0) == pytest.approx(sure, abs=1e-12)
    certain = np.log(np.array([1.0, 1e-300]))
    assert np.exp(entropy_temperature(certain)) == pytest.approx([1, 0])
    hottest = entropy_temperature(sure, theta=9.0, base=1.25, highest=1.5)
    assert hottest == pytest.approx(temperature(sure, temperature=1.5), abs=1e-12)


def test_suppression_by_shares_in_percent():
    # .1, .5 and 2 percent of what was said.
    biases = suppression({1: 1, 2: 5, 3: 20, 4: 974}, exclude=[4])
    assert biases == pytest.approx({3: -7.5, 2: -3.75, 1: -0.75})
    assert suppression({1: 30, 2: 20, 3: 10}) == {1: -7.5, 2: -7.5, 3: -7.5}
    of_many = suppression({1: 30, 2: 20, 3: 10, 4: 9940}, exclude=[4])
    assert of_many == pytest.approx({1: -2.25, 2: -1.5, 3: -0.75})
    assert suppression({}) == {}
    assert len(suppression({token: 1 for token in range(500)})) == 100
    assert set(suppression({1: 5}, strength=0).values()) == {0.0}
    with pytest.raises(UsageError, match="at least 0"):
        suppression({1: -1})


def test_suppressing_is_adding_to_the_logits(p4):
    lp = suppress(p4, bias={0: -7.5, 3: 2.0})
    assert lp == pytest.approx(normalised(p4 + np.array([-7.5, 0, 0, 2.0])), abs=1e-12)
    assert suppress(p4, bias={}) is p4
    assert suppress(p4, bias={1: 0.0}) is p4
    for bias in ({4: -1.0}, {-1: -1.0}, {0: 101.0}, {0: float("nan")}):
        with pytest.raises(UsageError, match="Expected biases"):
            suppress(p4, bias=bias)


# Laws.


@LAWS
@given(distributions(), st.sampled_from(SINGLE))
def test_what_is_left_is_a_distribution(lp, name):
    out = rule(name, **SOME[name])(lp)
    assert out.shape == lp.shape
    assert out.dtype == np.float64
    assert np.exp(out).sum(axis=-1) == pytest.approx(1, abs=1e-12)
    assert (counts(out) >= 1).all()
    if name not in ("temperature", "entropy_temperature", "suppress"):
        # Renormalised: the ratios of what is kept stay.
        shift = np.where(out > -np.inf, out - lp, np.nan)
        assert np.nanmax(shift, axis=-1) == pytest.approx(np.nanmin(shift, axis=-1), abs=1e-12)


@LAWS
@given(distributions(), st.sampled_from(SINGLE))
def test_a_rule_leaves_its_argument_alone(lp, name):
    before = lp.copy()
    rule(name, **SOME[name])(lp)
    assert (lp == before).all()


@LAWS
@given(distributions())
def test_settings_that_change_nothing_give_back_the_array(lp):
    assert temperature(lp, temperature=1) is lp
    assert top_k(lp, top_k=lp.shape[-1]) is lp
    assert top_p(lp, top_p=1) is lp
    assert min_p(lp, min_p=0) is lp
    assert typical(lp, tau=1) is lp
    assert epsilon(lp, epsilon=0) is lp
    assert eta(lp, epsilon=0) is lp
    assert top_h(lp, alpha=1) is lp
    assert apply(lp, []) is lp


@LAWS
@given(distributions())
def test_the_other_end_is_greedy(lp):
    best = lp.argmax(axis=-1)
    for out in (
        temperature(lp, temperature=0),
        top_p(lp, top_p=1e-9),
        top_h(lp, alpha=1e-9),
    ):
        assert (counts(out) == 1).all()
        assert (out.argmax(axis=-1) == best).all()
    assert np.exp(temperature(lp, temperature=1e-8)).max(axis=-1) == pytest.approx(
        1 / (lp == lp.max(axis=-1, keepdims=True)).sum(axis=-1)
    )


@LAWS
@given(distributions(), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_supports_are_nested(lp, a, b):
    low, high = sorted((a, b))
    for name, parameter, wider in [
        ("top_p", "top_p", high), ("top_h", "alpha", high), ("typical", "tau", high),
        ("min_p", "min_p", low), ("epsilon", "epsilon", low),
    ]:  # fmt: skip
        narrower = low if wider == high else high
        small = rule(name, **{parameter: narrower})(lp) > -np.inf
        large_ = rule(name, **{parameter: wider})(lp) > -np.inf
        assert (small <= large_).all(), name
    assert ((top_k(lp, top_k=1) > -np.inf) <= (top_k(lp, top_k=2) > -np.inf)).all()


@LAWS
@given(distributions(), st.sampled_from(SINGLE), st.randoms(use_true_random=False))
def test_renaming_the_tokens_renames_the_result(lp, name, random):
    lp = np.unique(lp.round(9), axis=-1)  # equals go by id, so only without them
    lp = normalised(lp + 1e-7 * np.arange(lp.shape[-1]))
    order = list(range(lp.shape[-1]))
    random.shuffle(order)
    one = SOME[name]
    renamed = one
    if name == "suppress":
        one = {"bias": {0: -3.0}}
        renamed = {"bias": {order.index(0): -3.0}}
    direct = rule(name, **one)(lp)[:, order]
    moved = rule(name, **renamed)(lp[:, order])
    assert np.exp(moved) == pytest.approx(np.exp(direct), abs=1e-9)


@LAWS
@given(distributions(most=300), st.floats(0.02, 1.0))
def test_top_h_keeps_its_bound_and_could_not_keep_more(lp, alpha):
    out = top_h(lp, alpha=alpha)
    assert (entropy(out) <= alpha * entropy(lp) + 1e-9).all()
    for row, cut in zip(lp, out, strict=True):
        k = len(kept(cut))
        if k < len(row) and alpha < 1:
            longer = normalised(np.sort(row)[::-1][: k + 1])
            assert entropy(longer) > alpha * entropy(row) - 1e-9


@LAWS
@given(distributions(most=300), st.floats(0.02, 0.99))
def test_the_nucleus_is_the_smallest(lp, mass):
    out = top_p(lp, top_p=mass)
    for row, cut in zip(lp, out, strict=True):
        ordered = np.sort(np.exp(row))[::-1]
        k = len(kept(cut))
        assert ordered[:k].sum() >= mass - 1e-9
        assert ordered[: k - 1].sum() < mass + 1e-9


@pytest.mark.parametrize("scale", [0.0, 0.6, 1.2, 2.2])
@pytest.mark.parametrize("name", SINGLE)
def test_heads_and_whole_rows_agree(scale, name):
    # A large vocabulary takes the short way through the head; rules without it must agree.
    lp = large(scale)
    one = {"top_k": {"top_k": 300}}.get(name, SOME[name])
    out = rule(name, **one)(lp)
    slow = _slow(name, lp, **one)
    if slow is not None:
        assert np.array_equal(out > -np.inf, slow)
    assert np.exp(out).sum(axis=-1) == pytest.approx(1, abs=1e-11)


def _slow(name: str, lp: np.ndarray, **one: float) -> np.ndarray | None:
    """The kept tokens by a full sort."""
    p, h = np.exp(lp), entropy(lp)[:, None]
    order = np.argsort(-lp, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)
    mass = np.cumsum(ranked, axis=-1)
    if name == "top_p":
        stay = mass - ranked < one["top_p"]
    elif name == "top_k":
        stay = np.arange(lp.shape[-1]) < one["top_k"] + np.zeros_like(mass)
    elif name == "top_h":
        inner = np.cumsum(-ranked * np.log(ranked), axis=-1) / mass + np.log(mass)
        stay = inner <= one["alpha"] * h
    elif name == "typical":
        far = np.abs(lp + h)
        order = np.argsort(far, axis=-1, kind="stable")
        near = np.cumsum(np.take_along_axis(p, order, axis=-1), axis=-1)
        stay = near - np.take_along_axis(p, order, axis=-1) < one["tau"]
    else:
        return None
    out = np.zeros(lp.shape, dtype=bool)
    np.put_along_axis(out, order, stay, axis=-1)
    return out


def test_equals_stand_or_fall_together_under_a_threshold():
    lp = np.log([0.3, 0.2, 0.2, 0.2, 0.1])
    assert kept(top_k(lp, top_k=2)) == [0, 1, 2, 3]
    assert kept(min_p(lp, min_p=2 / 3)) == [0, 1, 2, 3]
    assert kept(epsilon(lp, epsilon=0.2)) == [0, 1, 2, 3]
    flat = np.full((2, 7), -math.log(7))
    assert typical(flat, tau=0.3) is flat
    assert min_p(flat, min_p=1.0) is flat
    assert epsilon(flat, epsilon=0.9) is flat


def test_equals_go_by_the_lowest_id_under_a_budget():
    lp = np.log([[0.1, 0.2, 0.2, 0.3, 0.2], [0.2, 0.2, 0.2, 0.2, 0.2]])
    out = top_p(lp, top_p=0.55)
    assert kept(out[0]) == [1, 2, 3]
    assert kept(out[1]) == [0, 1, 2]
    wide = np.full((1, 4000), -math.log(4000))
    assert kept(top_p(wide, top_p=0.25)[0]) == list(range(1000))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(2049, 6000),
    st.sampled_from([0.0, 0.3, 1.1, 3.0]),
    st.sampled_from([0, 1, 9]),
    st.floats(1e-6, 1 - 1e-6),
    st.integers(0, 2**32 - 1),
)
def test_long_rows_with_equals_are_cut_as_a_sort_cuts_them(vocabulary, scale, digits, mass, seed):
    # Rounded logits put many equals, and many dropped tokens, around the boundary.
    logits = scale * np.random.default_rng(seed).standard_normal((2, vocabulary)).round(digits)
    logits[:, 1::7] = -np.inf
    lp = normalised(logits)
    p, far = np.exp(lp), np.abs(lp + entropy(lp)[:, None])
    order = np.argsort(-lp, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)
    first = np.cumsum(ranked, axis=-1) - ranked < mass - 1e-12
    nucleus = np.zeros(lp.shape, dtype=bool)
    np.put_along_axis(nucleus, order, first, axis=-1)
    assert np.array_equal(top_p(lp, top_p=mass) > -np.inf, nucleus)
    order = np.argsort(far, axis=-1, kind="stable")
    sums = np.cumsum(np.take_along_axis(p, order, axis=-1), axis=-1)
    crossing = (sums < mass - 1e-12).sum(axis=-1, keepdims=True)
    edge = np.take_along_axis(np.take_along_axis(far, order, axis=-1), crossing, axis=-1)
    assert np.array_equal(typical(lp, tau=mass) > -np.inf, far <= edge + 1e-12)


def test_a_threshold_is_reached_within_rounding():
    lp = normalised(np.log([0.5, 0.3, 0.15, 0.05]) + 7.3)
    assert len(kept(min_p(lp, min_p=0.1))) == 4
    assert len(kept(epsilon(lp, epsilon=0.05))) == 4
    assert len(kept(top_p(lp, top_p=0.8))) == 2


def test_dropped_tokens_stay_dropped():
    lp = normalised([-np.inf, 1.0, -np.inf, 0.5, 0.0, -2.0])
    for name in SINGLE:
        out = rule(name, **SOME[name])(lp)
        assert out[0] == out[2] == -np.inf, name
        assert np.exp(out).sum() == pytest.approx(1, abs=1e-12)


def test_a_number_of_degrees_a_row(p4):
    two = np.stack([p4, p4])
    out = temperature(two, temperature=np.array([0.5, 2.0]))
    assert out[0] == pytest.approx(temperature(p4, temperature=0.5))
    assert out[1] == pytest.approx(temperature(p4, temperature=2.0))
    with pytest.raises(UsageError, match="one number a row"):
        temperature(two, temperature=np.array([0.5, 2.0, 1.0]))
    with pytest.raises(UsageError, match="temperature"):
        temperature(two, temperature=np.array([0.5, -1.0]))


@pytest.mark.parametrize("name", SINGLE)
def test_shapes_come_back(name):
    lp = large(1.5, rows=6, vocabulary=50)
    one = rule(name, **SOME[name])
    whole = one(lp)
    assert np.array_equal(one(lp.reshape(2, 3, 50)), whole.reshape(2, 3, 50))
    assert np.array_equal(one(lp[0]), whole[0])
    assert one(lp[:0]).shape == (0, 50)
    assert np.exp(one(np.asfortranarray(lp))) == pytest.approx(np.exp(whole), abs=1e-14)


@pytest.mark.parametrize("name", SINGLE)
def test_torch_and_numpy_give_the_same(name):
    torch = pytest.importorskip("torch")
    lp = large(1.2, rows=3, vocabulary=5000)
    one = rule(name, **SOME[name])
    tensor = one(torch.tensor(lp))
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == torch.float64
    assert np.array_equal(tensor.numpy(), one(lp))
    single = one(torch.tensor(lp, dtype=torch.float32))
    assert single.dtype == torch.float64
    # A tensor with gradients stays torch: the other way through the same lines.
    carried = one(torch.tensor(lp, requires_grad=True))
    assert np.array_equal(np.isfinite(carried.detach().numpy()), np.isfinite(one(lp)))
    finite = np.isfinite(one(lp))
    assert carried.detach().numpy()[finite] == pytest.approx(one(lp)[finite], abs=1e-9)


@pytest.mark.fault(36)
@pytest.mark.parametrize("name", SINGLE)
def test_fault_36_a_row_gives_the_same_bits_alone_and_in_company(name):
    lp = np.concatenate([large(2.2, rows=2), large(0.5, rows=2), large(1.2, rows=2)])
    one = rule(name, **SOME[name])
    whole = one(lp)
    for place in range(len(lp)):
        assert np.array_equal(one(lp[place]), whole[place]), place


# Bad input.

BROKEN = {
    "NaN": (float("nan"), "NaN in row 1 at tokens 2"),
    "+inf": (float("inf"), r"\+inf in row 1 at tokens 2"),
    "logits": (3.5, "row 1 holds 3.5"),
}


@pytest.mark.fault(13)
@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("kind", [*BROKEN, "no token"])
def test_fault_13_broken_rows_are_named(name, kind):
    lp = np.log(np.full((3, 4), 0.25))
    if kind == "no token":
        lp[1], words = -np.inf, "Row 1 leaves no token"
    else:
        lp[1, 2], words = BROKEN[kind]
    with pytest.raises(DataError, match=words) as caught:
        rule(name, **SOME[name])(lp)
    assert caught.value.hint


def test_what_is_no_array_is_refused():
    with pytest.raises(UsageError, match="numpy array or a torch tensor, got list"):
        top_k([0.0, -1.0], top_k=1)
    with pytest.raises(UsageError, match="shape"):
        top_k(np.array(-1.0), top_k=1)
    with pytest.raises(UsageError, match="shape"):
        top_k(np.zeros((2, 0)), top_k=1)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("temperature", {"temperature": -0.1}),
        ("temperature", {"temperature": math.inf}),
        ("temperature", {"temperature": math.nan}),
        ("top_k", {"top_k": 0}),
        ("top_k", {"top_k": 2.5}),
        ("top_k", {"top_k": True}),
        ("top_p", {"top_p": 0.0}),
        ("top_p", {"top_p": 1.1}),
        ("min_p", {"min_p": -0.1}),
        ("min_p", {"min_p": "much"}),
        ("typical", {"tau": 0.0}),
        ("epsilon", {"epsilon": 1.0}),
        ("eta", {"epsilon": -0.1}),
        ("top_h", {"alpha": 0.0}),
        ("top_h", {"alpha": 0.4, "compat": "paper"}),
        ("entropy_temperature", {"temperature": 0.0}),
        ("entropy_temperature", {"base": 0.0}),
    ],
)
def test_settings_out_of_range_are_refused_by_the_rule_and_by_the_function(p4, name, setting):
    with pytest.raises(UsageError, match="Expected"):
        rule(name, **setting)
    with pytest.raises(UsageError, match="Expected"):
        getattr(decoding, name)(p4, **setting)


# Rules as data.


def test_a_rule_is_data():
    one = rule("top_h", alpha=0.4)
    assert one == rule("top_h", alpha=0.4, compat=None) != rule("top_h", alpha=0.5)
    assert len({one, rule("top_h", alpha=0.4)}) == 1
    assert one.parameters == {"alpha": 0.4, "compat": None}
    biased = rule("suppress", bias={5: -1.0, 2: -2.0})
    assert biased == rule("suppress", bias=[(2, -2.0), (5, -1.0)])
    with pytest.raises(UnknownName, match="top_x") as caught:
        rule("top_x")
    assert "top_" in caught.value.hint
    with pytest.raises(UsageError, match="alpha, compat; got 'beta'"):
        rule("top_h", alpha=0.4, beta=1)
    with pytest.raises(UsageError, match="'alpha' is missing"):
        rule("top_h")


def test_the_list_of_rules_is_what_the_functions_take():
    import inspect

    for entry in rules():
        assert getattr(decoding, entry.name) is entry.function
        taken = {
            name: parameter.default
            for name, parameter in inspect.signature(entry.function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        assert [p.name for p in entry.parameters] == list(taken)
        for parameter in entry.parameters:
            assert parameter.required == (taken[parameter.name] is inspect.Parameter.empty)
        assert entry.tier == ("F" if entry.contexts != 1 else "C" if entry.endpoint else "E")


@LAWS
@given(distributions(), st.sampled_from([e.name for e in rules() if e.contexts == 1]))
def test_what_keeps_the_most_likely_token_says_so(lp, name):
    entry = next(entry for entry in rules() if entry.name == name)
    if entry.keeps_argmax:
        out = rule(name, **SOME[name])(lp)
        best = lp.argmax(axis=-1)[:, None]
        assert (np.take_along_axis(out, best, -1)[:, 0] == out.max(axis=-1)).all()


def test_order_matters_for_all_but_top_k(p4):
    hot, nucleus = rule("temperature", temperature=2.0), rule("top_p", top_p=0.75)
    assert kept(apply(p4, [hot, nucleus])) == [0, 1, 2]
    assert kept(apply(p4, [nucleus, hot])) == [0, 1]
    two = rule("top_k", top_k=2)
    assert apply(p4, [hot, two]) == pytest.approx(apply(p4, [two, hot]))


def test_a_rule_enters_the_identity_of_a_draw_and_leaves_its_mark():
    import json

    from variegate.models import Arm, FakeModel, Sampling, collect
    from variegate.samples import Prompt

    sampling = Sampling(rules=(rule("top_h", alpha=0.4),))
    assert json.loads(json.dumps(sampling.settings()))["rules"][0]["name"] == "top_h"
    coin = FakeModel(answers={"Coin?": {"heads": 0.5, "tails": 0.5}})
    ids = {
        collect(Arm(name="a", model=coin, sampling=s), [Prompt(prompt="Coin?")], n=1).frame[
            "sample_id"
        ][0]
        for s in (Sampling(), sampling, Sampling(rules=(rule("top_h", alpha=0.5),)))
    }
    assert len(ids) == 3
