"""The verbs on real files: what they find out, and that their JSON keeps to its schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from variegate.cli import JSON_SCHEMA_VERSION, main
from variegate.cli._output import COLUMNS


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def said(path: Path, *, answers: int, prompts: int = 8, n: int = 6) -> Path:
    """Outputs of which `answers` different ones come for a prompt, the even ones right."""
    return lines(
        path,
        [
            {
                "prompt": f"prompt {p}",
                "sample": i,
                "text": f"the answer to {p} is number {i % answers}",
                "answer": str(i % answers),
                "correct": i % answers % 2 == 0,
            }
            for p in range(prompts)
            for i in range(n)
        ],
    )


def as_json(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    code = main([*(str(word) for word in words), "--json"])
    printed = capsys.readouterr().out
    payload = json.loads(printed, parse_constant=pytest.fail)
    assert payload["schema_version"] == JSON_SCHEMA_VERSION
    return code, payload


def check_rows(rows: list[dict[str, Any]]) -> None:
    assert rows
    for row in rows:
        assert tuple(row) == COLUMNS
        assert row["value"] is not None or row["note"]


def value(payload: dict[str, Any], arm: str, metric: str) -> float:
    return next(
        row["value"]
        for row in payload["rows"]
        if (row["arm"], row["metric"], row["task"]) == (arm, metric, "default")
    )


def test_measure_names_arms_after_files_and_keeps_to_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many, few = said(tmp_path / "many.jsonl", answers=6), said(tmp_path / "few.jsonl", answers=1)
    code, payload = as_json(capsys, "measure", many, few)
    assert code == 0
    check_rows(payload["rows"])
    assert {row["arm"] for row in payload["rows"]} == {"many", "few"}
    assert value(payload, "few", "vendi") == pytest.approx(1)
    assert value(payload, "many", "vendi") > 1
    assert value(payload, "many", "gini_simpson") == pytest.approx(1)
    assert {"settings", "cautions", "sources"} <= set(payload)


def test_measuring_twice_prints_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = said(tmp_path / "said.jsonl", answers=3)
    assert as_json(capsys, "measure", file) == as_json(capsys, "measure", file)


def test_two_files_of_one_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (
        said(tmp_path / "a" / "x.jsonl", answers=2),
        said(tmp_path / "b" / "x.jsonl", answers=2),
    )
    assert main(["measure", str(one), str(two)]) == 2
    assert "comes from two files" in capsys.readouterr().err


def test_measure_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    file = said(tmp_path / "said.jsonl", answers=3)
    assert main(["measure", str(file), "--report", str(page), "--quiet"]) == 0
    assert "<html" in page.read_text(encoding="utf-8")
    assert "vendi" in capsys.readouterr().out


def test_compare_pairs_the_prompts_and_a_gate_reads_the_arms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, dpo = said(tmp_path / "base.jsonl", answers=6), said(tmp_path / "dpo.jsonl", answers=2)
    code, payload = as_json(capsys, "compare", base, dpo)
    assert code == 0
    check_rows(payload["rows"])
    difference = value(payload, "dpo - base", "vendi")
    assert difference == pytest.approx(
        value(payload, "dpo", "vendi") - value(payload, "base", "vendi")
    )
    assert difference < 0
    gate = ("--fail-if", "vendi<0.9*base", "--quiet")
    assert main(["compare", str(base), str(dpo), *gate]) == 4
    assert main(["compare", str(dpo), str(dpo.rename(tmp_path / "same.jsonl"))]) == 2


def test_compare_says_how_alike_the_arms_are_matches_and_writes_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, dpo = said(tmp_path / "base.jsonl", answers=6), said(tmp_path / "dpo.jsonl", answers=2)
    page = tmp_path / "page.html"
    code, payload = as_json(
        capsys, "compare", base, dpo, "--match", "length", "--report", str(page)
    )
    assert code == 0
    check_rows(payload["between"])
    rows = {(row["metric"], row["arm"]) for row in payload["between"]}
    assert {("homogeneity", "base × dpo"), ("distinct_models", "base × dpo")} <= rows
    assert payload["settings"]["match"] == {"by": ["length"], "caliper": 0.2}
    assert "Within and between the arms" in page.read_text(encoding="utf-8")
    assert main(["compare", str(base), str(dpo), "--quiet"]) == 0
    assert "inter_similarity" in capsys.readouterr().out
    assert main(["compare", str(base), str(dpo), "--match", "colour"]) == 2


def test_same_counts_answers_by_meaning_over_both_arms_and_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(name: str, texts: list[str]) -> Path:
        rows = [
            {"prompt": prompt, "sample": i, "text": text, "answer": text}
            for prompt, more in (("A colour?", ""), ("A tax?", " tax"), ("A river?", " river"))
            for i, text in enumerate(word + more for word in texts)
        ]
        return lines(tmp_path / f"{name}.jsonl", rows)

    base, tuned = told("base", ["dark red", "red", "blue", "green"]), told("tuned", ["Red!"] * 4)
    _, plain = as_json(capsys, "measure", base)
    _, words = as_json(capsys, "measure", base, "--same", "words")
    _, alike = as_json(capsys, "compare", base, tuned, "--same", "similarity")
    assert value(plain, "base", "gini_simpson") == pytest.approx(1)
    assert value(words, "base", "gini_simpson") < 1
    assert "half of at most five words" in words["settings"]["same"]
    assert "a cosine above" in alike["settings"]["same"]
    assert value(alike, "tuned", "gini_simpson") == 0
    assert main(["measure", str(base), "--same", "sense"]) == 2
    assert "words, similarity or the folder" in capsys.readouterr().err
    assert main(["measure", str(base), "--same", "words", "--quiet"]) == 0
    assert "half of" not in capsys.readouterr().err


def test_comparing_other_prompts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = said(tmp_path / "one.jsonl", answers=2)
    two = lines(tmp_path / "two.jsonl", [{"prompt": "else", "text": "a"}] * 4)
    assert main(["compare", str(one), str(two)]) == 2
    assert "hint: " in capsys.readouterr().err


def test_metrics_lists_names_bounds_needs_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    code, payload = as_json(capsys, "metrics")
    names = [entry["name"] for entry in payload["metrics"]]
    assert code == 0
    assert {"vendi", "pairwise", "accuracy", "pass_at_k", "gini_simpson"} <= set(names)
    assert len(names) == len(set(names))
    for entry in payload["metrics"]:
        assert entry["summary"]
        assert entry["source"]
        assert {"low", "high", "needs", "level", "role"} <= set(entry)
    code, one = as_json(capsys, "metrics", "vendi")
    assert [entry["name"] for entry in one["metrics"]] == ["vendi"]


@pytest.mark.parametrize(
    ("name", "rows", "kind"),
    [
        ("said.jsonl", [{"prompt": "p", "text": "t"}, {"prompt": "p", "text": "u"}], "outputs"),
        ("asked.jsonl", [{"prompt": "p", "verifier": "exact", "target": "x"}], "prompts"),
    ],
)
def test_validate_finds_out_what_a_file_is(
    name: str,
    rows: list[dict[str, Any]],
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, payload = as_json(capsys, "validate", lines(tmp_path / name, rows))
    assert (code, payload["kind"], payload["ok"]) == (0, kind, True)


def test_validate_estimates_a_lineage_and_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines(tmp_path / "prompts.jsonl", [{"prompt": "p", "verifier": "exakt", "target": "x"}])
    file = tmp_path / "LINEAGE.toml"
    file.write_text(
        'prompts = "prompts.jsonl"\nsamples_per_prompt = 10\nmetric = "wendi"\n'
        '[[stages]]\nname = "base"\nmodel = "nowhere"\n',
        encoding="utf-8",
    )
    code, payload = as_json(capsys, "validate", file)
    assert (code, payload["kind"], payload["ok"]) == (2, "lineage", False)
    assert payload["facts"]["outputs at the most"] == 10
    found = " ".join(problem["what"] for problem in payload["problems"])
    assert "nowhere" in found
    assert "exakt" in found
    assert "wendi" in found
    assert not (tmp_path / "runs").exists()


def test_validate_refuses_what_is_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lines(tmp_path / "else.jsonl", [{"colour": "red"}])
    assert main(["validate", str(file)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_doctor_says_what_is_there_and_how_to_get_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, payload = as_json(capsys, "doctor")
    assert code == 0
    checks = {check["name"]: check for check in payload["checks"]}
    assert checks["core"]["status"] == "ok"
    assert "works offline" in checks["embedder"]["detail"]
    for name in ("torch", "embed", "gguf"):
        check = checks[f"[{name}]"]
        assert check["status"] == "ok" or f"variegate[{name}]" in check["hint"]


def test_lab_lists_its_eight_checkpoints(capsys: pytest.CaptureFixture[str]) -> None:
    code, payload = as_json(capsys, "lab", "list")
    assert code == 0
    parents = {entry["name"]: entry["parent"] for entry in payload["checkpoints"]}
    assert len(parents) == 8
    assert [name for name, parent in parents.items() if parent is None] == ["base"]
    assert sum(entry["megabytes"] for entry in payload["checkpoints"]) <= 8


@pytest.mark.slow
def test_trace_of_saved_outputs_writes_the_run_and_keeps_to_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(tmp_path / "base.jsonl", answers=6)
    said(tmp_path / "dpo.jsonl", answers=2)
    file = tmp_path / "LINEAGE.toml"
    file.write_text(
        'name = "saved"\n'
        '[[stages]]\nname = "base"\nsamples = "base.jsonl"\n'
        '[[stages]]\nname = "dpo"\nparent = "base"\nsamples = "dpo.jsonl"\n',
        encoding="utf-8",
    )
    run = tmp_path / "run"
    code, payload = as_json(capsys, "trace", file, "--out", run, "--quiet")
    assert code == 0
    check_rows(payload["rows"])
    assert payload["headline"]
    assert {"losses", "retained", "decomposition", "formats", "exact"} <= set(payload)
    assert Path(payload["report"]) == run / "report.html"
    for name in ("run.json", "scores.parquet", "report.html"):
        assert (run / name).is_file()
    gate = ("--fail-if", "gini_simpson<0.9*base", "--quiet")
    assert main(["trace", str(file), "--out", str(run), *gate]) == 4
    assert str(run / "report.html") in capsys.readouterr().out
