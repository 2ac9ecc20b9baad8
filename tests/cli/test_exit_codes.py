"""Exit codes, and what is said with them: one line, one hint, no traceback, no locals."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

import variegate.metrics
from variegate.cli import main

ROWS = [
    {"prompt": f"prompt {p}", "sample": i, "text": f"answer {p * i % 5} in some more words"}
    for p in range(6)
    for i in range(4)
]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return saved(tmp_path / "outputs.jsonl", ROWS)


def saved(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


FAST = ("--metrics", "distinct_2,length", "--quiet")


def test_done_is_0(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "measure", outputs, *FAST)
    assert (code, err) == (0, "")
    assert "distinct_2" in out


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["measure", "--nonsense"],
        ["measure", "x.jsonl", "--seed", "many"],
        ["compare", "one.jsonl"],
        ["measure"],
        ["measure", "missing.jsonl"],
        ["trace", "missing.toml"],
        ["validate", "missing.jsonl"],
        ["metrics", "vend"],
        ["lab", "nonsense"],
    ],
)
def test_wrong_words_are_2_with_one_line_and_a_hint(
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    lines = err.splitlines()
    assert (code, out) == (2, "")
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_nearly_right_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean" in run(capsys, "metrics", "vend")[2]


def test_a_wrong_gate_is_found_before_anything_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = run(capsys, "measure", "missing.jsonl", "--fail-if", "vendi<<1")
    assert code == 2
    assert "gate" in err


def test_failed_outputs_are_3_unless_tolerated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "finish": "stop"} for row in ROWS]
    rows[0]["finish"] = "error"
    file = saved(tmp_path / "outputs.jsonl", rows)
    assert run(capsys, "measure", file, *FAST)[0] == 3
    assert run(capsys, "measure", file, *FAST, "--tolerance", "1")[0] == 0
    assert run(capsys, "measure", file, *FAST, "--tolerance", "0.1")[0] == 0


def test_a_gate_that_fails_is_4(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "measure", outputs, *FAST, "--fail-if", "length>1")
    assert code == 4
    assert "length" in out
    assert "gate failed: length>1" in err
    assert run(capsys, "measure", outputs, *FAST, "--fail-if", "length<1")[0] == 0


def test_interruption_is_130(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(variegate.metrics, "measure", interrupted)
    code, _, err = run(capsys, "measure", outputs)
    assert code == 130
    assert "Interrupted" in err


@pytest.mark.fault(33)
def test_fault_33_an_unexpected_fault_is_1_and_shows_no_locals(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_API_KEY", "canary-0123456789")

    def broken(*_: object, **__: object) -> None:
        secret = "canary-0123456789"
        raise RuntimeError(f"the server rejected {secret}")

    monkeypatch.setattr(variegate.metrics, "measure", broken)
    code, out, err = run(capsys, "measure", outputs, "--quiet")
    assert (code, out) == (1, "")
    assert "Unexpected RuntimeError" in err
    assert "VARIEGATE_TRACEBACK=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("VARIEGATE_TRACEBACK", "1")
    traced = run(capsys, "measure", outputs, "--quiet")[2]
    assert "Traceback" in traced
    assert "canary" not in err + traced


# What libraries say of what they miss themselves, word for word.
@pytest.mark.fault(38)
@pytest.mark.parametrize(
    ("error", "command"),
    [
        (
            importlib.metadata.PackageNotFoundError(
                "The 'safetensors>=0.4.3' distribution was not found and is required by this "
                "application."
            ),
            "pip install 'variegate[torch]'",
        ),
        (
            ImportError("tokenizers>=0.22.0 is required, but found tokenizers==0.13.0."),
            "pip install 'variegate[torch]'",
        ),
        (ModuleNotFoundError("No module named 'plums'", name="plums.core"), "pip install plums"),
    ],
)
def test_fault_38_a_missing_or_wrong_version_is_2_with_the_pip_command(
    error: ImportError,
    command: str,
    outputs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(variegate.metrics, "measure", missing)
    code, _, err = run(capsys, "measure", outputs, "--quiet")
    assert code == 2
    assert err.splitlines()[1:] == [f"hint: {command}"]


@pytest.mark.fault(13)
def test_fault_13_a_number_that_is_none_is_2_or_null_and_never_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(quality: object, *words: str) -> tuple[int, str, str]:
        rows = [{**row, "quality": quality if row["sample"] == 0 else 0.5} for row in ROWS]
        file = saved(tmp_path / "outputs.jsonl", rows)
        return run(capsys, "measure", file, "--metrics", "quality,accuracy", "--quiet", *words)

    code, out, err = measured(float("nan"))  # a bare NaN is no JSON
    assert (code, out) == (2, "")
    assert "outputs.jsonl:1: not valid JSON" in err
    code, out, err = measured("Infinity")
    assert (code, out) == (2, "")
    assert "for 6 outputs, first for sample 0 of prompt" in err
    for unknown in (None, "NaN"):
        code, out, _ = measured(unknown, "--json")
        assert code == 0
        payload = json.loads(out, parse_constant=pytest.fail)
        quality, accuracy = payload["rows"]
        assert (quality["value"], quality["n_samples"]) == (0.5, 18)
        assert (accuracy["value"], accuracy["n_samples"]) == (None, 0)
        assert accuracy["note"] == "6 of 6 prompts left out: no correct"
        (caution,) = (c for c in payload["cautions"] if c["kind"] == "unscored")
        assert (caution["count"], caution["total"]) == (6, 24)


@pytest.mark.fault(7)
def test_fault_07_what_does_not_count_is_chosen_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "finish": ["filter", "length", "stop"][i % 3]} for i, row in enumerate(ROWS)]
    file = saved(tmp_path / "outputs.jsonl", rows)
    for words, n in (((), 24), (("--drop", "filter"), 16), (("--drop", "filter,length"), 8)):
        code, out, _ = run(capsys, "measure", file, "--metrics", "length", "--json", *words)
        assert code == 0
        payload = json.loads(out)
        assert payload["rows"][0]["n_samples"] == n
        assert {"truncation", "refusal"} <= {c["kind"] for c in payload["cautions"]}
    assert run(capsys, "measure", file, "--drop", "stop")[0] == 2


@pytest.mark.fault(39)
def test_fault_39_a_broken_metric_is_one_line_without_a_traceback(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("theirs is \x1b[31mbroken")

    monkeypatch.setattr(variegate.metrics, "compression_ratio", broken)
    words = ("measure", outputs, "--metrics", "compression_ratio,length", "--quiet")
    code, out, err = run(capsys, *words)
    assert code == 0
    assert "failed: RuntimeError" in out
    assert "\x1b" not in out + err
    assert err.splitlines() == ["careful: The metric 'compression_ratio' failed."]
    monkeypatch.setenv("VARIEGATE_TRACEBACK", "1")
    assert "Traceback" in run(capsys, *words)[2]


@pytest.mark.parametrize("verb", ["validate", "measure"])
def test_an_empty_file_is_2(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = saved(tmp_path / "empty.jsonl", [])
    code, out, err = run(capsys, verb, empty)
    assert (code, out) == (2, "")
    assert "no outputs in it" in err


@pytest.mark.parametrize("words", ["", " , "])
def test_no_metric_at_all_is_2(
    words: str, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "measure", outputs, "--metrics", words, "--quiet")
    assert (code, out) == (2, "")
    assert "variegate metrics" in err
