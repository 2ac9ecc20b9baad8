"""Same by models that read two texts, classes written into samples, judges judged."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.judging import (
    RELATIONS,
    bargain,
    by_group,
    classify,
    entailments,
    fuse_judges,
    judge_gap,
    judge_mix,
    pair_classifier,
    same_by_classifier,
    same_by_entailment,
    same_by_judge,
    same_words,
    threshold_inconsistency,
)
from variegate.models import FakeModel, pair_judge
from variegate.samples import Samples

quick = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


class Stub:
    """An NLI model with the labels in another order: b follows from a when its words are in it."""

    labels = ("entailment", "contradiction", "neutral")

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, pairs):
        self.asked += len(pairs)
        rows = []
        for a, b in pairs:
            follows = set(b.split()) <= set(a.split())
            against = ("not" in a.split()) != ("not" in b.split())
            rows.append([0, 1, 0] if against else [1, 0, 0] if follows else [0, 0, 1])
        return np.array(rows, dtype=float)


def test_entailment_is_directed_and_found_by_label_not_by_place():
    found = entailments(["a red fox", "red fox", "not red fox"], Stub())
    assert found.shape == (3, 3, 3)
    assert found[0, 1].tolist() == [0, 0, 1]
    assert found[1, 0].tolist() == [0, 1, 0]
    assert RELATIONS[int(found[0, 2].argmax())] == "contradiction"
    assert found.sum(axis=-1) == pytest.approx(np.ones((3, 3)))


def test_the_same_needs_entailment_both_ways_and_equal_texts_are_not_asked():
    stub = Stub()
    same = same_by_entailment(["red fox", "fox red", "a red fox", "red fox"], stub)
    assert same.astype(int).tolist() == [[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 0, 1]]
    assert stub.asked == 6
    assert same_by_entailment([], stub).shape == (0, 0)


def test_a_classifier_of_pairs_does_not_mind_their_order():
    class OneWay:
        labels = ("no", "yes")

        def __call__(self, pairs):
            return np.array([[1 - (a < b), a < b] for a, b in pairs], dtype=float)

    same = same_by_classifier(["a", "b"], OneWay(), threshold=0.4)
    assert same.all()
    assert not same_by_classifier(["a", "b"], OneWay(), threshold=0.6)[0, 1]


def test_labels_that_do_not_say_what_they_are_are_refused():
    class Nameless:
        labels = ("label_0", "label_1", "label_2")

        def __call__(self, pairs):
            raise AssertionError

    with pytest.raises(UsageError, match="label_0, label_1"):
        entailments(["a", "b"], Nameless())
    with pytest.raises(UsageError, match="two labels"):
        same_by_classifier(["a", "b"], Stub())
    with pytest.raises(UsageError, match="found none"):
        pair_classifier("no/such/folder")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory):
    """A sequence classifier of transformers with three labels, small and untrained, on disk."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentence_transformers")
    folder = tmp_path_factory.mktemp("nli")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "fox", "a"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = transformers.BertTokenizerFast(vocab={w: i for i, w in enumerate(words)})
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        id2label={0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"},
        label2id={"CONTRADICTION": 0, "NEUTRAL": 1, "ENTAILMENT": 2},
        hidden_dropout_prob=0.0,
    )
    model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, model.eval(), tokenizer


def test_a_real_sequence_classifier_gives_the_probabilities_of_its_logits(cross_encoder):
    torch = pytest.importorskip("torch")
    folder, model, tokenizer = cross_encoder
    opened = pair_classifier(folder)
    assert opened.labels == ("contradiction", "neutral", "entailment")
    pairs = [("red fox", "a fox"), ("blue", "red red red")]
    with torch.no_grad():
        batch = tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
        expected = model(**batch).logits.softmax(-1).numpy()
    assert opened(pairs) == pytest.approx(expected, abs=1e-6)
    same = same_by_entailment(["red fox", "a fox", "red fox"], opened)
    assert same[0, 2]
    assert (same == same.T).all()


@pytest.mark.fault(28)
def test_fault_28_a_pickled_classifier_is_not_opened(cross_encoder, tmp_path):
    torch = pytest.importorskip("torch")
    folder, model, _ = cross_encoder
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match="sequence classifier"):
        pair_classifier(tmp_path)


def samples(texts, *, arm="a", finish=None):
    finish = finish or ["stop"] * len(texts)
    return Samples.from_rows(
        {"arm": arm, "prompt": "A colour?", "sample": i, "text": t, "finish": f}
        for i, (t, f) in enumerate(zip(texts, finish, strict=True))
    )


def test_classes_are_the_same_for_all_arms_and_empty_outputs_have_none():
    both = Samples.concat(
        [samples(["deep red", "blue", ""]), samples(["red deep", "green"], arm="b")]
    )
    found = classify(both, same_words).frame
    assert found["answer"].to_list() == ["0", "1", None, "0", "2"]


def test_answers_that_are_there_stay_unless_told():
    had = samples(["red", "red"])
    had = Samples.from_frame(had.frame.with_columns(answer=pl.Series(["x", None])))
    assert classify(had, same_words).frame["answer"].to_list() == ["x", "0"]
    assert classify(had, same_words, replace=True).frame["answer"].to_list() == ["0", "0"]
    with pytest.raises(UsageError, match=r"\(2, 2\) booleans"):
        classify(had, lambda texts: np.eye(3, dtype=bool))


def test_a_model_judges_pairs_and_its_nonsense_is_counted():
    texts = ["red", "crimson", "blue"]
    from variegate.judging import pair_prompt

    said = {("red", "crimson"): "same", ("red", "blue"): "different", ("crimson", "blue"): "Maybe."}
    answers = {}
    for (a, b), reply in said.items():
        for pair in ((a, b), (b, a)):
            answers[pair_prompt(*pair)] = {reply: 1.0}
    judge = pair_judge(FakeModel(answers=answers))
    found = same_by_judge(texts, judge)
    assert found.same.astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert (found.n_pairs, found.unscored) == (3, 1)
    rows = classify(samples(texts), lambda t: same_by_judge(t, judge)).frame
    assert rows["answer"].to_list() == ["0", "0", "1"]


# How unequally one threshold errs (row 143).


def test_topics_alike_have_no_inconsistency_and_a_shifted_one_is_found():
    generator = np.random.default_rng(0)
    same = generator.random(3000) < 0.5
    s = np.where(same, 0.8, 0.4) + 0.1 * generator.standard_normal(3000)
    topics = np.array(["a", "b", "c"])[np.arange(3000) % 3]
    grid = np.linspace(0.5, 0.7, 9)
    alike = threshold_inconsistency(np.tile(s, 2), np.tile(same, 2),
                                    np.repeat(["a", "b"], 3000), thresholds=grid)  # fmt: skip
    assert alike.value == 0
    natural = threshold_inconsistency(s, same, topics, thresholds=grid)
    shifted = threshold_inconsistency(s + 0.2 * (topics == "b"), same, topics, thresholds=grid)
    assert shifted.worst == "b"
    assert shifted.value > 20 * natural.value
    with pytest.raises(UsageError, match="both kinds"):
        threshold_inconsistency([0.5, 0.5], [1, 1], ["a", "b"], thresholds=[0.5])


# Several judges (row 186).


@given(seeds)
@quick
def test_fusing_sums_to_one_does_not_mind_order_and_ignores_who_knows_nothing(seed):
    generator = np.random.default_rng(seed)
    evidence = generator.gamma(1, 3, size=(3, 5, 4))
    fused = fuse_judges(evidence)
    assert fused.belief.sum(1) + fused.uncertainty == pytest.approx(np.ones(5))
    for order in itertools.permutations(range(3)):
        again = fuse_judges(evidence[list(order)])
        assert again.belief == pytest.approx(fused.belief)
    vacuous = fuse_judges(np.concatenate([evidence, np.zeros((1, 5, 4))]))
    assert vacuous.belief == pytest.approx(fused.belief)
    assert vacuous.uncertainty == pytest.approx(fused.uncertainty)


def test_agreement_lowers_doubt_and_easy_items_need_fewer_judges_at_equal_accuracy():
    generator = np.random.default_rng(0)
    n, judges = 2000, 5
    truth = generator.integers(2, size=n)
    easy = generator.random(n) < 0.6
    skill = np.where(easy, 0.97, 0.7)
    evidence = np.zeros((judges, n, 2))
    for judge in range(judges):  # ten replies each
        right = generator.binomial(10, skill)
        evidence[judge, np.arange(n), truth] = right
        evidence[judge, np.arange(n), 1 - truth] = 10 - right
    one, every = fuse_judges(evidence[:1]), fuse_judges(evidence)
    assert (every.uncertainty < one.uncertainty).mean() > 0.99
    some = fuse_judges(evidence, enough=0.05)
    accuracy = [(found.choice == truth).mean() for found in (every, some)]
    assert accuracy[1] > accuracy[0] - 0.01
    assert some.judges_used[easy].mean() <= some.judges_used[~easy].mean()
    assert some.judges_used.mean() < 0.6 * judges


# A budget for judges (row 181).


def mse_of(mix, generator, *, bias=0.1, rounds=3000):
    """Squared error of the mean when a cheap judge flips verdicts towards yes."""
    truth = 0.5
    found = []
    for _ in range(rounds):
        n = max(mix.cheap, mix.exact)
        exact = generator.random(n) < truth
        cheap = exact | (generator.random(n) < 2 * bias)
        if mix.cheap == 0:
            found.append(exact.mean())
        elif mix.exact == 0:
            found.append(cheap.mean())
        else:
            head = slice(0, mix.exact)
            found.append(cheap.mean() + exact[head].mean() - cheap[head].mean())
    return np.mean((np.array(found) - truth) ** 2)


def test_the_ends_of_the_budget_and_a_planted_best_mix():
    known = {"exact_variance": 0.25, "cheap_variance": 0.24, "difference_variance": 0.09}
    free = judge_mix(budget=100, cheap_cost=1, exact_cost=1e-9 + 1, **known, cheap_bias=0.1)
    assert (free.cheap, free.exact) == (0, 99)
    perfect = judge_mix(budget=100, cheap_cost=1, exact_cost=20, exact_variance=0.25,
                        cheap_variance=0.25, difference_variance=0.0)  # fmt: skip
    assert (perfect.cheap, perfect.exact) == (100, 0)
    mix = judge_mix(budget=2000, cheap_cost=1, exact_cost=40, **known, cheap_bias=0.1)
    assert mix.cheap > mix.exact > 0
    assert mix.cost <= 2000
    generator = np.random.default_rng(0)
    planted = mse_of(mix, generator)
    assert planted == pytest.approx(mix.error, rel=0.15)
    for cheap, exact in ((2000, 0), (0, 50), (1600, 10)):
        assert planted < mse_of(type(mix)(cheap=cheap, exact=exact, error=0, cost=0), generator)


# Writing and understanding (row 220).


def test_a_judge_that_recognises_all_it_writes_has_no_gap_and_a_weak_one_is_found():
    generator = np.random.default_rng(0)
    writes = generator.random(200) < 0.8
    perfect = judge_gap(writes, writes, writes)
    assert (perfect.selective.value, perfect.weak) == (0, False)
    selects = writes & (generator.random(200) < 0.8)
    weak = judge_gap(writes, selects)
    assert weak.weak
    assert weak.selective.low > 0.05
    assert weak.interrogative is None
    with pytest.raises(UsageError, match="from 0 to 1"):
        judge_gap([1, 2], [1, 1])


# Groups (row 150).


@given(seeds)
@quick
def test_the_bargain_is_not_dominated_and_is_the_best_total_without_conflict(seed):
    generator = np.random.default_rng(seed)
    u = generator.uniform(0, 1, (6, 3)).round(1)
    chosen = bargain(u)
    better = (u >= u[chosen]).all(axis=1) & (u > u[chosen]).any(axis=1)
    assert not better.any()
    shared = np.sort(generator.uniform(0.1, 1, 6))[:, None] * generator.uniform(0.5, 2, 3)
    assert bargain(shared) == by_group(shared).total.argmax()


def test_gini_of_equal_shares_and_of_one_group_that_has_all():
    report = by_group([[3, 3, 3, 3], [12, 0, 0, 0], [0, 0, 0, 0]])
    assert report.gini.tolist() == [0, 0.75, 0]
    assert report.worst.tolist() == [3, 0, 0]
    assert report.mean.tolist() == [3, 3, 0]
    with pytest.raises(UsageError, match="at least 0"):
        by_group([[math.nan]])
