"""Exit codes, and what is said with them: one line, one hint, no traceback, no locals."""

from __future__ import annotations

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


@pytest.mark.fault(38)
@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("torch", "pip install 'variegate[torch]'"),
        ("sentence_transformers", "pip install 'variegate[embed]'"),
        ("gguf", "pip install 'variegate[gguf]'"),
    ],
)
def test_fault_38_a_missing_extra_is_2_with_the_pip_command(
    package: str,
    command: str,
    outputs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(variegate.metrics, "measure", missing)
    code, _, err = run(capsys, "measure", outputs, "--quiet")
    assert code == 2
    assert err.splitlines()[-1] == f"hint: {command}"


@pytest.mark.fault(25)
def test_fault_25_a_full_disk_is_1_and_names_the_path(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "runs/demo/scores.parquet")

    monkeypatch.setattr(variegate.metrics, "measure", full)
    code, _, err = run(capsys, "measure", outputs, "--quiet")
    assert code == 1
    assert err.startswith("error: runs/demo/scores.parquet: No space left on device")
