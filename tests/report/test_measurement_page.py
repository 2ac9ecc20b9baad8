"""The page of plain arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from variegate.report import render_measurement


@dataclass
class Measured:
    frame: pl.DataFrame
    per_prompt: pl.DataFrame
    settings: dict[str, Any] = field(default_factory=dict)
    cautions: tuple[Any, ...] = ()


def measured(trace, **changes) -> Measured:
    fields = {
        "frame": trace.levels.rename({"stage": "arm"}),
        "per_prompt": trace.per_prompt.rename({"stage": "arm"}),
        "settings": {"resamples": 500, "level": 0.9},
        "cautions": trace.cautions,
    }
    return Measured(**{**fields, **changes})


def test_every_arm_stands_on_the_plane_and_in_the_table(trace_of):
    trace = trace_of()
    page = render_measurement(measured(trace), trace.samples, name="a < b", metrics=trace.metrics)
    plane = page.split('id="plane"')[1].split("</section>")[0]
    assert all(f">{stage.name}</text>" in plane for stage in trace.stages)
    assert "90% intervals over prompts, B = 500" in plane
    assert "<h1>a &lt; b</h1>" in page
    assert "Vendi score" in page


def test_metrics_are_looked_up_where_nobody_describes_them(trace_of):
    trace = trace_of()
    page = render_measurement(measured(trace), trace.samples)
    assert "Effective number of different outputs" in page


def test_nothing_measured_is_said(trace_of):
    trace = trace_of()
    empty = measured(trace, frame=trace.levels.rename({"stage": "arm"}).clear(),
                     per_prompt=trace.per_prompt.rename({"stage": "arm"}).clear())  # fmt: skip
    page = render_measurement(empty, trace.samples, metrics={})
    assert page.count('class="empty"') == 3
    assert "Nothing could be measured" in page


def test_cautions_may_be_plain_sentences(trace_of):
    trace = trace_of()
    page = render_measurement(
        measured(trace, cautions=("Unequal n: cut to 8.",)), trace.samples, metrics=trace.metrics
    )
    assert "Unequal n: cut to 8." in page.split('id="careful"')[1]


def test_a_comparison_says_what_differs_and_how_alike_the_arms_are(tmp_path):
    from variegate.metrics import compare
    from variegate.samples import Samples

    def said(arm, texts):
        return Samples.from_rows(
            {"arm": arm, "prompt": p, "text": t} for p in ("tree?", "fruit?") for t in texts
        )

    a, b = said("<b>base</b>", ["oak", "elm", "fir"]), said("dpo", ["oak", "oak", "oak"])
    result = compare(a, b, metrics=["distinct_at_k"])
    both = Samples.from_frame(pl.concat([a.frame, b.frame]))
    page = render_measurement(result.measurement, both, comparison=result)
    assert "What is different" in page
    assert "Within and between the arms" in page
    assert "&lt;b&gt;base&lt;/b&gt; × dpo" in page
    assert "<b>base</b>" not in page
    assert "Within and between the arms" not in render_measurement(result.measurement, both)
