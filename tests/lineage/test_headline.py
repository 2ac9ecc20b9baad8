"""The headline says what the tables say, and never more than their intervals carry."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.lineage import StageInfo, headline

BASE = StageInfo(name="base", parent=None, branch="base", kind="base", format="raw")
SFT = StageInfo(name="sft", parent="base", branch="instruct", kind="sft", format="chat")
DPO = StageInfo(name="dpo", parent="sft", branch="instruct", kind="dpo", format="chat")
ZERO = StageInfo(name="zero", parent="base", branch="zero", kind="rl", format="raw")

TEXT = ("stage", "parent", "task", "metric", "step", "part")


def table(columns, rows):
    schema = {c: pl.String if c in TEXT else pl.Float64 for c in columns.split()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def levels(*rows):
    return table("stage task metric value low high", rows)


def retained(*rows):
    return table(
        "stage task metric percent low high",
        [(s, "mean of ratios", "pairwise", *numbers) for s, *numbers in rows],
    )


def losses(*rows, n=100):
    return table(
        "stage task metric percent low high n_prompts",
        [(s, "mean of ratios", "pairwise", *numbers, n) for s, *numbers in rows],
    )


def decomposition(*rows):
    """Rows stage, task, total and its interval, accuracy share and its interval, n."""
    cells = []
    for stage, task, total, share, n in rows:
        cells += [(stage, task, "total", *total, n), (stage, task, "accuracy_share", *share, n)]
    return table("stage task part value low high n_matched", cells)


def formats(name, *, n=100, **steps):
    rows = [(name, "all", "pairwise", step, *numbers, n) for step, numbers in steps.items()]
    return table("stage task metric step value low high n_prompts", rows)


def said(stages=(BASE, SFT, DPO), **tables):
    empty = {
        "levels": levels(),
        "retained": retained(),
        "losses": losses(),
        "decomposition": decomposition(),
        "formats": formats("none"),
    }
    return headline(stages=stages, metric="pairwise", **{"among": {"vendi": 16}, **empty, **tables})


LOST = {
    "retained": retained(("sft", 60, 55, 65), ("dpo", 41, 36, 46)),
    "losses": losses(("sft", -40, -45, -35), ("dpo", -19, -24, -14)),
}


def test_a_loss_is_said_with_its_interval_and_its_largest_step():
    first = said(**LOST)[0]
    assert first == (
        "The instruct line keeps 41% [36, 46] of the variety of base. "
        "The largest step is sft (−40% [−45, −35]), in percent of the root."
    )


def test_steps_whose_intervals_overlap_are_not_ranked():
    first = said(
        retained=LOST["retained"], losses=losses(("sft", -32, -41, -20), ("dpo", -27, -35, -19))
    )[0]
    assert "Which step of the instruct line took most cannot be told." in first
    assert "largest" not in first


def test_no_effect_says_how_many_prompts_would_tell():
    # 6 points away, half width 12 on 100 prompts: four times the prompts halve the width.
    found = said(
        stages=(BASE, ZERO),
        retained=retained(("zero", 94, 82, 106)),
        losses=losses(("zero", -6, -18, 6), n=100),
    )
    assert found[0] == (
        "For zero nothing can be told: 94% [82, 106] of the variety of base; "
        "about 400 prompts would tell."
    )
    assert "keeps" not in " ".join(found)


def test_exactly_nothing_would_never_be_told():
    found = said(
        stages=(BASE, ZERO),
        retained=retained(("zero", 100, 90, 110)),
        losses=losses(("zero", 0, -10, 10)),
    )
    assert "no number of prompts would tell" in found[0]


def test_a_gain_is_not_called_keeping():
    found = said(
        stages=(BASE, ZERO),
        retained=retained(("zero", 120, 110, 130)),
        losses=losses(("zero", 20, 10, 30)),
    )
    assert found == ("Zero has 120% [110, 130] of the variety of base.",)


def test_lines_are_ordered_by_what_they_lost():
    first = said(
        stages=(BASE, SFT, DPO, ZERO),
        retained=retained(("sft", 60, 55, 65), ("dpo", 41, 36, 46), ("zero", 93, 90, 96)),
        losses=losses(("sft", -40, -45, -35), ("dpo", -19, -24, -14), ("zero", -7, -10, -4)),
    )[0]
    assert first.startswith(
        "The instruct line keeps 41% [36, 46] of the variety of base and zero keeps 93% [90, 96]."
    )


def test_effective_numbers_are_said_in_words():
    found = said(
        **LOST,
        levels=levels(
            ("base", "all", "vendi", 3.4, 3.1, 3.7), ("dpo", "all", "vendi", 1.8, 1.7, 1.9)
        ),
    )
    assert found[1] == (
        "That is about 1.8 [1.7, 1.9] different answers in 16 at dpo, "
        "where base gives about 3.4 [3.1, 3.7]."
    )


def test_shares_are_told_where_the_interval_picks_a_side():
    found = said(
        **LOST,
        decomposition=decomposition(
            ("dpo", "sums", (0.3, 0.2, 0.4), (0.67, 0.6, 0.75), 20),
            ("dpo", "stories", (0.3, 0.2, 0.4), (0.04, -0.02, 0.1), 18),
        ),
    )
    assert found[-1] == (
        "Of what dpo lost, wrong answers going away is 67% [60, 75] on sums (20 matched prompts); "
        "narrowing is 96% [90, 102] on stories (18 matched prompts)."
    )


def test_more_than_all_of_a_loss_is_put_in_words():
    found = said(
        **LOST, decomposition=decomposition(("dpo", "sums", (0.3, 0.2, 0.4), (-0.2, -0.3, -0.1), 9))
    )
    assert found[-1] == (
        "Of what dpo lost, narrowing, while more wrong answers came, is 120% [110, 130] on sums "
        "(9 matched prompts)."
    )


def test_the_metric_is_named_by_its_title():
    about = {"pairwise": {"title": "Pairwise distance", "role": "variety"}}
    assert (
        "41% [36, 46] of the variety of base (pairwise distance)." in said(**LOST, metrics=about)[0]
    )
    about = {"pairwise": {"title": "Accuracy", "role": "quality"}}
    assert "41% [36, 46] of the accuracy of base." in said(**LOST, metrics=about)[0]


def test_a_whole_number_never_hides_a_side_of_100():
    found = said(
        stages=(BASE, ZERO),
        retained=retained(("zero", 99.6, 99.3, 99.8)),
        losses=losses(("zero", -0.4, -0.7, -0.2)),
    )
    assert found[0] == "Zero keeps 99.6% [99, 99.8] of the variety of base."


def test_an_undecided_share_says_how_many_prompts_would_tell():
    found = said(
        **LOST,
        decomposition=decomposition(("dpo", "sums", (0.3, 0.2, 0.4), (0.6, 0.4, 0.8), 25)),
    )
    assert "On sums it cannot be told" in found[-1]
    assert "60% [40, 80]" in found[-1]
    assert "about 100 prompts would tell" in found[-1]


def test_no_verdicts_no_claim_about_wrong_answers():
    assert "cannot be told" in said(**LOST)[-1]


def test_a_split_of_a_loss_that_is_none_is_not_told():
    nothing = decomposition(("dpo", "sums", (0.01, -0.1, 0.1), (0.9, 0.8, 1.0), 25))
    assert "cannot be told" in said(**LOST, decomposition=nothing)[-1]
    assert "90%" not in said(**LOST, decomposition=nothing)[-1]


def test_the_template_is_named_only_where_its_interval_leaves_zero_out():
    steps = {"base": (0.4, 0.3, 0.5), "tuning": (-0.15, -0.2, -0.1), "stage": (0.15, 0.1, 0.2)}
    clear = said(
        **LOST,
        formats=formats("dpo", **steps, template=(-0.1, -0.14, -0.06), reasoning=(0.0, 0.0, 0.0)),
    )
    assert clear[-1] == (
        "Of the change of −0.25 in pairwise at dpo, "
        "the chat template alone makes −0.10 [−0.14, −0.06]."
    )
    unclear = said(
        **LOST,
        formats=formats("dpo", **steps, template=(-0.05, -0.15, 0.05), reasoning=(0.0, 0.0, 0.0)),
    )
    assert unclear[-1] == (
        "Nothing can be told about the chat template (−0.05 [−0.15, +0.05]; "
        "about 400 prompts would tell)."
    )


def test_the_root_alone():
    assert said(stages=(BASE,)) == ("Only base was traced: there is nothing to compare it with.",)


def test_no_values_no_claim():
    assert said() == (
        "Nothing can be told about pairwise: it takes two prompts of a task with a value at every "
        "stage.",
    )


@settings(deadline=None, max_examples=200)
@given(
    value=st.floats(-50, 200),
    below=st.floats(0, 120),
    above=st.floats(0, 120),
    n=st.integers(2, 500),
)
def test_no_claim_where_the_interval_covers_no_change(value, below, above, n):
    low, high = value - below, value + above
    found = said(
        stages=(BASE, ZERO),
        retained=retained(("zero", value, low, high)),
        losses=losses(("zero", value - 100, low - 100, high - 100), n=n),
    )
    told = "nothing can be told" in found[0]
    assert told == (low <= 100 <= high)
    assert ("keeps" in found[0]) == (high < 100)
    assert ("has" in found[0].split()) == (low > 100)


@pytest.mark.parametrize("tasks", [0, 1, 7])
def test_any_number_of_tasks(tasks):
    parts = [("dpo", f"t{i}", (0.3, 0.2, 0.4), (0.9, 0.8, 1.0), 9) for i in range(tasks)]
    found = said(**LOST, decomposition=decomposition(*parts))
    assert all(f"on t{i} " in found[-1] for i in range(tasks))
    assert all(sentence.endswith(".") for sentence in found)
