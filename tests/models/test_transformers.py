"""A checkpoint that can speak: its draws, its scores, its formats."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest

from variegate.errors import CheckpointError, UsageError
from variegate.models import Arm, Request, Sampling, collect, transformers_model
from variegate.samples import Prompt, RunDirectory

torch = pytest.importorskip("torch")
PROMPTS = [Prompt(prompt=text) for text in ("a b", "c", "d e f g", "h", "Name one red :")]
END = 2


@pytest.fixture(scope="module")
def model(checkpoint):
    return transformers_model(checkpoint, name="tiny", device="cpu")


def draw(model, *, n=20, prompts=PROMPTS, seed=0, format="raw", **settings) -> pl.DataFrame:
    sampling = Sampling(**{"max_tokens": 10, **settings})
    arm = Arm(name="arm", model=model, format=format, sampling=sampling)
    return collect(arm, prompts, n=n, seed=seed).frame


def language(model, max_tokens: int) -> list[list[int]]:
    """Everything that can be written before the end, or up to the limit."""
    words = [token for token in range(model.model.config.vocab_size) if token != END]
    lengths = range(max_tokens + 1)
    return [list(row) for length in lengths for row in itertools.product(words, repeat=length)]


TRUNCATIONS = [
    {}, {"temperature": 0.6}, {"top_k": 4}, {"top_p": 0.7}, {"min_p": 0.1},
    {"temperature": 1.7, "top_k": 12, "top_p": 0.9, "min_p": 0.02}, {"temperature": 0.0},
]  # fmt: skip


@pytest.mark.parametrize("settings", TRUNCATIONS)
def test_scores_sum_to_one_over_everything_that_can_be_written(model, settings):
    scores = model.score("a b", language(model, 2), sampling=Sampling(max_tokens=2, **settings))
    assert np.exp(scores).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("settings", TRUNCATIONS[:-1])
def test_draws_follow_the_scores(model, settings):
    everything = language(model, 2)
    sampling = Sampling(max_tokens=2, **settings)
    p = np.exp(model.score("a b", everything, sampling=sampling))
    frame = draw(model, n=4000, prompts=PROMPTS[:1], max_tokens=2, **settings)
    place = {tuple(row): index for index, row in enumerate(everything)}
    written = [tuple(ids[:-1] if ids[-1] == END else ids) for ids in frame["token_ids"].to_list()]
    counts = np.bincount([place[row] for row in written], minlength=len(p))
    assert counts[p == 0].sum() == 0
    # Chi-square over the answers expected at least five times, the rest in one cell.
    often = 4000 * p >= 5
    expected = np.append(4000 * p[often], 4000 * p[~often].sum() + 1e-9)
    observed = np.append(counts[often], counts[~often].sum())
    chi2, df = float(((observed - expected) ** 2 / expected)[expected > 1].sum()), len(expected)
    assert chi2 < df + 5 * math.sqrt(2 * df)


@pytest.mark.parametrize("settings", TRUNCATIONS)
def test_a_draw_has_the_score_of_its_tokens(model, settings):
    frame = draw(model, **settings)
    for (prompt,), rows in frame.group_by("prompt"):
        ids = [row[:-1] if row[-1] == END else row for row in rows["token_ids"].to_list()]
        sampling = Sampling(max_tokens=10, **settings)
        scores = model.score(model.render(prompt, format="raw"), ids, sampling=sampling)
        assert scores == pytest.approx(rows["logprob"].to_numpy(), abs=1e-3)
        assert [sum(lps) for lps in rows["token_logprobs"].to_list()] == pytest.approx(
            rows["logprob"].to_numpy()
        )


def test_token_entropies_are_those_of_the_distribution_sampled_from(model):
    first = [[token] for token in range(model.model.config.vocab_size) if token != END]
    for settings in TRUNCATIONS:
        lp = model.score("a b", [[], *first], sampling=Sampling(max_tokens=1, **settings))
        p = np.exp(lp)
        exact = -(p[p > 0] * lp[p > 0]).sum()
        row = draw(model, n=1, prompts=PROMPTS[:1], **settings)["token_entropies"][0]
        assert row[0] == pytest.approx(exact, abs=1e-4)


@pytest.mark.fault(36)
def test_fault_36_the_same_seed_gives_the_same_bytes(model):
    assert draw(model).equals(draw(model))
    assert not draw(model)["text"].equals(draw(model, seed=1)["text"])


@pytest.mark.parametrize("batch_size", [1, 3, 16, 64])
def test_a_draw_does_not_depend_on_what_stands_beside_it(checkpoint, model, batch_size):
    small = transformers_model(checkpoint, name="tiny", device="cpu", batch_size=batch_size)
    one, other = draw(model), draw(small)
    assert one["token_ids"].equals(other["token_ids"])
    assert one["logprob"].to_numpy() == pytest.approx(other["logprob"].to_numpy(), abs=1e-3)


@pytest.mark.fault(24)
def test_fault_24_a_run_of_a_checkpoint_goes_on_where_it_stopped(checkpoint, tmp_path):
    model = transformers_model(checkpoint, batch_size=16, device="cpu")
    arm = Arm(name="arm", model=model, sampling=Sampling(max_tokens=8))
    whole = collect(arm, PROMPTS, n=12).frame

    class Killed(BaseException):
        pass

    def kill(done: int, wanted: int) -> None:
        if done >= 32:
            raise Killed

    with RunDirectory.open(tmp_path, settings=arm.settings(), kind="collect") as run:
        with pytest.raises(Killed):
            collect(arm, PROMPTS, n=12, run=run, progress=kill)
        assert run.samples().frame.height == 32
        # The batches that are left are the ones it would have made: equal to the last bit.
        assert collect(arm, PROMPTS, n=12, run=run).frame.equals(whole)


@pytest.mark.fault(7)
def test_fault_07_a_draw_says_whether_it_ended_was_cut_or_is_empty(model):
    frame = draw(model, n=60, max_tokens=4)
    ended = frame["token_ids"].list.last() == END
    assert 0 < ended.sum() < len(ended)
    assert ((frame["finish"] == "length") == ~ended).all()
    assert ((frame["finish"] == "empty") == (ended & (frame["text"] == ""))).all()
    assert (frame.filter(~ended)["completion_tokens"] == 4).all()
    assert (frame["token_ids"].list.len() == frame["completion_tokens"]).all()
    assert (frame["token_entropies"].list.len() == frame["completion_tokens"]).all()
    assert (frame["prompt_tokens"] == frame["prompt"].str.split(" ").list.len()).all()


def test_a_stop_string_ends_a_draw_and_goes(model):
    plain, stopped = draw(model, n=60), draw(model, n=60, stop=("red", "one"))
    assert plain["text"].str.contains("red|one").any()
    assert not stopped["text"].str.contains("red|one").any()
    hit = (
        stopped["token_ids"]
        .list.last()
        .is_in(model.tokenizer.convert_tokens_to_ids(["red", "one"]))
    )
    assert hit.any()
    assert (stopped.filter(hit)["finish"] != "length").all()


def test_temperature_zero_is_the_likeliest_token_every_time(model):
    frame = draw(model, temperature=0.0)
    assert frame.group_by("prompt").agg(pl.col("text").n_unique())["text"].max() == 1
    assert set(frame["logprob"]) == {0.0}


def test_a_text_is_scored_as_its_usual_tokens(model):
    ids = model.tokenizer("red green", add_special_tokens=False)["input_ids"]
    sampling = Sampling(max_tokens=5)
    by_text, by_ids = (model.score("a", c, sampling=sampling) for c in (["red green"], [ids]))
    assert by_text == pytest.approx(by_ids)
    assert model.score("a", [], sampling=sampling).shape == (0,)
    longer = model.score("a", [[9] * 6, [9] * 5], sampling=sampling)
    assert longer[0] == -np.inf < longer[1]


OPENS = "{{ messages[0].content }} {% if add_generation_prompt %}<|model|> <think> {% endif %}"
SWITCH = (
    "{{ messages[0].content }} <|model|> "
    "{% if enable_thinking is defined and not enable_thinking %}<think> </think> {% endif %}"
)
STRIPS = "{{ messages[0].content.split('</think>')[-1] }} {# <think> #}<|model|> "


@pytest.mark.parametrize(
    ("template", "formats", "rendered"),
    [
        (None, ("raw",), None),
        ("{{ messages[0].content }} <|model|> ", ("raw", "chat"), None),
        (OPENS, ("raw", "chat", "empty-reasoning"), "a <|model|> <think>\n\n</think>\n\n"),
        (SWITCH, ("raw", "chat", "empty-reasoning"), "a <|model|> <think> </think> "),
        (STRIPS, ("raw", "chat", "empty-reasoning"), "a <|model|> <think>\n\n</think>\n\n"),
    ],
)
def test_formats_are_found_in_what_the_template_renders(
    make_checkpoint, tmp_path, template, formats, rendered
):
    model = transformers_model(make_checkpoint(tmp_path / "m", template=template), device="cpu")
    assert model.formats() == formats
    assert model.render("a", format="raw") == "a"
    if rendered:
        assert model.render("a", format="empty-reasoning") == rendered
    else:
        with pytest.raises(UsageError, match="it knows raw"):
            model.render("a", format="empty-reasoning")


def test_reasoning_is_split_from_the_answer(make_checkpoint, tmp_path):
    model = transformers_model(make_checkpoint(tmp_path / "m", template=OPENS), device="cpu")
    frame = draw(model, n=200, format="chat", prompts=PROMPTS[:2], max_tokens=30)
    close = model.tokenizer.convert_tokens_to_ids("</think>")
    closed = frame["token_ids"].list.contains(close)
    assert 0 < closed.sum() < len(closed)
    assert frame["reasoning"].null_count() == 0
    assert set(frame.filter(~closed)["text"]) == {""}
    assert not frame["reasoning"].str.contains("</think>", literal=True).any()
    assert frame.filter(closed)["text"].n_unique() > 5
    empty = draw(model, n=40, format="empty-reasoning", prompts=PROMPTS[:2], max_tokens=5)
    opening = model.tokenizer.convert_tokens_to_ids("<think>")
    tokens = empty["token_ids"].list
    answered = ~tokens.contains(close) & ~tokens.contains(opening)
    assert answered.any()
    assert empty.filter(answered)["reasoning"].null_count() == answered.sum()


def test_a_model_in_memory_is_named_by_its_weights(model, checkpoint, make_checkpoint, tmp_path):
    with pytest.raises(UsageError, match="tokenizer"):
        transformers_model(model.model)
    memory = transformers_model(model.model, tokenizer=model.tokenizer, device="cpu", name="tiny")
    sampling = Sampling(max_tokens=6)
    request = Request(key="k", rendered="a b", index=0, seed=5)
    one, other = (next(m.sample([request], sampling=sampling))[0] for m in (model, memory))
    assert one == other
    assert transformers_model(checkpoint, device="cpu").revision == model.revision
    changed = transformers_model(make_checkpoint(tmp_path / "m", seed=1), device="cpu")
    assert changed.revision != model.revision
    assert transformers_model(checkpoint, dtype="bfloat16").revision != model.revision


def test_weights_that_compute_nan_are_noticed(make_checkpoint, tmp_path):
    model = transformers_model(make_checkpoint(tmp_path / "m"), device="cpu")
    model.model.lm_head.weight.data[3] = float("nan")
    for temperature in (0.0, 1.0):
        with pytest.raises(CheckpointError, match="NaN"):
            draw(model, n=1, temperature=temperature)


@pytest.mark.fault(2)
def test_fault_02_a_temperature_left_open_is_a_draw(model):
    frame = draw(model, n=30, prompts=PROMPTS[:1], temperature=None)
    assert frame["text"].n_unique() > 5


def test_the_loop_survives_no_requests_and_an_empty_prompt(model):
    assert list(model.sample([], sampling=Sampling())) == []
    request = Request(key="k", rendered="", index=0, seed=5)
    assert next(model.sample([request], sampling=Sampling(max_tokens=3)))[0].prompt_tokens == 1
