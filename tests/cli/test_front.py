"""`variegate front`: from a file to a page, its JSON, its gates, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from variegate.cli import main
from variegate.cli._output import COLUMNS


def written(folder: Path) -> Path:
    rows = [
        {"arm": arm, "prompt_id": f"p{p}", "prompt": f"question {p}?", "text": text, "sample": i,
         "correct": i != 0}
        for arm, texts in (("plain", "aabb"), ("wide", "abcd"))
        for p in range(8) for i, text in enumerate(texts)
    ]  # fmt: skip
    saved = folder / "saved.jsonl"
    saved.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for arm in ("plain", "wide"):
        part = folder / f"{arm}.jsonl"
        part.write_text(
            "".join(json.dumps(row) + "\n" for row in rows if row["arm"] == arm), encoding="utf-8"
        )
    arms = folder / "ARMS.toml"
    arms.write_text(
        'name = "pair"\ncost = "calls"\nvariety = "gini_simpson"\n'
        '[[methods]]\nname = "plain"\nsamples = "plain.jsonl"\n'
        '[[methods]]\nname = "wide"\nsamples = "wide.jsonl"\n',
        encoding="utf-8",
    )
    return arms


def test_the_screen_names_the_answer_and_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["front", str(written(tmp_path)), "--out", str(tmp_path / "run"), "-q"]) == 0
    printed = capsys.readouterr().out
    assert "wide dominates plain" in printed
    assert "front.html" in printed
    page = (tmp_path / "run" / "front.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert (tmp_path / "run" / "scores.parquet").is_file()


def test_json_has_the_long_table_and_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["front", str(written(tmp_path)), "--out", str(tmp_path / "run"), "-q", "--json"]
    assert main(words) == 0
    payload = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert payload["command"] == "front"
    assert all(tuple(row) == COLUMNS for row in payload["rows"])
    assert {row["metric"] for row in payload["rows"]} == {"accuracy", "gini_simpson", "cost_calls"}
    verdicts = {row["method"]: row["verdict"] for row in payload["methods"]}
    assert verdicts == {"plain": "baseline", "wide": "dominates"}
    assert len(payload["points"]) == 2
    assert payload["refused"] == []
    assert Path(payload["report"]).is_file()


def test_a_file_of_saved_outputs_is_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path)
    words = ["front", str(tmp_path / "saved.jsonl"), "--cost", "calls", "--baseline", "wide", "-q"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert "wide" in capsys.readouterr().out


def test_gates_and_mistakes_have_their_exit_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = written(tmp_path)
    words = ["front", str(arms), "--out", str(tmp_path / "run"), "-q"]
    assert main([*words, "--fail-if", "gini_simpson<0.99"]) == 4
    assert main(["front", str(tmp_path / "gone.toml")]) == 2
    arms.write_text(arms.read_text().replace("variety", "varity"), encoding="utf-8")
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "ARMS.toml:3: varity: unknown key; did you mean 'variety'" in said
    assert "Traceback" not in said
