"""`variegate merge restore` and `merge sweep`."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from variegate import read
from variegate.cli import main
from variegate.judging import judge
from variegate.lab import evaluation_prompts, lab_lineage, world
from variegate.metrics import ece
from variegate.samples import read_prompts

CHECKPOINTS = lab_lineage().parent / "checkpoints"
BASE, POST = CHECKPOINTS / "base", CHECKPOINTS / "instruct-rl"


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    rows = [
        {"prompt": one.prompt, "target": list(world.OPINIONS)}
        for one in evaluation_prompts(per_task=6)
        if one.task == "opinions"
    ]
    file = tmp_path / "valid.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows = [
        {"prompt": one.prompt, "task": one.task, "verifier": one.verifier, "target": one.target}
        for one in evaluation_prompts(per_task=3)
        if one.task in ("lists", "opinions")
    ]
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize("modules", ["all", "mlp"])
def test_the_block_is_found_and_written_bit_for_bit(
    asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], modules: str
) -> None:
    out = tmp_path / "restored"
    words = ["merge", "restore", str(BASE), str(POST), "--prompts", str(asked), "--modules"]
    assert main([*words, modules, "--out", str(out), "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["validity"] >= told["least"]
    assert len(told["blocks"]) == 11
    assert len(told["saliency"]) == 4
    old, new, made = (load_file(f / "model.safetensors") for f in (BASE, POST, out))
    for name, tensor in made.items():
        place = int(name.split(".layers.")[1].split(".")[0]) if ".layers." in name else -1
        inside = told["first"] <= place < told["end"] and (modules == "all" or ".mlp." in name)
        assert tensor.equal((old if inside else new)[name]), name


def test_layers_come_back_to_a_model_whose_vocabulary_grew(
    asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grown = shutil.copytree(POST, tmp_path / "grown")
    weights = load_file(POST / "model.safetensors")
    rows = weights["model.embed_tokens.weight"]
    weights["model.embed_tokens.weight"] = torch.cat([rows, rows[:2]])
    save_file(weights, grown / "model.safetensors")
    config = json.loads((POST / "config.json").read_text())
    (grown / "config.json").write_text(json.dumps({**config, "vocab_size": len(rows) + 2}))
    out = tmp_path / "restored"
    words = ["merge", "restore", str(BASE), str(grown), "--prompts", str(asked), "--out", str(out)]
    assert main([*words, "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    old, made = load_file(BASE / "model.safetensors"), load_file(out / "model.safetensors")
    for name, tensor in made.items():
        place = int(name.split(".layers.")[1].split(".")[0]) if ".layers." in name else -1
        inside = told["first"] <= place < told["end"]
        assert tensor.equal((old if inside else weights)[name]), name
    assert json.loads((out / "config.json").read_text())["vocab_size"] == len(rows) + 2
    recipe = tmp_path / "half.yaml"
    recipe.write_text(f"{{method: linear, models: [{BASE}, {grown}]}}")
    assert main(["merge", str(recipe), "--dry-run"]) == 2
    assert "another vocabulary" in capsys.readouterr().err


def test_people_get_a_table_and_a_bad_prompt_file_is_told(
    asked: Path, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["merge", "restore", str(BASE), str(POST), "--prompts"]
    assert main([*words, str(asked)]) == 0
    said = capsys.readouterr()
    assert "restore" in said.out
    assert "layer passes" in said.err
    assert main([*words, str(prompts)]) == 2
    assert "list of texts" in capsys.readouterr().err


def test_a_sweep_is_told_and_goes_on(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["merge", "sweep", str(BASE), str(POST), "--prompts", str(prompts), "--steps", "3"]
    words += ["-n", "4", "--max-tokens", "8", "--out", str(tmp_path / "run"), "--json", "--quiet"]
    assert main(words) == 0
    first = capsys.readouterr().out
    told = json.loads(first)
    assert [point["post"] for point in told["points"]] == [0, 0.5, 1]
    assert all(0 <= point["on_front"] <= 1 for point in told["points"])
    assert {row["metric"] for row in told["rows"]} == {"accuracy", "gini_simpson"}
    for point in told["points"]:
        stated, right, prompt = zip(*_judged(tmp_path / "run", prompts, point["arm"]), strict=True)
        for name, debiased in (("ece", False), ("ece_debiased", True)):
            want = ece(stated, right, clusters=prompt, debiased=debiased).value
            assert point[name] == pytest.approx(want)
    assert main(words) == 0
    assert capsys.readouterr().out == first


def _judged(run: Path, prompts: Path, arm: str) -> list[tuple[float, int, str]]:
    """Probability, right or wrong, and prompt of every answer of an arm."""
    judged = judge(read(run), read_prompts(prompts)).frame
    here = judged.filter(judged["arm"] == arm).sort("prompt_id", "sample")
    return [
        (math.exp(row["logprob"]), int(row["correct"]), row["prompt_id"])
        for row in here.iter_rows(named=True)
    ]


@pytest.mark.parametrize("variety", ["self_bleu", "accuracy", "ece", "vendi_across", "nonsense"])
def test_a_sweep_ranks_by_what_grows_with_variety_only(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], variety: str
) -> None:
    words = ["merge", "sweep", str(BASE), str(POST), "--prompts", str(prompts), "--variety"]
    assert main([*words, variety, "--out", str(tmp_path / "run")]) == 2
    assert variety in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_sweep_says_when_a_point_has_no_accuracy_or_no_variety(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"prompt": "tell me one drink :"}\n')
    for file, n, metric in ((bare, "2", "accuracy"), (prompts, "1", "gini_simpson")):
        words = ["merge", "sweep", str(BASE), str(POST), "--prompts", str(file), "--steps", "2"]
        words += ["-n", n, "--max-tokens", "4", "--out", str(tmp_path / metric), "--quiet"]
        assert main(words) == 2
        assert f"Expected {metric} to be a number" in capsys.readouterr().err


def test_a_fitted_front_says_how_well_it_fits(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["merge", "sweep", str(BASE), str(POST), "--prompts", str(prompts), "--by", "block"]
    words += ["--budget", "12", "-n", "4", "--max-tokens", "8", "--out", str(tmp_path / "run")]
    assert main([*words, "--quiet"]) == 0
    said = capsys.readouterr()
    assert "leaving one out" in said.err
    assert "hypervolume predicted" in said.err
    assert "post: layers 0-1" in said.out
    assert main(["merge", "sweep", str(BASE), "--prompts", str(prompts)]) == 2
