"""The page of a trace: complete, self-contained, safe, and honest about what is missing."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import polars as pl
import pytest

from variegate.lineage import StageInfo
from variegate.report import render
from variegate.samples import Samples

TABLES = ("levels", "per_prompt", "losses", "retained", "decomposition", "formats", "positions",
          "layers", "exact")  # fmt: skip
ORDER = ("lineage", "stages", "wrong", "formats", "plane", "positions", "weights", "read",
         "careful", "made")  # fmt: skip


class Reader(HTMLParser):
    """Collects the elements that a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def section(page: str, name: str) -> str:
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def data_of(page: str):
    return json.loads(page.split('id="data">')[1].split("</script>")[0])


def test_sections_stand_in_order(trace_of):
    found = [attributes["id"] for attributes in Reader(render(trace_of())).all("section")]
    assert tuple(found) == ORDER


def test_page_loads_nothing_from_elsewhere(trace_of):
    reader = Reader(render(trace_of()))
    for tag, attributes in reader.elements:
        assert not {"src", "srcset", "style", "action"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        if tag == "a":
            assert attributes["href"].startswith(("#", "https://", "data:text/csv"))
    assert not reader.all("link")
    assert not reader.all("iframe")


def test_policy_allows_exactly_the_page_own_style_and_script(trace_of):
    page = render(trace_of())
    policy = next(m["content"] for m in Reader(page).all("meta") if "http-equiv" in m)
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    script = re.search(r"<script>(.*?)</script>", page, re.S).group(1)
    for text, name in ((style, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_every_picture_is_well_formed_and_every_coordinate_a_number(trace_of):
    pictures = re.findall(r"<svg.*?</svg>", render(trace_of()), re.S)
    assert len(pictures) > 25
    for picture in pictures:
        for element in ElementTree.fromstring(picture).iter():
            for value in element.attrib.values():
                assert not re.search(r"\bnan\b|\binf\b|None", value)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_rows_leaves_a_page_that_says_so(trace_of, table):
    reader = Reader(render(trace_of(empty=(table,))))
    assert tuple(attributes["id"] for attributes in reader.all("section")) == ORDER


def test_nothing_measured_still_makes_a_page_that_says_what_would_fill_it(trace_of):
    page = render(trace_of(empty=TABLES, headline=(), cautions=(), settings={}, metrics={}))
    for name in ("lineage", "stages", "wrong", "formats", "plane", "positions", "weights"):
        assert 'class="empty"' in section(page, name)
    assert "Nothing to warn of" in section(page, "careful")


def test_without_outputs_the_browser_says_so(trace_of):
    nothing = Samples.from_frame(trace_of(prompts=1).samples.frame.clear())
    assert "No outputs came" in section(render(trace_of(samples=nothing)), "read")


def test_one_stage_alone_is_a_page(trace_of):
    root = (StageInfo(name="base", parent=None, branch="base", kind="base", format="raw"),)
    page = render(trace_of(stages=root))
    assert "base" in section(page, "lineage")
    assert 'class="empty"' in section(page, "stages")


def test_one_task_alone_is_its_own_mean(trace_of):
    one = trace_of(tasks=("arithmetic",))
    alone = trace_of(
        tasks=("arithmetic",),
        levels=one.levels.filter(pl.col("task") != "all"),
        positions=one.positions.filter(pl.col("task") != "all"),
    )
    page = render(alone)
    for name in ("lineage", "plane", "positions"):
        assert "<svg" in section(page, name)


def test_unknown_values_are_dashes_and_not_nan(trace_of):
    levels = trace_of().levels.with_columns(
        pl.when(pl.col("stage") == "think-rl")
        .then(float("nan"))
        .otherwise(pl.col(name))
        .alias(name)
        for name in ("value", "low", "high")
    )
    page = render(trace_of(levels=levels))
    assert not re.search(r">\s*nan", page)
    assert "think-rl" in section(page, "lineage")


def test_every_true_value_stands_beside_its_estimate(trace_of):
    trace = trace_of(prompts=1)
    page = section(render(trace), "lineage")
    assert page.count("true 0.") == trace.exact.height
    assert f"{trace.exact.height} of {trace.exact.height} intervals hold the true value" in page
    gone = trace.exact.with_columns(pl.col("value") + 0.5)
    assert f"0 of {gone.height} intervals" in section(render(trace_of(exact=gone)), "lineage")


def test_an_interval_without_a_width_is_not_counted_as_right_or_wrong(trace_of):
    levels = trace_of().levels.with_columns(low=pl.col("value"), high=pl.col("value"))
    page = section(render(trace_of(levels=levels)), "lineage")
    assert "0 of 0 intervals hold the true value" not in page
    assert "have no width" in page


def test_answers_of_different_lengths_are_drawn_task_by_task(trace_of):
    trace = trace_of(prompts=1)
    assert "By task, since tasks differ" not in section(render(trace), "positions")
    short = trace.positions.filter((pl.col("task") != "all") | (pl.col("position") < 2))
    page = section(render(trace_of(positions=short)), "positions")
    assert "By task, since tasks differ" in page
    assert page.index("<title>arithmetic: branching") < page.index("<title>think: branching")


def test_positions_count_from_one_and_the_embedding_is_in_no_layer(trace_of):
    page = render(trace_of(prompts=1))
    assert ">0</text>" not in section(page, "positions")
    layers = trace_of().layers.with_columns(layer=pl.lit(-1, dtype=pl.Int64))
    assert "-1" not in re.findall(r">([^<]*)<", section(render(trace_of(layers=layers)), "weights"))


def test_stages_are_listed_with_what_they_were_made_from(trace_of):
    settings = {
        "seed": 0,
        "stages": [{"name": "base", "parent": None, "format": "raw", "source": "base@c520"}],
        "models": {"base": {"revision": "9626", "formats": ["raw", "chat"]}},
    }
    page = section(render(trace_of(prompts=1, settings=settings)), "made")
    for text in ("base@c520", "9626", "<td>chat</td>", "<dt>seed</dt>"):
        assert text in page
    assert "stages.base" not in page


def test_both_averages_are_named_with_signs_and_one_decimal(trace_of):
    table = section(render(trace_of()), "stages")
    assert "Mean of ratios" in table
    assert "Ratio of means" in table
    assert re.search(r"−\d+\.\d<span class=\"ci\">\[−\d+\.\d, −\d+\.\d\]", table)


def test_an_effect_that_cannot_be_told_is_not_claimed(trace_of):
    decomposition = trace_of().decomposition.with_columns(
        pl.when(pl.col("part") == "total").then(-0.5).otherwise(pl.col("low")).alias("low")
    )
    words = section(render(trace_of(decomposition=decomposition)), "wrong")
    assert "can be told from none" in words
    assert "of the loss is narrowing" not in words


def test_parts_without_intervals_are_drawn_without_whiskers(trace_of):
    bare = trace_of().decomposition.with_columns(low=pl.lit(None), high=pl.lit(float("nan")))
    words = section(render(trace_of(decomposition=bare)), "wrong")
    assert 'class="part narrowing"' in words
    assert 'class="across"' not in words


def test_every_metric_opens_to_its_sentence_and_its_source(trace_of):
    page = render(trace_of())
    for about in trace_of().metrics.values():
        assert f"<summary>{about['title']}</summary>" in page
        assert about["summary"] in page


def test_a_source_that_is_no_web_address_is_no_link(trace_of):
    metrics = dict(trace_of().metrics)
    metrics["vendi"] = {**metrics["vendi"], "url": "javascript:alert(1)"}
    assert "javascript:" not in render(trace_of(metrics=metrics))


def test_equal_answers_are_folded_with_their_count(trace_of):
    trace = trace_of(prompts=1, n=8, say=lambda *_: "the same")
    frame = trace.samples.frame.with_columns(answer=pl.lit("same"), correct=pl.lit(True))
    cells = data_of(render(trace_of(prompts=1, samples=Samples.from_frame(frame))))["prompts"][0]
    assert all(
        [group["n"] for group in groups] == [8] and groups[0]["c"] == 1 for groups in cells["cells"]
    )
    assert set(cells["numbers"][0]) == {"1 of 8"}
    assert set(cells["numbers"][1]) == {"8 of 8"}


def test_the_page_counts_answers_as_the_metrics_do(trace_of):
    said = ("plum", "Plum!", "kiwi")
    trace = trace_of(prompts=1, n=3, say=lambda *_: "x")
    frame = trace.samples.frame.with_columns(
        text=pl.col("sample").replace_strict(dict(enumerate(said)), return_dtype=pl.String),
        answer=pl.lit(None, dtype=pl.String), correct=pl.lit(None, dtype=pl.Boolean),
    )  # fmt: skip
    prompt = data_of(render(trace_of(prompts=1, samples=Samples.from_frame(frame))))["prompts"][0]
    assert set(prompt["numbers"][0]) == {"2 of 3"}
    assert prompt["cells"][0][0]["o"] == ["Plum!"]


def test_no_output_is_lost_in_the_folding(trace_of):
    trace = trace_of()
    data = data_of(render(trace))
    shown = sum(g["n"] for p in data["prompts"] for cell in p["cells"] for g in cell)
    assert shown == len(trace.samples)


def test_right_and_wrong_never_share_a_fold(trace_of):
    frame = trace_of(prompts=1).samples.frame.with_columns(
        answer=pl.lit("same"), correct=pl.col("sample") % 2 == 0
    )
    data = data_of(render(trace_of(prompts=1, samples=Samples.from_frame(frame))))
    verdicts = [[group["c"] for group in cell] for p in data["prompts"] for cell in p["cells"]]
    assert all(sorted(cell) == [0, 1] for cell in verdicts)


def test_first_fifty_prompts_stand_in_the_page_without_scripts(trace_of):
    page = render(trace_of(prompts=12, n=2))
    silent = page.split("<noscript>")[1].split("</noscript>")[0]
    assert silent.count('class="fold"') == 50
    assert "first 50 of 60 prompts" in silent


@pytest.mark.parametrize("word", ["word ", "多様性は量だ"])
def test_long_outputs_are_cut_with_a_word_and_the_page_stays_small(trace_of, word):
    frame = trace_of(prompts=8).samples.frame.with_columns(text=pl.lit(word * 2000))
    frame = frame.with_columns(pl.col("text") + pl.int_range(pl.len()).cast(pl.String))
    frame = frame.with_columns(answer=pl.col("sample").cast(pl.String))
    page = render(trace_of(prompts=8, samples=Samples.from_frame(frame)))
    assert "more characters)" in page
    assert "are cut here; whole in the samples" in page
    assert len(page.encode()) < 12e6


@pytest.mark.slow
def test_the_page_of_a_full_trace_stays_under_twelve_megabytes(trace_of):
    full = trace_of(prompts=40, n=16, say=lambda s, t, p: f"{t} {p} " + "and so it goes on " * 20)
    assert len(render(full).encode()) < 12e6


@pytest.mark.fault(30)
def test_fault_30_hostile_outputs_reach_the_page_as_text_only(hostile, nasty):
    page = render(
        hostile(name=nasty[0], headline=nasty[:4],
                settings={"command": nasty[2], nasty[0]: nasty[1]})
    )  # fmt: skip
    reader = Reader(page)
    assert len(reader.all("script")) == 2
    assert len(reader.all("style")) == 1
    assert len(reader.all("noscript")) == 1
    assert not reader.all("img")
    assert "{{ 7*7 }}" in page
    assert "&lt;img src=x onerror" in page
    data = page.split('id="data">')[1].split("</script>")[0]
    assert not set("<>&\u2028\u2029") & set(data)
    said = {group["t"] for p in data_of(page)["prompts"] for cell in p["cells"] for group in cell}
    assert nasty[1] in said


@pytest.mark.fault(31)
def test_fault_31_controls_and_bidi_marks_are_visible_in_the_page(hostile, nasty):
    page = render(hostile(tasks=("\u202esums\x1b[31m", "names"), headline=nasty))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert "␛" in page
    assert "␀" in page


@pytest.mark.fault(33)
def test_fault_33_no_key_reaches_the_page(trace_of):
    canary = "canary-3c1f9a"
    page = render(
        trace_of(settings={
            "api_key": canary,
            "server": {"url": f"https://me:{canary}@host/v1", "Authorization": f"Bearer {canary}"},
            "error": f"401 for key sk-{canary}-0000, Bearer {canary}",
            "hf_token": canary, "max_tokens": 64, "tokenizer": "words",
            "stages": [{"name": "base", "key": canary}],
        })
    )  # fmt: skip
    assert canary not in page
    assert "https://host/v1" in page
    assert "<dt>max_tokens</dt><dd>64</dd>" in page
    assert "<dt>tokenizer</dt><dd>words</dd>" in page


def test_the_long_table_comes_along_and_runs_no_formula(trace_of):
    levels = trace_of().levels.with_columns(note=pl.lit('=HYPERLINK("http://x")'))
    link = next(
        a["href"] for a in Reader(render(trace_of(levels=levels))).all("a")
        if a["href"].startswith("data:")
    )  # fmt: skip
    text = base64.b64decode(link.split("base64,")[1]).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["arm", "task", "metric", "value", "low", "high", "n_prompts",
                             "n_samples", "note"]  # fmt: skip
    assert len(rows) == levels.height
    assert all(row["note"].startswith("'=") for row in rows)
    assert float(rows[0]["value"]) == pytest.approx(levels["value"][0])
