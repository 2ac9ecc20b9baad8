"""Decompose: what the parts say about outputs whose story is known."""

import numpy as np
import polars as pl
import pytest

from variegate.errors import DataError, NotComparable, UnknownName, UsageError
from variegate.estimate import bootstrap
from variegate.lineage import decompose, exact_account, pair_account, split
from variegate.metrics import measure
from variegate.samples import Samples

RIGHT = "abc"


def rows(arm, answers, *, prompt="p", task="t"):
    return [
        {
            "arm": arm,
            "task": task,
            "prompt_id": prompt,
            "sample": i,
            "text": f"The answer is {a}.",
            "answer": a,
            "correct": a in RIGHT,
        }
        for i, a in enumerate(answers)
    ]


def drawn(probabilities, *, prompts=30, n=12, seed=0, tasks=("t",)):
    """Outputs of arms with known answer probabilities over a b c (right) x y z (wrong)."""
    rng = np.random.default_rng(seed)
    out = []
    for arm, p in probabilities.items():
        for i in range(prompts):
            answers = rng.choice(list("abcxyz"), size=n, p=p)
            out += rows(arm, answers.tolist(), prompt=f"p{i}", task=tasks[i % len(tasks)])
    return Samples.from_rows(out)


BASE = [0.2, 0.2, 0.2, 0.2, 0.1, 0.1]
SAME_RIGHT = [0.3, 0.3, 0.3, 0.05, 0.025, 0.025]  # only wrong answers went
NARROWED = [0.58, 0.01, 0.01, 0.2, 0.1, 0.1]  # accuracy unchanged, one right answer left


def test_parts_are_those_the_trace_promises():
    result = decompose(
        drawn({"base": BASE, "post": NARROWED}), base="base", post="post", distance="answer"
    )
    kinds = ["right_right", "right_wrong", "wrong_wrong"]
    expected = ["total", "accuracy", "narrowing", "accuracy_share", "narrowing_share"]
    expected += [f"{side}_{kind}" for side in ("base", "post") for kind in kinds]
    expected += [f"{side}_share_{kind}" for side in ("base", "post") for kind in kinds]
    expected += ["base_vendi_right", "post_vendi_right"]
    for task in ("t", "all"):
        assert result.frame.filter(task=task)["part"].to_list() == expected
    assert set(result.frame["n_matched"]) == {result.n_matched}


def test_printed_shares_and_distances_give_the_printed_total():
    samples = drawn({"base": BASE, "post": SAME_RIGHT}, tasks=("t", "u", "v"), prompts=31)
    result = decompose(samples, base="base", post="post", distance="answer", resamples=50)
    for task in ("t", "u", "v", "all"):
        levels = {}
        for side in ("base", "post"):
            levels[side] = sum(
                np.nan_to_num(result.value(f"{side}_{kind}", task=task))
                * result.value(f"{side}_share_{kind}", task=task)
                for kind in ("right_right", "right_wrong", "wrong_wrong")
            )
        total = result.value("total", task=task)
        assert levels["base"] - levels["post"] == pytest.approx(total)
        parts = result.value("accuracy", task=task) + result.value("narrowing", task=task)
        assert parts == pytest.approx(total)
        shares = [result.value(f"{p}_share", task=task) for p in ("accuracy", "narrowing")]
        assert np.isnan(shares).all() or sum(shares) == pytest.approx(1)


@pytest.mark.parametrize(("post", "mostly"), [(SAME_RIGHT, "accuracy"), (NARROWED, "narrowing")])
def test_known_stories_are_told(post, mostly):
    samples = drawn({"base": BASE, "post": post}, prompts=60, n=24)
    result = decompose(samples, base="base", post="post", distance="answer")
    exact = split(
        exact_account([BASE], [True] * 3 + [False] * 3),
        exact_account([post], [True] * 3 + [False] * 3),
    )
    assert result.value(f"{mostly}_share") > 0.8
    for part in ("total", "accuracy", "narrowing"):
        assert result.value(part) == pytest.approx(float(getattr(exact, part)[0]), abs=0.03)


def test_the_total_is_the_fall_of_gini_simpson_on_matched_prompts():
    samples = drawn({"base": BASE, "post": NARROWED}, prompts=10)
    result = decompose(samples, base="base", post="post", distance="answer", resamples=50)

    def gini_simpson(arm, prompt):
        answers = samples.frame.filter(arm=arm, prompt_id=prompt)["answer"]
        counts = answers.value_counts()["count"].to_numpy()
        n = counts.sum()
        return 1 - (counts * (counts - 1)).sum() / (n * (n - 1))

    matched = result.per_prompt["prompt_id"]
    falls = [gini_simpson("base", p) - gini_simpson("post", p) for p in matched]
    np.testing.assert_allclose(result.per_prompt["total"], falls)


def test_vendi_is_taken_at_equal_numbers_of_right_outputs():
    """Twelve right outputs of three answers against two: both sides are cut to two."""
    samples = Samples.from_rows(rows("base", "aaaabbbbcccc") + rows("post", "ab" + "x" * 10))
    result = decompose(
        samples, base="base", post="post", distance="answer", subsets=4000, resamples=10
    )
    # two different answers of twelve: 8/11 of the pairs differ and score 2, the others 1
    assert result.value("base_vendi_right") == pytest.approx(1 + 8 / 11, abs=0.03)
    assert result.value("post_vendi_right") == 2.0
    assert result.per_prompt.select("base_right", "post_right").row(0) == (12, 2)


def test_only_prompts_with_two_right_on_both_sides_enter():
    samples = Samples.from_rows(
        rows("base", "aabx", prompt="p1")
        + rows("post", "aaaa", prompt="p1")
        + rows("base", "axyz", prompt="p2")  # one right
        + rows("post", "aaaa", prompt="p2")
        + rows("base", "aaaa", prompt="p3")  # post never answered
    )
    result = decompose(samples, base="base", post="post", distance="answer")
    assert (result.n_prompts, result.n_matched) == (2, 1)
    row = result.frame.filter(part="total", task="all")
    assert np.isnan([row["low"].item(), row["high"].item()]).all()
    assert row["note"].item() == "one prompt gives no interval"


def test_no_matched_prompt_gives_an_empty_table_and_says_zero():
    samples = Samples.from_rows(rows("base", "axyz") + rows("post", "aaaa"))
    result = decompose(samples, base="base", post="post", distance="answer")
    assert (result.n_prompts, result.n_matched, result.frame.height) == (1, 0, 0)


def test_same_policy_has_no_shares():
    samples = drawn({"base": BASE, "post": BASE}, prompts=40)
    result = decompose(samples, base="base", post="post", distance="answer")
    row = result.frame.filter(part="narrowing_share", task="all")
    assert np.isnan(row["value"].item())
    assert "not told apart from 0" in row["note"].item()


def test_embedding_distance_with_given_features():
    """Orthogonal vectors for different answers are the answer distance."""
    samples = drawn({"base": BASE, "post": NARROWED}, prompts=8)
    codes = samples.frame["answer"].map_elements("abcxyz".index, return_dtype=pl.Int64)
    by_features = decompose(
        samples, base="base", post="post", features=3 * np.eye(6)[codes.to_numpy()], resamples=50
    )
    by_answer = decompose(samples, base="base", post="post", distance="answer", resamples=50)
    np.testing.assert_allclose(by_features.frame["value"], by_answer.frame["value"], atol=1e-9)
    assert by_features.settings["embedder"] == "given"


@pytest.mark.fault(14)
def test_fault_14_an_empty_text_is_unlike_everything():
    samples = Samples.from_rows(rows("base", "aab") + rows("post", "aaa"))
    features = np.array([[1, 0], [1, 0], [0, 0], [1, 0], [1, 0], [1, 0]], dtype=float)
    result = decompose(samples, base="base", post="post", features=features)
    assert result.value("base_right_right") == pytest.approx(2 / 3)


@pytest.mark.fault(36)
def test_fault_36_row_order_and_repetition_change_nothing():
    samples = drawn({"base": BASE, "post": NARROWED}, prompts=8)
    first = decompose(samples, base="base", post="post", distance="answer", resamples=50)
    again = decompose(samples, base="base", post="post", distance="answer", resamples=50)
    assert first.frame.equals(again.frame)


@pytest.mark.fault(10)
def test_fault_10_outputs_without_a_verdict_are_counted_not_called_wrong():
    unjudged = [row | {"correct": None} for row in rows("base", "???xyz")[3:]]
    samples = Samples.from_rows(rows("base", "aab") + unjudged + rows("post", "aab"))
    result = decompose(samples, base="base", post="post", distance="answer")
    assert result.settings["unjudged"] == 3
    assert result.value("base_share_right_right") == 1.0


@pytest.mark.fault(23)
def test_fault_23_arms_without_a_common_prompt_are_refused():
    samples = Samples.from_rows(rows("base", "aa", prompt="p") + rows("post", "aa", prompt="q"))
    with pytest.raises(NotComparable, match="found none"):
        decompose(samples, base="base", post="post", distance="answer")


def test_what_cannot_be_is_refused():
    samples = Samples.from_rows(rows("base", "aa") + rows("post", "aa"))
    with pytest.raises(DataError, match="'rl'"):
        decompose(samples, base="base", post="rl")
    with pytest.raises(UnknownName, match="cosine"):
        decompose(samples, base="base", post="post", distance="cosine")
    with pytest.raises(UsageError, match="features"):
        decompose(samples, base="base", post="post", features=np.zeros((3, 2)))
    with pytest.raises(DataError, match="NaN"):
        decompose(samples, base="base", post="post", features=np.full((4, 2), np.nan))
    bare = Samples.from_rows([{"arm": a, "prompt_id": "p", "text": "x"} for a in ("base", "post")])
    with pytest.raises(DataError, match="correct"):
        decompose(bare, base="base", post="post")


@pytest.mark.slow
def test_intervals_of_the_parts_cover_the_exact_parts():
    """Nominal 95% intervals over 200 worlds of 40 prompts with known probabilities."""
    right = [True] * 3 + [False] * 3
    worlds, hits = 200, {"total": 0, "accuracy": 0, "narrowing": 0}
    rng = np.random.default_rng(0)
    population = {
        arm: rng.dirichlet(np.array(p) * 20, size=4000)
        for arm, p in {"base": BASE, "post": NARROWED}.items()
    }
    accounts = {arm: exact_account(p, right) for arm, p in population.items()}
    truth = split(accounts["base"], accounts["post"])
    for _ in range(worlds):
        chosen = rng.integers(0, 4000, size=40)
        drawn_accounts = []
        for arm in ("base", "post"):
            answers = np.stack([rng.choice(6, size=48, p=p) for p in population[arm][chosen]])
            apart = (answers[:, :, None] != answers[:, None, :]).astype(float)
            drawn_accounts.append(pair_account(apart, answers < 3))
        parts = split(*drawn_accounts)
        for part in hits:
            estimate = bootstrap(getattr(parts, part), resamples=500)
            hits[part] += estimate.low <= float(getattr(truth, part).mean()) <= estimate.high
    for part, count in hits.items():
        assert 0.90 <= count / worlds <= 0.99, (part, count / worlds)


def test_the_total_is_what_measure_calls_gini_simpson():
    """Answers where there are some, texts otherwise: the same classes in both rooms."""
    rng = np.random.default_rng(0)
    said = [
        row | {"text": row["answer"].upper() + "  ", "answer": None if i % 3 else row["answer"]}
        for i, row in enumerate(
            rows("base", rng.choice(list("abcx"), 12).tolist())
            + rows("post", rng.choice(list("abcx"), 12).tolist())
        )
    ]
    samples = Samples.from_rows(said)
    table = measure(samples, metrics=["gini_simpson"], resamples=20).frame.filter(task="t")
    levels = dict(table.select("arm", "value").iter_rows())
    result = decompose(samples, base="base", post="post", distance="answer", resamples=20)
    assert result.value("total") == pytest.approx(levels["base"] - levels["post"])
