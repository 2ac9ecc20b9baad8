"""vLLM through a stand-in: what it is asked, and what is made of what it says."""

from __future__ import annotations

import json
import sys
import types
from types import SimpleNamespace

import pytest

from variegate.decoding import rule
from variegate.errors import CheckpointError, MissingExtra, UsageError
from variegate.models import Arm, Sampling, collect, require, vllm_model
from variegate.samples import Prompt

pytest.importorskip("torch")


class Engine:
    """Answers with two tokens that its seed chooses, as vLLM's classes look from outside."""

    made: Engine

    def __init__(self, **options):
        self.options, self.asked = options, []
        Engine.made = self

    def get_tokenizer(self):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.options["model"])

    def generate(self, prompts, params, *, use_tqdm):
        self.asked += list(zip(prompts, params, strict=True))
        replies = []
        for prompt, one in zip(prompts, params, strict=True):
            ids = [8 + one.seed % 8, 2]
            steps = [{i: SimpleNamespace(logprob=-0.5)} for i in ids]
            out = SimpleNamespace(token_ids=ids, logprobs=steps, finish_reason="stop")
            replies.append(SimpleNamespace(outputs=[out], **prompt))
        return replies


@pytest.fixture
def vllm(monkeypatch):
    module = types.ModuleType("vllm")
    module.LLM, module.SamplingParams = Engine, SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


def test_draws_have_their_own_seeds_and_the_log_probabilities_of_what_was_sampled_from(
    vllm, checkpoint
):
    model = vllm_model(checkpoint, max_model_len=64)
    arm = Arm(name="a", model=model, format="chat", sampling=Sampling(temperature=0.7, top_p=0.9))
    frame = collect(arm, [Prompt(prompt="Name one")], n=20).frame
    assert Engine.made.options["trust_remote_code"] is False
    assert Engine.made.options["load_format"] == "safetensors"
    assert Engine.made.options["logprobs_mode"] == "processed_logprobs"
    assert Engine.made.options["max_model_len"] == 64
    params = [params for _, params in Engine.made.asked]
    assert [p.seed for p in params] == frame["seed"].to_list()
    assert {(p.temperature, p.top_p, p.n) for p in params} == {(0.7, 0.9, 1)}
    assert frame["logprob"].to_list() == [-1.0] * 20
    assert frame["text"].to_list() == ["abcdefgh"[seed % 8] for seed in frame["seed"]]
    assert (frame["prompt_tokens"] > 0).all()


def test_a_temperature_left_open_is_left_to_the_engine(vllm, checkpoint):
    arm = Arm(name="a", model=vllm_model(checkpoint), sampling=Sampling(temperature=None))
    collect(arm, [Prompt(prompt="Name one")], n=1)
    assert not hasattr(Engine.made.asked[0][1], "temperature")


def test_with_rules_everything_goes_through_the_processor_in_the_promised_order(vllm, checkpoint):
    model = vllm_model(checkpoint, rules="variegate.decoding.adapters:VllmProcessor")
    require(model, "E", "top_h")
    sampling = Sampling(temperature=0.7, top_k=5, rules=(rule("top_h", alpha=0.4),))
    collect(Arm(name="a", model=model, sampling=sampling), [Prompt(prompt="Name one")], n=1)
    params = Engine.made.asked[0][1]
    assert Engine.made.options["logits_processors"] == ["variegate.decoding.adapters:VllmProcessor"]
    assert (params.temperature, params.top_p, params.top_k) == (1.0, 1.0, -1)
    sent = json.loads(params.extra_args["variegate_rules"])
    assert [one["name"] for one in sent] == ["temperature", "top_k", "top_h"]
    # What the processor on the other side makes of it.
    for one in sent:
        name = one.pop("name")
        assert rule(name, **one).name == name


def test_rules_without_a_processor_are_refused(vllm, checkpoint):
    model = vllm_model(checkpoint)
    with pytest.raises(UsageError, match="tier E"):
        require(model, "E", "top_h")
    sampling = Sampling(rules=(rule("top_h", alpha=0.4),))
    with pytest.raises(UsageError, match="logits processor"):
        collect(Arm(name="a", model=model, sampling=sampling), [Prompt(prompt="x")], n=1)
    with pytest.raises(UsageError, match="cannot score"):
        model.score("a", ["b"], sampling=Sampling())


@pytest.mark.fault(28)
@pytest.mark.parametrize("option", ["trust_remote_code", "load_format", "model"])
def test_fault_28_no_option_reads_pickles_or_runs_foreign_code(vllm, checkpoint, option):
    with pytest.raises(UsageError, match=option):
        vllm_model(checkpoint, **{option: True})


@pytest.mark.fault(28)
def test_fault_28_a_checkpoint_is_looked_at_before_the_engine_starts(vllm, tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError):
        vllm_model(tmp_path)


def test_an_engine_that_cannot_start_is_a_checkpoint_error(vllm, checkpoint):
    def fails(**_):
        raise ValueError("no memory")

    vllm.LLM = fails
    with pytest.raises(CheckpointError, match="no memory"):
        vllm_model(checkpoint)


@pytest.mark.fault(38)
def test_fault_38_without_vllm_the_hint_is_the_pip_command(monkeypatch, checkpoint):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra) as caught:
        vllm_model(checkpoint)
    assert caught.value.hint == "pip install 'variegate[vllm]'"
