"""Adapters: transformers as oracle and as host, vLLM's interfaces by stand-ins, endpoints."""

from __future__ import annotations

import enum
import json
import subprocess
import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest

from variegate.decoding import adapters, rule, suppression
from variegate.decoding.adapters import endpoint_parameters, vllm_arguments
from variegate.errors import MissingExtra, UsageError

torch = pytest.importorskip("torch")

WARPERS = [
    ("temperature", {"temperature": 0.7}, "TemperatureLogitsWarper", (0.7,)),
    ("top_k", {"top_k": 40}, "TopKLogitsWarper", (40,)),
    ("top_p", {"top_p": 0.9}, "TopPLogitsWarper", (0.9,)),
    ("min_p", {"min_p": 0.05}, "MinPLogitsWarper", (0.05,)),
    ("typical", {"tau": 0.8}, "TypicalLogitsWarper", (0.8,)),
    ("epsilon", {"epsilon": 9e-4}, "EpsilonLogitsWarper", (9e-4,)),
    ("eta", {"epsilon": 2e-3}, "EtaLogitsWarper", (2e-3,)),
    ("top_h", {"alpha": 0.4, "compat": "transformers"}, "TopHLogitsWarper", (0.4,)),
    ("top_h", {"alpha": 0.8, "compat": "transformers"}, "TopHLogitsWarper", (0.8,)),
]


@pytest.mark.parametrize(("name", "settings", "warper", "arguments"), WARPERS)
@pytest.mark.parametrize("scale", [0.8, 1.3, 2.5])
def test_the_warpers_of_transformers_give_the_same(name, settings, warper, arguments, scale):
    from transformers.generation import logits_process

    rng = np.random.default_rng(3)
    ranks = rng.permuted(np.tile(np.arange(1.0, 4001), (8, 1)), axis=1)
    scores = torch.tensor(-scale * np.log(ranks) + 0.3 * rng.standard_normal(ranks.shape))
    theirs = getattr(logits_process, warper)(*arguments)(None, scores).double().log_softmax(-1)
    ours = rule(name, **settings)(scores.log_softmax(-1))
    assert torch.equal(ours > -torch.inf, theirs > -torch.inf)
    assert ours.exp().numpy() == pytest.approx(theirs.exp().numpy(), abs=1e-9)


@pytest.mark.parametrize(
    "settings",
    [{"temperature": 0.7}, {"temperature": 0.0}, {"top_k": 5}, {"top_p": 0.77}, {"min_p": 0.11},
     {"temperature": 1.7, "top_k": 12, "top_p": 0.83, "min_p": 0.07}],
)  # fmt: skip
def test_the_backend_of_checkpoints_draws_from_the_same(settings):
    from variegate.decoding import apply
    from variegate.models import Sampling
    from variegate.models._transformers._truncate import log_distribution

    logits = torch.tensor(np.random.default_rng(0).standard_normal((6, 500)) * 3)
    theirs = log_distribution(logits, Sampling(**settings))
    chain = [rule(name, **{name: value}) for name, value in settings.items()]
    ours = apply(logits.log_softmax(-1), chain)
    assert torch.equal(ours > -torch.inf, theirs > -torch.inf)
    assert ours.exp().numpy() == pytest.approx(theirs.exp().numpy(), abs=1e-12)
    inside = log_distribution(logits, Sampling(rules=tuple(chain)))
    assert torch.equal(inside, ours)


@pytest.fixture(scope="module")
def model():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
        initializer_range=0.8, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
    model.generation_config.top_k = 3
    model.generation_config.temperature = 0.1
    model.generation_config.do_sample = True
    return model


PROMPT = {"input_ids": torch.tensor([[1, 5, 6]] * 4), "attention_mask": torch.ones(4, 3).long()}


def test_a_processor_runs_before_the_warpers_of_a_config(model):
    processor = adapters.transformers_processor([rule("top_k", top_k=20)])
    out = model.generate(
        **PROMPT, logits_processor=[processor], max_new_tokens=4,
        output_scores=True, return_dict_in_generate=True,
    )  # fmt: skip
    assert max((step > -torch.inf).sum(-1).max() for step in out.scores) == 3
    free = model.generate(
        **PROMPT, logits_processor=[processor], max_new_tokens=4, top_k=0, temperature=1.0,
        output_scores=True, return_dict_in_generate=True,
    )  # fmt: skip
    assert all(((step > -torch.inf).sum(-1) == 20).all() for step in free.scores)


def test_custom_generate_draws_by_the_rules_alone(model):
    decode = adapters.custom_generate(
        [rule("temperature", temperature=1.5), rule("top_k", top_k=20)], seed=7
    )
    before = torch.random.get_rng_state()
    first, second = (
        model.generate(
            **PROMPT, custom_generate=decode, max_new_tokens=6, repetition_penalty=1.3,
            output_scores=True, output_logits=True, return_dict_in_generate=True,
        )
        for _ in range(2)
    )  # fmt: skip
    assert torch.equal(first.sequences, second.sequences)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(((step > -torch.inf).sum(-1) == 20).all() for step in first.scores)
    assert first.scores[0].exp().sum(-1).numpy() == pytest.approx(1, abs=1e-5)
    other = adapters.custom_generate([rule("top_k", top_k=20)], seed=8)
    third = model.generate(**PROMPT, custom_generate=other, max_new_tokens=6)
    assert third.shape[0] == 4
    with pytest.raises(UsageError, match="num_beams"):
        model.generate(**PROMPT, custom_generate=decode, max_new_tokens=2, num_beams=2)


# vLLM cannot be installed here: its two base classes by stand-ins with their abstract methods.


class Direction(enum.Enum):
    UNIDIRECTIONAL = 0
    SWAP = 1


@pytest.fixture
def vllm(monkeypatch):
    import abc

    class Current(abc.ABC):
        def __init__(self, vllm_config, req_states):
            raise NotImplementedError

        @classmethod
        def validate_params(cls, sampling_params):
            raise NotImplementedError

        def add_request(self, req_idx, sampling_params):
            return True

        @abc.abstractmethod
        def apply(self, logits, ctx): ...

    class Before(abc.ABC):
        @classmethod
        def validate_params(cls, sampling_params):
            raise NotImplementedError

        @abc.abstractmethod
        def __init__(self, vllm_config, device, is_pin_memory): ...

        @abc.abstractmethod
        def apply(self, logits): ...

        @abc.abstractmethod
        def is_argmax_invariant(self): ...

        @abc.abstractmethod
        def update_state(self, batch_update): ...

    names = {
        "vllm.v1.worker.gpu.sample.logits_processor": Current,
        "vllm.v1.sample.logits_processor": Before,
    }
    for name, base in names.items():
        parts = name.split(".")
        for end in range(1, len(parts)):
            parent = ".".join(parts[:end])
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
        module = types.ModuleType(name)
        module.LogitsProcessor = base
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("VllmProcessor", "VllmProcessorV1"):
        monkeypatch.delitem(vars(adapters), name, raising=False)
    yield SimpleNamespace(current=Current, before=Before)
    for name in ("VllmProcessor", "VllmProcessorV1"):
        vars(adapters).pop(name, None)


def asks(*rules):
    return SimpleNamespace(extra_args=vllm_arguments(rules) if rules else None)


K2, K3 = rule("top_k", top_k=2), rule("top_k", top_k=3)
LOGITS = torch.tensor(np.random.default_rng(1).standard_normal((4, 9)), dtype=torch.float32)


def sizes(logits):
    return (logits > -torch.inf).sum(-1).tolist()


def test_the_current_interface_of_vllm(vllm):
    kind = adapters.VllmProcessor
    assert issubclass(kind, vllm.current)
    assert adapters.VllmProcessor is kind
    processor = kind(None, None)
    assert processor.add_request(7, asks(K2))
    assert processor.add_request(3, asks(K3))
    assert not processor.add_request(5, asks())
    # Rows are not requests: slots 3, 7, 5, 7 in this step.
    ctx = SimpleNamespace(
        idx_mapping_np=np.array([3, 7, 5, 7]), expanded_idx_mapping=torch.tensor([3, 7, 5, 7])
    )
    out = processor.apply(LOGITS.clone(), ctx)
    assert sizes(out) == [3, 2, 9, 2]
    assert torch.equal(out[2], LOGITS[2])
    expected = K2(LOGITS.double().log_softmax(-1)).float()
    assert torch.equal(out[1], expected[1])
    # With drafted tokens a request owns several rows.
    drafted = SimpleNamespace(
        idx_mapping_np=np.array([3, 5]), expanded_idx_mapping=torch.tensor([3, 3, 5, 5])
    )
    assert sizes(processor.apply(LOGITS.clone(), drafted)) == [3, 3, 9, 9]
    # A slot that is used again forgets.
    assert not processor.add_request(7, asks())
    assert sizes(processor.apply(LOGITS.clone(), ctx)) == [3, 9, 9, 9]
    nobody = SimpleNamespace(idx_mapping_np=np.array([5, 7]), expanded_idx_mapping=None)
    same = LOGITS[:2].clone()
    assert processor.apply(same, nobody) is same


def test_the_interface_of_vllm_before(vllm):
    processor = adapters.VllmProcessorV1(None, "cpu", False)
    assert isinstance(processor, vllm.before)
    assert processor.is_argmax_invariant() is False
    assert processor.apply(LOGITS) is LOGITS

    def update(removed=(), added=(), moved=()):
        processor.update_state(
            SimpleNamespace(batch_size=4, removed=removed, added=added, moved=moved)
        )

    update(added=[(0, asks(K2), None, []), (1, asks(), None, []), (2, asks(K3), None, [])])
    processor.update_state(None)
    assert sizes(processor.apply(LOGITS.clone())) == [2, 9, 3, 9]
    update(moved=[(0, 1, Direction.SWAP), (2, 3, Direction.UNIDIRECTIONAL)])
    assert sizes(processor.apply(LOGITS.clone())) == [9, 2, 9, 3]
    update(moved=[(1, 3, Direction.SWAP)])
    assert sizes(processor.apply(LOGITS.clone())) == [9, 3, 9, 2]
    update(removed=[3], added=[(1, asks(), None, [])])
    assert processor.apply(LOGITS) is LOGITS


def test_vllm_keeps_what_a_grammar_forbids(vllm):
    processor = adapters.VllmProcessor(None, None)
    processor.add_request(0, asks(rule("temperature", temperature=2.0)))
    logits = LOGITS[:1].clone()
    logits[0, :5] = -torch.inf
    ctx = SimpleNamespace(idx_mapping_np=np.array([0]), expanded_idx_mapping=None)
    out = processor.apply(logits, ctx)
    assert out is logits  # in place
    assert sizes(out) == [4]


@pytest.mark.parametrize(
    "wrong",
    ["[", "7", '[{"alpha": 1}]', '[{"name": "top_h"}]', '[{"name": "nothing"}]', [1],
     '[{"name": "top_k", "top_k": 0}]', '[{"name": "contrast"}]', "[" * 100_000],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_refused_alone(vllm, wrong):
    with pytest.raises(ValueError, match=r"."):
        adapters.VllmProcessor.validate_params(
            SimpleNamespace(extra_args={"variegate_rules": wrong})
        )


def test_arguments_travel_as_json(vllm):
    bias = rule("suppress", bias=suppression({3: 5, 4: 95}))
    sent = vllm_arguments([K2, bias])
    assert json.loads(sent["variegate_rules"])[0] == {"name": "top_k", "top_k": 2}
    processor = adapters.VllmProcessor(None, None)
    processor.add_request(0, SimpleNamespace(extra_args=sent))
    assert processor.wanted[0] == (K2, bias)
    with pytest.raises(UsageError, match="several contexts"):
        vllm_arguments([rule("contrast")])


@pytest.mark.fault(38)
def test_fault_38_without_vllm_there_is_a_word(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.delitem(vars(adapters), "VllmProcessor", raising=False)
    with pytest.raises(MissingExtra, match="vLLM") as caught:
        _ = adapters.VllmProcessor
    assert "variegate[vllm]" in caught.value.hint


def test_endpoint_parameters():
    chosen = [
        rule("temperature", temperature=0.7), rule("top_p", top_p=0.9), rule("top_k", top_k=40),
        rule("min_p", min_p=0.05), rule("suppress", bias={42: -7.5}),
    ]  # fmt: skip
    assert endpoint_parameters(chosen) == {
        "temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "logit_bias": {"42": -7.5},
    }  # fmt: skip
    assert endpoint_parameters([]) == {}
    with pytest.raises(UsageError, match=r"top_h\(alpha=0.4.*tier E"):
        endpoint_parameters([rule("top_h", alpha=0.4)])
    with pytest.raises(UsageError, match="Two rules"):
        endpoint_parameters([chosen[0], chosen[0]])


def test_the_room_loads_no_torch():
    code = (
        "import sys, variegate.decoding; "
        "print([m for m in ('torch', 'transformers', 'scipy', 'vllm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
