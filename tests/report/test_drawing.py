"""What is drawn: colours that can be told and read, scales, labels that never touch."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from variegate.lineage import StageInfo
from variegate.report._looks import DARK, LIGHT, looks
from variegate.report._reading import columns
from variegate.report._svg import Label, Linear, Log, around, el, spread, ticks

# Machado 2009 at full severity, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
finite = st.floats(-1e6, 1e6, allow_nan=False)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def oklab(rgb: np.ndarray) -> np.ndarray:
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.793617785, -0.0040720468],
        [1.9779984951, -2.428592205, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.808675766],
    ]
    return np.array(to_lab) @ np.cbrt(np.clip(np.array(to_lms) @ rgb, 0, 1))


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_colour_has_contrast_of_four_and_a_half(scheme):
    for name in ("ink", "grey", "link", "c0", "c1", "c2", "c3", "c4", "c5"):
        assert contrast(scheme[name], scheme["paper"]) >= 4.5, name
    for name in ("ink", "grey", "link"):
        assert contrast(scheme[name], scheme["wash"]) >= 4.5, name


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_first_four_colours_stay_apart_for_every_eye(scheme, kind):
    seen = [oklab(np.clip(np.array(BLINDNESS[kind]) @ linear(scheme[f"c{i}"]), 0, 1))
            for i in range(4)]  # fmt: skip
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 0.07


def test_branches_differ_in_colour_and_in_shape():
    stages = [StageInfo(name="base", parent=None, branch="base", kind="base", format="raw")]
    stages += [StageInfo(name=b, parent="base", branch=b, kind="sft", format="chat") for b in "xyz"]
    found = looks(stages)
    assert len({look.colour for look in found.values()}) == 4
    assert len({look.shape for look in found.values()}) == 4


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12))
@settings(deadline=None)
def test_labels_never_touch_and_keep_their_order(heights):
    placed: list[tuple[float, float]] = []

    def label(wanted: float) -> Label:
        def draw(y: float) -> Markup:
            placed.append((wanted, y))
            return Markup()

        return Label(wanted, draw, 15)

    spread([label(height) for height in heights], top=0, bottom=300)
    wanted, at = zip(*placed, strict=True)
    assert list(wanted) == sorted(heights)
    assert all(b - a >= 15 - 1e-6 for a, b in pairwise(at))
    assert all(7.5 - 1e-6 <= y <= 292.5 + 1e-6 for y in at)


def test_a_label_with_room_stands_where_it_wants():
    placed = []
    spread([Label(100, lambda y: Markup(placed.append(y) or ""))], top=0, bottom=300)
    assert placed == [100]


@given(finite, st.floats(1e-3, 1e6))
@settings(deadline=None)
def test_ticks_are_even_and_within_the_range(low, span):
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 13
    assert all(low - 1e-6 * span <= at <= low + span * (1 + 1e-6) for at in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[0], rtol=1e-3, atol=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(deadline=None)
def test_the_part_that_is_drawn_holds_every_value_and_lies_in_the_range(values):
    low, high = around(0, 1, values)
    assert 0 <= low < high <= 1
    assert all(low <= value <= high for value in values)


def test_scales_meet_their_ends():
    assert (Linear(0, 2, 10, 50)(0), Linear(0, 2, 10, 50)(2)) == (10, 50)
    assert (Log(1, 100, 0, 10)(1), Log(1, 100, 0, 10)(10), Log(1, 100, 0, 10)(0.5)) == (0, 5, 0)


def test_elements_escape_what_they_are_given():
    assert str(el("text", "<b>&", class_='x" onload="y')) == (
        '<text class="x&#34; onload=&#34;y">&lt;b&gt;&amp;</text>'
    )


def tree(*stages):
    return [StageInfo(name=n, parent=p, branch="b", kind=k, format="raw") for n, p, k in stages]


def test_a_branch_that_skips_a_kind_ends_in_the_column_of_its_kind():
    at, names = columns(
        tree(("base", None, "base"), ("s", "base", "sft"), ("r", "s", "rl"), ("z", "base", "rl"))
    )
    assert names == ["base", "sft", "rl"]
    assert at == {"base": 0, "s": 1, "r": 2, "z": 2}


def test_kinds_that_repeat_along_a_branch_stand_by_depth():
    at, names = columns(tree(("base", None, "base"), ("a", "base", "sft"), ("b", "a", "sft")))
    assert at == {"base": 0, "a": 1, "b": 2}
    assert names == ["base", "step 1", "step 2"]


def test_the_waterfall_sums_to_the_level_of_the_stage(trace_of):
    from variegate.report._format_steps import waterfalls

    trace = trace_of()
    charts = waterfalls(trace, looks(trace.stages))
    assert len(charts) == sum(stage.format == "chat" for stage in trace.stages)
    for chart in charts:
        said = re.findall(r"(base|tuning|template|reasoning|stage): ([−\d.]+)", chart)
        value = {step: float(number.replace("−", "-")) for step, number in said}
        assert sum(value.values()) - value["stage"] == pytest.approx(value["stage"], abs=0.02)


def test_a_step_that_a_stage_does_not_have_is_a_dash(trace_of):
    from variegate.report._format_steps import format_rows

    trace = trace_of()
    for row in format_rows(trace, looks(trace.stages)):
        _, _, template, reasoning, _ = (cell["value"] for cell in row["cells"])
        assert (template == "–") == (row["stage"] == "rl-zero")
        assert (reasoning == "–") == (not row["stage"].startswith("think"))
