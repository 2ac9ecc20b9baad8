"""Sets and contexts over real weights: the lab's checkpoints."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest

from variegate.decoding.sequences import (
    Baco,
    Context,
    HandOff,
    Nudge,
    TableModel,
    arithmetic,
    blend,
    diverse_beam,
    generator,
    lookahead_tree,
    stochastic_beam,
    together,
)
from variegate.decoding.sequences._shaped import shaped
from variegate.errors import UsageError, VariegateError
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.models import Arm, Sampling, collect, transformers_model

torch = pytest.importorskip("torch")
PROMPTS = evaluation_prompts(per_task=1)


@pytest.fixture(scope="module")
def models():
    folder = lab_lineage().parent / "checkpoints"
    return {n: transformers_model(folder / n, device="cpu") for n in ("base", "instruct-sft")}


def frame(model, *, n=8, **settings):
    arm = Arm(name="arm", model=model, sampling=Sampling(**{"max_tokens": 12, **settings}))
    return collect(arm, PROMPTS, n=n).frame


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.6, "top_p": 0.9}, {"top_k": 5}])
def test_prefixes_of_a_checkpoint_are_visited_as_often_as_they_should_be(models, settings):
    model, n = models["base"], 16
    found = frame(arithmetic(model, n=n), n=n, **settings)
    for prompt in PROMPTS:
        rows = found.filter(found["prompt_id"] == prompt.prompt_id)
        visits: Counter[tuple[int, ...]] = Counter()
        share = {}
        for ids, lps in zip(rows["token_ids"], rows["token_logprobs"], strict=True):
            for length in range(1, len(ids) + 1):
                visits[tuple(ids[:length])] += 1
                share[tuple(ids[:length])] = float(np.exp(sum(lps[:length])))
        for prefix, count in visits.items():
            expected = n * share[prefix]
            assert np.floor(expected - 1e-3) <= count <= np.ceil(expected + 1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: arithmetic(m, n=4), lambda m: stochastic_beam(m, n=4),
        lambda m: diverse_beam(m, n=4, groups=2),
        lambda m: lookahead_tree(m, n=4, look=(2, 3), branch_above=0.1),
    ],
    ids=["arithmetic", "stochastic", "diverse", "lookahead"],
)  # fmt: skip
def test_draws_carry_the_probabilities_of_their_own_tokens(models, make):
    model = models["instruct-sft"]
    found = frame(make(model), n=4)
    assert found.height == 4 * len(PROMPTS)
    for row in found.iter_rows(named=True):
        ids = row["token_ids"]
        rest = [ids[:-1] if ids[-1] in model.ends else ids]
        rendered = model.render(row["prompt"], format="raw")
        [expected] = model.score(rendered, rest, sampling=Sampling(max_tokens=12))
        assert row["logprob"] == pytest.approx(expected, abs=1e-3)
        assert not row["iid"]


def test_a_prompt_alone_gives_the_same_set_as_among_others(models):
    sampler = stochastic_beam(models["base"], n=4)
    whole = frame(sampler, n=4)
    arm = Arm(name="arm", model=sampler, sampling=Sampling(max_tokens=12))
    alone = collect(arm, PROMPTS[2:3], n=4).frame
    assert alone["text"].to_list() == whole["text"].to_list()[8:12]


def test_base_and_post_share_a_vocabulary_and_write_one_text(models):
    base, post = models["base"], models["instruct-sft"]
    plain = frame(post)["text"].to_list()
    scores = {}
    for rule in (HandOff(after=0), Nudge(below=1.01), Baco(by="h", threshold=99)):
        both = together(base, post, rule=rule)
        scores[type(rule).__name__] = both
    for row in frame(post).iter_rows(named=True):
        ids = row["token_ids"][:-1] if row["token_ids"][-1] in post.ends else row["token_ids"]
        for both in scores.values():
            rendered = both.render(row["prompt"], format="raw")
            [lp] = both.score(rendered, [ids], sampling=Sampling(max_tokens=12))
            assert lp == pytest.approx(row["logprob"], abs=1e-3)
    assert len(plain) == 8 * len(PROMPTS)
    mixed = frame(together(base, post, rule=blend("mixture", weights=(1, 1))), n=3)
    assert (mixed["finish"] != "error").all()


def test_one_model_with_two_prompts_reads_each_once(models):
    model = models["instruct-sft"]
    negative = Context(model=model, prompt="{prompt} {prompt}")
    both = together(model, negative, rule=blend("steer", gamma=0.0, eta=0.3))
    for row in frame(both, n=2).iter_rows(named=True):
        own = len(model._encode(model.render(row["prompt"], format="raw")))
        assert row["prompt_tokens"] > 2 * own


def test_other_vocabularies_are_refused(models):
    table = TableModel(table=lambda prompt, written: [0, 1.0])
    with pytest.raises(UsageError, match="do not share a vocabulary"):
        together(models["base"], table, rule=Nudge())


@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0.5}, {"temperature": 0.0}, {"top_k": 3}, {"top_p": 0.6}, {"min_p": 0.2}],
)
def test_settings_mean_the_same_on_any_array(settings):
    from variegate.models._transformers._truncate import log_distribution

    rng = np.random.default_rng(0)
    lp = torch.tensor(rng.normal(size=(50, 30)) * 3).log_softmax(-1)
    expected = log_distribution(lp, Sampling(**settings)).numpy()
    for given in (lp, lp.numpy()):
        assert np.asarray(shaped(given, Sampling(**settings))) == pytest.approx(expected, abs=1e-9)


def test_generate_takes_sets_and_reads_the_prompt_once(models):
    model = models["base"].model
    ids = torch.tensor([[5, 6, 7, 8], [0, 9, 10, 11]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])
    widths = []
    handle = model.register_forward_pre_hook(
        lambda _m, _a, kwargs: widths.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        out = model.generate(
            input_ids=ids, attention_mask=mask, do_sample=True, top_k=0, num_return_sequences=4,
            max_new_tokens=6, pad_token_id=0,
            custom_generate=generator(lambda m: stochastic_beam(m, n=4), seed=3),
        )  # fmt: skip
    finally:
        handle.remove()
    assert widths[0] == (2, 4)
    assert out.shape[0] == 8
    assert (out[:4, :4] == ids[0]).all()
    assert len({tuple(row) for row in out[:4].tolist()}) == 4
    with pytest.raises(UsageError, match="NoRepeatNGram"):
        model.generate(
            input_ids=ids, attention_mask=mask, do_sample=True, no_repeat_ngram_size=2,
            max_new_tokens=2, pad_token_id=0, custom_generate=generator(lambda m: m),
        )  # fmt: skip


@pytest.mark.fault(13)
@pytest.mark.parametrize(
    "make",
    [
        lambda m: arithmetic(m, n=2), lambda m: stochastic_beam(m, n=2),
        lambda m: diverse_beam(m, n=2), lambda m: lookahead_tree(m, n=2),
        lambda m: together(m, m, rule=Nudge()),
    ],
    ids=["arithmetic", "stochastic", "diverse", "lookahead", "together"],
)  # fmt: skip
def test_fault_13_broken_weights_are_refused(models, make):
    broken = copy.deepcopy(models["base"])
    broken.model.get_output_embeddings().weight.data[:] = torch.nan
    with pytest.raises(VariegateError, match="NaN"):
        frame(make(broken), n=2)
