"""Two contexts as one model: routers and blends, by exact distributions of whole texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.decoding import contrast, kl_temperature, mixture, steer
from variegate.decoding.sequences import (
    Baco,
    Chance,
    Context,
    HandOff,
    Nudge,
    TableModel,
    arithmetic,
    blend,
    stochastic_beam,
    together,
)
from variegate.errors import UnknownName, UsageError
from variegate.models import Arm, Sampling, collect
from variegate.samples import Prompt

from .test_arithmetic import random_table

SAMPLING = Sampling(max_tokens=3)
ROUTERS = [
    HandOff(after=2), Nudge(below=0.5), Nudge(below=0.45, whole_words=False), Baco(threshold=0.4),
    Baco(by="h", threshold=1.0, content="function"), Baco(by=None), Chance(share=0.3),
]  # fmt: skip


def language(*models):
    """Every text that any of them can write."""
    return list({row for model in models for row in model.leaves("p", sampling=SAMPLING)})


def said(model, rows, sampling=SAMPLING):
    """Probabilities of texts; an end that is written is not asked for again."""
    rendered = model.render("p", format="raw")
    return np.exp(model.score(rendered, [r[:-1] if r[-1] == 0 else r for r in rows],
                              sampling=sampling))  # fmt: skip


BASE, ALIGNED = random_table(1), random_table(2, sharp=0.4)
TEXTS = language(BASE, ALIGNED)


@pytest.mark.parametrize(
    ("rule", "alone"),
    [
        (HandOff(after=0), ALIGNED), (HandOff(after=99), BASE),
        (Nudge(below=1.01), ALIGNED), (Nudge(below=0.0), BASE),
        (Nudge(below=1.01, whole_words=False), ALIGNED), (Nudge(below=0, whole_words=False), BASE),
        (Baco(by="p", threshold=1.01, content=None), BASE),
        (Baco(by="p", threshold=0.0, content=None), ALIGNED),
        (Baco(by="h", threshold=0.0, content=None), BASE),
        (Baco(by="h", threshold=9.0, content=None), ALIGNED),
        (Chance(share=1.0), BASE), (Chance(share=0.0), ALIGNED),
        (blend("mixture", weights=(1, 0)), BASE), (blend("mixture", weights=(0, 1)), ALIGNED),
        (blend("steer", gamma=0, eta=0), BASE),
        (blend("contrast", beta=0, plausibility=0), BASE),
        (blend("kl_temperature", sigma=0), BASE), (blend("uscd", theta=0.0), BASE),
    ],
)  # fmt: skip
def test_the_ends_of_every_rule_are_one_context_alone(rule, alone):
    model = together(BASE, ALIGNED, rule=rule)
    assert said(model, TEXTS) == pytest.approx(said(alone, TEXTS), abs=1e-12)


@pytest.mark.parametrize("rule", [*ROUTERS, blend("mixture", weights=(0.3, 0.7)),
                                  blend("kl_temperature"), blend("steer", gamma=1.0, eta=0.0,
                                  plausibility=0), blend("contrast", plausibility=0)])  # fmt: skip
def test_two_equal_models_are_that_model(rule):
    model = together(BASE, random_table(1), rule=rule)
    assert said(model, TEXTS) == pytest.approx(said(BASE, TEXTS), abs=1e-12)


@pytest.mark.parametrize("rule", [*ROUTERS, blend("steer", gamma=1.0, eta=0.0),
                                  blend("mixture", weights=(1, 1))])  # fmt: skip
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_probabilities_sum_to_one_and_draws_follow_them(rule, temperature):
    model = together(BASE, ALIGNED, rule=rule)
    sampling = Sampling(max_tokens=3, temperature=temperature)
    p = dict(zip(TEXTS, said(model, TEXTS, sampling), strict=True))
    assert sum(p.values()) == pytest.approx(1)
    arm = Arm(name="two", model=model, sampling=sampling)
    frame = collect(arm, [Prompt(prompt="p")], n=600).frame
    for row in frame.iter_rows(named=True):
        assert math.exp(row["logprob"]) == pytest.approx(p[tuple(row["token_ids"])])
    counts = {ids: 0 for ids in p}
    for ids in frame["token_ids"].to_list():
        counts[tuple(ids)] += 1
    likely = [ids for ids in p if p[ids] * 600 > 8]
    chi = sum((counts[i] - 600 * p[i]) ** 2 / (600 * p[i]) for i in likely)
    assert chi < len(likely) + 5 * math.sqrt(2 * len(likely))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 4))
def test_a_hand_off_is_the_product_of_its_parts(k):
    model = together(BASE, ALIGNED, rule=HandOff(after=k))
    for row, p in zip(TEXTS, said(model, TEXTS), strict=True):
        expected = [
            (BASE if t < k else ALIGNED).table("p", row[:t])[token] for t, token in enumerate(row)
        ]
        assert p == pytest.approx(math.prod(expected))


def test_blends_are_the_rules_on_each_step_of_both_contexts():
    base = TableModel(table=lambda prompt, written: [0, 0.4, 0.4, 0.2], revision="base")
    tuned = TableModel(
        table=lambda prompt, written: [0, 0.7, 0.2, 0.1] if "Not" in prompt else [0, 0.6, 0.3, 0.1]
    )
    negative = Context(model=tuned, prompt="Not: {prompt}")
    one, rows = Sampling(max_tokens=1), [(1,), (2,), (3,)]
    steered = together(tuned, base, negative, rule=blend("steer", gamma=1.0, eta=0.5))
    assert said(steered, rows, one) == pytest.approx([0.6193, 0.2897, 0.0910], abs=5e-5)
    plain = together(tuned, base, rule=blend("steer", gamma=1.0, eta=0.0, plausibility=0.1))
    assert said(plain, rows, one) == pytest.approx([0.7660, 0.1915, 0.0426], abs=5e-5)
    away = together(tuned, negative, rule=blend("steer", gamma=0, eta=0.5))
    assert said(away, rows, one) == pytest.approx([0.4208, 0.3936, 0.1856], abs=5e-5)
    p, q, n = (
        np.log([v[1:]]) for v in ([0, 0.6, 0.3, 0.1], [0, 0.4, 0.4, 0.2], [0, 0.7, 0.2, 0.1])
    )
    cooled = together(tuned, base, rule=blend("kl_temperature"))
    assert said(cooled, rows, one) == pytest.approx(np.exp(kl_temperature(p, q))[0])
    mixed = together(tuned, base, rule=blend("mixture", weights=[0.25, 0.75]))
    assert said(mixed, rows, one) == pytest.approx(np.exp(mixture(p, q, weights=(1, 3)))[0])
    against = together(tuned, base, rule=blend("contrast", beta=0.5))
    assert said(against, rows, one) == pytest.approx(np.exp(contrast(p, q, beta=0.5))[0])
    assert np.exp(steer(p, q, n, gamma=1, eta=0.5))[0] == pytest.approx(said(steered, rows, one))


def test_nudging_starts_where_the_base_is_unsure_and_ends_with_the_word():
    # Tokens 1 and 2 begin no word: the vocabulary says so.
    class Spelled(TableModel):
        def vocabulary(self):
            return {"</s>": 0, "ly": 1, "ing": 2, " word": 3}

    unsure = Spelled(table=lambda p, w: [0, 0.25, 0.25, 0.5] if not w else [0, 0, 0.1, 0.9])
    writer = Spelled(table=lambda p, w: [0, 0, 0, 1.0] if not w else [0, 0.9, 0, 0.1])
    words = together(unsure, writer, rule=Nudge(below=0.6))
    # The first word is the writer's, and while it most likely goes on, so is the next token.
    assert said(words, [(3, 1, 1), (3, 3, 3)]) == pytest.approx([0.81, 0.1 * 0.1], abs=1e-12)
    tokens = together(unsure, writer, rule=Nudge(below=0.6, whole_words=False))
    assert said(tokens, [(3, 3, 3), (3, 1, 1)]) == pytest.approx([0.81, 0.0], abs=1e-12)


def test_more_threshold_is_more_base_for_p_and_less_for_h():
    def base_share(rule):
        first = random_table(5, sharp=0.7)
        second = TableModel(table=lambda p, w: [0.02, 0.0, 0.0, 0.98], revision="second")
        model = together(first, second, rule=rule)
        arm = Arm(name="b", model=model, sampling=Sampling(max_tokens=6))
        frame = collect(arm, [Prompt(prompt="p")], n=200).frame
        tokens = [t for ids in frame["token_ids"].to_list() for t in ids]
        return np.mean([t in (1, 2) for t in tokens])

    p = [base_share(Baco(by="p", threshold=t, content=None)) for t in (0.3, 0.6, 0.9)]
    h = [base_share(Baco(by="h", threshold=t, content=None)) for t in (0.3, 0.7, 1.1)]
    assert p == sorted(p)
    assert p[0] < p[-1]
    assert h == sorted(h, reverse=True)
    assert h[0] > h[-1]


def test_what_comes_out_goes_token_by_token_too():
    model = together(BASE, ALIGNED, rule=HandOff(after=1))
    arm = Arm(name="x", model=arithmetic(model, n=8), sampling=SAMPLING)
    assert not collect(arm, [Prompt(prompt="p")], n=8).frame["iid"].any()
    arm = Arm(name="y", model=stochastic_beam(model, n=4), sampling=SAMPLING)
    assert collect(arm, [Prompt(prompt="p")], n=4).frame["text"].n_unique() == 4


def test_a_draw_costs_what_every_context_reads():
    model = together(BASE, Context(model=ALIGNED, prompt="well {prompt}"), rule=HandOff(after=1))
    arm = Arm(name="x", model=model, sampling=SAMPLING)
    for row in collect(arm, [Prompt(prompt="p")], n=4).frame.iter_rows(named=True):
        assert row["prompt_tokens"] == 1 + 2
        assert row["cost"] == 3 + 2 * row["completion_tokens"]


def test_identities_tell_rules_contexts_and_order_apart():
    models = [
        together(BASE, ALIGNED, rule=HandOff(after=1)), together(BASE, ALIGNED, rule=Nudge()),
        together(BASE, ALIGNED, rule=HandOff(after=2)), together(ALIGNED, BASE, rule=Nudge()),
        together(BASE, Context(model=ALIGNED, system="Be brief."), rule=Nudge()),
    ]  # fmt: skip
    assert len({model.revision for model in models}) == len(models)


def test_what_cannot_be_together_is_refused():
    with pytest.raises(UsageError, match="do not share a vocabulary: 4 and 6 tokens, 4 of"):
        together(BASE, random_table(0, size=6), rule=Nudge())
    with pytest.raises(UsageError, match="two contexts"):
        together(BASE, rule=Nudge())
    with pytest.raises(UsageError, match="chooses between two"):
        together(BASE, ALIGNED, BASE, rule=Nudge())
    with pytest.raises(UnknownName, match="mixtur"):
        blend("mixtur")
    for wrong in (lambda: HandOff(after=-1), lambda: Nudge(below=-1), lambda: Chance(share=2),
                  lambda: Baco(by="x"), lambda: Baco(content="x")):  # fmt: skip
        with pytest.raises(UsageError):
            wrong()
