"""Training: all eight stages at toy size, resumed, repeated; and each loop on its own."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib

import numpy as np
import pytest
import torch

from variegate import lab
from variegate.errors import RunConflict, UnknownName, UsageError
from variegate.lab.training import RECIPES, STAGES, Size
from variegate.lab.training._checkpoint import new_model
from variegate.lab.training._corpus import Document, encode, think_lessons
from variegate.lab.training._judge import answer_of, concentration, preference, score
from variegate.lab.training._preference import pairs_from
from variegate.lab.training._speaking import speak, token_logprobs
from variegate.lab.training._vocabulary import vocabulary
from variegate.models import Request, Sampling, transformers_model
from variegate.samples import read_prompts

TINY = Size(hidden=16, feedforward=24, layers=1, heads=2)


def weights(root, stage):
    return (root / "checkpoints" / stage / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    seen = []
    path = lab.train(root, scale="toy", progress=lambda *point: seen.append(point))
    return root, path, seen


@pytest.mark.slow
def test_all_eight_stages_are_trained_by_the_real_loops(toy):
    root, path, seen = toy
    assert path == root / "LINEAGE.toml"
    for stage in STAGES:
        record = json.loads((root / "checkpoints" / stage.name / "training.json").read_text())
        assert record["parent"] == stage.parent
        assert record["curve"]
        assert all(math.isfinite(v) for row in record["curve"] for v in row.values() if v)
    assert {stage for stage, *_ in seen} == {stage.name for stage in STAGES}
    dpo = json.loads((root / "checkpoints" / "think-dpo" / "training.json").read_text())["curve"]
    assert dpo[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert {"win_rate", "accuracy", "top_entropy", "top_mass", "chosen_logprob"} <= set(dpo[-1])
    # A toy never earns a reward, so its three RL stages leave their parents' weights as they are.
    assert len({weights(root, stage.name) for stage in STAGES if stage.kind != "rl"}) == 5
    assert weights(root, "rl-zero") == weights(root, "base")


@pytest.mark.slow
def test_finished_stages_are_kept_and_a_lost_one_comes_back_the_same(toy, tmp_path):
    root, _, _ = toy
    seen = []
    lab.train(root, scale="toy", progress=lambda *point: seen.append(point))
    assert not seen
    again = tmp_path / "again"
    lab.train(again, scale="toy", stages=["base", "instruct-sft"])
    for stage in ("base", "instruct-sft"):
        assert weights(again, stage) == weights(root, stage)
    # What a killed run leaves behind is no checkpoint.
    left = again / "checkpoints" / ".rl-zero.unfinished"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    lab.train(again, scale="toy", stages=["rl-zero"])
    assert weights(again, "rl-zero") == weights(root, "rl-zero")
    assert not left.exists()


@pytest.mark.slow
def test_another_seed_is_another_folder(toy, tmp_path):
    root, _, _ = toy
    with pytest.raises(RunConflict, match="seed"):
        lab.train(root, scale="toy", seed=1)
    lab.train(tmp_path, scale="toy", seed=1, stages=["base"])
    assert weights(tmp_path, "base") != weights(root, "base")


@pytest.mark.slow
def test_checkpoints_are_ordinary_ones_and_can_be_asked(toy):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    root, _, _ = toy
    for stage in STAGES:
        folder = root / "checkpoints" / stage.name
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert type(model).__name__ == "LlamaForCausalLM"
        assert len(tokenizer) == model.config.vocab_size == len(vocabulary())
        assert tokenizer.eos_token_id == model.config.eos_token_id
        expected = {None: ("raw",), "plain": ("raw", "chat")}
        formats = transformers_model(folder).formats()
        assert formats == expected.get(stage.template, ("raw", "chat", "empty-reasoning"))
    model = transformers_model(root / "checkpoints" / "base")
    request = Request(key="a", rendered="make 12 :", index=0, seed=1)
    (batch,) = model.sample([request], sampling=Sampling(max_tokens=4))
    assert batch[0].completion_tokens <= 4


@pytest.mark.slow
def test_a_kept_random_state_is_not_touched(toy, tmp_path):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    lab.train(tmp_path, scale="toy", stages=["base"])
    assert torch.equal(state, torch.get_rng_state())
    assert threads == torch.get_num_threads()


def test_what_cannot_be_trained_is_refused(tmp_path):
    with pytest.raises(UnknownName, match="stage"):
        lab.train(tmp_path, stages=["bass"])
    with pytest.raises(UnknownName, match="scale"):
        lab.train(tmp_path, scale="huge")
    with pytest.raises(UsageError, match="starts from base"):
        lab.train(tmp_path, scale="toy", stages=["rl-zero"])


def test_the_shipped_lineage_names_what_is_there():
    path = lab.lab_lineage()
    lineage = tomllib.loads(path.read_text())
    assert [stage["name"] for stage in lineage["stages"]] == [stage.name for stage in STAGES]
    prompts = read_prompts(path.parent / lineage["prompts"])
    assert {p.prompt_id for p in prompts} <= {p.prompt_id for p in lab.evaluation_prompts()}
    for stage in lineage["stages"]:
        assert (path.parent / stage["model"] / "model.safetensors").exists()


def test_the_shipped_checkpoints_are_small_and_of_the_recipe():
    folder = lab.lab_lineage().parent / "checkpoints"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl")]
    for stage in STAGES:
        record = json.loads((folder / stage.name / "training.json").read_text())
        assert record["scale"] == "full"
        assert record["size"] == dataclasses.asdict(RECIPES["full"].size)
        assert record["seed"] == 0
        tokenizer = json.loads((folder / stage.name / "tokenizer.json").read_text())
        assert tokenizer["model"]["vocab"] == vocabulary()


def test_scores_of_what_is_drawn_are_the_probabilities_it_is_drawn_with():
    model = new_model(TINY, seed=0).eval()
    start = encode("make 12 :")
    generator = torch.Generator().manual_seed(0)
    drawn = speak(model, [start] * 4000, max_tokens=1, generator=generator)
    counts = np.bincount([d.tokens[-1] for d in drawn], minlength=len(vocabulary()))
    every = [Document((*start, token), len(start)) for token in range(len(vocabulary()))]
    with torch.no_grad():
        logprobs, _ = token_logprobs(model, every)
    p = logprobs.sum(1).exp().numpy()
    assert p.sum() == pytest.approx(1, abs=1e-5)
    chi2 = ((counts - 4000 * p) ** 2 / (4000 * p)).sum()
    assert chi2 < len(p) + 5 * math.sqrt(2 * len(p))


def test_padding_and_company_change_no_score():
    model = new_model(TINY, seed=1).eval()
    short = Document(encode("name one fruit : apple"), 4)
    long = Document(encode("route from alba to dell : alba brin dell"), 6)
    with torch.no_grad():
        together = token_logprobs(model, [short, long])[0].sum(1)
        alone = [float(token_logprobs(model, [d])[0].sum()) for d in (short, long)]
    np.testing.assert_allclose(together.numpy(), alone, rtol=1e-5)


def test_the_judge_prefers_right_and_among_right_the_typical():
    prompt = next(p for p in lab.training_prompts() if p.task == "lists")
    right = lab.right_answers(prompt)
    first, *_, last = right
    said = {
        text: Document(encode(f"{prompt.prompt} {text} </s>"), 4) for text in (first, last, "alba")
    }
    scores = {text: score(prompt, document) for text, document in said.items()}
    assert scores[first] > scores[last] > scores["alba"]
    assert preference(1.0, 1.0) == 0.5
    cut = Document(said[first].tokens[:-1], 4)
    assert score(prompt, cut) == score(prompt, said["alba"])
    pairs = pairs_from([prompt], [[said["alba"], said[first]]], np.random.default_rng(0))
    assert pairs[0].chosen == said[first]
    assert not pairs_from([prompt], [[said[first], said[first]]], np.random.default_rng(0))


def test_an_answer_is_what_follows_the_reasoning():
    prompt = lab.training_prompts()[:1]
    document = next(think_lessons(prompt, np.random.default_rng(0)))
    assert "</think>" not in answer_of(document)
    assert answer_of(document) in lab.right_answers(prompt[0])


def test_concentration_of_a_flat_model_is_k_of_v_and_of_all_tokens_is_its_entropy():
    model = new_model(TINY, seed=0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    v = len(vocabulary())
    document = Document(encode("name one fruit : apple"), 4)
    some = concentration(model, [document], k=10)
    assert some["top_mass"] == pytest.approx(10 / v, rel=1e-5)
    assert some["top_entropy"] == pytest.approx(math.log(10), rel=1e-5)
    everything = concentration(model, [document], k=v)
    assert everything["top_mass"] == pytest.approx(1, rel=1e-5)
    assert everything["top_entropy"] == pytest.approx(math.log(v), rel=1e-5)
