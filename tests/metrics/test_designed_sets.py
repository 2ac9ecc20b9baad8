"""Sets whose outputs depend on each other: what is said of them, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.metrics import compare, measure
from variegate.samples import Samples

OF_DRAWS = ("pass_at_k", "unique_correct_at_k", "distinct_at_k", "utility_at_k",
            "answer_entropy", "sample_coverage")  # fmt: skip
OF_SETS = ("gini_simpson", "accuracy", "answer_entropy_plugin", "distinct_2", "ead", "length")


def samples(iid, *, prompts=12, n=6, arm="a"):
    return Samples.from_rows(
        {
            "arm": arm,
            "prompt": f"prompt {p}",
            "text": f"the answer is {i % 3} or so",
            "answer": str(i % 3),
            "correct": i % 3 == p % 3,
            "quality": float(i % 3),
            "iid": iid(p, i),
        }
        for p in range(prompts)
        for i in range(n)
    )


def rows(data, names):
    result = measure(data, metrics=names, k=2)
    return {row["metric"]: row for row in result.frame.to_dicts()}, result


def test_metrics_of_draws_leave_designed_sets_out_and_say_why():
    found, result = rows(samples(lambda p, i: False), OF_DRAWS)
    for name in OF_DRAWS:
        assert found[name]["value"] is None or found[name]["value"] != found[name]["value"]
        assert "12 of 12 prompts left out: a designed set" in found[name]["note"]
        assert "independent draws" in found[name]["note"]
    assert [caution.kind for caution in result.cautions if caution.kind == "designed"]


def test_metrics_of_the_set_as_delivered_stay_what_they_are_with_a_caution():
    draws, calm = rows(samples(lambda p, i: True), OF_SETS)
    sets, careful = rows(samples(lambda p, i: False), OF_SETS)
    for name in OF_SETS:
        assert sets[name]["value"] == draws[name]["value"]
    assert "designed" not in {caution.kind for caution in calm.cautions}
    (said,) = [caution for caution in careful.cautions if caution.kind == "designed"]
    assert (said.where, said.count, said.total) == ("a", 12, 12)
    assert "72 outputs" in said.text


@settings(deadline=None, max_examples=20)
@given(st.sets(st.integers(0, 11)))
def test_prompts_of_draws_beside_designed_sets_give_their_own_value(which):
    found, _ = rows(samples(lambda p, i: p not in which or i > 0), ("distinct_at_k",))
    row = found["distinct_at_k"]
    assert row["n_prompts"] == 12 - len(which)
    if len(which) < 12:
        whole, _ = rows(samples(lambda p, i: True), ("distinct_at_k",))
        assert row["value"] == pytest.approx(whole["distinct_at_k"]["value"])
    assert ("designed set" in row["note"]) == bool(which)


def test_comparing_draws_with_a_designed_set_leaves_what_needs_draws_out():
    one = samples(lambda p, i: True)
    other = samples(lambda p, i: False, arm="b")
    result = compare(one, other, metrics=["distinct_at_k", "gini_simpson"], k=2)
    by_arm = {(row["arm"], row["metric"]): row for row in result.frame.to_dicts()}
    assert by_arm["a", "distinct_at_k"]["value"] > 1
    for arm in ("b", "b - a"):
        lost = by_arm[arm, "distinct_at_k"]
        assert lost["value"] is None or lost["value"] != lost["value"]
        assert lost["note"]
    assert "designed set" in by_arm["b", "distinct_at_k"]["note"]
    assert by_arm["b - a", "gini_simpson"]["value"] == 0
