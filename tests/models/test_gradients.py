"""Gradients of examples as features."""

from __future__ import annotations

import numpy as np
import pytest

from variegate.errors import UsageError
from variegate.metrics import vendi
from variegate.models import gradient_features, transformers_model

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def proxy():
    from variegate.lab import lab_lineage

    return transformers_model(lab_lineage().parent / "checkpoints" / "base", device="cpu")


def test_the_sketch_keeps_inner_products_of_gradients(proxy):
    prompts = ["make 12 :", "make 7 :", "name one fruit :", "route from alba to ford :"]
    answers = ["5 + 7", "3 + 4", "apple", "alba ford"]
    exact = []
    for prompt, answer in zip(prompts, answers, strict=True):
        before, after = proxy.encode(prompt), proxy.encode(answer)
        ids = torch.tensor([before + after])
        logits = proxy.model(input_ids=ids[:, :-1]).logits[0, len(before) - 1 :]
        loss = torch.nn.functional.cross_entropy(logits, ids[0, len(before) :])
        slopes = torch.autograd.grad(loss, list(proxy.model.parameters()))
        g = torch.cat([s.flatten() for s in slopes])
        exact.append((g / g.norm()).numpy())
    exact = np.array(exact)
    x = gradient_features(proxy, prompts, answers, width=8192)
    assert np.linalg.norm(x, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert x @ x.T == pytest.approx(exact @ exact.T, abs=0.1)
    assert vendi(x) == pytest.approx(vendi(exact), rel=0.1)


def test_equal_examples_have_equal_gradients_and_an_empty_answer_none(proxy):
    x = gradient_features(proxy, ["make 12 :"] * 3, ["5 + 7", "5 + 7", ""], width=32)
    assert (x[0] == x[1]).all()
    assert not x[2].any()
    assert vendi(x[:2]) == pytest.approx(1)
    with pytest.raises(UsageError, match="answer a prompt"):
        gradient_features(proxy, ["a"], [])
