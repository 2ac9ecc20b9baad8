"""`variegate merge`, `merge diff`, `merge inspect`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from variegate.cli import main
from variegate.lab import lab_lineage

CHECKPOINTS = lab_lineage().parent / "checkpoints"
BASE, SFT, POST = (CHECKPOINTS / name for name in ("base", "instruct-sft", "instruct-rl"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "half.yaml"
    file.write_text(
        f"{{method: linear, models: [{{path: {BASE}, weight: 0.5}}, "
        f"{{path: {POST}, weight: 0.5}}]}}"
    )
    return file


def test_a_recipe_is_merged(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "half"
    assert main(["merge", str(recipe), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "merge"
    assert (out / "model.safetensors").stat().st_size > told["bytes"] > 0
    assert {"config.json", "recipe.yaml", "merge.json"} <= {file.name for file in out.iterdir()}
    assert main(["merge", str(recipe), "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(out)


def test_a_dry_run_writes_nothing(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["merge", str(recipe), "--out", str(tmp_path / "half"), "--dry-run"]) == 0
    assert "nothing written" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.fault(28)
def test_fault_28_a_pickle_is_refused_with_the_way_to_convert_it(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text("{}")
    (old / "pytorch_model.bin").write_bytes(b"\x80")
    recipe.write_text(f"{{method: linear, models: [{{path: {old}, weight: 1}}]}}")
    assert main(["merge", str(recipe), "--out", str(tmp_path / "half")]) == 2
    said = capsys.readouterr().err
    assert "pytorch_model.bin" in said
    assert "save_file" in said
    assert main(["merge", "inspect", str(old)]) == 2


@pytest.mark.fault(28)
def test_fault_28_which_of_several_checkpoints_is_broken_is_said(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "config.json").write_text("{}")
    index = second / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"w": "model-00001-of-00002.safetensors"}}')
    recipe.write_text(f"{{method: linear, models: [{BASE}, {second}]}}")
    assert main(["merge", str(recipe), "--dry-run"]) == 2
    assert f"'model-00001-of-00002.safetensors' in {second}" in capsys.readouterr().err
    (second / "model.safetensors").write_bytes(b"short")
    assert main(["merge", str(recipe), "--dry-run"]) == 2
    assert f"{second / 'model.safetensors'} is no sound" in capsys.readouterr().err


@pytest.mark.fault(29)
def test_fault_29_what_stands_in_the_way_is_listed(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(
        f"{{method: linear, models: [{{path: {BASE}, weight: 1}}], settings: nowhere}}"
    )
    assert main(["merge", str(recipe), "--dry-run"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_two_checkpoints_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "change.svg"
    words = ["merge", "diff", str(SFT), str(POST), "--base", str(BASE), "--out", str(picture)]
    assert main([*words, "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert {row["layer"] for row in layers} == {-1, 0, 1, 2, 3}
    assert all(row["relative_norm"] > 0 and -1 <= row["cosine"] <= 1 for row in layers)
    assert any(row["effective_rank"] for row in layers)
    cells = ET.fromstring(picture.read_text()).findall("{http://www.w3.org/2000/svg}rect")
    assert len(cells) == len(layers)
    assert picture.read_text().count("svg{background:") == 2  # one for light, one for dark
    assert main(["merge", "diff", str(BASE), str(BASE)]) == 0
    table = capsys.readouterr().out
    assert "relative norm" in table
    assert "cosine" not in table


@pytest.mark.fault(29)
@pytest.mark.parametrize("name", ["model.norm.weight", "model.layers.1.mlp.up_proj.weight"])
def test_fault_29_nan_is_named_when_two_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((POST / "config.json").read_text())
    weights = load_file(POST / "model.safetensors")
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, broken / "model.safetensors")
    assert main(["merge", "diff", str(BASE), str(broken)]) == 2
    assert f"{broken} holds NaN or infinity in {name!r}" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["nan", "inf", "0", "-1"])
def test_a_size_that_is_none_is_refused(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    words = ["merge", str(recipe), "--out", str(tmp_path / "out"), "--shard-gigabytes", size]
    assert main(words) == 2
    assert "--shard-gigabytes" in capsys.readouterr().err


def test_a_checkpoint_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", "inspect", str(POST), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tied"] is True
    assert told["special_tokens"].keys() >= {"<user>", "<assistant>"}
    assert told["parameters"] * 2 == told["bytes"]
    assert main(["merge", "inspect", str(BASE)]) == 0
    assert "LlamaForCausalLM" in capsys.readouterr().out
